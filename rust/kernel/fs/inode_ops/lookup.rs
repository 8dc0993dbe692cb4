// SPDX-License-Identifier: GPL-2.0

//! `->lookup()`.

use super::{
    InodeOperations,
    InodeVTable, //
};
use crate::{
    bindings,
    fs::dentry::Lookup,
    prelude::*, //
};

/// The type of `->lookup()`.
type Function = unsafe extern "C" fn(
    *mut bindings::inode,
    *mut bindings::dentry,
    c_uint,
) -> *mut bindings::dentry;

impl<O: InodeOperations> InodeVTable<O> {
    /// `->lookup()` of directories.
    pub(super) const LOOKUP: Option<Function> = if O::HAS_LOOKUP {
        Some(lookup::<O>)
    } else {
        Some(bindings::simple_lookup)
    };
}

/// `->lookup()`.
///
/// # Safety
///
/// `dir` must be a directory of `O::FileSystem` that is locked for reading or writing. `dentry`
/// must be a new dentry in it that the current task looks up.
unsafe extern "C" fn lookup<O: InodeOperations>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    _flags: c_uint,
) -> *mut bindings::dentry {
    // SAFETY: `dir` is locked, and `dentry` is a new dentry in it: `# Safety` of this function. This
    // call is the only scope of `'d`.
    let lookup = unsafe { Lookup::from_raw(dir, dentry) };
    if lookup.name().as_bytes().len() > bindings::NAME_MAX as usize {
        return ENAMETOOLONG.to_ptr();
    }
    match O::lookup(lookup) {
        // Null stands for `dentry`.
        Ok(_looked_up) => core::ptr::null_mut(),
        Err(error) => error.to_ptr(),
    }
}
