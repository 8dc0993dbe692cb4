// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Owners and groups of inodes, and capabilities over inodes.

use super::{
    traits::{
        Caller,
        Capability,
        HasNamespace,
        Idmap,
        InodeAttrs,
        KindIdmap,
        UidGidMap, //
    },
    Access, //
};
use crate::uidgid::{
    FsGid,
    FsUid,
    Group,
    Id,
    Kernel,
    Kgid,
    Kind,
    Kuid,
    User,
    Vfs,
    VfsGid,
    VfsUid, //
};

/// Returns whether two ids at the mount are equal: `vfsuid_eq()`, `vfsgid_eq()`.
///
/// An invalid id equals no id, not even itself.
#[inline(always)]
pub(super) fn vfsid_eq<K: Kind>(a: Option<Id<K, Vfs>>, b: Option<Id<K, Vfs>>) -> bool {
    a.is_some() && Id::to_c(a) == Id::to_c(b)
}

/// Returns whether an id at the mount is an id of a caller: `vfsuid_eq_kuid()`, `vfsgid_eq_kgid()`.
#[inline(always)]
pub(super) fn is_caller<K: Kind>(seen: Option<Id<K, Vfs>>, caller: Option<Id<K, Kernel>>) -> bool {
    vfsid_eq(seen, Id::cast_any(caller))
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// The owner of an inode, mapped by the idmap of the mount.
    ///
    /// Equals `i_uid_into_vfsuid()`.
    #[doc(alias("i_uid_into_mnt", "kuid_into_mnt"))]
    #[inline(always)]
    pub fn i_uid_into_vfsuid(self, inode: &impl InodeAttrs<C::Namespace>) -> Option<VfsUid> {
        self.map.make_vfsid(inode, inode.i_uid())
    }

    /// The group of an inode, mapped by the idmap of the mount.
    ///
    /// Equals `i_gid_into_vfsgid()`.
    #[doc(alias("i_gid_into_mnt", "kgid_into_mnt"))]
    #[inline(always)]
    pub fn i_gid_into_vfsgid(self, inode: &impl InodeAttrs<C::Namespace>) -> Option<VfsGid> {
        self.map.make_vfsid(inode, inode.i_gid())
    }

    /// The owner and the group for `stat()`, not yet mapped into the user namespace of the caller.
    ///
    /// Equals the values of `stat->uid` and `stat->gid` after `generic_fillattr()`.
    #[doc(alias("generic_fillattr", "mapped_generic_fillattr"))]
    #[inline]
    pub fn stat_owner(self, inode: &impl InodeAttrs<C::Namespace>) -> (Option<Kuid>, Option<Kgid>) {
        (
            Id::cast_any(self.i_uid_into_vfsuid(inode)),
            Id::cast_any(self.i_gid_into_vfsgid(inode)),
        )
    }

    /// Returns whether the mount does not map the owner or the group of an inode.
    ///
    /// Equals `HAS_UNMAPPED_ID()`.
    #[inline(always)]
    pub fn has_unmapped_id(self, inode: &impl InodeAttrs<C::Namespace>) -> bool {
        !self.knows_owner(inode) || !self.knows_group(inode)
    }

    /// Returns whether the mount maps the owner: `vfsuid_valid(i_uid_into_vfsuid())`.
    #[inline(always)]
    pub(super) fn knows_owner(self, inode: &impl InodeAttrs<C::Namespace>) -> bool {
        self.i_uid_into_vfsuid(inode).is_some()
    }

    /// Returns whether the mount maps the group: `vfsgid_valid(i_gid_into_vfsgid())`.
    #[inline(always)]
    pub(super) fn knows_group(self, inode: &impl InodeAttrs<C::Namespace>) -> bool {
        self.i_gid_into_vfsgid(inode).is_some()
    }

    /// Returns whether the caller owns an inode.
    #[inline(always)]
    pub(super) fn is_owner(self, inode: &impl InodeAttrs<C::Namespace>) -> bool {
        is_caller(self.i_uid_into_vfsuid(inode), self.caller.fsuid())
    }

    /// Returns whether the caller is in a group. No caller is in an invalid group.
    ///
    /// Equals `vfsgid_in_group_p()`, except that C finds an invalid group if the credentials
    /// contain the group -1, which nfsd takes from its clients.
    #[inline(always)]
    pub(super) fn vfsgid_in_group_p(self, group: Option<VfsGid>) -> bool {
        group.is_some_and(|group| self.caller.in_group(group))
    }

    /// Returns whether a user namespace maps the owner and the group of an inode.
    ///
    /// Equals `privileged_wrt_inode_uidgid()`.
    #[inline]
    pub fn privileged_wrt_inode_uidgid(
        self,
        namespace: &(impl UidGidMap<User> + UidGidMap<Group> + ?Sized),
        inode: &impl InodeAttrs<C::Namespace>,
    ) -> bool {
        self.i_uid_into_vfsuid(inode)
            .is_some_and(|owner| namespace.has(owner.into_kernel()))
            && self
                .i_gid_into_vfsgid(inode)
                .is_some_and(|group| namespace.has(group.into_kernel()))
    }

    /// Returns whether the caller has a capability in its user namespace, and this maps the owner
    /// and the group of an inode.
    ///
    /// Equals `capable_wrt_inode_uidgid()`.
    #[doc(alias = "capable_wrt_mapped_inode_uidgid")]
    #[inline(never)]
    pub fn capable_wrt_inode_uidgid(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        capability: Capability,
    ) -> bool {
        self.has_capability_over(inode, capability)
    }

    /// [`Access::capable_wrt_inode_uidgid`], inlined.
    #[inline(always)]
    pub(super) fn has_capability_over(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        capability: Capability,
    ) -> bool {
        let namespace = self.caller.namespace();
        self.caller.ns_capable(namespace, capability)
            && self.privileged_wrt_inode_uidgid(namespace, inode)
    }

    /// Returns whether the caller owns an inode, or has `CAP_FOWNER` and a user namespace that maps
    /// the owner.
    ///
    /// Equals `inode_owner_or_capable()`.
    #[doc(alias = "mapped_inode_owner_or_capable")]
    #[inline(always)]
    pub fn inode_owner_or_capable(self, inode: &impl InodeAttrs<C::Namespace>) -> bool {
        self.i_uid_into_vfsuid(inode)
            .is_some_and(|owner| owner == self.caller.fsuid() || self.may_act_for(owner))
    }

    /// Returns whether the caller has `CAP_FOWNER` and a user namespace that maps the owner.
    ///
    /// It is not inlined, so that [`Access::inode_owner_or_capable`] saves fewer registers.
    #[cold]
    #[inline(never)]
    fn may_act_for(self, owner: VfsUid) -> bool {
        let namespace = self.caller.namespace();
        UidGidMap::<User>::has(namespace, owner.into_kernel())
            && self.caller.ns_capable(namespace, Capability::Fowner)
    }

    /// Returns whether the caller is in a group, or has `CAP_FSETID` over an inode.
    ///
    /// Equals `in_group_or_capable()`.
    #[inline]
    pub fn in_group_or_capable(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        group: Option<VfsGid>,
    ) -> bool {
        self.vfsgid_in_group_p(group) || self.capable_wrt_inode_uidgid(inode, Capability::Fsetid)
    }

    /// The owner of new inodes of the caller, as stored on disk.
    ///
    /// Equals `mapped_fsuid()`, which `inode_fsuid_set()` stores.
    #[doc(alias("fsuid_into_mnt", "inode_fsuid_set"))]
    #[inline]
    pub fn mapped_fsuid(self, fs: &impl HasNamespace<C::Namespace>) -> Option<FsUid> {
        let owner = self.caller.fsuid().map(Id::from_caller);
        self.map.from_vfsid(fs, owner)
    }

    /// The group of new inodes of the caller, as stored on disk.
    ///
    /// Equals `mapped_fsgid()`, which `inode_fsgid_set()` stores.
    #[doc(alias("fsgid_into_mnt", "inode_fsgid_set"))]
    #[inline]
    pub fn mapped_fsgid(self, fs: &impl HasNamespace<C::Namespace>) -> Option<FsGid> {
        let group = self.caller.fsgid().map(Id::from_caller);
        self.map.from_vfsid(fs, group)
    }

    /// Returns whether an id at the mount can be stored on disk.
    ///
    /// Equals `vfsuid_has_fsmapping()` and `vfsgid_has_fsmapping()`.
    #[doc(alias("vfsuid_has_fsmapping", "vfsgid_has_fsmapping"))]
    #[inline]
    pub fn has_fsmapping<K: Kind>(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        id: Option<Id<K, Vfs>>,
    ) -> bool
    where
        M: KindIdmap<K, C::Namespace>,
    {
        self.map.from_vfsid(fs, id).is_some()
    }
}
