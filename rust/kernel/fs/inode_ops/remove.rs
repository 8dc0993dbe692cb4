// SPDX-License-Identifier: GPL-2.0

//! The part that `->unlink()` and `->rmdir()` share.

use crate::{
    bindings,
    error::from_result,
    fs::{
        dentry::{
            Removed,
            Victim, //
        },
        filesystem::FileSystem, //
    },
    prelude::*, //
};
use core::cell::Cell;

/// Calls an operation that removes a name.
///
/// # Safety
///
/// `dir` must be a directory of `T` that is locked for writing, and `dentry` a positive dentry in
/// `dir` whose inode is locked for writing.
#[inline(always)]
pub(super) unsafe fn remove<T: FileSystem>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    operation: impl for<'d> FnOnce(Victim<'d, T>) -> Result<Removed<'d>>,
) -> c_int {
    from_result(|| {
        let done = Cell::new(false);
        // SAFETY: Both inodes are locked for writing, and `dentry` is a positive dentry in `dir`,
        // by the requirements of this function. The closure of this call is the only scope of `'d`.
        // If `done` is set, success is returned below.
        let victim = unsafe { Victim::from_raw(dir, dentry, &done) };
        match operation(victim) {
            // The dentry is no longer persistent. The VFS must delete it.
            Err(_) if done.get() => Ok(0),
            removed => removed.map(|_removed| 0),
        }
    })
}
