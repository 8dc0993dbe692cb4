// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What there is to know of a file, as decisions ask it.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
    vec,
};

use kernel::{
    fs::{
        mode::{InodeFlags, Mask, Mode},
        permission::{
            CheckError, CheckResult, Entry, HasNamespace, InodeAttrs, InodePerm, KindIdmap, Tag,
        },
    },
    host,
    uidgid::{Filesystem, FsGid, FsUid, Group, Id, User, Vfs},
};
use rustix::{
    fs::{AtFlags, StatxFlags, getxattr, statx},
    io::Errno,
};

use super::{
    mount::MountView,
    view::{Pick, UserNsView, raw},
};
use crate::{
    error::{Error, Step},
    sys::btrfs,
};

/// The number that stands for ids without a name, by default.
const OVERFLOW: u32 = 65534;

/// An object, by a file descriptor that can be used for nothing but to name it.
pub(super) struct Node {
    /// As it was reached.
    file: OwnedFd,
    /// The same through a copy of the mount that has no map.
    plain: Option<OwnedFd>,
    /// Whether `file` is through that copy, too.
    is_only_plain: bool,
    pub(super) mount: Rc<MountView>,
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
    mode: Mode,
    owner: Option<FsUid>,
    group: Option<FsGid>,
    flags: InodeFlags,
    acl: Acl,
    /// Whether it is in a read-only subvolume of btrfs.
    is_subvolume_read_only: bool,
}

/// What is known of an object's access ACL.
enum Acl {
    /// The filesystem has none.
    Unsupported,
    None,
    Entries(Vec<Entry<Filesystem>>),
}

