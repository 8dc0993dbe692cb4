// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What there is to know of a mount.

use std::{
    cell::{OnceCell, RefCell},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use kernel::{
    fs::permission::{HasNamespace, KindIdmap},
    host,
    uidgid::{Filesystem, Group, Id, User},
};
use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
    mount::OpenTreeFlags,
};

use super::{
    layers::Layers,
    view::{MapView, UserNsView},
};
use crate::{
    error::{Error, Step},
    maps::IdMaps,
    mountinfo,
    mounts::{self, MountMap},
    sys::{self, MountAttr, btrfs},
};

/// Filesystems whose objects are decided upon by the rules that all share.
///
/// The others of Linux may have a `->permission()` of their own.
const COMMON: &[&str] = &[
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "msdos", "exfat", "tmpfs", "ramfs",
    "rootfs", "devtmpfs", "squashfs", "erofs", "iso9660", "udf",
];

/// Filesystems that a user namespace may mount, so that they may belong to another one than ours.
const MOUNTED_BY_ANYBODY: &[&str] = &["tmpfs", "ramfs", "overlay", "fuse", "fuseblk"];

/// What the one who asks knows, and the kernel does not tell.
#[derive(Clone, Debug, Default)]
pub struct Told {
    map: Option<IdMaps>,
    mounted_in: Option<((u32, u32), UserNsView)>,
}

impl Told {
    /// The map of every idmapped mount on the way whose map the kernel does not show.
    pub fn map(mut self, map: IdMaps) -> Self {
        self.map = Some(map);
        self
    }

    /// The user namespace that the filesystem which something is on was mounted in, if that is not
    /// the one of this program.
    pub fn mounted_in(mut self, file: BorrowedFd<'_>, userns: UserNsView) -> Result<Self, Error> {
        self.mounted_in = Some((mounts::facts_of(file)?.device, userns));
        Ok(self)
    }
}

/// A mount.
#[derive(Debug)]
pub(super) struct MountView {
    /// What tells it from others now.
    pub(super) key: u64,
    /// The device of the filesystem.
    pub(super) device: (u32, u32),
    pub(super) target: PathBuf,
    /// The directory of the filesystem that it shows.
    pub(super) root: PathBuf,
    pub(super) filesystem: String,
    pub(super) map: MapView,
    /// The user namespace that the filesystem was mounted in.
    pub(super) userns: UserNsView,
    /// As bits of `MOUNT_ATTR_...`.
    attributes: u64,
    /// Whether the filesystem itself is read-only.
    pub(super) sb_read_only: bool,
    /// Whether the map was given, and not shown by the kernel.
    is_told: bool,
    /// The layers of overlayfs.
    layers: OnceCell<Layers>,
    options: Vec<Vec<u8>>,
    /// The subvolumes of btrfs that were entered, by their devices, and whether they are read-only.
    subvolumes: RefCell<Vec<((u32, u32), bool)>>,
    /// Places where the mount was entered, and the same through a copy of it that has no map.
    copies: RefCell<Vec<(u64, OwnedFd)>>,
}

impl MountView {
    /// What tells the mount that an open object is on from others, for good since Linux 6.8.
    pub(super) fn key_of(file: BorrowedFd<'_>) -> Result<u64, Error> {
        mounts::mount_id(file).map_err(|errno| Error::new(Step::LookAtMount, "", errno))
    }

    /// The mount that an open object is on.
    pub(super) fn of(file: BorrowedFd<'_>, key: u64, told: &Told) -> Result<Self, Error> {
        let facts = mounts::facts_of(file)?;
        let mount = facts.mount;
        let target = mount.target.display();
        let is_told = matches!(mount.map, MountMap::Hidden);
        let map = match mount.map {
            MountMap::None => None,
            MountMap::Maps(maps) => Some(maps),
            MountMap::Hidden => match &told.map {
                Some(maps) => Some(maps.clone()),
                None => {
                    let cause = format!(
                        "the kernel does not show the map of the mount at {target} (that came \
                         with Linux 6.15, and only ranges that this user namespace has are \
                         shown); give it with --map"
                    );
                    return Err(
                        Error::new(Step::LookAtMount, target.to_string(), Errno::NODATA)
                            .because(Some(cause)),
                    );
                }
            },
        };
        let userns = match &told.mounted_in {
            Some((device, userns)) if *device == facts.device => userns.clone(),
            _ => UserNsView::ours()?,
        };
        let has_options = mount.filesystem == "btrfs" || mount.filesystem.starts_with("fuse");
        Ok(Self {
            options: match has_options {
                true => mountinfo::sb_options_of(file),
                false => Vec::new(),
            },
            key,
            device: facts.device,
            target: mount.target,
            root: mount.root,
            layers: OnceCell::new(),
            is_told,
            filesystem: mount.filesystem,
            map: MapView(map),
            userns,
            attributes: facts.attributes,
            sb_read_only: facts.sb_read_only,
            subvolumes: RefCell::default(),
            copies: RefCell::default(),
        })
    }

    /// Something on this mount through a copy of the mount that has no map, if it has one here;
    /// that takes Linux 6.15 and root.
    ///
    /// For the same thing it is the same copy, as one cannot move names from copy to copy.
    pub(super) fn without_map(&self, file: BorrowedFd<'_>) -> Option<OwnedFd> {
        if !self.is_idmapped() {
            return None;
        }
        let inode = rustix::fs::fstat(file).ok()?.st_ino;
        let mut copies = self.copies.borrow_mut();
        if let Some((_, copy)) = copies.iter().find(|(at, _)| *at == inode) {
            return copy.try_clone().ok();
        }
        let attr = MountAttr {
            clear: sys::ATTR_IDMAP,
            ..MountAttr::default()
        };
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let flags = flags.bits() | OpenTreeFlags::AT_EMPTY_PATH.bits();
        let copy = sys::open_tree_attr(file, c"", flags, &attr).ok()?;
        let shared = copy.try_clone().ok();
        copies.push((inode, copy));
        shared
    }

