// SPDX-License-Identifier: GPL-2.0

//! The C tables of [`XattrOperations`].

use super::{
    SetFlags,
    ValueBuffer,
    XattrOperations, //
};
use crate::{
    bindings,
    error::from_result,
    fs::{
        inode::Inode,
        mnt_idmapping::MntIdmap, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context, //
};
use core::marker::PhantomData;

/// The C tables of [`XattrOperations`].
pub(super) struct XattrVTable<T>(PhantomData<T>);

impl<T: XattrOperations> XattrVTable<T> {
    pub(super) const ALL: &'static [*const bindings::xattr_handler; 4] = &[
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

    /// `->get()`.
    ///
    /// # Safety
    ///
    /// - `inode` must be an inode of `T` with a reference.
    /// - `name` must be the part of a string after the prefix of `handler`.
    /// - `buffer` must be null, or valid for writes of `size` bytes and not used by others.
    unsafe extern "C" fn get(
        handler: *const bindings::xattr_handler,
        _dentry: *mut bindings::dentry,
        inode: *mut bindings::inode,
        name: *const c_char,
        buffer: *mut c_void,
        size: usize,
    ) -> c_int {
        // INVARIANT: `buffer` is null or valid, by the requirements of this function.
        let mut value = ValueBuffer {
            buffer,
            size,
            used: 0,
        };
        from_result(|| {
            // SAFETY: `inode` is an inode of `T` with a reference.
            let inode = unsafe { Inode::from_raw(inode) };
            // SAFETY: `name` follows the prefix of `handler` in a string, so the full name is one.
            let name = unsafe { CStr::from_char_ptr(bindings::xattr_full_name(handler, name)) };
            T::get(inode, name, &mut value)?;
            Ok(value.used)
        })
    }

    /// `->set()`.
    ///
    /// # Safety
    ///
    /// - `idmap` must be valid, and `inode` an inode of `T` with a reference.
    /// - `name` must be the part of a string after the prefix of `handler`.
    /// - `buffer` must be null, or valid for reads of `size` bytes.
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
            // SAFETY: The VFS calls `->set()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `inode` is an inode of `T` with a reference.
            let inode = unsafe { Inode::from_raw(inode) };
            // SAFETY: `name` follows the prefix of `handler` in a string, so the full name is one.
            let name = unsafe { CStr::from_char_ptr(bindings::xattr_full_name(handler, name)) };
            // SAFETY: `buffer` is not null, so it is valid for reads of `size` bytes, which do not
            // change until this function returns.
            let value = (!buffer.is_null())
                .then(|| unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), size) });
            T::set(idmap, inode, name, value, SetFlags(flags)).map(|()| 0)
        })
    }
}
