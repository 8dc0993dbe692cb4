// SPDX-License-Identifier: GPL-2.0

//! The extended attribute `security.capability`, for `security/commoncap.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        permission::{
            CallerCaps,
            CapsRoot,
            CheckError,
            DiskCaps,
            FileCaps, //
        },
    },
    prelude::*,
    str::CStrExt as _,
};
use core::{
    ptr,
    slice, //
};

/// `XATTR_NAME_CAPS`
const NAME: &CStr = c"security.capability";

/// `CAP_VALID_MASK`
const VALID: u64 = u64::MAX >> (63 - bindings::CAP_LAST_CAP);

/// Reads the capabilities that execution of a file grants: `get_vfs_caps_from_disk()`.
///
/// # Safety
///
/// `idmap` and `dentry` must be valid, and `cpu_caps` must be valid for writes. The caller may
/// sleep.
#[export]
unsafe extern "C" fn rust_get_vfs_caps_from_disk(
    idmap: *mut bindings::mnt_idmap,
    dentry: *const bindings::dentry,
    cpu_caps: *mut bindings::cpu_vfs_cap_data,
) -> c_int {
    // SAFETY: `cpu_caps` is valid for writes.
    let cpu_caps = unsafe {
        cpu_caps.write(pin_init::zeroed());
        &mut *cpu_caps
    };
    // SAFETY: `dentry` is valid.
    let inode = unsafe { (*dentry).d_inode };
    if inode.is_null() {
        return CheckError::ENODATA.to_errno();
    }

    let mut attribute = [0; CapsRoot::MAX_SIZE];
    // SAFETY: `dentry` and its inode are valid, and the buffer has the size that is passed.
    let size = unsafe {
        bindings::__vfs_getxattr(
            dentry.cast_mut(),
            inode,
            NAME.as_char_ptr(),
            attribute.as_mut_ptr().cast(),
            attribute.len(),
        )
    };
    // The size and error numbers fit into an `i32`.
    let size = size as i32;
    let attribute = match CheckError::from_errno(size) {
        Some(CheckError::EOPNOTSUPP) => return CheckError::ENODATA.to_errno(),
        Some(error) => return error.to_errno(),
        None => attribute.get(..size as usize).unwrap_or(&[]),
    };

    let Ok(caps) = FileCaps::new(attribute) else {
        return CheckError::EINVAL.to_errno();
    };
    cpu_caps.magic_etc = caps.magic;
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    match DiskCaps::to_execute(attribute).and_then(|caps| task.caps_to_execute(inode, caps)) {
        Ok(root) => {
            cpu_caps.rootid.val = root.get();
            cpu_caps.permitted.val = caps.permitted & VALID;
            cpu_caps.inheritable.val = caps.inheritable & VALID;
            0
        }
        Err(error) => error.to_errno(),
    }
}

/// Memory of `kmalloc()` with an extended attribute, or null.
struct Value(*mut c_char);

impl Value {
    /// Releases ownership.
    fn into_raw(self) -> *mut c_void {
        let value = self.0.cast();
        core::mem::forget(self);
        value
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: The pointer is null or comes from `kmalloc()`, and this owns it.
        unsafe { bindings::kfree(self.0.cast()) };
    }
}

/// Reads `security.capability` for the caller: `cap_inode_getsecurity()`.
///
/// Returns the size of the attribute, and stores a new copy in `buffer` if `alloc`.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, `name` must be a string, and `buffer` must be valid for
/// writes. The caller may sleep.
#[export]
unsafe extern "C" fn rust_cap_inode_getsecurity(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    name: *const c_char,
    buffer: *mut *mut c_void,
    alloc: bool,
) -> c_int {
    // SAFETY: `name` is a string that stays the same until this returns.
    if unsafe { CStr::from_char_ptr(name) } != c"capability" {
        return CheckError::EOPNOTSUPP.to_errno();
    }
    // SAFETY: `inode` is valid.
    let dentry = unsafe { bindings::d_find_any_alias(inode) };
    if dentry.is_null() {
        return CheckError::EINVAL.to_errno();
    }
    let mut value = Value(ptr::null_mut());
    // SAFETY: `idmap` and `dentry` are valid, and `value` is null.
    let size = unsafe {
        bindings::vfs_getxattr_alloc(
            idmap,
            dentry,
            NAME.as_char_ptr(),
            &mut value.0,
            CapsRoot::MAX_SIZE,
            bindings::GFP_NOFS,
        )
    };
    // SAFETY: This drops the reference that `d_find_any_alias()` took.
    unsafe { bindings::dput(dentry) };
    if size < 0 || value.0.is_null() {
        return size;
    }

    // SAFETY: `vfs_getxattr_alloc()` stored `size` bytes, and nothing else accesses them.
    let attribute = unsafe { slice::from_raw_parts_mut(value.0.cast::<u8>(), size as usize) };
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    let root = match DiskCaps::to_show(attribute).and_then(|c| task.caps_to_caller(inode, c)) {
        Ok(CallerCaps(root)) => root,
        Err(error) => return error.to_errno(),
    };
    if alloc {
        let shown = if root.size() == attribute.len() {
            root.store(attribute);
            value.into_raw()
        } else {
            match new_attribute(root, attribute) {
                Ok(new) => new,
                Err(error) => return error.to_errno(),
            }
        };
        // SAFETY: `buffer` is valid for writes.
        unsafe { *buffer = shown };
    }
    root.size() as c_int
}

/// Makes an attribute of another revision with the same capabilities, in memory of `kmalloc()`.
fn new_attribute(root: CapsRoot, from: &[u8]) -> Result<*mut c_void> {
    let mut new = [0u8; CapsRoot::MAX_SIZE];
    root.convert(from, &mut new);
    // SAFETY: `new` is valid for reads of its size.
    let copy = unsafe { bindings::kmemdup(new.as_ptr().cast(), new.len(), bindings::GFP_ATOMIC) };
    if copy.is_null() {
        return Err(ENOMEM);
    }
    Ok(copy)
}

/// Checks an attribute that the caller writes, and replaces it if the filesystem must store
/// another one: `cap_convert_nscap()`.
///
/// # Safety
///
/// `idmap`, `dentry` and its inode must be valid, and `ivalue` must point to null or to `size`
/// bytes.
#[export]
unsafe extern "C" fn rust_cap_convert_nscap(
    idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    ivalue: *mut *const c_void,
    size: usize,
) -> c_int {
    // SAFETY: `ivalue` is valid.
    let value = unsafe { *ivalue };
    if value.is_null() {
        return CheckError::EINVAL.to_errno();
    }
    // SAFETY: `value` points to `size` bytes, which do not change until this returns.
    let attribute = unsafe { slice::from_raw_parts(value.cast::<u8>(), size) };
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `dentry` and its inode are valid.
    let inode = unsafe { AnyInode::from_raw((*dentry).d_inode) };
    match CallerCaps::new(attribute).and_then(|caps| task.caps_from_caller(inode, caps)) {
        Ok(DiskCaps(root @ CapsRoot::V3(_))) => match new_attribute(root, attribute) {
            Ok(new) => {
                // SAFETY: `ivalue` is valid for writes.
                unsafe { *ivalue = new };
                root.size() as c_int
            }
            Err(error) => error.to_errno(),
        },
        Ok(DiskCaps(root)) => root.size() as c_int,
        Err(error) => error.to_errno(),
    }
}
