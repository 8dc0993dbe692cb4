// SPDX-License-Identifier: GPL-2.0

//! `struct mount_attr` of `linux/mount.h`, and mounts made with it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use kselftest::raw;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{move_mount, open_tree, MoveMountFlags, OpenTreeFlags};

pub(crate) const RDONLY: u64 = 0x1;
pub(crate) const NOSUID: u64 = 0x2;
pub(crate) const NODEV: u64 = 0x4;
pub(crate) const NOEXEC: u64 = 0x8;
/// All values of the access time setting; `RELATIME` is none of its bits.
pub(crate) const ATIME: u64 = 0x70;
pub(crate) const NOATIME: u64 = 0x10;
pub(crate) const STRICTATIME: u64 = 0x20;
pub(crate) const NODIRATIME: u64 = 0x80;
pub(crate) const IDMAP: u64 = 0x0010_0000;
pub(crate) const NOSYMFOLLOW: u64 = 0x0020_0000;

/// The length of the struct in its first version, which is still the last.
pub(crate) const SIZE: usize = 32;

/// The changes of a mount's attributes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

impl Attr {
    pub(crate) fn set(set: u64) -> Self {
        Self {
            set,
            ..Self::default()
        }
    }

    pub(crate) fn clear(clear: u64) -> Self {
        Self {
            clear,
            ..Self::default()
        }
    }

    pub(crate) fn propagation(propagation: u64) -> Self {
        Self {
            propagation,
            ..Self::default()
        }
    }

    /// The map of the user namespace that `fd` is about, if it is.
    pub(crate) fn map(fd: impl AsFd) -> Self {
        Self {
            set: IDMAP,
            userns_fd: fd.as_fd().as_raw_fd() as u64,
            ..Self::default()
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let numbers = [self.set, self.clear, self.propagation, self.userns_fd];
        numbers
            .iter()
            .flat_map(|number| number.to_ne_bytes())
            .collect()
    }

    /// Changes the mount that `tree` is the root of.
    pub(crate) fn apply(&self, tree: impl AsFd) -> Result<u64, Errno> {
        self.apply_with(tree, 0)
    }

    /// Changes all mounts of a tree.
    pub(crate) fn apply_to_all(&self, tree: impl AsFd) -> Result<u64, Errno> {
        self.apply_with(tree, libc::AT_RECURSIVE)
    }

    fn apply_with(&self, tree: impl AsFd, flags: i32) -> Result<u64, Errno> {
        let flags = flags | libc::AT_EMPTY_PATH;
        let bytes = self.bytes();
        raw::mount_setattr(tree.as_fd().as_raw_fd(), c"", flags, Some(&bytes), SIZE)
    }
}

/// A copy of the mount at a path, attached nowhere.
pub(crate) fn copy(path: impl AsRef<Path>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path.as_ref(), flags)
}

/// Likewise with all mounts below.
pub(crate) fn copy_all(path: impl AsRef<Path>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path.as_ref(), flags)
}

/// Attaches a copy.
pub(crate) fn attach(tree: impl AsFd, target: impl AsRef<Path>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, target.as_ref(), flags)
}

/// Mounts the tree at `source` also at `target`, with the idmap of a user namespace.
pub(crate) fn idmap(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    userns: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let tree = copy(source)?;
    Attr::map(userns).apply(&tree)?;
    attach(tree, target)
}
