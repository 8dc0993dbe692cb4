// SPDX-License-Identifier: GPL-2.0

//! Idmapped mounts: copies of a mount that get an idmap and are attached.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use kselftest::{errno::SyscallResult, process, raw, userns::UserNs};
use rustix::{
    fs::CWD,
    mount::{
        MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
    },
    thread::UnshareFlags,
};

/// `MOUNT_ATTR_IDMAP`
const IDMAP: u64 = 0x0010_0000;

/// Moves this process into a new mount namespace, in which mounts stay.
pub(crate) fn new_namespace() -> SyscallResult {
    process::unshare(UnshareFlags::NEWNS)?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
}

/// Returns a copy of a mount that is not attached.
pub(crate) fn copy(path: &Path) -> SyscallResult<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags)
}

/// Encodes `struct mount_attr`.
fn mount_attr(set: u64, clear: u64, fd: u64) -> Vec<u8> {
    [set, clear, 0, fd]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}

fn idmap_attr(userns: &UserNs) -> Vec<u8> {
    mount_attr(IDMAP, 0, userns.as_fd().as_raw_fd() as u64)
}

/// Gives a mount an idmap.
pub(crate) fn set_idmap(tree: &OwnedFd, userns: &UserNs) -> SyscallResult {
    let attr = idmap_attr(userns);
    let flags = libc::AT_EMPTY_PATH;
    raw::mount_setattr(tree.as_raw_fd(), c"", flags, Some(&attr), attr.len()).map(drop)
}

fn copy_with(path: &Path, attr: &[u8]) -> SyscallResult<OwnedFd> {
    let dir = open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    let flags = libc::AT_EMPTY_PATH as u32 | 1;
    raw::open_tree_attr(dir.as_raw_fd(), c"", flags, Some(attr), attr.len())
}

/// Returns a copy of a mount that has another idmap. An idmap composes in a new copy only, so this
/// takes one system call.
pub(crate) fn copy_with_idmap(path: &Path, userns: &UserNs) -> SyscallResult<OwnedFd> {
    copy_with(path, &idmap_attr(userns))
}

/// Returns a copy of a mount that has no idmap.
pub(crate) fn copy_without_idmap(path: &Path) -> SyscallResult<OwnedFd> {
    copy_with(path, &mount_attr(0, IDMAP, 0))
}

/// Attaches a mount.
pub(crate) fn attach(tree: &OwnedFd, target: &Path) -> SyscallResult {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, target, flags)
}
