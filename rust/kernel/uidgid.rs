// SPDX-License-Identifier: GPL-2.0 OR MIT

//! User and group ids that cannot be mistaken for one another.
//!
//! In C a `uid_t`, a `kuid_t`, an inode's owner and a `vfsuid_t` are all one 32 bit number, and the
//! number `(uid_t)-1` among them means "no id". Here
//!
//! - whether an id names a user or a group is its [`Kind`],
//! - what the number is relative to is its [`Space`],
//! - and no id is `u32::MAX`: where C would pass `INVALID_UID`, there is [`None`].
//!
//! All of these are one type, [`Id`], so that what is written for users holds for groups. The four
//! spaces, in the notation of [`Documentation/filesystems/idmappings.rst`], are
//!
//! | space | notation | users | groups | in C |
//! | --- | --- | --- | --- | --- |
//! | [`Local`] | `u1000` | [`Uid`] | [`Gid`] | `uid_t`, `gid_t` |
//! | [`Kernel`] | `k1000` | [`Kuid`] | [`Kgid`] | `kuid_t` of a caller |
//! | [`Filesystem`] | `k1000` | [`FsUid`] | [`FsGid`] | `kuid_t` in `inode->i_uid` |
//! | [`Vfs`] | `v1000` | [`VfsUid`] | [`VfsGid`] | `vfsuid_t`, `vfsgid_t` |
//!
//! An id changes its space only through a map, or by one of the few named methods that say why no
//! map is needed.
//!
//! This file names nothing but `core`: it is compiled for the host as well.
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

/// Whether an id names a user or a group.
pub trait Kind: Sealed + 'static {
    /// What an id of this kind is called, as in `uid`.
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

/// What the number of an id is relative to.
pub trait Space: Sealed + 'static {
    /// The prefix of `idmappings.rst` for ids of this space.
    const PREFIX: &'static str;
}

/// Ids as a program writes them: relative to some user namespace.
pub enum Local {}

/// Ids as the kernel compares callers: relative to the initial user namespace.
pub enum Kernel {}

/// Ids as an inode stores them: kernel ids that a filesystem's own user namespace maps.
///
/// Before one is compared with a caller it has to go through the mount.
pub enum Filesystem {}

/// Ids as they are seen through a mount.
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
/// `complement` is the bitwise complement of the id. It is not zero, hence the id is not
/// `u32::MAX`, which the kernel reserves for "no id" (`INVALID_UID`, `INVALID_GID`). The complement
/// is what makes `Option<Id>` the size of an id, and converting it to and from C's representation
/// a single instruction.
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
/// A user id is not a group id, and an id that a program wrote is not one that an inode stores:
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

/// A user id as a program writes it, C's `uid_t`.
pub type Uid = Id<User, Local>;
/// A group id as a program writes it, C's `gid_t`.
pub type Gid = Id<Group, Local>;
/// A user id of the kernel, C's `kuid_t`.
pub type Kuid = Id<User, Kernel>;
/// A group id of the kernel, C's `kgid_t`.
pub type Kgid = Id<Group, Kernel>;
/// The owner that an inode stores, the `kuid_t` in `inode->i_uid`.
pub type FsUid = Id<User, Filesystem>;
/// The group that an inode stores, the `kgid_t` in `inode->i_gid`.
pub type FsGid = Id<Group, Filesystem>;
/// A user id seen through a mount, C's `vfsuid_t`.
pub type VfsUid = Id<User, Vfs>;
/// A group id seen through a mount, C's `vfsgid_t`.
pub type VfsGid = Id<Group, Vfs>;

impl<K: Kind, S: Space> Id<K, S> {
    /// Takes an id in C's representation, in which `u32::MAX` means that there is none.
    ///
    /// The caller says by the type it asks for which kind and space the number is of.
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

    /// Gives an id in C's representation, with `u32::MAX` for none.
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

    /// Says that the number is the same in another space.
    #[inline(always)]
    pub(crate) const fn cast<T: Space>(self) -> Id<K, T> {
        // INVARIANT: The complement is that of an id already.
        Id {
            complement: self.complement,
            marker: PhantomData,
        }
    }

    /// [`Id::cast`] for an id that may be none, without a branch.
    #[inline(always)]
    pub(crate) const fn cast_any<T: Space>(id: Option<Self>) -> Option<Id<K, T>> {
        Id::from_c(Self::to_c(id))
    }
}

impl<K: Kind> Id<K, Local> {
    /// Takes the id that a program wrote, [`None`] for `u32::MAX`, which is no id.
    #[inline]
    pub const fn new(raw: u32) -> Option<Self> {
        Self::from_c(raw)
    }
}

// The impls below are by hand because derived ones would ask the same of `K` and `S`.

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