impl Node {
    /// Looks at an object. `plain` is the same through a copy of its mount that has no map, if there
    /// is one already.
    pub(super) fn new(
        file: OwnedFd,
        mount: Rc<MountView>,
        plain: Option<OwnedFd>,
        doubts: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let fail = |errno| Error::new(Step::LookAtObject, place(file.as_fd()), errno);
        let best = plain.as_ref().unwrap_or(&file);
        let status = statx(best, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(fail)?;
        let mut flags = InodeFlags::EMPTY;
        let has = |bit: u64| status.stx_attributes.bits() & bit != 0;
        // `STATX_ATTR_IMMUTABLE`, `STATX_ATTR_APPEND` and `STATX_ATTR_VERITY`.
        for (bit, flag) in [
            (0x10, InodeFlags::S_IMMUTABLE),
            (0x20, InodeFlags::S_APPEND),
            (0x0010_0000, InodeFlags::S_VERITY),
        ] {
            if has(bit) {
                flags = flags.with(flag);
            }
        }
        let mut node = Self {
            mode: Mode::new(status.stx_mode),
            owner: None,
            group: None,
            flags,
            acl: Acl::None,
            is_subvolume_read_only: false,
            device: (status.stx_dev_major, status.stx_dev_minor),
            inode: status.stx_ino,
            file,
            plain,
            is_only_plain: false,
            mount,
        };
        node.is_subvolume_read_only = node
            .mount
            .is_in_read_only_subvolume(node.device, node.best());
        node.owner = node.stored(status.stx_uid, doubts);
        node.group = node.stored(status.stx_gid, doubts);
        if !node.mode.is_lnk() {
            node.acl = node.read_acl()?;
        }
        Ok(node)
    }

    /// Looks at an object that was reached only through a copy of its mount that has no map.
    pub(super) fn only_plain(
        plain: OwnedFd,
        mount: Rc<MountView>,
        doubts: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let file = plain.try_clone().map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Error::new(Step::LookAtObject, "", errno)
        })?;
        let mut node = Self::new(file, mount, Some(plain), doubts)?;
        node.is_only_plain = true;
        Ok(node)
    }

    /// The object as it was reached.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The object without a map, if that is possible.
    pub(super) fn best(&self) -> BorrowedFd<'_> {
        self.plain.as_ref().unwrap_or(&self.file).as_fd()
    }

    /// The mount whose map [`Node::best`] is seen through, if it is seen through one.
    pub(super) fn map_of_best(&self) -> Option<Rc<MountView>> {
        let through = self.plain.is_none() && self.mount.is_idmapped();
        through.then(|| Rc::clone(&self.mount))
    }

    /// The name of the object without a map that the system calls take which want one.
    pub(super) fn best_path(&self) -> String {
        place(self.best())
    }

    /// The object through a copy of the mount that has no map, if there is one.
    pub(super) fn plain(&self) -> Option<BorrowedFd<'_>> {
        self.plain.as_ref().map(AsFd::as_fd)
    }

    /// Whether there is a copy of the mount without a map, or no need for one.
    pub(super) fn has_plain(&self) -> bool {
        self.plain.is_some() || !self.mount.is_idmapped()
    }

    /// The owner and the group, as they are given to new objects: through a copy of the mount that
    /// has no map if `is_plain`, and else through the mount.
    pub(super) fn ids(&self, is_plain: bool) -> Option<(u32, u32)> {
        if is_plain {
            return Some((self.owner?.get(), self.group?.get()));
        }
        let user: Id<User, Vfs> = self.mount.map.make_vfsid(self, self.owner)?;
        let group: Id<Group, Vfs> = self.mount.map.make_vfsid(self, self.group)?;
        Some((user.get(), group.get()))
    }

    /// Whether it was only reached through that copy.
    pub(super) fn is_only_plain(&self) -> bool {
        self.is_only_plain
    }

    /// What is stored for an id that was read.
    fn stored<K: Pick>(&self, id: u32, doubts: &mut Vec<String>) -> Option<Id<K, Filesystem>> {
        if self.plain.is_some() || !self.mount.is_idmapped() {
            let known = id != OVERFLOW || UserNsView::ours().is_ok_and(|ours| ours.is_initial());
            if !known {
                doubts.push(format!(
                    "{} {id} at {} stands for one that has no name here",
                    K::NAME,
                    super::lookup::shown(self)
                ));
            }
            return if known { host::id(id) } else { None };
        }
        if id == OVERFLOW {
            doubts.push(format!(
                "{} {id} at {} stands for one that the map leaves out",
                K::NAME,
                super::lookup::shown(self)
            ));
        }
        let seen: Option<Id<K, Vfs>> = host::id(id);
        self.mount.map.from_vfsid(self, seen)
    }

    fn read_acl(&self) -> Result<Acl, Error> {
        let path = self.best_path();
        let value = match xattr(&path, "system.posix_acl_access") {
            Ok(value) => value,
            Err(Errno::NODATA) => return Ok(Acl::None),
            Err(Errno::OPNOTSUPP) => return Ok(Acl::Unsupported),
            Err(errno) => return Err(Error::new(Step::LookAtObject, path, errno)),
        };
        // After the version: tag, permissions and id of each.
        let entries = value.get(4..).unwrap_or_default().chunks_exact(8);
        let short = |entry: &[u8], at: usize| {
            let bytes = entry.get(at..).and_then(<[u8]>::first_chunk);
            bytes.copied().map_or(0, u16::from_le_bytes)
        };
        let entry = |entry: &[u8]| {
            let bytes = entry.get(4..).and_then(<[u8]>::first_chunk);
            let id = bytes.copied().map_or(u32::MAX, u32::from_le_bytes);
            let tag = match short(entry, 0) {
                0x01 => Tag::UserObj,
                0x02 => Tag::User(self.entry_id::<User>(id)),
                0x04 => Tag::GroupObj,
                0x08 => Tag::Group(self.entry_id::<Group>(id)),
                0x10 => Tag::Mask,
                0x20 => Tag::Other,
                _ => Tag::Unknown,
            };
            Entry {
                tag,
                perm: short(entry, 2),
            }
        };
        Ok(Acl::Entries(entries.map(entry).collect()))
    }

    /// What is stored for an id in an ACL.
    fn entry_id<K: Pick>(&self, id: u32) -> Option<Id<K, Filesystem>> {
        if self.plain.is_some() || !self.mount.is_idmapped() {
            return host::id(id);
        }
        let seen: Option<Id<K, Vfs>> = host::id(id);
        self.mount.map.from_vfsid(self, seen)
    }

    /// Whether it is the same object.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// What its filesystem calls the owner or group that is stored, as on disk.
    pub(super) fn on_disk<K: Pick>(&self, id: Option<Id<K, Filesystem>>) -> Option<u32>
    where
        UserNsView: kernel::fs::permission::UidGidMap<K>,
    {
        let id: Id<K, kernel::uidgid::Kernel> = host::id(raw(id))?;
        kernel::fs::permission::UidGidMap::<K>::from_kid(&self.mount.userns, id).map(Id::get)
    }

    /// Whether it is in a read-only subvolume of btrfs.
    pub(super) fn is_subvolume_read_only(&self) -> bool {
        self.is_subvolume_read_only
    }

    /// Whether it is the root directory of a subvolume of btrfs.
    pub(super) fn is_subvolume(&self) -> bool {
        self.mount.filesystem == "btrfs" && self.inode == btrfs::FIRST_FREE_OBJECTID
    }

    pub(super) fn raw_mode(&self) -> u32 {
        self.mode.bits().into()
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode.is_dir()
    }

    pub(super) fn is_link(&self) -> bool {
        self.mode.is_lnk()
    }

    /// The kind of object, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self.mode.kind().bits() {
            0o120000 => "symbolic link",
            0o100000 => "file",
            0o040000 => "directory",
            0o010000 => "named pipe",
            0o140000 => "socket",
            _ => "device",
        }
    }
}

