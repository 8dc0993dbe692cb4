// SPDX-License-Identifier: GPL-2.0

//! Functions that C calls: one for each C function with a switch to Rust.
//!
//! A C function `f()` returns the result of `rust_f()` if `mnt_idmapping_in_rust()`. The arguments
//! are those of `f()`, and so are the result and the order of errors. The submodules have the names
//! of the modules that they call.
//!
//! C header: [`include/linux/rust_permission.h`](srctree/include/linux/rust_permission.h)

mod acl;
mod attr;
mod fscaps;
mod generic;
mod idmap_mount;
mod init_owner;
mod namei;
#[cfg(CONFIG_RUST_MNT_IDMAPPING_NESTED)]
mod nested;
#[cfg(CONFIG_RUST_MNT_IDMAPPING_NESTED)]
mod nesting;
mod owner;

use super::current::{
    Current,
    CurrentAccess, //
};
use crate::{
    bindings,
    fs::mnt_idmapping::MntIdmap, //
};

/// Combines the current task and the idmap of a mount.
///
/// # Safety
///
/// `idmap` must be valid, and the current task must not change its credentials, while the result
/// is in use.
#[inline(always)]
unsafe fn task<'a>(idmap: *mut bindings::mnt_idmap) -> CurrentAccess<'a> {
    // SAFETY: The current task does not change its credentials: see the requirements above.
    let current = unsafe { Current::new() };
    // SAFETY: `idmap` is valid: see the requirements above.
    CurrentAccess::new(current, unsafe { MntIdmap::from_raw(idmap) })
}
