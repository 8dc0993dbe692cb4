// SPDX-License-Identifier: GPL-2.0

//! Who owns an object, and whose capabilities count for it.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        permission::{
            current::Current,
            Caller, //
        },
    },
    prelude::*,
    uidgid::Id,
    user_namespace::UserNamespace, //
};

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
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    task.inode_owner_or_capable(inode)
}

/// The body of `privileged_wrt_inode_uidgid()`.
///
/// # Safety
///
/// `ns`, `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_privileged_wrt_inode_uidgid(
    ns: *mut bindings::user_namespace,
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    cred: *const bindings::cred,
) -> bool {
    // SAFETY: By the requirements above.
    unsafe {
        let (ns, inode) = (UserNamespace::from_raw(ns), AnyInode::from_raw(inode));
        task(idmap, cred).privileged_wrt_inode_uidgid(ns, inode)
    }
}

/// The body of `capable_wrt_inode_uidgid()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_capable_wrt_inode_uidgid(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    cap: c_int,
    cred: *const bindings::cred,
) -> bool {
    // SAFETY: By the requirements above.
    unsafe {
        let current = Current::from_cred(cred);
        let (namespace, inode) = (current.namespace(), AnyInode::from_raw(inode));
        // Not by the method of that name, as C may ask for a capability that no decision here
        // knows.
        current.has(namespace, cap)
            && task(idmap, cred).privileged_wrt_inode_uidgid(namespace, inode)
    }
}

decision! {
    /// The body of `in_group_or_capable()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_in_group_or_capable(idmap, inode: *const bindings::inode, vfsgid: bindings::vfsgid_t) -> bool, in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| task.in_group_or_capable(AnyInode::from_raw(inode), Id::from_c(vfsgid.val))
}

decision! {
    /// What `generic_fillattr()` says of the owner and the group.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, `stat` for writes, and `cred` must be `current_cred()`.
    fn rust_fillattr_owner(
        idmap,
        inode: *const bindings::inode,
        stat: *mut bindings::kstat
    ), in AnyInode::from_raw(inode), by InlineIdmap;
    |task| {
        let (user, group) = task.stat_owner(AnyInode::from_raw(inode));
        (*stat).uid.val = Id::to_c(user);
        (*stat).gid.val = Id::to_c(group);
    }
}
