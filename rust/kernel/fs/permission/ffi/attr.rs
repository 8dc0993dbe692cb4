// SPDX-License-Identifier: GPL-2.0

//! Checks on changes of attributes, for `fs/attr.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::{
            Mode,
            Valid, //
        },
        permission::{
            CheckError, //
            IattrFields,
        },
    },
    prelude::*,
    uidgid::{
        Id,
        VfsGid,
        VfsUid, //
    },
};

/// C's `struct iattr`.
///
/// # Invariants
///
/// The pointer is valid, and nothing else accesses the object. Fields that `ia_valid` does not
/// select hold any value.
struct CIattr(*mut bindings::iattr);

impl IattrFields for CIattr {
    #[inline(always)]
    fn valid(&self) -> Valid {
        // SAFETY: The pointer is valid by the type invariants.
        Valid::new(unsafe { (*self.0).ia_valid })
    }

    #[inline(always)]
    fn mode(&self) -> Mode {
        // SAFETY: The pointer is valid by the type invariants.
        Mode::new(unsafe { (*self.0).ia_mode })
    }

    #[inline(always)]
    fn set_mode(&mut self, mode: Mode) {
        // SAFETY: The pointer is valid by the type invariants, and nothing else accesses the
        // object.
        unsafe { (*self.0).ia_mode = mode.bits() };
    }

    #[inline(always)]
    fn vfsuid(&self) -> Option<VfsUid> {
        // SAFETY: The pointer is valid by the type invariants. `ia_uid` and `ia_vfsuid` are the
        // same integer.
        Id::from_c(unsafe { (*self.0).__bindgen_anon_1.ia_vfsuid.val })
    }

    #[inline(always)]
    fn vfsgid(&self) -> Option<VfsGid> {
        // SAFETY: The pointer is valid by the type invariants. `ia_gid` and `ia_vfsgid` are the
        // same integer.
        Id::from_c(unsafe { (*self.0).__bindgen_anon_2.ia_vfsgid.val })
    }
}

/// Returns `ATTR_KILL_SGID` if a write must remove the set-group-id bit, otherwise 0:
/// `setattr_should_drop_sgid()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_setattr_should_drop_sgid(
    idmap: *mut bindings::mnt_idmap,
    inode: *const bindings::inode,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let kill = task.setattr_should_drop_sgid(unsafe { AnyInode::from_raw(inode) });
    kill.bits() as c_int
}

/// Returns those of `ATTR_KILL_SUID` and `ATTR_KILL_SGID` whose bit a write must remove:
/// `setattr_should_drop_suidgid()`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid.
#[export]
unsafe extern "C" fn rust_setattr_should_drop_suidgid(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let kill = task.setattr_should_drop_suidgid(unsafe { AnyInode::from_raw(inode) });
    kill.bits() as c_int
}

/// Checks whether the caller may change attributes: `setattr_prepare()`.
///
/// # Safety
///
/// `idmap`, `dentry`, its inode and `attr` must be valid, and nothing else may access `attr`. The
/// caller may sleep.
#[export]
unsafe extern "C" fn rust_setattr_prepare(
    idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `dentry` is valid and has an inode, which is valid.
    let inode = unsafe { AnyInode::from_raw((*dentry).d_inode) };
    CheckError::to_c(task.setattr_prepare(
        inode,
        // INVARIANT: `attr` is valid, and nothing else accesses it.
        &mut CIattr(attr),
        || {
            // SAFETY: The inode and `attr` are valid.
            let error = unsafe { bindings::inode_newsize_ok(inode.as_ptr(), (*attr).ia_size) };
            CheckError::from_c(error)
        },
        // SAFETY: `idmap` and `dentry` are valid.
        || CheckError::from_c(unsafe { bindings::security_inode_killpriv(idmap, dentry) }),
    ))
}
