// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Comparisons and conversions of ids at a mount: `vfsuid_t`, `vfsgid_t`.
//!
//! The idmap of a mount maps an id on disk to a [`VfsUid`] or [`VfsGid`]. For a new inode, the ids
//! of the caller become such ids. Numbers and ids on disk cannot be converted without an idmap. An
//! owner that the idmap does not map is [`None`], so two owners that are not mapped are not equal.
//!
//! # Examples
//!
//! An owner at a mount is compared with a caller, or with another owner at the mount:
//!
//! ```
//! use kernel::uidgid::{Kuid, VfsUid};
//!
//! fn may(caller: Kuid, file: Option<VfsUid>, dir: Option<VfsUid>) -> bool {
//!     file.is_some_and(|owner| owner == caller || Some(owner) == dir)
//! }
//! ```
//!
//! Neither an id at a mount nor an id of a caller can be compared with an id on disk:
//!
//! ```ignore,compile_fail,E0277
//! use kernel::uidgid::{FsUid, VfsUid};
//!
//! fn same(seen: VfsUid, stored: FsUid) -> bool {
//!     seen == stored
//! }
//! ```
//!
//! ```ignore,compile_fail,E0277
//! use kernel::uidgid::{FsUid, Kuid};
//!
//! fn owns(caller: Kuid, stored: FsUid) -> bool {
//!     caller == stored
//! }
//! ```
//!
//! A number cannot be converted, and an id on disk only by an idmap:
//!
//! ```ignore,compile_fail,E0277
//! use kernel::uidgid::VfsUid;
//!
//! let id: VfsUid = 1000u32.into();
//! ```
//!
//! ```ignore,compile_fail,E0599
//! use kernel::uidgid::VfsUid;
//!
//! let id = VfsUid::new(1000);
//! ```
//!
//! ```ignore,compile_fail,E0277
//! use kernel::uidgid::{FsUid, VfsUid};
//!
//! fn see(stored: FsUid) -> VfsUid {
//!     stored.into()
//! }
//! ```
//!
//! A user cannot be compared with a group, nor an owner that may be unmapped with one that is
//! mapped:
//!
//! ```ignore,compile_fail,E0277
//! use kernel::uidgid::{VfsGid, VfsUid};
//!
//! fn same(user: VfsUid, group: VfsGid) -> bool {
//!     user == group
//! }
//! ```
//!
//! ```ignore,compile_fail,E0308
//! use kernel::uidgid::{Kuid, VfsUid};
//!
//! fn owns(caller: Kuid, seen: Option<VfsUid>) -> bool {
//!     seen == Some(caller)
//! }
//! ```
//!
//! C header: [`include/linux/mnt_idmapping.h`](srctree/include/linux/mnt_idmapping.h)
//!
//! [`VfsUid`]: crate::uidgid::VfsUid
//! [`VfsGid`]: crate::uidgid::VfsGid

use crate::uidgid::{
    Id,
    Kernel,
    Kind,
    Vfs, //
};

impl<K: Kind> Id<K, Vfs> {
    /// Converts the id of a caller that creates an inode to the owner of the inode at the mount.
    ///
    /// Mirrors `VFSUIDT_INIT(current_fsuid())`.
    #[inline(always)]
    pub const fn from_caller(id: Id<K, Kernel>) -> Self {
        id.cast()
    }

    /// Converts the id to an id of credentials, such as those of a setuid program.
    ///
    /// Mirrors `vfsuid_into_kuid()`.
    #[inline(always)]
    pub const fn into_kernel(self) -> Id<K, Kernel> {
        self.cast()
    }
}

/// Compares the numbers of an owner at a mount and of a caller.
///
/// Mirrors `vfsuid_eq_kuid()`. An owner that is not mapped has no id, so it is equal to no caller.
impl<K: Kind> PartialEq<Id<K, Kernel>> for Id<K, Vfs> {
    #[inline(always)]
    fn eq(&self, other: &Id<K, Kernel>) -> bool {
        self.get() == other.get()
    }
}

impl<K: Kind> PartialEq<Id<K, Vfs>> for Id<K, Kernel> {
    #[inline(always)]
    fn eq(&self, other: &Id<K, Vfs>) -> bool {
        other == self
    }
}

/// Compares an owner with a caller that may have no valid id. Such a caller owns nothing.
impl<K: Kind> PartialEq<Option<Id<K, Kernel>>> for Id<K, Vfs> {
    #[inline(always)]
    fn eq(&self, other: &Option<Id<K, Kernel>>) -> bool {
        // No owner is `u32::MAX`.
        self.get() == Id::to_c(*other)
    }
}
