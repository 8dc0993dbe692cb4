// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Stand-ins: new objects that an operation is tried on in place of those that a user has.
//!
//! A stand-in is on the same mount as its original and has the same kind, owner, group, mode, ACLs,
//! capabilities and inode flags, which are all that permission checks look at. It is made in a new
//! directory that nobody else can write to, through a copy of the mount without a map where there
//! is one, and is compared with the original before it is used.

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use kernel::fs::{mode::InodeFlags, permission::InodeAttrs};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, IFlags, Mode as Bits, OFlags, Stat, Uid, XattrFlags, chmodat,
        chownat, fstat, ioctl_getflags, ioctl_setflags, mkdirat, mknodat, openat, readlinkat,
        removexattr, setxattr, statat, symlinkat,
    },
    io::Errno,
    mount::{OpenTreeFlags, open_tree},
};

use super::{
    lookup::{Route, Step},
    mount::readable,
    node::{Node, place, xattr},
    workshop::make_subvolume,
};
use crate::{
    error::{self, Error},
    sys::{self, MountAttr, btrfs, with_owner},
};

/// Attributes that permission checks look at.
const XATTRS: [&str; 3] = [
    "system.posix_acl_access",
    "system.posix_acl_default",
    "security.capability",
];

/// How objects are opened that are only looked at.
pub(super) const OPEN: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why an operation is not tried.
pub(super) fn untried(why: impl Into<String>) -> Error {
    Error::new(error::Step::Try, "", Errno::OPNOTSUPP).because(Some(why.into()))
}

pub(super) fn failed(what: &str, errno: Errno) -> Error {
    let cause = match errno {
        Errno::NOSPC | Errno::DQUOT => Some(
            "there is no room for the new object that the operation is tried on in place of the \
             real one"
                .to_owned(),
        ),
        _ => None,
    };
    Error::new(error::Step::Try, what, errno).because(cause)
}

/// An object that a trial acts on.
pub(super) struct StandIn {
    /// Through a copy of the mount without a map, where there is one.
    pub(super) file: OwnedFd,
    /// Through the mount.
    pub(super) seen: Option<OwnedFd>,
}

impl StandIn {
    pub(super) fn seen(&self) -> BorrowedFd<'_> {
        self.seen.as_ref().unwrap_or(&self.file).as_fd()
    }
}

/// A new object.
pub(super) struct New {
    pub(super) file: OwnedFd,
}

impl New {
    /// Makes an object of the kind and with the owner of another one.
    pub(super) fn make(
        original: &Node,
        room: BorrowedFd<'_>,
        name: &CStr,
        is_plain: bool,
    ) -> Result<Self, Error> {
        let Some((user, group)) = original.ids(is_plain) else {
            return Err(untried("its owner or its group is not known"));
        };
        let bits = Bits::from_raw_mode(0o600);
        let kind = FileType::from_raw_mode(original.mode().bits().into());
        let make = || match kind {
            FileType::Directory if original.is_subvolume() => make_subvolume(room, name),
            FileType::Directory => mkdirat(room, name, Bits::from_raw_mode(0o700)),
            FileType::Symlink => {
                let text = readlinkat(original.best(), "", Vec::new())?;
                symlinkat(&*text, room, name)
            }
            // Whichever device it is, the stand-in is the one that does nothing.
            FileType::CharacterDevice => mknodat(room, name, kind, bits, rustix::fs::makedev(1, 3)),
            kind => mknodat(room, name, kind, bits, 0),
        };
        let made = with_owner(user, group, make);
        made.map_err(|errno| failed("making one like it", errno))?;
        let file = openat(room, name, OPEN, Bits::empty())
            .map_err(|errno| failed("opening one like it", errno))?;
        let made = Self { file };
        let status = fstat(&made.file).map_err(|errno| failed("", errno))?;
        // An object with other names, or of somebody else, was put in the place of the new one.
        let links = if kind == FileType::Directory { 2 } else { 1 };
        let is_new = status.st_nlink <= links && (is_own(&status) || status.st_uid == user);
        if !is_new || FileType::from_raw_mode(status.st_mode) != kind {
            return Err(untried(MOVED));
        }
        made.own(original, is_plain)?;
        Ok(made)
    }

    /// Gives the object the owner and the group of the original.
    fn own(&self, original: &Node, is_plain: bool) -> Result<(), Error> {
        let Some((user, group)) = original.ids(is_plain) else {
            return Ok(());
        };
        let now = fstat(&self.file).map_err(|errno| failed("", errno))?;
        if (now.st_uid, now.st_gid) == (user, group) {
            return Ok(());
        }
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        chownat(&self.file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)
            .map_err(|errno| failed("giving it the owner", errno))
    }

    pub(super) fn finish(&self, original: &Node) -> Result<(), Error> {
        self.dress(original)?;
        self.lock(original)?;
        self.compare(original)
    }

    /// Gives the object the mode and the attributes of the original.
    pub(super) fn dress(&self, original: &Node) -> Result<(), Error> {
        let path = place(self.file.as_fd());
        if original.is_link() {
            return Ok(());
        }
        for name in XATTRS {
            let fail = |errno| failed(name, errno);
            match (xattr(&original.best_path(), name), xattr(&path, name)) {
                (Ok(value), now) if now.as_ref() != Ok(&value) => {
                    setxattr(&*path, name, &value, XattrFlags::empty()).map_err(fail)?;
                }
                (Err(_), Ok(_)) => removexattr(&*path, name).map_err(fail)?,
                _ => {}
            }
        }
        let mode = Bits::from_raw_mode(original.mode().bits().into());
        let now = fstat(&self.file)
            .map_err(|errno| failed("", errno))?
            .st_mode;
        if Bits::from_raw_mode(now) == mode {
            return Ok(());
        }
        chmodat(CWD, &*path, mode, AtFlags::empty())
            .map_err(|errno| failed("giving it the mode", errno))
    }

