// SPDX-License-Identifier: GPL-2.0

//! Checks on idmaps that mounts get, for `fs/namespace.c`.

use super::Current;
use crate::{
    bindings,
    fs::{
        file::LocalFile,
        permission::{
            Caller,
            Capability,
            CheckError,
            IdmapRequest,
            MountFacts,
            NewMap,
            UsernsFd, //
        },
    },
    prelude::*,
    sync::aref::ARef,
    user_namespace::UserNamespace, //
};
use core::ptr;

/// A user namespace that a file refers to.
///
/// # Invariants
///
/// `userns` is valid, because `_file` holds a reference to it.
struct FileUserNamespace {
    _file: ARef<LocalFile>,
    userns: *mut bindings::user_namespace,
}

impl FileUserNamespace {
    fn get(&self) -> &UserNamespace {
        // SAFETY: The pointer is valid by the type invariants.
        unsafe { UserNamespace::from_raw(self.userns) }
    }
}

/// Looks up the user namespace that a file descriptor refers to.
fn look_up(fd: i32) -> UsernsFd<FileUserNamespace> {
    let Ok(file) = LocalFile::fget(fd as u32) else {
        return UsernsFd::Closed;
    };
    // SAFETY: The file is open.
    if !unsafe { bindings::proc_ns_file(file.as_ptr()) } {
        return UsernsFd::Other;
    }
    // SAFETY: The file is open, and so its inode is valid. `i_private` of the inode of a namespace
    // is the namespace: `get_proc_ns()`.
    let ns: *mut bindings::ns_common = unsafe { (*(*file.as_ptr()).f_inode).i_private.cast() };
    // SAFETY: The inode of a namespace holds a reference to it.
    if unsafe { (*ns).ns_type } != bindings::CLONE_NEWUSER {
        return UsernsFd::Other;
    }
    // SAFETY: A namespace of this type is the field `ns` of a `struct user_namespace`.
    let userns = unsafe { crate::container_of!(ns, bindings::user_namespace, ns) };
    // INVARIANT: The file holds its inode, and this holds the namespace.
    let namespace = FileUserNamespace {
        _file: file,
        userns,
    };
    let initial = namespace.get().is_initial();
    UsernsFd::UserNamespace(namespace, initial)
}

/// Selects the idmap that a mount gets, and checks whether the caller may use it:
/// `build_mount_idmapped()`.
///
/// Stores `nop_mnt_idmap` in `mnt_idmap`, a new reference in `mnt_userns`, or neither if the idmap
/// of the mount stays the same.
///
/// # Safety
///
/// `attr` must be valid, and `mnt_idmap` and `mnt_userns` must be valid for writes.
#[export]
unsafe extern "C" fn rust_build_mount_idmapped(
    attr: *const bindings::mount_attr,
    replace: bool,
    mnt_idmap: *mut *mut bindings::mnt_idmap,
    mnt_userns: *mut *mut bindings::user_namespace,
) -> c_int {
    let idmap = u64::from(bindings::MOUNT_ATTR_IDMAP);
    // SAFETY: `attr` is valid.
    let request = unsafe {
        IdmapRequest {
            set: (*attr).attr_set & idmap != 0,
            clear: (*attr).attr_clr & idmap != 0,
            replace,
            userns_fd: (*attr).userns_fd,
        }
    };
    // SAFETY: The credentials stay the same until this returns.
    let current = unsafe { Current::new() };
    match request.build(look_up, |namespace| {
        current.ns_capable(namespace.get(), Capability::SysAdmin)
    }) {
        Ok(NewMap::Keep) => 0,
        Ok(NewMap::Nop) => {
            // SAFETY: `mnt_idmap` is valid for writes.
            unsafe { *mnt_idmap = &raw mut bindings::nop_mnt_idmap };
            0
        }
        Ok(NewMap::Of(namespace)) => {
            // SAFETY: `mnt_userns` is valid for writes, and the namespace is valid.
            unsafe { *mnt_userns = bindings::get_user_ns(namespace.userns) };
            0
        }
        Err(reason) => CheckError::from(reason).to_errno(),
    }
}

/// Reads the properties of a mount that the checks for an idmap need.
///
/// # Safety
///
/// `sb` must be valid.
pub(super) unsafe fn mount_facts(
    sb: *const bindings::super_block,
    mnt_userns: *const bindings::user_namespace,
    replace: bool,
    is_idmapped: bool,
    is_anon: bool,
) -> MountFacts {
    // SAFETY: `sb` is valid. A superblock holds references to its user namespace and to its
    // filesystem type, and neither changes. `s_iflags` is read once, as others may write to it.
    let (fs_userns, fs_flags, iflags) = unsafe {
        (
            (*sb).s_user_ns,
            (*(*sb).s_type).fs_flags as u32,
            (&raw const (*sb).s_iflags).read_volatile(),
        )
    };
    MountFacts {
        map_is_the_filesystems: ptr::eq(mnt_userns, fs_userns),
        replace,
        is_idmapped,
        allows: fs_flags & bindings::FS_ALLOW_IDMAP != 0,
        refuses: iflags & bindings::SB_I_NOIDMAP as usize != 0,
        is_anonymous: is_anon,
    }
}

/// Checks whether a mount may get another idmap: `can_idmap_mount()` from where that has found out
/// that there is one.
///
/// # Safety
///
/// `sb` must be valid.
#[export]
unsafe extern "C" fn rust_can_idmap_mount(
    sb: *const bindings::super_block,
    mnt_userns: *const bindings::user_namespace,
    replace: bool,
    is_idmapped: bool,
    is_anon: bool,
) -> c_int {
    // SAFETY: `sb` is valid: `# Safety` of this function.
    let facts = unsafe { mount_facts(sb, mnt_userns, replace, is_idmapped, is_anon) };
    // SAFETY: The credentials stay the same until this returns.
    let current = unsafe { Current::new() };
    // SAFETY: The superblock is valid and holds a reference to its user namespace.
    let fs_userns = unsafe { UserNamespace::from_raw((*sb).s_user_ns) };
    match facts.can_idmap(|| current.ns_capable(fs_userns, Capability::SysAdmin)) {
        Ok(()) => 0,
        Err(reason) => CheckError::from(reason).to_errno(),
    }
}
