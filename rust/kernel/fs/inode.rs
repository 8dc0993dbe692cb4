// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    types::Opaque, //
};

/// An inode.
///
/// Wraps the kernel's `struct inode`. Its owner is not to be had from it alone: that takes the
/// mount through which it was reached, see [`access`](super::access).
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and so is their superblock. Nothing more
/// is said: an inode that was reached in RCU walk has no reference, and any field may be written
/// meanwhile by somebody who holds its locks.
#[repr(transparent)]
pub struct Inode(Opaque<bindings::inode>);

impl Inode {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an inode that stays valid for `'a`, by a reference or by RCU.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // SAFETY: By the requirements above the pointer is valid for `'a`.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the inode by.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }
}
