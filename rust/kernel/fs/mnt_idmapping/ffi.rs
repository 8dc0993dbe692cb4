// SPDX-License-Identifier: GPL-2.0

//! What C calls: the functions and objects of `include/linux/mnt_idmapping.h`, and those that
//! `fs/internal.h` declares of them.

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

/// The map of mounts that are not idmapped: each id is itself.
///
/// It is known by its address; what is in it is never looked at.
#[no_mangle]
static nop_mnt_idmap: MntIdmap = MntIdmap::empty();

/// The map of a mount whose map is not known: no id has a name.
#[no_mangle]
static invalid_mnt_idmap: MntIdmap = MntIdmap::empty();

/// Maps the owner that an inode stores to what is seen through the mount.
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
    // SAFETY: By the requirements above.
    let (idmap, fs_userns) = unsafe {
        (
            MntIdmap::from_raw(idmap),
            UserNamespace::from_raw(fs_userns),
        )
    };
    let id = idmap.make_vfsid::<User>(fs_userns, Id::from_c(kuid.val));
    bindings::vfsuid_t { val: Id::to_c(id) }
}

/// Maps the group that an inode stores to what is seen through the mount.
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
    // SAFETY: By the requirements above.
    let (idmap, fs_userns) = unsafe {
        (
            MntIdmap::from_raw(idmap),
            UserNamespace::from_raw(fs_userns),
        )
    };
    let id = idmap.make_vfsid::<Group>(fs_userns, Id::from_c(kgid.val));
    bindings::vfsgid_t { val: Id::to_c(id) }
}

/// Maps a user seen through the mount to what an inode stores.
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
    // SAFETY: By the requirements above.
    let (idmap, fs_userns) = unsafe {
        (
            MntIdmap::from_raw(idmap),
            UserNamespace::from_raw(fs_userns),
        )
    };
    let id = idmap.from_vfsid::<User>(fs_userns, Id::from_c(vfsuid.val));
    bindings::kuid_t { val: Id::to_c(id) }
}

/// Maps a group seen through the mount to what an inode stores.
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
    // SAFETY: By the requirements above.
    let (idmap, fs_userns) = unsafe {
        (
            MntIdmap::from_raw(idmap),
            UserNamespace::from_raw(fs_userns),
        )
    };
    let id = idmap.from_vfsid::<Group>(fs_userns, Id::from_c(vfsgid.val));
    bindings::kgid_t { val: Id::to_c(id) }
}

/// Returns 1 if the caller is in a group, otherwise 0: `vfsgid_in_group_p()`.
///
/// Returns 0 for a group that the idmap does not map, even if the credentials have the group -1:
/// nfsd takes such groups from its clients. C compares the numbers.
///
/// # Safety
///
/// None. C declares the function, and so its type is that of an unsafe one.
#[export]
unsafe extern "C" fn vfsgid_in_group_p(vfsgid: bindings::vfsgid_t) -> c_int {
    let group: Option<VfsGid> = Id::from_c(vfsgid.val);
    group.map_or(0, |group| {
        // SAFETY: `in_group_p()` reads the credentials of the current task only.
        unsafe { bindings::in_group_p(bindings::kgid_t { val: group.get() }) }
    })
}

/// Makes a mount's map from a user namespace, or an error pointer.
///
/// # Safety
///
/// `mnt_userns` must be valid.
#[export]
unsafe extern "C" fn alloc_mnt_idmap(
    mnt_userns: *mut bindings::user_namespace,
) -> *mut bindings::mnt_idmap {
    // SAFETY: By the requirements above.
    match MntIdmap::new(unsafe { UserNamespace::from_raw(mnt_userns) }) {
        Ok(idmap) => ARef::into_raw(idmap).as_ptr().cast(),
        Err(error) => error.to_ptr(),
    }
}

/// Takes a reference, and returns its argument.
///
/// # Safety
///
/// `idmap` must be valid.
#[export]
unsafe extern "C" fn mnt_idmap_get(idmap: *mut bindings::mnt_idmap) -> *mut bindings::mnt_idmap {
    // SAFETY: By the requirements above.
    let held = ARef::from(unsafe { MntIdmap::from_raw(idmap) });
    ARef::into_raw(held).as_ptr().cast()
}

/// Gives a reference back.
///
/// # Safety
///
/// The caller must hold a reference to `idmap`, and not use it afterwards.
#[export]
unsafe extern "C" fn mnt_idmap_put(idmap: *mut bindings::mnt_idmap) {
    if let Some(idmap) = NonNull::new(idmap.cast::<MntIdmap>()) {
        // SAFETY: By the requirements above.
        drop(unsafe { ARef::from_raw(idmap) });
    }
}

/// Writes the extents of a map as the caller's namespace sees them, each ended by a zero byte, and
/// returns their number, or `-EAGAIN` if `seq` is full.
///
/// # Safety
///
/// `idmap` and `seq` must be valid, and `seq` not in use by another thread.
#[export]
unsafe extern "C" fn statmount_mnt_idmap(
    idmap: *mut bindings::mnt_idmap,
    seq: *mut bindings::seq_file,
    uid_map: bool,
) -> c_int {
    // SAFETY: By the requirements above.
    let idmap = unsafe { MntIdmap::from_raw(idmap) };
    if !idmap.is_idmapped() {
        return 0;
    }
    let written = UserNamespace::with_current(|ns| {
        // SAFETY: By the requirements above.
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
/// `seq` must be valid, and not in use by another thread.
unsafe fn write_extents(
    seq: *mut bindings::seq_file,
    ranges: impl Iterator<Item = (u32, u32, u32)>,
) -> Result<c_int> {
    let mut written: c_int = 0;
    for (first, lower, length) in ranges {
        // SAFETY: By the requirements above.
        let file = unsafe { SeqFile::from_raw(seq) };
        seq_print!(file, "{first} {lower} {length}");
        // SAFETY: By the requirements above.
        let (count, size) = unsafe { (&raw mut (*seq).count, (*seq).size) };
        // SAFETY: As above. Where the text did fit, so did the zero byte that `vsnprintf()` ends
        // it with; it becomes part of what was written. `seq_has_overflowed()` is this comparison.
        unsafe {
            if *count == size {
                return Err(EAGAIN);
            }
            *count = (*count).wrapping_add(1);
            if *count == size {
                return Err(EAGAIN);
            }
        }
        // There are at most `MAX_EXTENTS`.
        written = written.wrapping_add(1);
    }
    Ok(written)
}
