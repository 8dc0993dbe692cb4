// SPDX-License-Identifier: GPL-2.0

//! The id mapping of a mount where C answers for it.

use crate::{
    bindings,
    types::Opaque, //
};
use core::ptr;

/// The id mapping of a mount, C's `struct mnt_idmap`.
///
/// With `CONFIG_RUST_MNT_IDMAPPING` the type of this name is the implementation; here it is only a
/// name for what `fs/mnt_idmapping.c` keeps to itself, to be handed on to the VFS.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed.
#[repr(transparent)]
pub struct MntIdmap(Opaque<bindings::mnt_idmap>);

// SAFETY: The object never changes, apart from its count, which is atomic.
unsafe impl Send for MntIdmap {}

// SAFETY: See above.
unsafe impl Sync for MntIdmap {}

impl MntIdmap {
    /// Makes a reference from C's pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid map that stays valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::mnt_idmap) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the map by.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        self.0.get()
    }

    /// Whether this is the map of mounts that are not idmapped.
    #[inline(always)]
    pub fn is_nop(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::nop_mnt_idmap)
    }
}
