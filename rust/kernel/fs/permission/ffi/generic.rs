// SPDX-License-Identifier: GPL-2.0

//! Permission checks of `fs/namei.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::Mask,
        permission::{
            generic::is_granted_to_all,
            CheckError, //
        },
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
    let mask = Mask::new(mask as u32);
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    if is_granted_to_all(inode, mask) {
        return 0;
    }
    // SAFETY: `idmap` is valid.
    unsafe { caller_permission(idmap, inode, mask) }
}

/// The part of [`rust_generic_permission`] that depends on the caller.
///
/// It is not inlined, so that the common case saves no registers and reads no credentials.
///
/// # Safety
///
/// As for [`rust_generic_permission`].
#[inline(never)]
unsafe fn caller_permission(
    idmap: *mut bindings::mnt_idmap,
    inode: &AnyInode,
    mask: Mask,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    CheckError::to_c(task.caller_permission(inode, mask))
}
