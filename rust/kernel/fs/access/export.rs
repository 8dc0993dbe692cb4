// SPDX-License-Identifier: GPL-2.0

//! What C calls: the bodies of functions whose names and exports stay in C.
//!
//! C header: `fs/rust_access.h`

use super::{
    kernel::{
        Current,
        Task, //
    },
    Denied,
    Mask, //
};
use crate::{
    bindings,
    fs::{
        inode::Inode,
        mnt_idmapping::MntIdmap, //
    },
    prelude::*, //
};

/// Brings the current task and a mount together.
///
/// # Safety
///
/// `cred` must be `current_cred()`, and `idmap` valid, until the result is no longer used.
#[inline(always)]
unsafe fn task<'a>(idmap: *mut bindings::mnt_idmap, cred: *const bindings::cred) -> Task<'a> {
    // SAFETY: By the requirements above.
    unsafe { Task::new(Current::from_cred(cred), MntIdmap::from_raw(idmap)) }
}

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
    let (task, inode) = unsafe { (task(idmap, cred), Inode::from_raw(inode)) };
    Denied::to_c(task.mapped_generic_permission(inode, Mask::new(mask as u32)))
}

/// The body of `inode_owner_or_capable()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_inode_owner_or_capable(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    cred: *const bindings::cred,
) -> bool {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), Inode::from_raw(inode)) };
    task.inode_owner_or_capable(inode)
}
