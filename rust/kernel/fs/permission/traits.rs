// SPDX-License-Identifier: GPL-2.0

//! What a decision asks of the object, its filesystem and the mount.

use super::{
    acl::Entry,
    error::Verdict, //
};
use crate::{
    fs::mode::{
        InodeFlags,
        Mask,
        Mode, //
    },
    uidgid::{
        Filesystem,
        FsGid,
        FsUid,
        Group,
        Id,
        Kind,
        User,
        Vfs, //
    },
};

/// What belongs to a filesystem, and through it to the user namespace that this was mounted in.
pub trait HasNamespace<N: ?Sized> {
    /// That namespace: `sb->s_user_ns`, `i_user_ns()`.
    fn namespace(&self) -> &N;
}

/// An object with an owner.
///
/// What it gives is only of use to [`Access`](super::Access), which knows the mount.
pub trait Owned<N: ?Sized>: HasNamespace<N> {
    /// `inode->i_mode`
    fn mode(&self) -> Mode;

    /// `inode->i_uid`
    fn stored_owner(&self) -> Option<FsUid>;

    /// `inode->i_gid`
    fn stored_group(&self) -> Option<FsGid>;

    /// `inode->i_flags`, those of [`InodeFlags`].
    fn flags(&self) -> InodeFlags;
}

/// An object whose permission bits and ACL are asked for.
pub trait Guarded<N: ?Sized>: Owned<N> {
    /// The entries of an ACL, in their order.
    type Entries<'a>: Iterator<Item = Entry<Filesystem>>
    where
        Self: 'a;

    /// Whether nothing needs to be read to know that it has no ACL: `no_acl_inode()`.
    fn no_acl(&self) -> bool;

    /// Whether its filesystem has ACLs: `IS_POSIXACL()`.
    fn is_posixacl(&self) -> bool;

    /// Whether its filesystem is read-only: `sb_rdonly()`.
    fn is_read_only(&self) -> bool;

    /// Has its access ACL judged, [`None`] if it has none.
    ///
    /// With [`Mask::MAY_NOT_BLOCK`] only what is cached is looked at, and
    /// [`ECHILD`](super::Denied::ECHILD) says that this was not enough.
    fn with_acl<R>(
        &self,
        mask: Mask,
        judge: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> Verdict<Option<R>>;
}

/// The map of a mount for one kind of ids.
pub trait Mapping<K: Kind, N: ?Sized> {
    /// What the mount shows for an id that the filesystem stores: `make_vfsuid()`,
    /// `make_vfsgid()`.
    fn to_vfs(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>>;

    /// [`Mapping::to_vfs`] if that is quickly told, else [`None`].
    ///
    /// For the most frequent of decisions, which is then made without a function call.
    #[inline(always)]
    fn to_vfs_quick(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Option<Id<K, Vfs>>> {
        Some(self.to_vfs(fs, id))
    }

    /// What the filesystem stores for an id that the mount shows: `from_vfsuid()`,
    /// `from_vfsgid()`.
    fn to_fs(&self, fs: &impl HasNamespace<N>, id: Option<Id<K, Vfs>>)
        -> Option<Id<K, Filesystem>>;

    /// Whether the mount shows anything for an id that the filesystem stores.
    ///
    /// What it shows need not be told, which is a little less work.
    #[inline(always)]
    fn shows(&self, fs: &impl HasNamespace<N>, id: Option<Id<K, Filesystem>>) -> bool {
        self.to_vfs(fs, id).is_some()
    }

    /// Whether the filesystem can store an id that the mount shows.
    #[inline(always)]
    fn stores(&self, fs: &impl HasNamespace<N>, id: Option<Id<K, Vfs>>) -> bool {
        self.to_fs(fs, id).is_some()
    }
}

/// The map of a mount, C's `struct mnt_idmap`.
pub trait MountMap<N: ?Sized>: Mapping<User, N> + Mapping<Group, N> {
    /// Whether the mount is not idmapped: `idmap == &nop_mnt_idmap`.
    fn is_nop(&self) -> bool;
}
