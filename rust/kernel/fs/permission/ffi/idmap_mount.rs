// SPDX-License-Identifier: GPL-2.0

//! Who may idmap a mount.

use crate::{
    bindings,
    fs::{
        file::LocalFile,
        permission::{
            current::Current,
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

/// What is open at a file descriptor. The file keeps what it is alive.
fn look_up(fd: i32) -> UsernsFd<(ARef<LocalFile>, *mut bindings::user_namespace)> {
    let Ok(file) = LocalFile::fget(fd as u32) else {
        return UsernsFd::Closed;
    };
    // SAFETY: The file is open. That of a namespace has the namespace as private data of its inode,
    // and one of this type is in a user namespace.
    unsafe {
        if !bindings::proc_ns_file(file.as_ptr()) {
            return UsernsFd::Other;
        }
        let ns: *mut bindings::ns_common = (*(*file.as_ptr()).f_inode).i_private.cast();
        if (*ns).ns_type != bindings::CLONE_NEWUSER {
            return UsernsFd::Other;
        }
        let userns = crate::container_of!(ns, bindings::user_namespace, ns);
        let initial = ptr::eq(userns, &raw const bindings::init_user_ns);
        UsernsFd::UserNamespace((file, userns), initial)
    }
}

/// The body of `build_mount_idmapped()`: gives zero, and in `idmap` or `mnt_userns`, with a
/// reference, what is to be set; or a negative error number.
///
/// # Safety
///
/// `idmap` and `mnt_userns` must be valid for writes, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_build_mount_idmapped(
    set: bool,
    clear: bool,
    replace: bool,
    userns_fd: u64,
    idmap: *mut *mut bindings::mnt_idmap,
    mnt_userns: *mut *mut bindings::user_namespace,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above.
    let current = unsafe { Current::from_cred(cred) };
    let request = IdmapRequest {
        set,
        clear,
        replace,
        userns_fd,
    };
    let new = request.build(look_up, |(_file, userns)| {
        // SAFETY: The file keeps the namespace alive.
        current.ns_capable(
            unsafe { UserNamespace::from_raw(*userns) },
            Capability::SysAdmin,
        )
    });
    match new {
        Ok(NewMap::Keep) => 0,
        Ok(NewMap::Nop) => {
            // SAFETY: By the requirements above.
            unsafe { *idmap = &raw mut bindings::nop_mnt_idmap };
            0
        }
        Ok(NewMap::Of((_file, userns))) => {
            // SAFETY: By the requirements above; the file keeps the namespace alive until there is
            // a reference of its own.
            unsafe { *mnt_userns = bindings::get_user_ns(userns) };
            0
        }
        Err(reason) => CheckError::from(reason).to_errno(),
    }
}

/// What `can_idmap_mount()` asks where there is a new map.
///
/// # Safety
///
/// `sb` must be valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_can_idmap_mount(
    sb: *const bindings::super_block,
    mnt_userns: *const bindings::user_namespace,
    replace: bool,
    is_idmapped: bool,
    is_anonymous: bool,
    cred: *const bindings::cred,
) -> c_int {
    // SAFETY: By the requirements above. A superblock holds its namespace and its kind, and neither
    // changes.
    let (current, facts, namespace) = unsafe {
        let facts = MountFacts {
            map_is_the_filesystems: ptr::eq(mnt_userns, (*sb).s_user_ns),
            replace,
            is_idmapped,
            allows: (*(*sb).s_type).fs_flags as u32 & bindings::FS_ALLOW_IDMAP != 0,
            refuses: (&raw const (*sb).s_iflags).read_volatile() & bindings::SB_I_NOIDMAP as usize
                != 0,
            is_anonymous,
        };
        (
            Current::from_cred(cred),
            facts,
            UserNamespace::from_raw((*sb).s_user_ns),
        )
    };
    match facts.can_idmap(|| current.ns_capable(namespace, Capability::SysAdmin)) {
        Ok(()) => 0,
        Err(reason) => CheckError::from(reason).to_errno(),
    }
}
