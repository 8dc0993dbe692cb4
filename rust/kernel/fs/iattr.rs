// SPDX-License-Identifier: GPL-2.0

//! Changes of attributes: `struct iattr`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    dentry::Positive,
    filesystem::FileSystem,
    inode::Locked,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};
use core::marker::PhantomData;

/// A change of attributes for which the permissions were not checked yet.
///
/// # Examples
///
/// The default of [`setattr()`](super::inode_ops::InodeOperations::setattr):
///
/// ```
/// use kernel::{
///     fs::{filesystem::FileSystem, iattr::Iattr, inode::Locked, mnt_idmapping::MntIdmap},
///     prelude::*,
/// };
///
/// fn setattr<T: FileSystem>(
///     idmap: &MntIdmap,
///     inode: &mut Locked<'_, T>,
///     attr: Iattr<'_, T>,
/// ) -> Result {
///     attr.prepare(idmap)?.commit(inode)
/// }
/// ```
///
/// # Invariants
///
/// `attr` is valid for `'a`, and no other task uses it. The inode of `dentry` is locked for
/// writing.
pub struct Iattr<'a, T: FileSystem> {
    attr: *mut bindings::iattr,
    dentry: &'a Positive<T>,
    borrowed: PhantomData<&'a mut bindings::iattr>,
    _not_send: NotThreadSafe,
}

impl<'a, T: FileSystem> Iattr<'a, T> {
    /// Creates an instance from the arguments of the C operation.
    ///
    /// # Safety
    ///
    /// `attr` must be valid and not used by another task, and the inode of `dentry` must be locked
    /// for writing by the current task, until the result and the [`PreparedIattr`] that it becomes
    /// are dropped.
    pub(super) unsafe fn from_raw(attr: *mut bindings::iattr, dentry: &'a Positive<T>) -> Self {
        // INVARIANT: `attr` is valid and the inode locked, by the requirements of this function.
        Self {
            attr,
            dentry,
            borrowed: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Checks whether the caller may change the attributes through a mount.
    ///
    /// Mirrors `setattr_prepare()`.
    ///
    /// # Errors
    ///
    /// [`EPERM`] if the caller may not. [`EOVERFLOW`] if the filesystem cannot store an owner.
    /// [`EFBIG`] and others for a size.
    #[doc(alias("setattr_prepare", "setattr_mapped_prepare"))]
    pub fn prepare<'b>(self, idmap: &'b MntIdmap) -> Result<PreparedIattr<'b, T>>
    where
        'a: 'b,
    {
        // SAFETY: The idmap and the dentry are valid: they are borrowed. `attr` is valid and the
        // inode locked, by the type invariants.
        to_result(unsafe {
            bindings::setattr_prepare(idmap.as_ptr(), self.dentry.as_ptr(), self.attr)
        })?;
        // INVARIANT: `setattr_prepare()` succeeded.
        Ok(PreparedIattr { attr: self, idmap })
    }
}

/// A change of attributes for which the caller has permission.
///
/// # Invariants
///
/// `setattr_prepare()` succeeded for `attr` and `idmap`.
pub struct PreparedIattr<'a, T: FileSystem> {
    attr: Iattr<'a, T>,
    idmap: &'a MntIdmap,
}

