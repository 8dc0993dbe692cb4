// SPDX-License-Identifier: GPL-2.0

//! Idmaps of mounts, if `fs/mnt_idmapping.c` implements them.

use crate::{
    bindings,
    types::Opaque, //
};
use core::ptr;

/// The idmap of a mount: `struct mnt_idmap`.
///
/// The public methods are the same with `CONFIG_RUST_MNT_IDMAPPING`.
///
/// # Invariants
///
/// An instance is valid for as long as it is borrowed.
#[repr(transparent)]
pub struct MntIdmap(Opaque<bindings::mnt_idmap>);

// SAFETY: An idmap does not change, apart from its reference count, which is atomic.
unsafe impl Send for MntIdmap {}

// SAFETY: An idmap does not change, apart from its reference count, which is atomic.
unsafe impl Sync for MntIdmap {}

impl MntIdmap {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an idmap that stays valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::mnt_idmap) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`, by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct mnt_idmap`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct mnt_idmap`.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }

    /// Checks for the idmap of mounts that are not idmapped: `nop_mnt_idmap`.
    #[inline(always)]
    pub fn is_nop(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::nop_mnt_idmap)
    }
}
