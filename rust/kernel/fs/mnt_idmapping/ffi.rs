// SPDX-License-Identifier: GPL-2.0

//! The functions and objects of `fs/mnt_idmapping.c`.
//!
//! C headers: [`include/linux/mnt_idmapping.h`](srctree/include/linux/mnt_idmapping.h),
//! `fs/internal.h`

use super::MntIdmap;
use crate::{
    bindings,
    prelude::*,
    seq_file::{
        seq_print,
        SeqFile, //
    },
    sync::aref::ARef,
    uidgid::{
        Group,
        Id,
        User,
        VfsGid, //
    },
    user_namespace::UserNamespace, //
};
use core::ptr::NonNull;

/// The idmap of mounts that are not idmapped: it maps each id to itself.
///
/// Functions compare its address, and do not read its fields.
#[no_mangle]
static nop_mnt_idmap: MntIdmap = MntIdmap::empty();

/// The idmap that maps no id.
#[no_mangle]
static invalid_mnt_idmap: MntIdmap = MntIdmap::empty();

/// Maps the owner on disk to the owner at the mount: `INVALID_VFSUID` if it is not mapped.
///
/// # Safety
///
/// `idmap` and `fs_userns` must be valid.
#[export]
unsafe extern "C" fn make_vfsuid(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    kuid: bindings::kuid_t,
) -> bindings::vfsuid_t {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    // SAFETY: `fs_userns` is valid: `# Safety` of this function.
    let fs_userns = unsafe { UserNamespace::from_raw(fs_userns) };
    let id = idmap.look_up_vfsid::<User>(fs_userns, Id::from_c(kuid.val));
    bindings::vfsuid_t { val: Id::to_c(id) }
}

/// Maps the group on disk to the group at the mount: `INVALID_VFSGID` if it is not mapped.
///
/// # Safety
///
/// `idmap` and `fs_userns` must be valid.
#[export]
unsafe extern "C" fn make_vfsgid(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    kgid: bindings::kgid_t,
) -> bindings::vfsgid_t {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    // SAFETY: `fs_userns` is valid: `# Safety` of this function.
    let fs_userns = unsafe { UserNamespace::from_raw(fs_userns) };
    let id = idmap.look_up_vfsid::<Group>(fs_userns, Id::from_c(kgid.val));
    bindings::vfsgid_t { val: Id::to_c(id) }
}

/// Maps a user at the mount to the owner on disk: `INVALID_UID` if it is not mapped.
///
/// # Safety
///
/// `idmap` and `fs_userns` must be valid.
#[export]
unsafe extern "C" fn from_vfsuid(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    vfsuid: bindings::vfsuid_t,
) -> bindings::kuid_t {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    // SAFETY: `fs_userns` is valid: `# Safety` of this function.
    let fs_userns = unsafe { UserNamespace::from_raw(fs_userns) };
    let id = idmap.look_up_fsid::<User>(fs_userns, Id::from_c(vfsuid.val));
    bindings::kuid_t { val: Id::to_c(id) }
}

/// Maps a group at the mount to the group on disk: `INVALID_GID` if it is not mapped.
///
/// # Safety
///
/// `idmap` and `fs_userns` must be valid.
#[export]
unsafe extern "C" fn from_vfsgid(
    idmap: *mut bindings::mnt_idmap,
    fs_userns: *mut bindings::user_namespace,
    vfsgid: bindings::vfsgid_t,
) -> bindings::kgid_t {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    // SAFETY: `fs_userns` is valid: `# Safety` of this function.
    let fs_userns = unsafe { UserNamespace::from_raw(fs_userns) };
    let id = idmap.look_up_fsid::<Group>(fs_userns, Id::from_c(vfsgid.val));
    bindings::kgid_t { val: Id::to_c(id) }
}

/// Returns 1 if the caller is in a group, otherwise 0: `vfsgid_in_group_p()`.
///
/// Returns 0 for a group that the idmap does not map, even if the credentials have the group -1:
/// nfsd takes such groups from its clients. C compares the numbers.
///
/// # Safety
///
/// None. The function is unsafe because bindgen declares each C function as unsafe.
#[export]
unsafe extern "C" fn vfsgid_in_group_p(vfsgid: bindings::vfsgid_t) -> c_int {
    let group: Option<VfsGid> = Id::from_c(vfsgid.val);
    group.map_or(0, |group| {
        // SAFETY: `in_group_p()` reads the credentials of the current task only.
        unsafe { bindings::in_group_p(bindings::kgid_t { val: group.get() }) }
    })
}

