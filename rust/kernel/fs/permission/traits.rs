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

/// A capability that permission checks use, with its number in C.
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
    /// `CAP_SETGID`
    Setgid = 6,
    /// `CAP_SETUID`
    Setuid = 7,
    /// `CAP_SYS_ADMIN`
    SysAdmin = 21,
    /// `CAP_SETFCAP`
    Setfcap = 31,
}

impl Capability {
    /// Returns the name that `capabilities(7)` has.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chown => "CAP_CHOWN",
            Self::DacOverride => "CAP_DAC_OVERRIDE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::Fowner => "CAP_FOWNER",
            Self::Fsetid => "CAP_FSETID",
            Self::Setgid => "CAP_SETGID",
            Self::Setuid => "CAP_SETUID",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Setfcap => "CAP_SETFCAP",
        }
    }
}

/// The map of a user namespace for one kind of ids.
pub trait UidGidMap<K: Kind> {
    /// Maps an id into the namespace: `from_kuid()`, `from_kgid()`.
    // The name is that of the C function.
    #[allow(clippy::wrong_self_convention)]
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>>;

    /// Maps an id of the namespace to the kernel's: `make_kuid()`, `make_kgid()`.
    fn make_kid(&self, id: Id<K, Local>) -> Option<Id<K, Kernel>>;

    /// Returns whether the namespace maps an id: `kuid_has_mapping()`, `kgid_has_mapping()`.
    #[inline(always)]
    fn has(&self, id: Id<K, Kernel>) -> bool {
        self.from_kid(id).is_some()
    }
}

/// A user namespace.
pub trait Namespace: UidGidMap<User> + UidGidMap<Group> {
    /// The parent namespace, or [`None`] for the initial one.
    fn parent(&self) -> Option<&Self>;
}

/// The credentials of a caller.
pub trait Caller: Copy {
    /// The type of user namespaces.
    type Namespace: Namespace + ?Sized;

    /// The user id for access to files: `current_fsuid()`.
    ///
    /// It can be invalid: ksmbd takes it from its configuration.
    fn fsuid(&self) -> Option<Kuid>;

    /// The group id for access to files: `current_fsgid()`.
    fn fsgid(&self) -> Option<Kgid>;

    /// Returns whether a mapped group is one of the caller's groups: `vfsgid_in_group_p()`.
    fn in_group(&self, group: VfsGid) -> bool;

    /// The user namespace: `current_user_ns()`.
    fn namespace(&self) -> &Self::Namespace;

    /// Returns whether the caller has a capability in the initial user namespace: `capable()`.
    fn capable(&self, capability: Capability) -> bool;

    /// Returns whether the caller has a capability in a user namespace: `ns_capable()`.
    fn ns_capable(&self, namespace: &Self::Namespace, capability: Capability) -> bool;
}

/// An object of a filesystem, which belongs to a user namespace.
pub trait HasNamespace<N: ?Sized> {
    /// The user namespace of the filesystem: `sb->s_user_ns`, `i_user_ns()`.
    fn namespace(&self) -> &N;
}

/// Attributes of an inode.
///
/// The ids are those on disk. [`Access`](super::Access) maps them.
pub trait InodeAttrs<N: ?Sized>: HasNamespace<N> {
    /// `inode->i_mode`
    fn mode(&self) -> Mode;

    /// `inode->i_uid`
    fn i_uid(&self) -> Option<FsUid>;

    /// `inode->i_gid`
    fn i_gid(&self) -> Option<FsGid>;

    /// `inode->i_flags`, of which [`InodeFlags`] names some. Without `CONFIG_SWAP`, `S_SWAPFILE` is
    /// not set, as in `IS_SWAPFILE()`.
    fn flags(&self) -> InodeFlags;
}

/// An entry of an ACL on disk.
pub trait AclEntry {
    /// Decodes the entry.
    fn decode(&self) -> Entry<Filesystem>;

    /// Returns whether this is the mask.
    fn is_mask(&self) -> bool;
}

/// An inode with an access ACL, on a superblock with flags.
pub trait InodePerm<N: ?Sized>: InodeAttrs<N> {
    /// The entries of an ACL.
    type Entries<'a>: Iterator<Item: AclEntry>
    where
        Self: 'a;

    /// Returns whether the inode is known to have no ACL: `no_acl_inode()`.
    fn no_acl(&self) -> bool;

    /// Returns whether the filesystem has ACLs: `IS_POSIXACL()`.
    fn is_posixacl(&self) -> bool;

    /// Returns whether the superblock is read-only: `sb_rdonly()`.
    fn is_read_only(&self) -> bool;

    /// Calls a function with the access ACL. Returns [`None`] if the inode has none.
    ///
    /// With [`Mask::MAY_NOT_BLOCK`] this does not sleep: it fails with
    /// [`ECHILD`](super::CheckError::ECHILD) if the ACL is not cached.
    fn with_acl<R>(
        &self,
        mask: Mask,
        check: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>>;
}

/// The idmap of a mount for one kind of ids.
pub trait KindIdmap<K: Kind, N: ?Sized> {
    /// Maps an id on disk to the id at the mount: `make_vfsuid()`, `make_vfsgid()`.
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>>;

    /// Maps an id at the mount to the id on disk: `from_vfsuid()`, `from_vfsgid()`.
    // The name is that of the C function.
    #[allow(clippy::wrong_self_convention)]
    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<N>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>>;
}

/// The idmap of a mount: `struct mnt_idmap`.
pub trait Idmap<N: ?Sized>: KindIdmap<User, N> + KindIdmap<Group, N> {
    /// Returns whether the mount has no idmap: `idmap == &nop_mnt_idmap`.
    fn is_nop(&self) -> bool;
}
