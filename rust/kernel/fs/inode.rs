// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! Three types say what is known of one, from the least to the most:
//!
//! - [`AnyInode`] is an inode of any filesystem, perhaps without a reference, in RCU walk.
//! - [`Inode`] is one of a known filesystem, with a reference: it has the filesystem's data.
//! - [`New`](super::new_inode::New) is one that nobody else knows yet, and that has to be given a name or is gone again.
//!
//! [`Locked`] is an [`Inode`] whose `i_rwsem` the current task holds.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

#[cfg(CONFIG_RUST_FILESYSTEMS)]
mod typed;

use crate::{
    bindings,
    types::Opaque, //
};

#[cfg(CONFIG_RUST_FILESYSTEMS)]
pub use self::typed::{
    Inode,
    Locked, //
};

/// An inode.
///
/// Wraps the kernel's `struct inode`. Its owner is not to be had from it alone: that takes the
/// mount through which it was reached, see [`permission`](super::permission).
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and so is their superblock. Nothing more
/// is said: an inode that was reached in RCU walk has no reference, and any field may be written
/// meanwhile by somebody who holds its locks.
#[repr(transparent)]
pub struct AnyInode(Opaque<bindings::inode>);

impl AnyInode {
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
