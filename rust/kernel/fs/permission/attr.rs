// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Changes of owner, group, mode and times.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    init_owner::Ownership,
    owner::vfsid_eq,
    traits::{
        Caller,
        Capability,
        HasNamespace,
        Idmap,
        InodeAttrs,
        UidGidMap, //
    },
    Access, //
};
use crate::{
    fs::mode::{
        InodeFlags,
        Mask,
        Mode,
        Valid, //
    },
    uidgid::{
        FsGid,
        FsUid,
        Gid,
        Id,
        Kind,
        Local,
        Uid,
        Vfs,
        VfsGid,
        VfsUid, //
    },
};

/// A change of attributes: `struct iattr`.
///
/// The owner and the group are those at the mount. [`Access::setattr_copy`] maps them to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IattrValues {
    /// The attributes that change, and flags.
    pub valid: Valid,
    /// The mode.
    pub mode: Mode,
    /// The owner.
    pub vfsuid: Option<VfsUid>,
    /// The group.
    pub vfsgid: Option<VfsGid>,
}

impl IattrValues {
    /// Replaces the requests to clear the set-user-id and the set-group-id bit by a change of the
    /// mode. Returns whether the change is not empty.
    ///
    /// A change has either a mode or these requests.
    ///
    /// Equals the treatment of `ATTR_KILL_SUID` and `ATTR_KILL_SGID` by `notify_change()`.
    pub fn kill_suid_sgid(&mut self, mode: Mode) -> bool {
        if self.valid.has(Valid::ATTR_KILL_SUID) && mode.has(Mode::S_ISUID) {
            self.valid = self.valid.with(Valid::ATTR_MODE);
            self.mode = mode.without(Mode::S_ISUID);
        }
        if self.valid.has(Valid::ATTR_KILL_SGID) && mode.has(Mode::S_ISGID) {
            if !self.valid.has(Valid::ATTR_MODE) {
                self.valid = self.valid.with(Valid::ATTR_MODE);
                self.mode = mode;
            }
            self.mode = self.mode.without(Mode::S_ISGID);
        }
        let kill = Valid::ATTR_KILL_SUID.with(Valid::ATTR_KILL_SGID);
        self.valid.without(kill) != Valid::EMPTY
    }
}

/// The fields of a change of attributes.
///
/// Checks read a field only if C does.
pub trait IattrFields {
    /// `attr->ia_valid`
    fn valid(&self) -> Valid;

    /// `attr->ia_mode`
    fn mode(&self) -> Mode;

    /// Sets `attr->ia_mode`.
    fn set_mode(&mut self, mode: Mode);

    /// `attr->ia_vfsuid`
    fn vfsuid(&self) -> Option<VfsUid>;

    /// `attr->ia_vfsgid`
    fn vfsgid(&self) -> Option<VfsGid>;
}

impl IattrFields for IattrValues {
    fn valid(&self) -> Valid {
        self.valid
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    fn vfsuid(&self) -> Option<VfsUid> {
        self.vfsuid
    }

    fn vfsgid(&self) -> Option<VfsGid> {
        self.vfsgid
    }
}

/// An inode after a change of its owner and group.
struct Changed<'a, I> {
    inode: &'a I,
    owner: Option<FsUid>,
    group: Option<FsGid>,
}

impl<N: ?Sized, I: InodeAttrs<N>> HasNamespace<N> for Changed<'_, I> {
    #[inline(always)]
    fn namespace(&self) -> &N {
        self.inode.namespace()
    }
}

