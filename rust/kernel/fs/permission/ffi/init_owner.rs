// SPDX-License-Identifier: GPL-2.0

//! Owner, group and mode of new inodes, for `fs/inode.c`.

use super::task;
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mode::Mode, //
    },
    prelude::*,
    uidgid::Id, //
};

/// Makes a reference to a directory, or [`None`] if there is none.
///
/// # Safety
///
/// `dir` must be null or valid for `'a`.
#[inline(always)]
unsafe fn directory<'a>(dir: *const bindings::inode) -> Option<&'a AnyInode> {
    // SAFETY: `dir` is valid where it is not null.
    (!dir.is_null()).then(|| unsafe { AnyInode::from_raw(dir) })
}

/// Sets owner, group and mode of a new inode: `inode_init_owner()`.
///
/// # Safety
///
/// `idmap` must be valid, `dir` must be null or valid, and `inode` must be valid and not yet
/// visible to others.
#[export]
unsafe extern "C" fn rust_inode_init_owner(
    idmap: *mut bindings::mnt_idmap,
    inode: *mut bindings::inode,
    dir: *const bindings::inode,
    mode: bindings::umode_t,
) {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `dir` is null or valid.
    let dir = unsafe { directory(dir) };
    // SAFETY: `inode` is valid.
    let new = task.inode_init_owner(unsafe { AnyInode::from_raw(inode) }, dir, Mode::new(mode));
    // SAFETY: `inode` is valid, and no one else reads or writes these fields yet.
    unsafe {
        (*inode).i_uid.val = Id::to_c(new.owner);
        (*inode).i_gid.val = Id::to_c(new.group);
        (*inode).i_mode = new.mode.bits();
    }
}

/// Returns the mode of a new file, without the set-group-id bit if the caller must not set it:
/// `mode_strip_sgid()`.
///
/// # Safety
///
/// `idmap` must be valid, and `dir` must be null or valid.
#[export]
unsafe extern "C" fn rust_mode_strip_sgid(
    idmap: *mut bindings::mnt_idmap,
    dir: *const bindings::inode,
    mode: bindings::umode_t,
) -> bindings::umode_t {
    // SAFETY: `idmap` is valid, and the credentials stay the same until this returns.
    let task = unsafe { task(idmap) };
    // SAFETY: `dir` is null or valid.
    let dir = unsafe { directory(dir) };
    task.mode_strip_sgid(dir, Mode::new(mode)).bits()
}
