// SPDX-License-Identifier: GPL-2.0

//! Ownership checks of `fs/inode.c` and `kernel/capability.c`.

use super::{
    task,
    Current, //
};
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        permission::Caller, //
    },
    prelude::*,
    uidgid::Id,
    user_namespace::UserNamespace, //
};

/// Returns whether the caller owns an inode or has `CAP_FOWNER` over its owner:
/// `inode_owner_or_capable()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_inode_owner_or_capable(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
) -> bool {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    task.inode_owner_or_capable(unsafe { AnyInode::from_raw(inode) })
}

/// Returns whether the caller is in a group or has `CAP_FSETID` over an inode:
/// `in_group_or_capable()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_in_group_or_capable(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    vfsgid: bindings::vfsgid_t,
) -> bool {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    task.in_group_or_capable(inode, Id::from_c(vfsgid.val))
}

/// Returns whether a user namespace maps the owner and the group of an inode:
/// `privileged_wrt_inode_uidgid()`.
///
/// # Safety
///
/// `ns`, `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_privileged_wrt_inode_uidgid(
    ns: *mut bindings::user_namespace,
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
) -> bool {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `ns` is valid.
    let ns = unsafe { UserNamespace::from_raw(ns) };
    // SAFETY: `inode` is valid.
    task.privileged_wrt_inode_uidgid(ns, unsafe { AnyInode::from_raw(inode) })
}

/// Returns whether the caller has a capability in its user namespace, and this maps the owner and
/// the group of an inode: `capable_wrt_inode_uidgid()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_capable_wrt_inode_uidgid(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    cap: c_int,
) -> bool {
    // SAFETY: No function that is called here changes credentials.
    let current = unsafe { Current::new() };
    let ns = current.namespace();
    // `Caller::ns_capable()` takes only the capabilities that the checks in Rust use.
    //
    // SAFETY: `idmap` and `inode` are valid: see the requirements above.
    current.has_capability(ns, cap)
        && unsafe { rust_privileged_wrt_inode_uidgid(ns.as_ptr(), idmap, inode) }
}
