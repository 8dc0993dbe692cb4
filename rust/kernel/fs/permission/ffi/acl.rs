// SPDX-License-Identifier: GPL-2.0

//! The ids in access control lists.

use super::task;
use crate::{
    bindings,
    fs::permission::Entry,
    prelude::*,
    user_namespace::UserNamespace, //
};

/// Puts what the filesystem stores in the place of what the mount shows in an entry of an ACL:
/// what `vfs_set_acl_idmapped_mnt()` does with each.
///
/// # Safety
///
/// `idmap`, `fs_userns` and `entry` must be valid, the latter be used by nobody else, and `cred`
/// must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_posix_acl_entry_to_fs(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    entry: *mut bindings::posix_acl_entry,
    cred: *const bindings::cred,
) {
    // SAFETY: By the requirements above. Both members of the union are one integer.
    unsafe {
        let (task, fs) = (task(idmap, cred), UserNamespace::from_raw(fs_userns));
        let stored = task.acl_to_fs(fs, Entry::from_c(&*entry));
        if let Some(id) = stored.id_to_c() {
            (*entry).__bindgen_anon_1.e_uid.val = id;
        }
    }
}

/// What the caller reads as the id of an entry that is stored: what `vfs_posix_acl_to_xattr()`
/// does with each.
///
/// # Safety
///
/// `idmap`, `fs_userns` and `entry` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_posix_acl_entry_to_caller(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    entry: *const bindings::posix_acl_entry,
    cred: *const bindings::cred,
) -> u32 {
    // SAFETY: By the requirements above.
    let read = unsafe {
        let (task, fs) = (task(idmap, cred), UserNamespace::from_raw(fs_userns));
        task.acl_to_caller(fs, Entry::from_c(&*entry))
    };
    read.id_to_c().unwrap_or(bindings::ACL_UNDEFINED_ID as u32)
}
