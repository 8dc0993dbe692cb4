// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.
//!
//! C header: [`include/linux/xattr.h`](srctree/include/linux/xattr.h)

mod simple;

use super::{
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked, //
    },
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    error::from_result,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};
use core::marker::PhantomData;

pub use self::simple::{
    XattrCache,
    Xattrs, //
};

/// Where the value of an attribute is to go, or its length.
///
/// # Invariants
///
/// `buffer` is null or of `size` bytes that nobody else has.
pub struct ValueBuffer {
    buffer: *mut c_void,
    size: usize,
    used: c_int,
}

/// Where the names of attributes are to go, or their length.
///
/// # Invariants
///
/// `buffer` is null or of `size` bytes that nobody else has, of which `used` are used.
pub struct NameList {
    buffer: *mut c_char,
    size: usize,
    used: isize,
}

impl ValueBuffer {
    /// Puts the value there.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if there is too little room, [`E2BIG`] if no value can be that long.
    pub fn put(&mut self, value: &[u8]) -> Result {
        if value.len() > bindings::XATTR_SIZE_MAX as usize {
            return Err(E2BIG);
        }
        if !self.buffer.is_null() {
            if value.len() > self.size {
                return Err(ERANGE);
            }
            // SAFETY: By the type invariants there is room for it.
            unsafe {
                core::ptr::copy_nonoverlapping(value.as_ptr(), self.buffer.cast(), value.len())
            };
        }
        self.used = value.len() as c_int;
        Ok(())
    }
}

impl NameList {
    /// Puts one more full name there. Whoever lists names sees to it that the caller may know them:
    /// those that are `trusted.` are for who has `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if there is too little room.
    pub fn put(&mut self, name: &CStr) -> Result {
        let name = name.to_bytes_with_nul();
        let used = usize::try_from(self.used).map_err(|_| ERANGE)?;
        let end = used.checked_add(name.len()).ok_or(ERANGE)?;
        let now = isize::try_from(end).map_err(|_| ERANGE)?;
        if !self.buffer.is_null() {
            if end > self.size {
                return Err(ERANGE);
            }
            // SAFETY: By the type invariants there is room for it after what is used.
            unsafe {
                let to = self.buffer.cast::<u8>().add(used);
                core::ptr::copy_nonoverlapping(name.as_ptr(), to, name.len());
            }
        }
        self.used = now;
        Ok(())
    }

    /// # Safety
    ///
    /// `buffer` must be null or of `size` bytes that the caller has for itself, until the result is
    /// dropped.
    pub(super) unsafe fn from_raw(buffer: *mut c_char, size: usize) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            buffer,
            size,
            used: 0,
        }
    }

    /// The length of all names.
    pub(super) fn used(&self) -> isize {
        self.used
    }
}

/// Whether an attribute may or must be there when it is set.
#[derive(Clone, Copy)]
pub struct SetFlags(c_int);

/// What is done with extended attributes: those of users, and those that are `trusted.` or
/// `security.`. The VFS has asked whether the caller may.
///
/// POSIX ACLs are none of these: the VFS has [`set_acl()`] for them.
///
/// # Examples
///
/// Attributes in memory:
///
/// ```
/// use kernel::{
///     fs::{
///         filesystem::FileSystem,
///         inode::{Inode, Locked},
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
///         inode: &Locked<'_, Self>,
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
    /// Gets the value of an attribute by its full name.
    ///
    /// # Errors
    ///
    /// [`ENODATA`] if there is none of that name, [`ERANGE`] if the buffer is too small.
    fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result;

    /// Sets the value of an attribute, or removes it.
    ///
    /// # Errors
    ///
    /// [`EEXIST`], [`ENODATA`] where `flags` ask for it, [`ENOSPC`], [`ENOMEM`].
    fn set(
        idmap: &MntIdmap,
        inode: &Locked<'_, Self>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result;
}

/// Which extended attributes the inodes of `T` have.
///
/// Those of another filesystem are no answer:
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
/// The pointer is null or to a table for inodes of `T`.
pub struct Handlers<T>(*const *const bindings::xattr_handler, PhantomData<fn(T)>);

impl<T: FileSystem> Handlers<T> {
    /// None.
    // INVARIANT: The pointer is null.
    pub const NONE: Self = Self(core::ptr::null(), PhantomData);

    pub(super) const fn as_ptr(&self) -> *const *const bindings::xattr_handler {
        self.0
    }
}

impl<T: XattrOperations> Handlers<T> {
    /// Those of [`XattrOperations`].
    // INVARIANT: The table is that of `T`.
    pub const ALL: Self = Self(XattrVTable::<T>::ALL.as_ptr(), PhantomData);
}

/// C's tables of [`XattrOperations`].
struct XattrVTable<T>(PhantomData<T>);

impl<T: XattrOperations> XattrVTable<T> {
    const ALL: &'static [*const bindings::xattr_handler; 4] = &[
        &Self::SECURITY,
        &Self::TRUSTED,
        &Self::USER,
        core::ptr::null(),
    ];
    const SECURITY: bindings::xattr_handler = Self::handler(c"security.");
    const TRUSTED: bindings::xattr_handler = Self::handler(c"trusted.");
    const USER: bindings::xattr_handler = Self::handler(c"user.");

    const fn handler(prefix: &'static CStr) -> bindings::xattr_handler {
        bindings::xattr_handler {
            prefix: as_char_ptr_in_const_context(prefix),
            get: Some(Self::get),
            set: Some(Self::set),
            ..pin_init::zeroed()
        }
    }

    /// # Safety
    ///
    /// `inode` must be a referenced one of `T`, `name` what follows the prefix of `handler` in the
    /// full name, `buffer` null or of `size` bytes that the caller has for itself.
    unsafe extern "C" fn get(
        handler: *const bindings::xattr_handler,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *mut c_void,
        size: usize,
    ) -> c_int {
        // INVARIANT: By the requirements above.
        let mut value = ValueBuffer {
            buffer,
            size,
            used: 0,
        };
        from_result(|| {
            // SAFETY: By the requirements above.
            let (inode, name) = unsafe {
                let name = bindings::xattr_full_name(handler, name);
                (Inode::from_raw(inode), CStr::from_char_ptr(name))
            };
            T::get(inode, name, &mut value)?;
            Ok(value.used)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::get`]; `idmap` must be valid, `inode` locked, `buffer` null or of `size`
    /// bytes.
    unsafe extern "C" fn set(
        handler: *const bindings::xattr_handler,
        idmap: *mut bindings::mnt_idmap,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *const c_void,
        size: usize,
        flags: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, inode, name, value) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Locked::from_raw(inode),
                    CStr::from_char_ptr(bindings::xattr_full_name(handler, name)),
                    (!buffer.is_null())
                        .then(|| core::slice::from_raw_parts(buffer.cast::<u8>(), size)),
                )
            };
            T::set(idmap, &inode, name, value, SetFlags(flags))?;
            Ok(0)
        })
    }
}
