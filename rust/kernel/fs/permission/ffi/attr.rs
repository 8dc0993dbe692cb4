// SPDX-License-Identifier: GPL-2.0

//! Changing owner, group, mode and times.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::{
            Mask,
            Mode,
            Valid, //
        },
        permission::{
            CheckError,
            IattrFields, //
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
/// It is valid, and nobody else writes to it; who calls [`IattrFields::set_mode`] may write to it. What
/// `ia_valid` does not speak of may be anything.
struct CIattr(*mut bindings::iattr);

impl IattrFields for CIattr {
    #[inline(always)]
    fn valid(&self) -> Valid {
        // SAFETY: By the type invariants.
        Valid::new(unsafe { (*self.0).ia_valid })
    }

    #[inline(always)]
    fn mode(&self) -> Mode {
        // SAFETY: By the type invariants.
        Mode::new(unsafe { (*self.0).ia_mode })
    }

    #[inline(always)]
    fn set_mode(&mut self, mode: Mode) {
        // SAFETY: By the type invariants.
        unsafe { (*self.0).ia_mode = mode.bits() };
    }

    #[inline(always)]
    fn vfsuid(&self) -> Option<VfsUid> {
        // SAFETY: By the type invariants. Both members of the union are one integer.
        Id::from_c(unsafe { (*self.0).__bindgen_anon_1.ia_vfsuid.val })
    }

    #[inline(always)]
    fn vfsgid(&self) -> Option<VfsGid> {
        // SAFETY: By the type invariants. Both members of the union are one integer.
        Id::from_c(unsafe { (*self.0).__bindgen_anon_2.ia_vfsgid.val })
    }
}

decision! {
    /// The body of `setattr_should_drop_sgid()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_setattr_should_drop_sgid(idmap, inode: *const bindings::inode) -> c_int, in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| {
        let kill = task.setattr_should_drop_sgid(AnyInode::from_raw(inode));
        kill.bits() as c_int
    }
}

decision! {
    /// The body of `setattr_should_drop_suidgid()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_setattr_should_drop_suidgid(idmap, inode: *const bindings::inode) -> c_int, in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| {
        let kill = task.setattr_should_drop_suidgid(AnyInode::from_raw(inode));
        kill.bits() as c_int
    }
}

decision! {
    /// The body of `setattr_prepare()`.
    ///
    /// # Safety
    ///
    /// `idmap`, `dentry`, its inode and `attr` must be valid, the latter not be in use by others, and
    /// `cred` must be `current_cred()`.
    fn rust_setattr_prepare(idmap, dentry: *mut bindings::dentry, attr: *mut bindings::iattr) -> c_int, in AnyInode::from_raw((*dentry).d_inode), by InitUserNsIdmap;
    |task| {
        let inode = AnyInode::from_raw((*dentry).d_inode);
        // INVARIANT: By the requirements of the function for C.
        CheckError::to_c(task.setattr_prepare(
            inode,
            &mut CIattr(attr),
            || CheckError::from_c(bindings::inode_newsize_ok(inode.as_ptr(), (*attr).ia_size)),
            || CheckError::from_c(bindings::security_inode_killpriv(idmap, dentry)),
        ))
    }
}

decision! {
    /// What `setattr_copy()` does with owner, group and mode.
    ///
    /// # Safety
    ///
    /// `idmap`, `inode` and `attr` must be valid, the inode's lock must be held, and `cred` must be
    /// `current_cred()`.
    fn rust_setattr_copy_owner(idmap, inode: *mut bindings::inode, attr: *const bindings::iattr), in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| {
        // INVARIANT: By the requirements of the function for C; nothing is written to it.
        let attr = CIattr(attr.cast_mut());
        let new = task.setattr_copy(AnyInode::from_raw(inode), &attr);
        // Who reads these without the lock reads each as a whole.
        if attr.valid().has(Valid::ATTR_UID) {
            (&raw mut (*inode).i_uid.val).write_volatile(Id::to_c(new.owner));
        }
        if attr.valid().has(Valid::ATTR_GID) {
            (&raw mut (*inode).i_gid.val).write_volatile(Id::to_c(new.group));
        }
        if attr.valid().has(Valid::ATTR_MODE) {
            (&raw mut (*inode).i_mode).write_volatile(new.mode.bits());
        }
    }
}

/// The body of `may_setattr()`.
///
/// Most changes are decided without the map.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_may_setattr(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    ia_valid: c_uint,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    let may_write = move |mask: Mask| {
        // SAFETY: By the requirements above.
        let error =
            unsafe { bindings::inode_permission(idmap, inode.as_ptr(), mask.bits() as c_int) };
        CheckError::from_c(error)
    };
    CheckError::to_c(task.may_setattr(inode, Valid::new(ia_valid), may_write))
}

decision! {
    /// What `notify_change()` asks of the ids.
    ///
    /// # Safety
    ///
    /// `idmap`, `inode` and `attr` must be valid, and `cred` must be `current_cred()`.
    fn rust_notify_change_ids(idmap, inode: *mut bindings::inode, attr: *const bindings::iattr) -> c_int, in AnyInode::from_raw(inode), by InlineIdmap;
    |task| {
        // INVARIANT: By the requirements of the function for C; nothing is written to it.
        let attr = CIattr(attr.cast_mut());
        CheckError::to_c(task.notify_change_ids(AnyInode::from_raw(inode), &attr))
    }
}