/// The value of an extended attribute.
pub(super) fn xattr(path: &str, name: &str) -> Result<Vec<u8>, Errno> {
    // Most are short, and the kernel takes as much memory as there may be.
    let mut room = 512;
    loop {
        let mut value = vec![0; room];
        match getxattr(path, name, &mut value[..]) {
            Err(Errno::RANGE) if room < 65536 => room = 65536,
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// The name that an open object has in /proc.
pub(super) fn place(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

impl HasNamespace<UserNsView> for Node {
    fn namespace(&self) -> &UserNsView {
        &self.mount.userns
    }
}

impl InodeAttrs<UserNsView> for Node {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn i_uid(&self) -> Option<FsUid> {
        self.owner
    }

    fn i_gid(&self) -> Option<FsGid> {
        self.group
    }

    fn flags(&self) -> InodeFlags {
        self.flags
    }
}

impl InodePerm<UserNsView> for Node {
    type Entries<'a> = vec::IntoIter<Entry<Filesystem>>;

    fn no_acl(&self) -> bool {
        matches!(self.acl, Acl::None | Acl::Unsupported)
    }

    fn is_posixacl(&self) -> bool {
        !matches!(self.acl, Acl::Unsupported)
    }

    fn is_read_only(&self) -> bool {
        self.mount.sb_read_only
    }

    fn with_acl<R>(
        &self,
        _: Mask,
        judge: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        match &self.acl {
            Acl::Entries(entries) => Ok(Some(judge(entries.clone().into_iter()))),
            Acl::None | Acl::Unsupported => Ok(None),
        }
    }
}

/// The error number of a refusal on this architecture.
pub(super) fn errno(denied: CheckError) -> Errno {
    match denied {
        // Above 34, the numbers of some architectures are others.
        CheckError::ENODATA => Errno::NODATA,
        CheckError::EOVERFLOW => Errno::OVERFLOW,
        CheckError::EOPNOTSUPP => Errno::OPNOTSUPP,
        denied => Errno::from_raw_os_error(denied.to_errno().saturating_neg()),
    }
}
