// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What ids seen through a mount may be compared with and turned into.
//!
//! A [`VfsUid`] or [`VfsGid`] comes out of a mount's map, or out of a caller who wants to own
//! something that it is about to make. There is no way to one from a plain number, and none from
//! the id that an inode stores. Where the mount has no name for an owner there is no id at all, so
//! that two unmapped owners never compare equal by mistake.
//!
//! # Examples
//!
//! An owner seen through a mount is compared with a caller, or with another owner that is seen:
//!
//! ```
//! use kernel::uidgid::{Kuid, VfsUid};
//!
//! fn may(caller: Kuid, file: Option<VfsUid>, dir: Option<VfsUid>) -> bool {
//!     file.is_some_and(|owner| owner == caller || Some(owner) == dir)
//! }
//! ```
//!
//! It is not compared with what an inode stores, nor is a caller:
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
//! No number becomes one, and the id that an inode stores does not without the mount's map:
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
//! A user is no group, and an owner that may be unmapped is not taken for one that is there:
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
    /// The id under which a caller makes new objects through a mount.
    ///
    /// Mirrors `VFSUIDT_INIT(current_fsuid())`: what a caller is called is also what the mount
    /// calls it.
    #[inline(always)]
    pub const fn from_caller(id: Id<K, Kernel>) -> Self {
        id.cast()
    }

    /// The id as a caller's, where it is to be committed as one.
    ///
    /// Mirrors `vfsuid_into_kuid()`; used, for instance, where a setuid program takes its owner's
    /// id.
    #[inline(always)]
    pub const fn into_kernel(self) -> Id<K, Kernel> {
        self.cast()
    }
}

/// A caller is the owner seen through a mount if the two have the same number.
///
/// Mirrors `vfsuid_eq_kuid()`. That an unmapped owner equals nobody needs no rule here: it has no
/// id.
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

/// The same for a caller that may act as nobody, who owns nothing.
impl<K: Kind> PartialEq<Option<Id<K, Kernel>>> for Id<K, Vfs> {
    #[inline(always)]
    fn eq(&self, other: &Option<Id<K, Kernel>>) -> bool {
        // Nobody is `u32::MAX` here, which no owner is.
        self.get() == Id::to_c(*other)
    }
}
