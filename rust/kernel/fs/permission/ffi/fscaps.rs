// SPDX-License-Identifier: GPL-2.0

//! Whose root the capabilities of a file are for.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        permission::{
            CallerCaps,
            CapsRoot,
            CheckResult,
            DiskCaps, //
        },
    },
    prelude::*,
    uidgid::Id, //
};
use core::slice;

/// Reads an attribute.
///
/// # Safety
///
/// `data` must be valid for reads of `size` bytes for `'a`.
unsafe fn attribute<'a>(data: *const c_void, size: usize) -> &'a [u8] {
    // SAFETY: By the requirements above.
    unsafe { slice::from_raw_parts(data.cast(), size) }
}

/// Gives C a revision, by the size of its attribute, and the root of the third; or an error.
///
/// # Safety
///
/// `rootid` must be valid for writes.
unsafe fn answer(root: CheckResult<CapsRoot>, rootid: *mut u32) -> c_int {
    match root {
        Ok(root) => {
            if let CapsRoot::V3(id) = root {
                // SAFETY: By the requirements above.
                unsafe { *rootid = Id::to_c(id) };
            }
            root.size() as c_int
        }
        Err(denied) => denied.to_errno(),
    }
}

/// Whose root the capabilities of a program are for: what `get_vfs_caps_from_disk()` asks.
///
/// Gives zero and the root, or a negative error number.
///
/// # Safety
///
/// `idmap` and `inode` must be valid, `data` for reads of `size` bytes, `rootid` for writes, and
/// `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_caps_to_execute(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    data: *const c_void,
    size: usize,
    rootid: *mut bindings::kuid_t,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    // SAFETY: By the requirements above.
    let attribute = unsafe { attribute(data, size) };
    match DiskCaps::to_execute(attribute).and_then(|caps| task.caps_to_execute(inode, caps)) {
        Ok(root) => {
            // SAFETY: By the requirements above.
            unsafe { (*rootid).val = root.get() };
            0
        }
        Err(denied) => denied.to_errno(),
    }
}

/// What the caller is shown of an attribute: what `cap_inode_getsecurity()` asks.
///
/// Gives the size of the revision to show, and in `rootid` the root of the third; or a negative
/// error number.
///
/// # Safety
///
/// As for [`rust_caps_to_execute`].
#[export]
unsafe extern "C" fn rust_caps_to_caller(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    data: *const c_void,
    size: usize,
    rootid: *mut u32,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    // SAFETY: By the requirements above.
    let attribute = unsafe { attribute(data, size) };
    let caps = DiskCaps::to_show(attribute).and_then(|caps| task.caps_to_caller(inode, caps));
    // SAFETY: By the requirements above.
    unsafe { answer(caps.map(|caps| caps.0), rootid) }
}

/// What is put on disk for an attribute that the caller writes: what `cap_convert_nscap()` asks.
///
/// Gives the size of the revision to write, and in `rootid` the root of the third; or a negative
/// error number.
///
/// # Safety
///
/// As for [`rust_caps_to_execute`].
#[export]
unsafe extern "C" fn rust_caps_from_caller(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    data: *const c_void,
    size: usize,
    rootid: *mut u32,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let (task, inode) = unsafe { (task(idmap, cred), AnyInode::from_raw(inode)) };
    // SAFETY: By the requirements above.
    let attribute = unsafe { attribute(data, size) };
    let caps = CallerCaps::new(attribute).and_then(|caps| task.caps_from_caller(inode, caps));
    // SAFETY: By the requirements above.
    unsafe { answer(caps.map(|caps| caps.0), rootid) }
}
