// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs, for `fs/posix_acl.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::Mask,
        permission::{
            current::acl_entries,
            CheckError,
            Entry, //
        },
    },
    prelude::*,
    user_namespace::UserNamespace, //
};
use core::mem::size_of;

/// Checks whether an ACL grants access: `posix_acl_permission()`.
///
/// # Safety
///
/// `idmap`, `inode` and `acl` must be valid, and `acl` must not change.
#[export]
unsafe extern "C" fn rust_posix_acl_permission(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    acl: *const bindings::posix_acl,
    want: c_int,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    // SAFETY: `acl` is valid and does not change.
    let entries = unsafe { acl_entries(acl) };
    CheckError::to_c(task.posix_acl_permission(inode, entries, Mask::new(want as u32)))
}

/// Writes an ACL as the caller reads it from an extended attribute: `vfs_posix_acl_to_xattr()`.
///
/// Returns the number of bytes, or `-ERANGE` if the buffer is too small.
///
/// # Safety
///
/// `idmap`, `inode` and `acl` must be valid, `acl` must not change, and `buffer` must be null or
/// valid for writes of `size` bytes.
#[export]
unsafe extern "C" fn rust_vfs_posix_acl_to_xattr(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    acl: *const bindings::posix_acl,
    buffer: *mut c_void,
    size: usize,
) -> isize {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `inode` is valid.
    let inode = unsafe { AnyInode::from_raw(inode) };
    // SAFETY: `acl` is valid and does not change.
    let entries = unsafe { acl_entries(acl) };

    type Header = bindings::posix_acl_xattr_header;
    type XattrEntry = bindings::posix_acl_xattr_entry;
    // `posix_acl_xattr_size()`: the size of an ACL in memory is greater, and did not overflow.
    let xattr_size = entries
        .len()
        .wrapping_mul(size_of::<XattrEntry>())
        .wrapping_add(size_of::<Header>());
    if buffer.is_null() {
        return xattr_size as isize;
    }
    if xattr_size > size {
        return ERANGE.to_errno() as isize;
    }

    // SAFETY: The buffer has room for the header and for all entries. The types are packed.
    unsafe {
        let header: *mut Header = buffer.cast();
        (*header).a_version = bindings::POSIX_ACL_XATTR_VERSION.to_le();
        let mut out: *mut XattrEntry = header.add(1).cast();
        for entry in entries {
            let read = task.acl_to_caller(inode, Entry::from_c(entry));
            *out = XattrEntry {
                e_tag: (entry.e_tag as u16).to_le(),
                e_perm: entry.e_perm.to_le(),
                e_id: read
                    .id_to_c()
                    .unwrap_or(bindings::ACL_UNDEFINED_ID as u32)
                    .to_le(),
            };
            out = out.add(1);
        }
    }
    xattr_size as isize
}

/// Replaces the ids in an ACL that the caller wrote by those that the filesystem stores:
/// `vfs_set_acl_idmapped_mnt()`.
///
/// # Safety
///
/// `idmap`, `fs_userns` and `acl` must be valid, and nothing else may access `acl`.
#[export]
unsafe extern "C" fn rust_vfs_set_acl_idmapped_mnt(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    acl: *mut bindings::posix_acl,
) -> c_int {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // Without an idmap, each id stays as it is.
    if task.map.is_nop() {
        return 0;
    }
    // SAFETY: `fs_userns` is valid.
    let fs = unsafe { UserNamespace::from_raw(fs_userns) };
    // SAFETY: `acl` is valid.
    let count = unsafe { (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count };
    // SAFETY: `acl` is valid.
    let entries: *mut bindings::posix_acl_entry = unsafe { (&raw mut (*acl).a_entries).cast() };
    for index in 0..count as usize {
        // SAFETY: `a_entries` has `a_count` entries, and nothing else accesses them.
        let entry = unsafe { &mut *entries.add(index) };
        if let Some(id) = task.acl_to_fs(fs, Entry::from_c(entry)).id_to_c() {
            // `e_uid` and `e_gid` are the same integer.
            entry.__bindgen_anon_1.e_uid.val = id;
        }
    }
    0
}
