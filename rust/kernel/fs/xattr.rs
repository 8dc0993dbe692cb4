// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.
//!
//! C header: [`include/linux/xattr.h`](srctree/include/linux/xattr.h)

mod memory;
mod vtable;

use super::{
    filesystem::FileSystem,
    inode::Inode,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

use self::vtable::XattrVTable;

pub use self::memory::Xattrs;

/// The buffer for the value of an attribute, or for its length.
///
/// # Invariants
///
/// `buffer` is null, or valid for writes of `size` bytes and not used by others.
pub struct ValueBuffer {
    buffer: *mut c_void,
    size: usize,
    used: c_int,
}

impl ValueBuffer {
    /// Stores the value.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if the buffer is too small. [`E2BIG`] if the value is longer than
    /// `XATTR_SIZE_MAX`.
    pub fn put(&mut self, value: &[u8]) -> Result {
        if value.len() > bindings::XATTR_SIZE_MAX as usize {
            return Err(E2BIG);
        }
        if !self.buffer.is_null() {
            if value.len() > self.size {
                return Err(ERANGE);
            }
            // SAFETY: `buffer` is valid for writes of `size` bytes, by the type invariants, and
            // `value` is not longer. No one else uses the buffer, so they do not overlap.
            unsafe {
                core::ptr::copy_nonoverlapping(value.as_ptr(), self.buffer.cast(), value.len())
            };
        }
        self.used = value.len() as c_int;
        Ok(())
    }
}

/// The buffer for the names of attributes, or for their length.
///
/// # Invariants
///
/// `buffer` is null, or valid for writes of `size` bytes and not used by others.
pub struct NameList {
    buffer: *mut c_char,
    size: usize,
    used: usize,
}

impl NameList {
    /// Creates an instance from the arguments of the C operation.
    ///
    /// # Safety
    ///
    /// `buffer` must be null, or valid for writes of `size` bytes and not used by others, until the
    /// result is dropped.
    pub(super) unsafe fn from_raw(buffer: *mut c_char, size: usize) -> Self {
        // INVARIANT: `buffer` is null or valid, by the requirements of this function.
        Self {
            buffer,
            size,
            used: 0,
        }
    }

    /// Stores a full name.
    ///
    /// The filesystem must not list `trusted.` attributes for a caller without `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if the buffer is too small.
    pub fn put(&mut self, name: &CStr) -> Result {
        self.put_bytes(name.to_bytes_with_nul())
    }

    /// Stores a full name that ends with a zero byte.
    fn put_bytes(&mut self, name: &[u8]) -> Result {
        let end = self.used.checked_add(name.len()).ok_or(ERANGE)?;
        if isize::try_from(end).is_err() || !self.buffer.is_null() && end > self.size {
            return Err(ERANGE);
        }
        if !self.buffer.is_null() {
            // SAFETY: `buffer` is valid for writes of `size` bytes, by the type invariants, and
            // `end` is not greater. No one else uses the buffer, so it does not overlap with
            // `name`.
            unsafe {
                let to = self.buffer.cast::<u8>().add(self.used);
                core::ptr::copy_nonoverlapping(name.as_ptr(), to, name.len());
            }
        }
        self.used = end;
        Ok(())
    }

    /// Returns the length of all names, each with a zero byte.
    pub(super) fn used(&self) -> isize {
        // `put_bytes()` has checked that the length fits.
        self.used as isize
    }
}

/// The flags of `setxattr()`: `XATTR_CREATE` and `XATTR_REPLACE`.
#[derive(Clone, Copy)]
pub struct SetFlags(c_int);

impl SetFlags {
    /// Checks whether the attribute must not exist.
    pub const fn create(self) -> bool {
        self.0 & bindings::XATTR_CREATE as c_int != 0
    }

    /// Checks whether the attribute must exist.
    pub const fn replace(self) -> bool {
        self.0 & bindings::XATTR_REPLACE as c_int != 0
    }
}

/// The operations on extended attributes in the namespaces `user.`, `trusted.` and `security.`.
///
/// The VFS has checked permissions, and has mapped the ids of `security.capability` by the idmap of
/// the mount. POSIX ACLs are not extended attributes of a filesystem; see [`set_acl()`]. All
/// operations may sleep.
///
/// # Examples
///
/// Attributes that are stored in memory:
///
/// ```
/// use kernel::{
///     fs::{
///         filesystem::FileSystem,
///         inode::Inode,
///         mnt_idmapping::MntIdmap,
///         xattr::{SetFlags, ValueBuffer, XattrOperations, Xattrs},
///     },
///     prelude::*,
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = ();
///     type InodeData = Xattrs;
/// }
///
/// impl XattrOperations for MyFs {
///     fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result {
///         inode.data().get(name, value)
///     }
///
///     fn set(
///         _idmap: &MntIdmap,
///         inode: &Inode<Self>,
///         name: &CStr,
///         value: Option<&[u8]>,
///         flags: SetFlags,
///     ) -> Result {
///         inode.data().set(name, value, flags)?;
///         inode.set_ctime_current();
///         Ok(())
///     }
/// }
/// ```
///
/// [`set_acl()`]: super::inode_ops::InodeOperations::set_acl
pub trait XattrOperations: FileSystem {
    /// Called to return the value of an attribute. `name` is the full name. The inode is not
    /// locked.
    ///
    /// # Errors
    ///
    /// [`ENODATA`] if there is no attribute of this name. [`ERANGE`] if the buffer is too small.
    fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result;

    /// Called to set the value of an attribute, or to remove it. `name` is the full name.
    ///
    /// The inode is locked for writing, unless a security module sets an attribute of a new inode.
    ///
    /// # Errors
    ///
    /// [`EEXIST`] or [`ENODATA`] if `flags` do not fit. [`ENOSPC`], [`ENOMEM`].
    fn set(
        idmap: &MntIdmap,
        inode: &Inode<Self>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result;
}

/// The handlers of extended attributes of inodes of `T`: `s_xattr`.
///
/// The handlers of another filesystem do not fit:
///
/// ```ignore,compile_fail,E0308
/// use kernel::fs::{filesystem::FileSystem, xattr::{Handlers, XattrOperations}};
///
/// fn others<T: FileSystem, U: XattrOperations>() -> Handlers<T> {
///     Handlers::<U>::ALL
/// }
/// ```
///
/// # Invariants
///
/// The pointer is null, or points to a table whose functions accept inodes of `T`.
pub struct Handlers<T>(*const *const bindings::xattr_handler, PhantomData<fn(T)>);

impl<T: FileSystem> Handlers<T> {
    /// No handlers.
    // INVARIANT: The pointer is null.
    pub const NONE: Self = Self(core::ptr::null(), PhantomData);

    pub(super) const fn as_ptr(&self) -> *const *const bindings::xattr_handler {
        self.0
    }
}

impl<T: XattrOperations> Handlers<T> {
    /// The handlers of [`XattrOperations`].
    // INVARIANT: The table is that of `T`.
    pub const ALL: Self = Self(XattrVTable::<T>::ALL.as_ptr(), PhantomData);
}
