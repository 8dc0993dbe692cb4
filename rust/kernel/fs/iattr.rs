// SPDX-License-Identifier: GPL-2.0

//! Changing attributes: `chmod()`, `chown()`, `truncate()`, `utimes()`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    dentry::Positive,
    filesystem::FileSystem,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};
use core::marker::PhantomData;

/// What is to be changed, not yet allowed.
///
/// # Examples
///
/// All that a filesystem in memory has to do:
///
/// ```
/// use kernel::{
///     fs::{dentry::Positive, filesystem::FileSystem, iattr::Iattr, mnt_idmapping::MntIdmap},
///     prelude::*,
/// };
///
/// fn setattr<T: FileSystem>(
///     idmap: &MntIdmap,
///     entry: &Positive<T>,
///     attr: Iattr<'_>,
/// ) -> Result {
///     attr.prepare(idmap, entry)?.commit()
/// }
/// ```
///
/// # Invariants
///
/// `attr` is valid for `'a`, and nobody else has it.
pub struct Iattr<'a> {
    attr: *mut bindings::iattr,
    borrowed: PhantomData<&'a mut bindings::iattr>,
    _not_send: NotThreadSafe,
}

impl<'a> Iattr<'a> {
    /// Takes what C wants to be changed.
    ///
    /// # Safety
    ///
    /// The type invariants must hold, and the inode that it is for must be locked, until the result
    /// and what it turns into are dropped.
    pub(super) unsafe fn from_raw(attr: *mut bindings::iattr) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            attr,
            borrowed: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Asks whether the caller may change all this through the mount with a map.
    ///
    /// Mirrors `setattr_prepare()`.
    ///
    /// # Errors
    ///
    /// [`EPERM`] if not, [`EOVERFLOW`] if the filesystem cannot store an owner, [`EFBIG`] and others
    /// for a size.
    #[doc(alias("setattr_prepare", "setattr_mapped_prepare"))]
    pub fn prepare<'b, T: FileSystem>(
        self,
        idmap: &'b MntIdmap,
        entry: &'b Positive<T>,
    ) -> Result<PreparedIattr<'b, T>>
    where
        'a: 'b,
    {
        // SAFETY: All are valid.
        to_result(unsafe { bindings::setattr_prepare(idmap.as_ptr(), entry.as_ptr(), self.attr) })?;
        // INVARIANT: It said yes.
        Ok(PreparedIattr {
            attr: self,
            idmap,
            entry,
        })
    }
}

/// What is to be changed, and may be.
///
/// # Invariants
///
/// `setattr_prepare()` said yes, and the inode is locked.
pub struct PreparedIattr<'a, T: FileSystem> {
    attr: Iattr<'a>,
    idmap: &'a MntIdmap,
    entry: &'a Positive<T>,
}

impl<T: FileSystem> PreparedIattr<'_, T> {
    /// The new size in bytes, if it is to change.
    pub fn size(&self) -> Option<i64> {
        // SAFETY: By the type invariants.
        let attr = unsafe { &*self.attr.attr };
        (attr.ia_valid & bindings::ATTR_SIZE != 0).then_some(attr.ia_size)
    }

    /// Changes it: the ACL where it follows the permissions, the size with the page cache, and the
    /// attributes.
    ///
    /// Mirrors `simple_setattr()`, with `posix_acl_chmod()` before it rather than after it: that may
    /// fail for want of memory, which leaves all as it was, and nothing after it may.
    ///
    /// # Errors
    ///
    /// Only where the permissions change, on a filesystem with ACLs: [`EOPNOTSUPP`] if the inode
    /// has no [`set_acl()`], else [`ENOMEM`] or what that returned. Nothing was changed then.
    ///
    /// [`set_acl()`]: super::inode_ops::InodeOperations::set_acl
    #[doc(alias("setattr_copy", "setattr_mapped_copy", "simple_setattr"))]
    #[doc(alias("posix_acl_chmod", "posix_mapped_acl_chmod"))]
    pub fn commit(self) -> Result {
        let inode = self.entry.inode();
        let (attr, raw) = (self.attr.attr, inode.as_ptr());
        #[cfg(CONFIG_FS_POSIX_ACL)]
        // SAFETY: All are valid, and the inode is locked.
        unsafe {
            if (*attr).ia_valid & bindings::ATTR_MODE != 0 {
                to_result(bindings::posix_acl_chmod(
                    self.idmap.as_ptr(),
                    self.entry.as_ptr(),
                    (*attr).ia_mode,
                ))?;
            }
        }
        let before = inode.size();
        if let Some(size) = self.size() {
            // SAFETY: The inode is valid and locked.
            unsafe { bindings::truncate_setsize(raw, size) };
            if size != before {
                // SAFETY: The inode is valid and locked.
                unsafe {
                    bindings::inode_set_mtime_to_ts(raw, bindings::inode_set_ctime_current(raw))
                };
            }
        }
        // SAFETY: All are valid, the inode is locked, and the change was allowed.
        unsafe { bindings::setattr_copy(self.idmap.as_ptr(), raw, attr) };
        Ok(())
    }
}
