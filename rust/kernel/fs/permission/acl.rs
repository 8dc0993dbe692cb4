// SPDX-License-Identifier: GPL-2.0 OR MIT

//! POSIX ACLs.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    traits::{
        AclEntry,
        Caller,
        HasNamespace,
        Idmap,
        InodeAttrs,
        UidGidMap, //
    },
    Access, //
};
use crate::{
    fs::mode::{
        Mask,
        Mode, //
    },
    uidgid::{
        Filesystem,
        Group,
        Id,
        Local,
        Space,
        User,
        Vfs, //
    },
};

/// The tag of an ACL entry, with its id in one [`Space`].
pub enum Tag<S: Space> {
    /// The owner.
    UserObj,
    /// A named user, [`None`] if the id is invalid.
    User(Option<Id<User, S>>),
    /// The group of the inode.
    GroupObj,
    /// A named group, [`None`] if the id is invalid.
    Group(Option<Id<Group, S>>),
    /// The mask: the most that named users, named groups and the group of the inode get.
    Mask,
    /// Others.
    Other,
    /// A tag that does not exist. An ACL with such an entry grants nothing.
    Unknown,
}

/// An entry of an ACL, with its id in one [`Space`].
///
/// Entries on disk and entries that a caller reads or writes are different types:
///
/// ```ignore,compile_fail,E0308
/// use kernel::{fs::permission::Entry, uidgid::{Filesystem, Vfs}};
///
/// fn set(written: Entry<Vfs>) -> Entry<Filesystem> {
///     written
/// }
/// ```
pub struct Entry<S: Space> {
    /// The tag and the id.
    pub tag: Tag<S>,
    /// The granted access: read 4, write 2, execute 1.
    pub perm: u16,
}

impl<S: Space> Clone for Tag<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Space> Copy for Tag<S> {}

impl<S: Space> Clone for Entry<S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Space> Copy for Entry<S> {}

impl<S: Space> Entry<S> {
    /// The same entry with its id in another space.
    #[inline]
    fn map<T: Space>(
        self,
        user: impl FnOnce(Id<User, S>) -> Option<Id<User, T>>,
        group: impl FnOnce(Id<Group, S>) -> Option<Id<Group, T>>,
    ) -> Entry<T> {
        let tag = match self.tag {
            Tag::UserObj => Tag::UserObj,
            Tag::User(id) => Tag::User(id.and_then(user)),
            Tag::GroupObj => Tag::GroupObj,
            Tag::Group(id) => Tag::Group(id.and_then(group)),
            Tag::Mask => Tag::Mask,
            Tag::Other => Tag::Other,
            Tag::Unknown => Tag::Unknown,
        };
        Entry {
            tag,
            perm: self.perm,
        }
    }

    /// Returns whether the id is invalid, or the tag does not exist.
    #[inline]
    fn is_nobody(&self) -> bool {
        matches!(self.tag, Tag::User(None) | Tag::Group(None) | Tag::Unknown)
    }

    /// Returns whether the entry grants all of `want`, a part of [`Mask::RWX`].
    #[inline(always)]
    fn grants(&self, want: Mask) -> bool {
        u32::from(self.perm) & want.bits() == want.bits()
    }
}

impl AclEntry for Entry<Filesystem> {
    #[inline]
    fn decode(&self) -> Entry<Filesystem> {
        *self
    }

    #[inline]
    fn is_mask(&self) -> bool {
        matches!(self.tag, Tag::Mask)
    }
}

impl Entry<Local> {
    /// Maps an entry on disk. `namespace` is the user namespace of the filesystem. Fails with
    /// [`CheckError::EINVAL`] if it does not map the id.
    ///
    /// Equals `posix_acl_from_xattr()` when a filesystem calls it.
    pub fn from_disk(
        self,
        namespace: &(impl UidGidMap<User> + UidGidMap<Group> + ?Sized),
    ) -> CheckResult<Entry<Filesystem>> {
        let stored = self.map(
            |user| namespace.make_kid(user).map(Id::cast),
            |group| namespace.make_kid(group).map(Id::cast),
        );
        if stored.is_nobody() {
            return Err(CheckError::EINVAL);
        }
        Ok(stored)
    }
}

impl Entry<Filesystem> {
    /// Maps an entry back to disk. `namespace` is the user namespace of the filesystem.
    ///
    /// Equals `posix_acl_to_xattr()` when a filesystem calls it.
    pub fn to_disk(
        self,
        namespace: &(impl UidGidMap<User> + UidGidMap<Group> + ?Sized),
    ) -> Entry<Local> {
        self.map(
            |user| namespace.from_kid(user.cast()),
            |group| namespace.from_kid(group.cast()),
        )
    }
}

