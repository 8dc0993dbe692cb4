// SPDX-License-Identifier: GPL-2.0

//! Inodes: `struct inode`.
//!
//! - [`AnyInode`] is an inode of any filesystem. RCU walk may use it without a reference.
//! - [`Inode`] is an inode of one filesystem type, with a reference and the filesystem's data.
//! - [`Locked`] and [`SharedLocked`] are an [`Inode`] whose `i_rwsem` the current task holds for
//!   writing or for reading. [`InodeLocked`] is a field of the data that this lock protects.
//!
//! An inode that is not visible to other tasks yet is a [`New`](super::new_inode::New).
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

#[cfg(CONFIG_RUST_FILESYSTEMS)]
mod locked;
#[cfg(CONFIG_RUST_FILESYSTEMS)]
mod typed;

use crate::{
    bindings,
    types::Opaque, //
};

#[cfg(CONFIG_RUST_FILESYSTEMS)]
pub use self::{
    locked::{
        InodeGuard,
        InodeLocked,
        Locked,
        SharedLocked, //
    },
    typed::Inode, //
};

/// An inode of any filesystem.
///
/// The owner of an inode has no meaning without the mount through which the inode was reached; see
/// [`permission`](super::permission).
///
/// # Invariants
///
/// An instance and its superblock are valid for as long as the instance is borrowed. In RCU walk
/// the borrower holds no reference. Other tasks may write any field while they hold its lock.
#[repr(transparent)]
pub struct AnyInode(Opaque<bindings::inode>);

impl AnyInode {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an inode that stays valid for `'a`, by a reference or by an RCU
    /// read-side critical section.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::inode) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a` by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct inode`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct inode`.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }
}
