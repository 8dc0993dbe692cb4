// SPDX-License-Identifier: GPL-2.0

//! Nested idmaps.

use super::{
    idmap_mount::mount_facts,
    nesting::Nesting, //
};
use crate::{
    bindings,
    fs::{
        mnt_idmapping::MntIdmap,
        permission::{
            count_ids,
            current::Current,
            may_nest,
            Caller,
            Capability,
            CheckError,
            NestingNamespace,
            NoIdmap,
            MAX_NAMED_IDS, //
        },
    },
    prelude::*,
    sync::aref::ARef,
    uidgid::{
        Group,
        User, //
    },
    user_namespace::{
        NamespaceKind,
        UserNamespace, //
    },
};
use core::ptr;

impl NestingNamespace for UserNamespace {
    fn is_same(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }

    fn may_setgroups(&self) -> bool {
        // SAFETY: `self` is a valid namespace. The caller may sleep: it is about to allocate.
        unsafe { bindings::userns_may_setgroups(self.as_ptr()) }
    }

    fn user_count(&self) -> u64 {
        count::<User>(self)
    }

    fn group_count(&self) -> u64 {
        count::<Group>(self)
    }
}

/// Returns how many ids of a kind a namespace maps.
fn count<K: NamespaceKind>(ns: &UserNamespace) -> u64 {
    ns.written_map::<K>()
        .map_or(0, |map| count_ids(map.extents()))
}

/// Makes the nested idmap of a mount. The caller owns the reference.
///
/// Returns null if the caller controls the filesystem, and an error pointer if it may not nest
/// idmaps or if there is no memory.
///
/// # Safety
///
/// `sb`, `old` and `mnt_userns` must be valid. The caller may sleep.
#[export]
unsafe extern "C" fn rust_nest_mnt_idmap(
    sb: *const bindings::super_block,
    old: *mut bindings::mnt_idmap,
    mnt_userns: *mut bindings::user_namespace,
) -> *mut bindings::mnt_idmap {
    // SAFETY: The credentials stay the same until this returns.
    let current = unsafe { Current::new() };
    // SAFETY: `old` and `mnt_userns` are valid: `# Safety` of this function. A superblock holds a
    // reference to its user namespace, which never changes.
    let (old, fs, map_of) = unsafe {
        (
            MntIdmap::from_raw(old),
            UserNamespace::from_raw((*sb).s_user_ns),
            UserNamespace::from_raw(mnt_userns),
        )
    };
    if current.ns_capable(fs, Capability::SysAdmin) {
        return ptr::null_mut();
    }
    if let Err(reason) = may_nest(current, map_of, true, MAX_NAMED_IDS) {
        return Error::from_errno(CheckError::from(reason).to_errno()).to_ptr();
    }
    let nesting = Nesting {
        old,
        fs,
        caller: current.namespace(),
        map_of,
    };
    match nesting.make() {
        Ok(idmap) => ARef::into_raw(idmap).as_ptr().cast(),
        Err(error) => error.to_ptr(),
    }
}

/// Checks whether a mount may get the result of [`rust_nest_mnt_idmap`]: `can_idmap_mount()` for a
/// caller that does not control the filesystem.
///
/// `nested` is zero if there is a nested idmap for the mount, or the error number of
/// [`rust_nest_mnt_idmap`].
///
/// # Safety
///
/// `sb` must be valid.
#[export]
unsafe extern "C" fn rust_can_nest_idmap(
    sb: *const bindings::super_block,
    mnt_userns: *const bindings::user_namespace,
    replace: bool,
    is_idmapped: bool,
    is_anonymous: bool,
    nested: c_int,
) -> c_int {
    // SAFETY: `sb` is valid: `# Safety` of this function.
    let facts = unsafe { mount_facts(sb, mnt_userns, replace, is_idmapped, is_anonymous) };
    match facts.can_idmap(|| nested == 0) {
        Ok(()) => 0,
        Err(NoIdmap::FilesystemNotControlled) => nested,
        Err(reason) => CheckError::from(reason).to_errno(),
    }
}
