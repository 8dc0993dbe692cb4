// SPDX-License-Identifier: GPL-2.0

//! Permission checks of `fs/namei.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::Mask,
        permission::CheckError, //
    },
    prelude::*, //
};

/// Checks whether the caller has access to an inode: `generic_permission()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid. The caller must be in an RCU read-side critical section if
/// `mask` has `MAY_NOT_BLOCK`, and may sleep otherwise.
#[export]
unsafe extern "C" fn rust_generic_permission(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    mask: c_int,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    CheckError::to_c(task.mapped_generic_permission(inode, Mask::new(mask as u32)))
}
