// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Directories: whether one has entries, and whether one is above another.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Dir, Mode as OpenMode, OFlags, openat},
    io::Errno,
};

use super::node::Node;

/// Whether a directory has entries.
pub(super) fn is_filled(node: &Node) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |flags| openat(node.best(), ".", flags, OpenMode::empty());
    // Looking must not show in the time of access, where that can be avoided.
    let Ok(file) = open(flags | OFlags::NOATIME).or_else(|_| open(flags)) else {
        return false;
    };
    let Ok(mut entries) = Dir::new(file) else {
        return false;
    };
    entries
        .any(|entry| entry.is_ok_and(|entry| !matches!(entry.file_name().to_bytes(), b"." | b"..")))
}

/// Whether `node` is `directory` or above it, on the same mount.
pub(super) fn is_above(node: &Node, directory: &Node) -> bool {
    fn open(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat(at, name, flags, OpenMode::empty())
    }
    let Ok(mut at) = open(directory.best(), ".") else {
        return false;
    };
    let mut before = None;
    loop {
        let Ok(status) = rustix::fs::fstat(&at) else {
            return false;
        };
        let key = (status.st_dev, status.st_ino);
        if key
            == (
                rustix::fs::makedev(node.device.0, node.device.1),
                node.inode,
            )
        {
            return true;
        }
        // At the root, what is above is the same.
        if before == Some(key) {
            return false;
        }
        before = Some(key);
        let Ok(above) = open(at.as_fd(), "..") else {
            return false;
        };
        at = above;
    }
}