impl<T: FileSystem> PreparedIattr<'_, T> {
    /// Returns the new size in bytes, if it changes.
    pub fn size(&self) -> Option<i64> {
        // SAFETY: `attr` is valid and not used by another task, by the invariants of `Iattr`.
        let attr = unsafe { &*self.attr.attr };
        (attr.ia_valid & bindings::ATTR_SIZE != 0).then_some(attr.ia_size)
    }

    /// Changes the attributes, truncates the page cache to a new size, and makes an access ACL
    /// follow a new mode.
    ///
    /// Mirrors `simple_setattr()`, followed by `posix_acl_chmod()` as in `shmem_setattr()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `inode` is not the inode of the change. [`ENOMEM`] if the mode of an inode
    /// with an ACL changes. In both cases nothing is changed. If [`set_acl()`] fails, the mode is
    /// changed and the ACL is not.
    ///
    /// [`set_acl()`]: super::inode_ops::InodeOperations::set_acl
    #[doc(alias("setattr_copy", "setattr_mapped_copy", "simple_setattr"))]
    #[doc(alias("posix_acl_chmod", "posix_mapped_acl_chmod"))]
    pub fn commit(self, inode: &mut Locked<'_, T>) -> Result {
        let (attr, raw) = (self.attr.attr, inode.as_ptr());
        if self.attr.dentry.inode().as_ptr() != raw {
            return Err(EINVAL);
        }
        #[cfg(CONFIG_FS_POSIX_ACL)]
        let acl = AclOfMode::new(&self)?;
        if let Some(size) = self.size() {
            let before = inode.size();
            // SAFETY: The inode is valid and locked for writing. `setattr_prepare()` has checked
            // the size.
            unsafe { bindings::truncate_setsize(raw, size) };
            if size != before {
                // SAFETY: The inode is valid and locked for writing.
                unsafe {
                    bindings::inode_set_mtime_to_ts(raw, bindings::inode_set_ctime_current(raw))
                };
            }
        }
        // SAFETY: The idmap is valid: it is borrowed. The inode is valid and locked for writing.
        // `attr` is valid, and `setattr_prepare()` succeeded, by the type invariants.
        unsafe { bindings::setattr_copy(self.idmap.as_ptr(), raw, attr) };
        // `inode` is mutably borrowed, so the caller has no reference to data that `set_acl()` may
        // change.
        #[cfg(CONFIG_FS_POSIX_ACL)]
        acl.set(self.idmap, self.attr.dentry)?;
        Ok(())
    }
}

/// The access ACL that an inode gets with a new mode, if it has an ACL.
///
/// The ACL is allocated before the mode changes. In C, `posix_acl_chmod()` allocates it after
/// `setattr_copy()`.
///
/// # Invariants
///
/// The pointer is null, or a reference to a valid ACL.
#[cfg(CONFIG_FS_POSIX_ACL)]
struct AclOfMode(*mut bindings::posix_acl);

#[cfg(CONFIG_FS_POSIX_ACL)]
impl AclOfMode {
    /// Copies the ACL of the inode and changes the permissions of the copy.
    ///
    /// Mirrors the first part of `posix_acl_chmod()`.
    fn new<T: FileSystem>(change: &PreparedIattr<'_, T>) -> Result<Self> {
        // INVARIANT: The pointer is null.
        let none = Self(core::ptr::null_mut());
        let inode = change.attr.dentry.inode().as_ptr();
        // SAFETY: `attr` is valid and not used by another task, by the invariants of `Iattr`.
        let (valid, mode) = unsafe {
            let attr = change.attr.attr;
            ((*attr).ia_valid, (*attr).ia_mode)
        };
        if valid & bindings::ATTR_MODE == 0 || !T::POSIX_ACL {
            return Ok(none);
        }
        // SAFETY: The inode is valid: the dentry holds a reference to it.
        let acl = crate::error::from_err_ptr(unsafe {
            bindings::get_inode_acl(inode, bindings::ACL_TYPE_ACCESS as c_int)
        });
        let mut acl = match acl {
            Err(error) if error == EOPNOTSUPP => return Ok(none),
            acl => acl?,
        };
        if acl.is_null() {
            return Ok(none);
        }
        // SAFETY: `acl` is a reference, which is replaced by one to the copy, or by null on
        // failure.
        to_result(unsafe { bindings::__posix_acl_chmod(&mut acl, GFP_KERNEL.as_raw(), mode) })?;
        // INVARIANT: `acl` is the reference to the copy.
        Ok(Self(acl))
    }

    /// Calls `->set_acl()`.
    ///
    /// Mirrors the rest of `posix_acl_chmod()`.
    fn set<T: FileSystem>(self, idmap: &MntIdmap, dentry: &Positive<T>) -> Result {
        if self.0.is_null() {
            return Ok(());
        }
        // SAFETY: The inode of a positive dentry is valid and has inode operations.
        let set_acl = unsafe { (*(*dentry.inode().as_ptr()).i_op).set_acl };
        let set_acl = set_acl.ok_or(EOPNOTSUPP)?;
        // SAFETY: The idmap and the dentry are valid: they are borrowed. The inode is locked for
        // writing while its attributes change. The ACL is valid by the type invariants.
        to_result(unsafe {
            set_acl(
                idmap.as_ptr(),
                dentry.as_ptr(),
                self.0,
                bindings::ACL_TYPE_ACCESS as c_int,
            )
        })
    }
}

#[cfg(CONFIG_FS_POSIX_ACL)]
impl Drop for AclOfMode {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: By the type invariants this holds a reference, which is dropped here.
            unsafe { bindings::posix_acl_release(self.0) };
        }
    }
}
