// SPDX-License-Identifier: GPL-2.0

//! Offsets of the names in a directory, which do not change when other names are created or
//! removed: `struct offset_ctx`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// Initializes the offsets of a directory.
///
/// # Safety
///
/// `offsets` must be valid for writes.
pub(super) unsafe fn init(offsets: *mut bindings::offset_ctx) {
    // SAFETY: `offsets` is valid for writes, by the requirements of this function.
    unsafe { bindings::simple_offset_init(offsets) };
}

/// Frees the offsets of a directory.
///
/// # Safety
///
/// `offsets` must be initialized. No other task may use it.
pub(super) unsafe fn destroy(offsets: *mut bindings::offset_ctx) {
    // SAFETY: `offsets` is initialized and not used, by the requirements of this function.
    unsafe { bindings::simple_offset_destroy(offsets) };
}

/// Returns the offsets of a directory.
///
/// # Safety
///
/// `dir` must be a valid directory whose inode operations have `->get_offset_ctx()`.
unsafe fn of(dir: *mut bindings::inode) -> *mut bindings::offset_ctx {
    // SAFETY: `dir` is valid and has inode operations, by the requirements of this function.
    match unsafe { (*(*dir).i_op).get_offset_ctx } {
        // SAFETY: `dir` is a directory with these inode operations.
        Some(get) => unsafe { get(dir) },
        None => core::ptr::null_mut(),
    }
}

/// Gives a dentry an offset.
///
/// # Errors
///
/// [`EBUSY`] if the dentry has an offset. [`ENOMEM`], [`ENOSPC`].
///
/// # Safety
///
/// `dir` must be a directory as [`of`] requires, which is locked for writing or not visible to
/// other tasks. `dentry` must be a valid dentry in it.
pub(in crate::fs) unsafe fn add(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> Result {
    // SAFETY: `dir` is a directory as `of()` requires, and `dentry` is in it.
    to_result(unsafe { bindings::simple_offset_add(of(dir), dentry) })
}

/// Removes the offset of a dentry, if it has one.
///
/// # Safety
///
/// As for [`add`].
pub(in crate::fs) unsafe fn remove(dir: *mut bindings::inode, dentry: *mut bindings::dentry) {
    // SAFETY: `dir` is a directory as `of()` requires, and `dentry` is in it.
    unsafe { bindings::simple_offset_remove(of(dir), dentry) };
}

/// Moves the offset of `new` to `old`. Afterwards `new` has none.
///
/// # Safety
///
/// Both directories and dentries must be as [`add`] requires. `new` must have an offset.
pub(in crate::fs) unsafe fn rename(
    old_dir: *mut bindings::inode,
    old: *mut bindings::dentry,
    new_dir: *mut bindings::inode,
    new: *mut bindings::dentry,
) {
    // SAFETY: The directories have offsets and are locked, and the dentries are in them, by the
    // requirements of this function.
    unsafe { bindings::simple_offset_rename(old_dir, old, new_dir, new) };
}

/// Exchanges two names and their offsets. The VFS exchanges the dentries afterwards.
///
/// # Errors
///
/// [`ENOMEM`]; nothing is changed.
///
/// # Safety
///
/// Both directories and dentries must be as [`add`] requires. Both dentries must be positive.
pub(in crate::fs) unsafe fn exchange(
    old_dir: *mut bindings::inode,
    old: *mut bindings::dentry,
    new_dir: *mut bindings::inode,
    new: *mut bindings::dentry,
) -> Result {
    // SAFETY: The directories have offsets and are locked, and the positive dentries are in them,
    // by the requirements of this function.
    to_result(unsafe { bindings::simple_offset_rename_exchange(old_dir, old, new_dir, new) })
}
