// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Traits of the callers, inodes, superblocks and idmaps that permission checks take.

use super::{
    acl::Entry,
    error::CheckResult, //
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
        Kernel,
        Kgid,
        Kind,
        Kuid,
        Local,
        User,
        Vfs,
        VfsGid, //
    },
};

/// A right that `capabilities(7)` lists, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Capability {
    /// `CAP_CHOWN`
    Chown = 0,
    /// `CAP_DAC_OVERRIDE`
    DacOverride = 1,
    /// `CAP_DAC_READ_SEARCH`
    DacReadSearch = 2,
    /// `CAP_FOWNER`
    Fowner = 3,
    /// `CAP_FSETID`
    Fsetid = 4,
    /// `CAP_SYS_ADMIN`
    SysAdmin = 21,
    /// `CAP_SETFCAP`
    Setfcap = 31,
}

/// What a user namespace calls the ids of one kind.
pub trait UidGidMap<K: Kind> {
    /// What the namespace calls an id, if anything: `from_kuid()`, `from_kgid()`.
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>>;

    /// What the namespace calls so, if anything: `make_kuid()`, `make_kgid()`.
    fn make_kid(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>>;

    /// Whether the namespace has a name for an id: `kuid_has_mapping()`, `kgid_has_mapping()`.
    #[inline(always)]
    fn has(&self, id: Id<K, Kernel>) -> bool {
        self.from_kid(id).is_some()
    }
}

/// A user namespace.
pub trait Namespace: UidGidMap<User> + UidGidMap<Group> {
    /// The namespace in which it was made, [`None`] for the initial one.
    fn parent(&self) -> Option<&Self>;
}

/// Who wants something, by a handle that is handed around.
pub trait Caller: Copy {
    /// What user namespaces are here.
    type Namespace: Namespace + ?Sized;

    /// The user that it acts on files as: `current_fsuid()`.
    ///
    /// [`None`] is a caller inside the kernel that acts as nobody, and owns nothing.
    fn fsuid(&self) -> Option<Kuid>;

    /// The group that it acts on files as: `current_fsgid()`.
    fn fsgid(&self) -> Option<Kgid>;

    /// Whether it is in a group that is seen through a mount: `vfsgid_in_group_p()`.
    fn in_group(&self, group: VfsGid) -> bool;

    /// Its user namespace: `current_user_ns()`.
    fn namespace(&self) -> &Self::Namespace;

    /// Whether it has a capability over all there is: `capable()`.
    fn capable(&self, capability: Capability) -> bool;

    /// Whether it has a capability over what belongs to a namespace: `ns_capable()`.
    fn ns_capable(&self, namespace: &Self::Namespace, capability: Capability) -> bool;
}

/// What belongs to a filesystem, and through it to the user namespace that this was mounted in.
pub trait HasNamespace<N: ?Sized> {
    /// That namespace: `sb->s_user_ns`, `i_user_ns()`.
    fn namespace(&self) -> &N;
}

/// An object with an owner.
///
/// What it gives is only of use to [`Access`](super::Access), which knows the mount.
pub trait InodeAttrs<N: ?Sized>: HasNamespace<N> {
    /// `inode->i_mode`
    fn mode(&self) -> Mode;

    /// `inode->i_uid`
    fn i_uid(&self) -> Option<FsUid>;

    /// `inode->i_gid`
    fn i_gid(&self) -> Option<FsGid>;

    /// `inode->i_flags`, those of [`InodeFlags`].
    fn flags(&self) -> InodeFlags;
}

/// An object whose permission bits and ACL are asked for.
pub trait InodePerm<N: ?Sized>: InodeAttrs<N> {
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
    /// [`ECHILD`](super::CheckError::ECHILD) says that this was not enough.
    fn with_acl<R>(
        &self,
        mask: Mask,
        judge: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>>;
}

/// The map of a mount for one kind of ids.
pub trait KindIdmap<K: Kind, N: ?Sized> {
    /// What the mount shows for an id that the filesystem stores: `make_vfsuid()`,
    /// `make_vfsgid()`.
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>>;

    /// [`KindIdmap::make_vfsid`] if that is quickly told, else [`None`].
    ///
    /// For the most frequent of decisions, which is then made without a function call.
    #[inline(always)]
    fn make_vfsid_inline(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Option<Id<K, Vfs>>> {
        Some(self.make_vfsid(fs, id))
    }

    /// What the filesystem stores for an id that the mount shows: `from_vfsuid()`,
    /// `from_vfsgid()`.
    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>>;

    /// Whether the mount shows anything for an id that the filesystem stores.
    ///
    /// What it shows need not be told, which is a little less work.
    #[inline(always)]
    fn has_vfsid(&self, fs: &impl HasNamespace<N>, id: Option<Id<K, Filesystem>>) -> bool {
        self.make_vfsid(fs, id).is_some()
    }

    /// Whether the filesystem can store an id that the mount shows.
    #[inline(always)]
    fn has_fsmapping(&self, fs: &impl HasNamespace<N>, id: Option<Id<K, Vfs>>) -> bool {
        self.from_vfsid(fs, id).is_some()
    }
}

/// The map of a mount, C's `struct mnt_idmap`.
pub trait Idmap<N: ?Sized>: KindIdmap<User, N> + KindIdmap<Group, N> {
    /// Whether the mount is not idmapped: `idmap == &nop_mnt_idmap`.
    fn is_nop(&self) -> bool;
}
