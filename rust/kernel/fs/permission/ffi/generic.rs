// SPDX-License-Identifier: GPL-2.0

//! Whether the caller may read, write or execute.

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

/// The body of `generic_permission()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_generic_permission(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    mask: c_int,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    CheckError::to_c(task.mapped_generic_permission(inode, Mask::new(mask as u32)))
}

/// What `inode_permission()` asks of an inode that is to be written to, before it asks the
/// filesystem and the security modules.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_may_write_inode(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    CheckError::to_c(task.mapped_inode_permission(inode, Mask::MAY_WRITE, || Ok(())))
}
