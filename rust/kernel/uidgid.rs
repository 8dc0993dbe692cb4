// SPDX-License-Identifier: GPL-2.0 OR MIT

//! User and group ids, with a type for each kind and each space.
//!
//! In C a `uid_t`, a `kuid_t`, the owner of an inode and a `vfsuid_t` are numbers of 32 bits, and
//! the number -1 is not an id: `INVALID_UID`. In Rust they are types that the compiler does not mix
//! up:
//!
//! - A [`Kind`] is a type for users or for groups.
//! - A [`Space`] is a type for the user namespace or the mount that the number is relative to.
//! - No id is `u32::MAX`. C's `INVALID_UID` is [`None`].
//!
//! All ids are of the generic type [`Id`], so functions can be generic over users and groups. These
//! are the spaces, in the notation of [`Documentation/filesystems/idmappings.rst`]:
//!
//! | space | notation | users | groups | in C |
//! | --- | --- | --- | --- | --- |
//! | [`Local`] | `u1000` | [`Uid`] | [`Gid`] | `uid_t`, `gid_t` |
//! | [`Kernel`] | `k1000` | [`Kuid`] | [`Kgid`] | `kuid_t` of a caller |
//! | [`Filesystem`] | `k1000` | [`FsUid`] | [`FsGid`] | `kuid_t` in `inode->i_uid` |
//! | [`Vfs`] | `v1000` | [`VfsUid`] | [`VfsGid`] | `vfsuid_t`, `vfsgid_t` |
//!
//! A map converts an id to another space. A few methods convert an id without a map; the name of
//! each is the reason.
//!
//! This file imports `core` only: programs on the host compile it, too.
//!
//! C header: [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)
//!
//! [`Documentation/filesystems/idmappings.rst`]:
//!     srctree/Documentation/filesystems/idmappings.rst

use core::{
    cmp::Ordering,
    fmt,
    hash::{
        Hash,
        Hasher, //
    },
    marker::PhantomData,
    num::NonZeroU32, //
};

mod sealed {
    pub trait Sealed {}
}
use sealed::Sealed;

/// The kind of an id: user or group.
pub trait Kind: Sealed + 'static {
    /// The name of an id of this kind: `uid` or `gid`.
    const NAME: &'static str;
}

/// The [`Kind`] of user ids.
pub enum User {}

/// The [`Kind`] of group ids.
pub enum Group {}

impl Sealed for User {}
impl Sealed for Group {}

impl Kind for User {
    const NAME: &'static str = "uid";
}

impl Kind for Group {
    const NAME: &'static str = "gid";
}

/// The user namespace or the mount that the number of an id is relative to.
pub trait Space: Sealed + 'static {
    /// The prefix of ids of this space in `idmappings.rst`.
    const PREFIX: &'static str;
}

/// Ids of programs: relative to a user namespace.
pub enum Local {}

/// Ids of credentials: relative to the initial user namespace.
pub enum Kernel {}

/// Ids of inodes: relative to the initial user namespace, and mapped in the user namespace of the
/// filesystem.
///
/// The idmap of a mount converts them to ids that can be compared with those of credentials.
pub enum Filesystem {}

/// Ids at a mount.
pub enum Vfs {}

impl Sealed for Local {}
impl Sealed for Kernel {}
impl Sealed for Filesystem {}
impl Sealed for Vfs {}

impl Space for Local {
    const PREFIX: &'static str = "u";
}

impl Space for Kernel {
    const PREFIX: &'static str = "k";
}

impl Space for Filesystem {
    const PREFIX: &'static str = "k";
}

impl Space for Vfs {
    const PREFIX: &'static str = "v";
}

