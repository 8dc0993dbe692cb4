// SPDX-License-Identifier: GPL-2.0

//! Who owns what is made.

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

decision! {
    /// The body of `inode_init_owner()`.
    ///
    /// # Safety
    ///
    /// `idmap` and `inode` must be valid, and the latter not be known to anybody else yet; `dir` must
    /// be null or valid, and `cred` must be `current_cred()`.
    fn rust_inode_init_owner(idmap, inode: *mut bindings::inode, dir: *const bindings::inode, mode: bindings::umode_t), in AnyInode::from_raw(inode), by InitUserNsIdmap;
    |task| {
        let dir = (!dir.is_null()).then(|| AnyInode::from_raw(dir));
        let made = task.inode_init_owner(AnyInode::from_raw(inode), dir, Mode::new(mode));
        (*inode).i_uid.val = Id::to_c(made.owner);
        (*inode).i_gid.val = Id::to_c(made.group);
        (*inode).i_mode = made.mode.bits();
    }
}

/// The body of `mode_strip_sgid()`.
///
/// # Safety
///
/// `idmap` must be valid, `dir` null or valid, and `cred` must be `current_cred()`.
#[export]
unsafe extern "C" fn rust_mode_strip_sgid(
    idmap: *mut bindings::mnt_idmap,
    dir: *const bindings::inode,
    mode: bindings::umode_t,
    cred: *const bindings::cred,
) -> bindings::umode_t {
    // SAFETY: By the requirements above.
    let (task, dir) = unsafe {
        let dir = (!dir.is_null()).then(|| AnyInode::from_raw(dir));
        (task(idmap, cred), dir)
    };
    task.mode_strip_sgid(dir, Mode::new(mode)).bits()
}
