// SPDX-License-Identifier: GPL-2.0

//! Removing and linking of names, and what protects sticky directories.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::{
            Mask,
            Mode, //
        },
        permission::{
            CheckError,
            CheckResult,
            Parent,
            Protected, //
        },
    },
    prelude::*,
    uidgid::Id, //
};
use core::ptr;

/// Asks `inode_permission()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
unsafe fn permission(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    mask: Mask,
) -> CheckResult {
    // SAFETY: By the requirements above.
    CheckError::from_c(unsafe { bindings::inode_permission(idmap, inode, mask.bits() as c_int) })
}

decision! {
    /// The body of `__check_sticky()`.
    ///
    /// # Safety
    ///
    /// `idmap`, `dir` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_check_sticky(idmap, dir: *const bindings::inode, inode: *const bindings::inode) -> bool, in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| task.owns_neither(AnyInode::from_raw(dir), AnyInode::from_raw(inode))
}

decision! {
    /// What `may_delete_dentry()` asks before it compares kinds of objects.
    ///
    /// # Safety
    ///
    /// `idmap`, `dir` and `victim` must be valid, the latter a name in `dir` that has an inode, and
    /// `cred` must be `current_cred()`.
    fn rust_may_delete(idmap, dir: *mut bindings::inode, victim: *mut bindings::dentry) -> c_int, in AnyInode::from_raw(dir), by InitUserNsIdmap;
    |task| {
        let inode = AnyInode::from_raw((*victim).d_inode);
        CheckError::to_c(task.may_delete(AnyInode::from_raw(dir), inode, || {
            bindings::audit_inode_child(dir, victim, bindings::AUDIT_TYPE_CHILD_DELETE as u8);
            permission(idmap, dir, Mask::MAY_WRITE.with(Mask::MAY_EXEC))
        }))
    }
}

/// What `may_linkat()` asks; C puts a refusal with `-EPERM` into the audit log.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_may_linkat(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    protected: bool,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let task = unsafe { task(idmap, cred) };
    // SAFETY: By the requirements above.
    let verdict = task.may_linkat(unsafe { AnyInode::from_raw(inode) }, protected, |mask| {
        // SAFETY: By the requirements above.
        unsafe { permission(idmap, inode, mask) }
    });
    CheckError::to_c(verdict)
}

/// What `may_follow_link()` asks where symbolic links are protected; C puts a refusal into the
/// audit log.
///
/// # Safety
///
/// `idmap` and `link` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_may_follow_link(
    idmap: *mut bindings::mnt_idmap,
    link: *const bindings::inode,
    dir_mode: bindings::umode_t,
    dir_vfsuid: bindings::vfsuid_t,
    in_rcu: bool,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, link) = unsafe { (task(idmap, cred), AnyInode::from_raw(link)) };
    let parent = Parent {
        mode: Mode::new(dir_mode),
        owner: Id::from_c(dir_vfsuid.val),
    };
    CheckError::to_c(task.may_follow_link(link, parent, true, in_rcu))
}

/// What `may_create_in_sticky()` asks: null, or what the audit log calls a refusal.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_may_create_in_sticky(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
    dir_mode: bindings::umode_t,
    dir_vfsuid: bindings::vfsuid_t,
    protected_regular: c_int,
    protected_fifos: c_int,
    cred: *const bindings::cred,
) -> *const c_char {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    let parent = Parent {
        mode: Mode::new(dir_mode),
        owner: Id::from_c(dir_vfsuid.val),
    };
    let protected = Protected {
        regular: protected_regular,
        fifos: protected_fifos,
    };
    match task.may_create_in_sticky(inode, parent, protected) {
        Ok(()) => ptr::null(),
        Err(refusal) => refusal.operation().as_char_ptr(),
    }
}