/// A user or group id of one [`Space`].
///
/// # Invariants
///
/// `complement` is the bitwise complement of the id. It is not zero, so the id is not `u32::MAX`:
/// `INVALID_UID`, `INVALID_GID`. With the complement, an `Option<Id>` has the size of an id, and
/// one instruction converts it to and from C's representation.
///
/// # Examples
///
/// ```
/// use kernel::uidgid::{Gid, Uid};
///
/// let uid = Uid::new(1000);
/// assert_eq!(uid.map(|id| id.get()), Some(1000));
/// assert_eq!(Gid::new(u32::MAX), None);
/// ```
///
/// A user id is not a group id, and an id of a program is not an id of an inode:
///
/// ```ignore,compile_fail,E0308
/// use kernel::uidgid::{Gid, Uid};
///
/// let gid: Option<Gid> = Uid::new(1000);
/// ```
///
/// ```ignore,compile_fail,E0308
/// use kernel::uidgid::{FsUid, Uid};
///
/// fn same(written: Uid, stored: FsUid) -> bool {
///     written == stored
/// }
/// ```
pub struct Id<K: Kind, S: Space> {
    complement: NonZeroU32,
    marker: PhantomData<(K, S)>,
}

/// A user id of a program, C's `uid_t`.
pub type Uid = Id<User, Local>;
/// A group id of a program, C's `gid_t`.
pub type Gid = Id<Group, Local>;
/// A user id of credentials, C's `kuid_t`.
pub type Kuid = Id<User, Kernel>;
/// A group id of credentials, C's `kgid_t`.
pub type Kgid = Id<Group, Kernel>;
/// The owner of an inode, the `kuid_t` in `inode->i_uid`.
pub type FsUid = Id<User, Filesystem>;
/// The group of an inode, the `kgid_t` in `inode->i_gid`.
pub type FsGid = Id<Group, Filesystem>;
/// A user id at a mount, C's `vfsuid_t`.
pub type VfsUid = Id<User, Vfs>;
/// A group id at a mount, C's `vfsgid_t`.
pub type VfsGid = Id<Group, Vfs>;

impl<K: Kind, S: Space> Id<K, S> {
    /// Converts an id from C's representation. `u32::MAX` becomes [`None`].
    ///
    /// The kind and the space are those of the type that the caller uses.
    #[inline(always)]
    pub(crate) const fn from_c(raw: u32) -> Option<Self> {
        match NonZeroU32::new(!raw) {
            // INVARIANT: `complement` is the complement of `raw`, and not zero.
            Some(complement) => Some(Self {
                complement,
                marker: PhantomData,
            }),
            None => None,
        }
    }

    /// Converts an id to C's representation. [`None`] becomes `u32::MAX`.
    #[inline(always)]
    pub(crate) const fn to_c(id: Option<Self>) -> u32 {
        match id {
            Some(id) => id.get(),
            None => u32::MAX,
        }
    }

    /// Returns the number; it is not `u32::MAX`.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        !self.complement.get()
    }

    /// Converts the id to another space, in which its number is the same.
    #[inline(always)]
    pub(crate) const fn cast<T: Space>(self) -> Id<K, T> {
        // INVARIANT: The complement is that of an id already.
        Id {
            complement: self.complement,
            marker: PhantomData,
        }
    }

    /// Converts an id or [`None`] as [`Id::cast`] does, without a branch.
    #[inline(always)]
    pub(crate) const fn cast_any<T: Space>(id: Option<Self>) -> Option<Id<K, T>> {
        Id::from_c(Self::to_c(id))
    }
}

impl<K: Kind> Id<K, Local> {
    /// Creates an id from its number. Returns [`None`] for `u32::MAX`, which is not an id.
    #[inline]
    pub const fn new(raw: u32) -> Option<Self> {
        Self::from_c(raw)
    }
}

// Derived implementations would have bounds on `K` and `S`.

impl<K: Kind, S: Space> Clone for Id<K, S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind, S: Space> Copy for Id<K, S> {}

impl<K: Kind, S: Space> PartialEq for Id<K, S> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.complement == other.complement
    }
}

impl<K: Kind, S: Space> Eq for Id<K, S> {}

impl<K: Kind, S: Space> PartialOrd for Id<K, S> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind, S: Space> Ord for Id<K, S> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl<K: Kind, S: Space> Hash for Id<K, S> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.get().hash(state);
    }
}

impl<K: Kind, S: Space> fmt::Display for Id<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

impl<K: Kind, S: Space> fmt::Debug for Id<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", K::NAME, S::PREFIX, self.get())
    }
}