    /// Gives the object the inode flags of the original.
    pub(super) fn lock(&self, original: &Node) -> Result<(), Error> {
        let mut wanted = IFlags::empty();
        for (flag, bit) in [
            (InodeFlags::S_IMMUTABLE, IFlags::IMMUTABLE),
            (InodeFlags::S_APPEND, IFlags::APPEND),
        ] {
            if original.flags().has(flag) {
                wanted |= bit;
            }
        }
        let is_file = original.is_directory() || original.mode().is_reg();
        if !is_file {
            return match wanted.is_empty() {
                true => Ok(()),
                false => Err(untried("it is immutable or append-only")),
            };
        }
        let locks = IFlags::APPEND | IFlags::IMMUTABLE;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let set = || {
            let file = openat(CWD, place(self.file.as_fd()), flags, Bits::empty())?;
            match ioctl_getflags(&file) {
                Ok(now) if now & locks == wanted => Ok(()),
                Ok(now) => ioctl_setflags(&file, (now - locks) | wanted),
                // The filesystem has none.
                Err(_) if wanted.is_empty() => Ok(()),
                Err(errno) => Err(errno),
            }
        };
        set().map_err(|errno| failed("giving it the inode flags", errno))?;
        if original.is_subvolume() && original.is_subvolume_read_only() {
            let locked = readable(self.file.as_fd())
                .ok_or(Errno::ACCESS)
                .and_then(|file| btrfs::lock_subvolume(file.as_fd()));
            locked.map_err(|errno| failed("making it read-only", errno))?;
        }
        Ok(())
    }

    /// Fails unless the object is like the original in all that permission checks look at.
    pub(super) fn compare(&self, original: &Node) -> Result<(), Error> {
        let status = |file: BorrowedFd<'_>| fstat(file).map_err(|errno| failed("", errno));
        same(&status(self.file.as_fd())?, &status(original.best())?)?;
        if original.is_link() {
            return Ok(());
        }
        let path = place(self.file.as_fd());
        for name in XATTRS {
            if xattr(&original.best_path(), name) != xattr(&path, name) {
                return Err(untried(format!("another object does not get its {name}")));
            }
        }
        Ok(())
    }
}

/// Why nothing is tried where another process interferes.
pub(super) const MOVED: &str = "somebody else moves names beside it";

/// Whether an object belongs to this program.
pub(super) fn is_own(status: &Stat) -> bool {
    status.st_uid == rustix::process::geteuid().as_raw()
}

pub(super) fn inode(status: &Stat) -> (u64, u64) {
    (status.st_dev as _, status.st_ino as _)
}

/// Fails unless owner, group and mode are the same.
pub(super) fn same(one: &Stat, other: &Stat) -> Result<(), Error> {
    let facts = |status: &Stat| (status.st_uid, status.st_gid, status.st_mode);
    match facts(one) == facts(other) {
        true => Ok(()),
        false => Err(untried("another object does not get its owner and mode")),
    }
}

/// An object through a copy of its mount that is read-only, and stays so.
pub(super) fn read_only_copy(node: &Node) -> Result<OwnedFd, Error> {
    /// `MOUNT_ATTR_RDONLY` of `linux/mount.h`.
    const READ_ONLY: u64 = 0x1;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let attr = MountAttr {
        set: READ_ONLY,
        ..MountAttr::default()
    };
    let copy = open_tree(node.file(), "", flags).and_then(|copy| {
        sys::mount_setattr(copy.as_fd(), false, &attr)?;
        Ok(copy)
    });
    copy.map_err(|errno| {
        untried(format!(
            "the mount is read-only and may become writable in between; a copy of it that stays \
             read-only cannot be made here ({})",
            error::errno_name(errno)
        ))
    })
}

/// Whether names can be made and removed in a directory.
pub(super) fn is_writable(directory: &Node) -> bool {
    let locks = InodeFlags::S_APPEND.with(InodeFlags::S_IMMUTABLE);
    let is_read_only = directory.mount.is_read_only() || directory.is_subvolume_read_only();
    !is_read_only && !directory.flags().has_any(locks)
}

/// Why nothing is made in some directories of overlayfs.
pub(super) const COPIED: &str = "overlayfs would copy the directory to its upper layer, where the \
                                 copy would stay";

/// Whether overlayfs copies a directory in which something is made.
pub(super) fn is_copied(directory: &Node) -> bool {
    let layers = directory.mount.layers();
    layers.is_some_and(|layers| !layers.is_upper(directory))
}

/// The directories on the way to an object in which a stand-in for it can be made, best first.
pub(super) fn workplaces(route: &Route, original: &Rc<Node>) -> Vec<Rc<Node>> {
    let mut places: Vec<Rc<Node>> = Vec::new();
    let mut add = |node: &Rc<Node>| {
        let is_fit = node.mount.key == original.mount.key
            && is_writable(node)
            && !node.is_only_plain()
            // Names of a file are in one subvolume of btrfs, as is what makes it read-only.
            && (original.is_subvolume() || node.device == original.device)
            && !is_copied(node)
            && !places.iter().any(|other| other.is(node));
        if is_fit && places.len() < 8 {
            places.push(Rc::clone(node));
        }
    };
    for step in route.steps.iter().rev() {
        if let Step::Search { directory, .. } = step {
            add(directory);
        }
    }
    if original.is_directory() {
        add(original);
    }
    places
}

/// Whether a name is in a directory.
pub(super) fn status_of(directory: &Node, name: &CStr) -> Result<Stat, Errno> {
    statat(directory.best(), name, AtFlags::SYMLINK_NOFOLLOW)
}