impl<N: ?Sized, I: InodeAttrs<N>> InodeAttrs<N> for Changed<'_, I> {
    #[inline(always)]
    fn mode(&self) -> Mode {
        self.inode.mode()
    }

    #[inline(always)]
    fn i_uid(&self) -> Option<FsUid> {
        self.owner
    }

    #[inline(always)]
    fn i_gid(&self) -> Option<FsGid> {
        self.group
    }

    #[inline(always)]
    fn flags(&self) -> InodeFlags {
        self.inode.flags()
    }
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Returns whether a change changes the owner.
    ///
    /// Equals `i_uid_needs_update()`.
    #[inline]
    pub fn i_uid_needs_update(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> bool {
        attr.valid().has(Valid::ATTR_UID) && !vfsid_eq(attr.vfsuid(), self.i_uid_into_vfsuid(inode))
    }

    /// Returns whether a change changes the group.
    ///
    /// Equals `i_gid_needs_update()`.
    #[inline]
    pub fn i_gid_needs_update(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> bool {
        attr.valid().has(Valid::ATTR_GID) && !vfsid_eq(attr.vfsgid(), self.i_gid_into_vfsgid(inode))
    }

    /// The owner on disk after a change.
    ///
    /// Equals `i_uid_update()`.
    #[inline]
    pub fn i_uid_update(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> Option<FsUid> {
        if attr.valid().has(Valid::ATTR_UID) {
            self.map.from_vfsid(inode, attr.vfsuid())
        } else {
            inode.i_uid()
        }
    }

    /// The group on disk after a change.
    ///
    /// Equals `i_gid_update()`.
    #[inline]
    pub fn i_gid_update(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> Option<FsGid> {
        if attr.valid().has(Valid::ATTR_GID) {
            self.map.from_vfsid(inode, attr.vfsgid())
        } else {
            inode.i_gid()
        }
    }

    /// Returns whether the caller has `CAP_CHOWN` over an inode, or over the filesystem if `id`,
    /// the owner or the group of the inode, is not mapped.
    fn capable_chown<K: Kind>(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        id: Option<Id<K, Vfs>>,
    ) -> bool {
        self.capable_wrt_inode_uidgid(inode, Capability::Chown)
            || id.is_none() && self.caller.ns_capable(inode.namespace(), Capability::Chown)
    }

    /// Returns whether the caller may change the owner to `new`. An owner may leave the owner as it
    /// is.
    ///
    /// An owner on disk is not one at the mount:
    ///
    /// ```ignore,compile_fail,E0308
    /// use kernel::fs::permission::{Access, Caller, Idmap, InodeAttrs};
    ///
    /// fn keep<C: Caller, M: Idmap<C::Namespace>>(
    ///     access: Access<'_, C, M>,
    ///     inode: &impl InodeAttrs<C::Namespace>,
    /// ) -> bool {
    ///     access.chown_ok(inode, inode.i_uid())
    /// }
    /// ```
    ///
    /// Equals `chown_ok()`.
    pub fn chown_ok(self, inode: &impl InodeAttrs<C::Namespace>, new: Option<VfsUid>) -> bool {
        let owner = self.i_uid_into_vfsuid(inode);
        owner.is_some_and(|owner| owner == self.caller.fsuid() && new == Some(owner))
            || self.capable_chown(inode, owner)
    }

    /// Returns whether the caller may change the group to `new`. An owner may select a group of the
    /// caller.
    ///
    /// Equals `chgrp_ok()`.
    pub fn chgrp_ok(self, inode: &impl InodeAttrs<C::Namespace>, new: Option<VfsGid>) -> bool {
        let group = self.i_gid_into_vfsgid(inode);
        self.is_owner(inode) && (vfsid_eq(new, group) || self.vfsgid_in_group_p(new))
            || self.capable_chown(inode, group)
    }

    /// Returns [`Valid::ATTR_KILL_SGID`] if a write or a change of the owner must clear the
    /// set-group-id bit.
    ///
    /// Equals `setattr_should_drop_sgid()`.
    #[inline]
    pub fn setattr_should_drop_sgid(self, inode: &impl InodeAttrs<C::Namespace>) -> Valid {
        let mode = inode.mode();
        if mode.has(Mode::S_ISGID)
            && (mode.has(Mode::S_IXGRP)
                || !self.in_group_or_capable(inode, self.i_gid_into_vfsgid(inode)))
        {
            Valid::ATTR_KILL_SGID
        } else {
            Valid::EMPTY
        }
    }

    /// Returns those of [`Valid::ATTR_KILL_SUID`] and [`Valid::ATTR_KILL_SGID`] whose bit a write
    /// must clear.
    ///
    /// Equals `setattr_should_drop_suidgid()`.
    #[inline]
    pub fn setattr_should_drop_suidgid(self, inode: &impl InodeAttrs<C::Namespace>) -> Valid {
        let mode = inode.mode();
        let mut kill = self.setattr_should_drop_sgid(inode);
        if mode.has(Mode::S_ISUID) {
            kill = kill.with(Valid::ATTR_KILL_SUID);
        }
        if kill != Valid::EMPTY && !self.caller.capable(Capability::Fsetid) && mode.is_reg() {
            kill
        } else {
            Valid::EMPTY
        }
    }

    /// Checks whether the flags of an inode and the access of the caller permit a change.
    ///
    /// `permission` checks access to the inode.
    ///
    /// Equals `may_setattr()`.
    pub fn may_setattr(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        valid: Valid,
        permission: impl FnOnce(Mask) -> CheckResult,
    ) -> CheckResult {
        let kept = InodeFlags::S_IMMUTABLE.with(InodeFlags::S_APPEND);
        let guarded = Valid::ATTR_MODE
            .with(Valid::ATTR_UID)
            .with(Valid::ATTR_GID)
            .with(Valid::ATTR_TIMES_SET);
        if valid.has_any(guarded) && inode.flags().has_any(kept) {
            return Err(CheckError::EPERM);
        }
        if valid.has(Valid::ATTR_TOUCH) {
            return self.may_touch(inode, permission);
        }
        Ok(())
    }

    /// Checks whether the caller may set the times to now, which takes ownership or write access.
    #[inline(never)]
    fn may_touch(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        permission: impl FnOnce(Mask) -> CheckResult,
    ) -> CheckResult {
        if inode.flags().has(InodeFlags::S_IMMUTABLE) {
            return Err(CheckError::EPERM);
        }
        if !self.inode_owner_or_capable(inode) {
            return permission(Mask::MAY_WRITE);
        }
        Ok(())
    }

    /// The change of attributes for `chown()`. `user` and `group` are ids of the user namespace of
    /// the caller, or [`None`] to keep the id. Fails with [`CheckError::EINVAL`] if the namespace
    /// does not map an id.
    ///
    /// Equals the first part of `chown_common()`.
    pub fn chown_attr(self, user: Option<Uid>, group: Option<Gid>) -> CheckResult<IattrValues> {
        let mut attr = IattrValues {
            valid: Valid::ATTR_CTIME,
            mode: Mode::EMPTY,
            vfsuid: None,
            vfsgid: None,
        };
        if let Some(user) = user {
            attr.vfsuid = Some(self.make_kid(user)?);
            attr.valid = attr.valid.with(Valid::ATTR_UID);
        }
        if let Some(group) = group {
            attr.vfsgid = Some(self.make_kid(group)?);
            attr.valid = attr.valid.with(Valid::ATTR_GID);
        }
        Ok(attr)
    }

    /// Maps an id of the user namespace of the caller to the id at the mount.
    fn make_kid<K: Kind>(self, name: Id<K, Local>) -> CheckResult<Id<K, Vfs>>
    where
        C::Namespace: UidGidMap<K>,
    {
        let id = self.caller.namespace().make_kid(name);
        Ok(Id::from_caller(id.ok_or(CheckError::EINVAL)?))
    }

    /// The requests that `chown()` adds to a change, to clear the set-user-id and set-group-id bits
    /// and file capabilities.
    ///
    /// Equals the flags that `chown_common()` adds to `ia_valid`.
    pub fn chown_kill(self, inode: &impl InodeAttrs<C::Namespace>) -> Valid {
        if inode.mode().is_dir() {
            return Valid::EMPTY;
        }
        self.setattr_should_drop_sgid(inode)
            .with(Valid::ATTR_KILL_SUID)
            .with(Valid::ATTR_KILL_PRIV)
    }

    /// Checks whether the filesystem can store the new ids, and the mount maps the ids that stay.
    ///
    /// Equals the checks on ids of `notify_change()`.
    #[doc(alias("notify_change", "notify_mapped_change"))]
    pub fn notify_change_ids(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> CheckResult {
        let valid = attr.valid();
        let user = valid.has(Valid::ATTR_UID);
        let group = valid.has(Valid::ATTR_GID);
        if user && !self.has_fsmapping(inode, attr.vfsuid())
            || group && !self.has_fsmapping(inode, attr.vfsgid())
            || !user && !self.knows_owner(inode)
            || !group && !self.knows_group(inode)
        {
            return Err(CheckError::EOVERFLOW);
        }
        Ok(())
    }

    /// Checks whether the caller may change attributes. Clears the set-group-id bit of a new mode
    /// if the caller must not set it.
    ///
    /// `new_size` checks the size, and `kill_priv` removes file capabilities. Both are called only
    /// if the change requires it.
    ///
    /// Equals `setattr_prepare()`.
    #[doc(alias = "setattr_mapped_prepare")]
    pub fn setattr_prepare(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &mut impl IattrFields,
        new_size: impl FnOnce() -> CheckResult,
        kill_priv: impl FnOnce() -> CheckResult,
    ) -> CheckResult {
        let valid = attr.valid();
        if valid.has(Valid::ATTR_SIZE) {
            if inode.flags().has(InodeFlags::S_VERITY) {
                return Err(CheckError::EPERM);
            }
            new_size()?;
        }
        if !valid.has(Valid::ATTR_FORCE) {
            self.may_change(inode, valid, attr)?;
        }
        if valid.has(Valid::ATTR_KILL_PRIV) {
            kill_priv()?;
        }
        Ok(())
    }

    /// The checks of [`Access::setattr_prepare`] that [`Valid::ATTR_FORCE`] skips.
    fn may_change(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        valid: Valid,
        attr: &mut impl IattrFields,
    ) -> CheckResult {
        if valid.has(Valid::ATTR_UID) && !self.chown_ok(inode, attr.vfsuid()) {
            return Err(CheckError::EPERM);
        }
        if valid.has(Valid::ATTR_GID) && !self.chgrp_ok(inode, attr.vfsgid()) {
            return Err(CheckError::EPERM);
        }
        if valid.has(Valid::ATTR_MODE) {
            if !self.inode_owner_or_capable(inode) {
                return Err(CheckError::EPERM);
            }
            let group = if valid.has(Valid::ATTR_GID) {
                attr.vfsgid()
            } else {
                self.i_gid_into_vfsgid(inode)
            };
            if !self.in_group_or_capable(inode, group) {
                attr.set_mode(attr.mode().without(Mode::S_ISGID));
            }
        }
        let times = Valid::ATTR_MTIME_SET
            .with(Valid::ATTR_ATIME_SET)
            .with(Valid::ATTR_TIMES_SET);
        if valid.has_any(times) && !self.inode_owner_or_capable(inode) {
            return Err(CheckError::EPERM);
        }
        Ok(())
    }

    /// Owner, group and mode of an inode after a change. The set-group-id bit is checked with the
    /// new owner and group.
    ///
    /// Equals `setattr_copy()` without the times.
    #[doc(alias = "setattr_mapped_copy")]
    pub fn setattr_copy(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        attr: &impl IattrFields,
    ) -> Ownership {
        let changed = Changed {
            inode,
            owner: self.i_uid_update(inode, attr),
            group: self.i_gid_update(inode, attr),
        };
        let mode = if attr.valid().has(Valid::ATTR_MODE) {
            if self.in_group_or_capable(&changed, self.i_gid_into_vfsgid(&changed)) {
                attr.mode()
            } else {
                attr.mode().without(Mode::S_ISGID)
            }
        } else {
            inode.mode()
        };
        Ownership {
            owner: changed.owner,
            group: changed.group,
            mode,
        }
    }
}