/// Returns a reference to the idmap of a user namespace, or an error pointer.
///
/// # Safety
///
/// `mnt_userns` must be valid. The caller may sleep.
#[export]
unsafe extern "C" fn alloc_mnt_idmap(
    mnt_userns: *mut bindings::user_namespace,
) -> *mut bindings::mnt_idmap {
    // SAFETY: `mnt_userns` is valid: `# Safety` of this function.
    match MntIdmap::new(unsafe { UserNamespace::from_raw(mnt_userns) }) {
        Ok(idmap) => ARef::into_raw(idmap).as_ptr().cast(),
        Err(error) => error.to_ptr(),
    }
}

/// Takes a reference to an idmap, and returns the idmap.
///
/// # Safety
///
/// `idmap` must be valid.
#[export]
unsafe extern "C" fn mnt_idmap_get(idmap: *mut bindings::mnt_idmap) -> *mut bindings::mnt_idmap {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let held = ARef::from(unsafe { MntIdmap::from_raw(idmap) });
    ARef::into_raw(held).as_ptr().cast()
}

/// Drops a reference to an idmap.
///
/// # Safety
///
/// `idmap` must be null, or the caller must hold a reference to it that it does not use afterwards.
#[export]
unsafe extern "C" fn mnt_idmap_put(idmap: *mut bindings::mnt_idmap) {
    if let Some(idmap) = NonNull::new(idmap.cast::<MntIdmap>()) {
        // SAFETY: The caller holds a reference, and does not use it afterwards: `# Safety` of this
        // function.
        drop(unsafe { ARef::from_raw(idmap) });
    }
}

/// Writes the extents of an idmap with the lower ids of the caller's user namespace, each followed
/// by a zero byte: for `statmount()`.
///
/// Returns the number of extents, or `-EAGAIN` if `seq` is full.
///
/// # Safety
///
/// `idmap` must be valid. `seq` must be valid, and no other task must use it.
#[export]
unsafe extern "C" fn statmount_mnt_idmap(
    idmap: *mut bindings::mnt_idmap,
    seq: *mut bindings::seq_file,
    uid_map: bool,
) -> c_int {
    // SAFETY: `idmap` is valid: `# Safety` of this function.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    if !idmap.is_idmapped() {
        return 0;
    }
    let written = UserNamespace::with_current(|ns| {
        // SAFETY: `seq` is valid and no other task uses it: `# Safety` of this function.
        unsafe {
            if uid_map {
                write_extents(seq, idmap.extents_in::<User>(ns))
            } else {
                write_extents(seq, idmap.extents_in::<Group>(ns))
            }
        }
    });
    match written {
        Ok(count) => count,
        Err(error) => error.to_errno(),
    }
}

/// Writes extents as strings, and returns their number.
///
/// # Safety
///
/// `seq` must be valid, and no other task must use it.
unsafe fn write_extents(
    seq: *mut bindings::seq_file,
    extents: impl Iterator<Item = (u32, u32, u32)>,
) -> Result<c_int> {
    let mut written: c_int = 0;
    for (first, lower, length) in extents {
        // SAFETY: `seq` is valid: `# Safety` of this function.
        let file = unsafe { SeqFile::from_raw(seq) };
        seq_print!(file, "{first} {lower} {length}");
        // SAFETY: `seq` is valid and no other task uses it: `# Safety` of this function.
        let (count, size) = unsafe { (&mut (*seq).count, (*seq).size) };
        // `seq_has_overflowed()`
        if *count == size {
            return Err(EAGAIN);
        }
        // The zero byte that `vsnprintf()` has written after the text becomes a part of the text.
        *count = count.wrapping_add(1);
        if *count == size {
            return Err(EAGAIN);
        }
        // There are at most `MAX_EXTENTS`.
        written = written.wrapping_add(1);
    }
    Ok(written)
}
