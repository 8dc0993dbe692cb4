// SPDX-License-Identifier: GPL-2.0

//! Changing owner, group, mode and times.

use crate::{
    bindings,
    fs::{
        access::{
            Denied,
            Iattr,
            Mode,
            Valid, //
        },
        inode::Inode, //
    },
    prelude::*,
    uidgid::Id, //
};

/// Reads C's `struct iattr`.
///
/// # Safety
///
/// `attr` must be valid. What `ia_valid` does not speak of may be anything.
#[inline(always)]
unsafe fn read(attr: *const bindings::iattr) -> Iattr {
    // SAFETY: By the requirements above. Both members of each union are one integer.
    unsafe {
        Iattr {
            valid: Valid::new((*attr).ia_valid),
            mode: Mode::new((*attr).ia_mode),
            vfsuid: Id::from_c((*attr).__bindgen_anon_1.ia_vfsuid.val),
            vfsgid: Id::from_c((*attr).__bindgen_anon_2.ia_vfsgid.val),
        }
    }
}

decision! {
    /// The body of `setattr_should_drop_sgid()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_setattr_should_drop_sgid(idmap, inode: *const bindings::inode) -> c_int, in Inode::from_raw(inode);
    |task| {
        let kill = task.setattr_should_drop_sgid(Inode::from_raw(inode));
        kill.bits() as c_int
    }
}

decision! {
    /// The body of `setattr_should_drop_suidgid()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_setattr_should_drop_suidgid(idmap, inode: *const bindings::inode) -> c_int, in Inode::from_raw(inode);
    |task| {
        let kill = task.setattr_should_drop_suidgid(Inode::from_raw(inode));
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
    fn rust_setattr_prepare(idmap, dentry: *mut bindings::dentry, attr: *mut bindings::iattr) -> c_int, in Inode::from_raw((*dentry).d_inode);
    |task| {
        let inode = Inode::from_raw((*dentry).d_inode);
        let mut wanted = read(attr);
        let verdict = task.setattr_prepare(
            inode,
            &mut wanted,
            || Denied::from_c(bindings::inode_newsize_ok(inode.as_ptr(), (*attr).ia_size)),
            || Denied::from_c(bindings::security_inode_killpriv(idmap, dentry)),
        );
        // A mode that is not to be set is written as it was.
        (*attr).ia_mode = wanted.mode.bits();
        Denied::to_c(verdict)
    }
}

decision! {
    /// What `setattr_copy()` does with owner, group and mode.
    ///
    /// # Safety
    ///
    /// `idmap`, `inode` and `attr` must be valid, the inode's lock must be held, and `cred` must be
    /// `current_cred()`.
    fn rust_setattr_copy_owner(idmap, inode: *mut bindings::inode, attr: *const bindings::iattr), in Inode::from_raw(inode);
    |task| {
        let attr = read(attr);
        let new = task.setattr_copy(Inode::from_raw(inode), &attr);
        // Who reads these without the lock reads each as a whole.
        if attr.valid.has(Valid::ATTR_UID) {
            (&raw mut (*inode).i_uid.val).write_volatile(Id::to_c(new.owner));
        }
        if attr.valid.has(Valid::ATTR_GID) {
            (&raw mut (*inode).i_gid.val).write_volatile(Id::to_c(new.group));
        }
        if attr.valid.has(Valid::ATTR_MODE) {
            (&raw mut (*inode).i_mode).write_volatile(new.mode.bits());
        }
    }
}

decision! {
    /// The body of `may_setattr()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and `cred` must be `current_cred()`.
    fn rust_may_setattr(idmap, inode: *mut bindings::inode, ia_valid: c_uint) -> c_int, in Inode::from_raw(inode);
    |task| {
        let inode = Inode::from_raw(inode);
        Denied::to_c(task.may_setattr(inode, Valid::new(ia_valid), |mask| {
            let mask = mask.bits() as c_int;
            Denied::from_c(bindings::inode_permission(idmap, inode.as_ptr(), mask))
        }))
    }
}

decision! {
    /// What `notify_change()` asks of the ids.
    ///
    /// # Safety
    ///
    /// `idmap`, `inode` and `attr` must be valid, and `cred` must be `current_cred()`.
    fn rust_notify_change_ids(idmap, inode: *mut bindings::inode, attr: *const bindings::iattr) -> c_int, in Inode::from_raw(inode);
    |task| {
        Denied::to_c(task.notify_change_ids(Inode::from_raw(inode), &read(attr)))
    }
}