    /// Whether an object is in a read-only subvolume of btrfs. `device` is that of the object, which
    /// each subvolume has one of; a directory of the subvolume is asked.
    pub(super) fn is_in_read_only_subvolume(
        &self,
        device: (u32, u32),
        file: BorrowedFd<'_>,
    ) -> bool {
        if self.filesystem != "btrfs" {
            return false;
        }
        let mut subvolumes = self.subvolumes.borrow_mut();
        if let Some((_, is_read_only)) = subvolumes.iter().find(|(other, _)| *other == device) {
            return *is_read_only;
        }
        let Some(Ok((_, is_read_only))) = readable(file).map(|it| btrfs::subvolume_of(it.as_fd()))
        else {
            return false;
        };
        subvolumes.push((device, is_read_only));
        is_read_only
    }

    /// Whether the filesystem has an option; the options of btrfs and FUSE are kept.
    pub(super) fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|it| it == option.as_bytes())
    }

    /// The number of an option that begins so.
    pub(super) fn number(&self, option: &str) -> Option<u32> {
        let values = self.options.iter();
        let value = values
            .filter_map(|it| it.strip_prefix(option.as_bytes()))
            .next()?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }

    /// What is stored for an owner and a group that are seen through it, if it knows both.
    pub(super) fn stored(&self, user: u32, group: u32) -> Option<(u32, u32)> {
        let user: Id<User, Filesystem> = self.map.from_vfsid(self, host::id(user))?;
        let group: Id<Group, Filesystem> = self.map.from_vfsid(self, host::id(group))?;
        Some((user.get(), group.get()))
    }

    /// What is assumed of it where a caller in `home` is concerned.
    pub(super) fn doubt(&self, home: &UserNsView, doubts: &mut Vec<String>) {
        let (filesystem, target) = (&*self.filesystem, self.target.display());
        if self.is_idmapped() && !self.is_told && !self.userns.is_initial() {
            doubts.push(format!(
                "the map of the mount at {target} has no other ranges than those that are shown; \
                 the kernel shows none whose ids this user namespace has not"
            ));
        }
        if self.layers().is_some_and(|layers| !layers.is_complete()) {
            doubts.push(format!(
                "the layers of the overlay at {target}, which are not found from here, have no maps \
                 (--namespace looks from its mount namespace)"
            ));
        }
        let is_ours = self.userns.is_ours();
        let is_below = !home.is_ours() || !self.userns.is_initial();
        if is_ours && is_below && MOUNTED_BY_ANYBODY.contains(&filesystem) {
            doubts.push(format!(
                "the {filesystem} at {target} was mounted in the user namespace of this program \
                 (--mounted-in tells otherwise)"
            ));
        }
        if self.is_fuse() {
            doubts.push(match self.is_checked_by_server() {
                true => format!(
                    "the server of the {filesystem} at {target} allows it: it checks permissions \
                     itself, as the option default_permissions is missing"
                ),
                false => format!("the server of the {filesystem} at {target} does not refuse it"),
            });
        } else if !COMMON.contains(&filesystem) {
            doubts.push(format!(
                "the {filesystem} at {target} has no rules of its own"
            ));
        }
    }

    /// Keeps the layers of overlayfs.
    pub(super) fn set_layers(&self, layers: Layers) {
        // They are set once, before the mount is handed out.
        let _ = self.layers.set(layers);
    }

    /// The layers, if this is a mount of overlayfs.
    pub(super) fn layers(&self) -> Option<&Layers> {
        self.layers.get()
    }

    /// Why the ids on disk are not known, if so.
    pub(super) fn disk_is_hidden(&self) -> Option<&'static str> {
        if self.is_fuse() {
            return Some("known to the server only");
        }
        let is_elsewhere = self.userns.is_ours()
            && !self.userns.is_initial()
            && !MOUNTED_BY_ANYBODY.contains(&&*self.filesystem);
        is_elsewhere.then_some("not seen from this user namespace")
    }

    pub(super) fn is_idmapped(&self) -> bool {
        self.map.0.is_some()
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.attributes & 0x1 != 0 || self.sb_read_only
    }

    /// Why nothing is written through it.
    pub(super) fn why_read_only(&self) -> &'static str {
        let upper = self.layers().and_then(Layers::upper);
        match (self.sb_read_only, upper) {
            (false, _) => "the mount is read-only",
            (true, None) => "the filesystem is read-only",
            (true, Some(upper)) if upper.mount.is_idmapped() => {
                "the overlay has a layer to write to and is read-only: overlayfs mounts itself so \
                 where it can make nothing in its work directory, which takes an entry for user \
                 and group 0 in the map of the mount that it is on (see the kernel's log)"
            }
            (true, Some(_)) => "the overlay is read-only",
        }
    }

    pub(super) fn is_nosuid(&self) -> bool {
        self.attributes & 0x2 != 0
    }

    pub(super) fn is_nodev(&self) -> bool {
        self.attributes & 0x4 != 0
    }

    pub(super) fn is_noexec(&self) -> bool {
        self.attributes & 0x8 != 0
    }

    pub(super) fn is_nosymfollow(&self) -> bool {
        self.attributes & 0x0020_0000 != 0
    }
}

/// A directory, opened for its ioctls.
pub(super) fn readable(file: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(file, ".", flags, Mode::empty()).ok()
}

impl HasNamespace<UserNsView> for MountView {
    fn namespace(&self) -> &UserNsView {
        &self.userns
    }
}