/// Checks the order of entries, that there is a mask if one is required, and that `namespace`, the
/// user namespace of the filesystem, maps each id.
///
/// Equals `posix_acl_valid()`.
pub fn posix_acl_valid(
    namespace: &(impl UidGidMap<User> + UidGidMap<Group> + ?Sized),
    entries: impl IntoIterator<Item = Entry<Filesystem>>,
) -> CheckResult {
    /// The entries that may follow.
    enum Next {
        UserObj,
        Users,
        Groups,
        Other,
        Nothing,
    }

    let mut next = Next::UserObj;
    let mut needs_mask = false;
    for entry in entries {
        if u32::from(entry.perm) & !Mask::RWX.bits() != 0 {
            return Err(CheckError::EINVAL);
        }
        next = match (entry.tag, next) {
            (Tag::UserObj, Next::UserObj) => Next::Users,
            (Tag::User(Some(user)), Next::Users) if namespace.has(user.cast()) => {
                needs_mask = true;
                Next::Users
            }
            (Tag::GroupObj, Next::Users) => Next::Groups,
            (Tag::Group(Some(group)), Next::Groups) if namespace.has(group.cast()) => {
                needs_mask = true;
                Next::Groups
            }
            (Tag::Mask, Next::Groups) => Next::Other,
            (Tag::Other, Next::Groups) if !needs_mask => Next::Nothing,
            (Tag::Other, Next::Other) => Next::Nothing,
            _ => return Err(CheckError::EINVAL),
        };
    }
    match next {
        Next::Nothing => Ok(()),
        _ => Err(CheckError::EINVAL),
    }
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Checks whether an ACL grants access.
    ///
    /// Equals `posix_acl_permission()`.
    pub fn posix_acl_permission(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        entries: impl IntoIterator<Item: AclEntry>,
        want: Mask,
    ) -> CheckResult {
        let want = want.intersection(Mask::RWX);
        let mut entries = entries.into_iter();
        let mut in_a_group = false;
        while let Some(entry) = entries.next() {
            let entry = entry.decode();
            let masked = match entry.tag {
                // Most callers have checked this already.
                Tag::UserObj if self.is_owner(inode) => false,
                Tag::User(user) if self.is_user(inode, user) => true,
                Tag::GroupObj if self.vfsgid_in_group_p(self.i_gid_into_vfsgid(inode)) => {
                    in_a_group = true;
                    if !entry.grants(want) {
                        continue;
                    }
                    true
                }
                Tag::Group(group) if self.vfsgid_in_group_p(self.map.make_vfsid(inode, group)) => {
                    in_a_group = true;
                    if !entry.grants(want) {
                        continue;
                    }
                    true
                }
                Tag::Other if in_a_group => return Err(CheckError::EACCES),
                Tag::Other => false,
                Tag::UserObj | Tag::User(_) | Tag::GroupObj | Tag::Group(_) | Tag::Mask => continue,
                Tag::Unknown => return Err(CheckError::EIO),
            };
            // The mask follows the entries that it limits.
            let mask = masked.then(|| entries.find(AclEntry::is_mask));
            let granted = entry.grants(want)
                && match mask.flatten() {
                    Some(mask) => mask.decode().grants(want),
                    None => true,
                };
            return if granted {
                Ok(())
            } else {
                Err(CheckError::EACCES)
            };
        }
        Err(CheckError::EIO)
    }

    /// Returns whether the caller is a user on disk.
    fn is_user(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        user: Option<Id<User, Filesystem>>,
    ) -> bool {
        match self.map.make_vfsid(inode, user) {
            Some(user) => user == self.caller.fsuid(),
            None => false,
        }
    }

    /// Maps an entry that the caller writes. Fails with [`CheckError::EINVAL`] if the user
    /// namespace of the caller does not map the id.
    ///
    /// Equals `posix_acl_from_xattr()` for the value of `setxattr()`.
    pub fn acl_from_caller(self, entry: Entry<Local>) -> CheckResult<Entry<Vfs>> {
        let namespace = self.caller.namespace();
        let seen = entry.map(
            |user| namespace.make_kid(user).map(Id::from_caller),
            |group| namespace.make_kid(group).map(Id::from_caller),
        );
        if seen.is_nobody() {
            return Err(CheckError::EINVAL);
        }
        Ok(seen)
    }

    /// Maps an entry at the mount to disk. An id that the filesystem cannot store becomes invalid,
    /// which [`posix_acl_valid`] refuses.
    ///
    /// Equals `vfs_set_acl_idmapped_mnt()`.
    pub fn acl_to_fs(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        entry: Entry<Vfs>,
    ) -> Entry<Filesystem> {
        entry.map(
            |user| self.map.from_vfsid(fs, Some(user)),
            |group| self.map.from_vfsid(fs, Some(group)),
        )
    }

    /// Maps an entry on disk for the caller. An id that the mount or the user namespace of the
    /// caller does not map becomes invalid.
    ///
    /// Equals `vfs_posix_acl_to_xattr()`.
    pub fn acl_to_caller(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        entry: Entry<Filesystem>,
    ) -> Entry<Local> {
        let namespace = self.caller.namespace();
        entry
            .map(
                |user| self.map.make_vfsid(fs, Some(user)),
                |group| self.map.make_vfsid(fs, Some(group)),
            )
            .map(
                |user| namespace.from_kid(user.into_kernel()),
                |group| namespace.from_kid(group.into_kernel()),
            )
    }

    /// The mode of an inode that gets a new access ACL. `mode` is equivalent to the ACL.
    ///
    /// Equals `posix_acl_update_mode()` as to the set-group-id bit.
    #[doc(alias = "posix_mapped_acl_update_mode")]
    pub fn posix_acl_update_mode(self, inode: &impl InodeAttrs<C::Namespace>, mode: Mode) -> Mode {
        if self.in_group_or_capable(inode, self.i_gid_into_vfsgid(inode)) {
            mode
        } else {
            mode.without(Mode::S_ISGID)
        }
    }
}
