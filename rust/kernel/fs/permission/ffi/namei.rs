// SPDX-License-Identifier: GPL-2.0

//! Checks on directory entries of `fs/namei.c`.

use super::task;
use crate::{
    bindings,
    fs::inode::AnyInode,
    prelude::*, //
};

/// Returns 1 if the sticky bit of a directory keeps the caller from removing or renaming an inode
/// in it, otherwise 0: `__check_sticky()`.
///
/// # Safety
///
/// `idmap`, `dir` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust___check_sticky(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    inode: *mut bindings::inode,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `dir` and `inode` are valid.
    let (dir, inode) = unsafe { (AnyInode::from_raw(dir), AnyInode::from_raw(inode)) };
    task.owns_neither(dir, inode).into()
}
