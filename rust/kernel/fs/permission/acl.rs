// SPDX-License-Identifier: GPL-2.0 OR MIT

//! POSIX access control lists.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    traits::{
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

/// Whom an entry of an ACL speaks of, with ids of one [`Space`].
pub enum Tag<S: Space> {
    /// The owner.
    UserObj,
    /// A user by name. [`None`] is one that nobody can be.
    User(Option<Id<User, S>>),
    /// The object's group.
    GroupObj,
    /// A group by name. [`None`] is one that nobody can be in.
    Group(Option<Id<Group, S>>),
    /// Nobody: this is the most that users and groups by name, and the object's group, are granted.
    Mask,
    /// All others.
    Other,
    /// No such tag: an ACL that has one grants nothing.
    Unknown,
}

/// An entry of an ACL, with ids of one [`Space`].
///
/// The entries that a filesystem stores are not those that a caller reads or writes:
///
/// ```ignore,compile_fail,E0308
/// use kernel::{fs::permission::Entry, uidgid::{Filesystem, Vfs}};
///
/// fn set(written: Entry<Vfs>) -> Entry<Filesystem> {
///     written
/// }
/// ```
pub struct Entry<S: Space> {
    /// Whom it speaks of.
    pub tag: Tag<S>,
    /// What it grants: read 4, write 2, execute 1.
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

    /// Whether it names a user or group that is none, or has no tag at all.
    #[inline]
    fn is_nobody(&self) -> bool {
        matches!(self.tag, Tag::User(None) | Tag::Group(None) | Tag::Unknown)
    }

    /// Whether the entry grants all that is wanted, of [`Mask::RWX`].
    #[inline(always)]
    fn grants(&self, want: Mask) -> bool {
        u32::from(self.perm) & want.bits() == want.bits()
    }
}

impl Entry<Local> {
    /// Reads an entry that a filesystem has on disk; `namespace` is that of the filesystem.
    /// [`CheckError::EINVAL`] if it has no such id.
    ///
    /// Equals `posix_acl_from_xattr()` where a filesystem calls it.
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
    /// The entry as a filesystem writes it to disk; `namespace` is that of the filesystem.
    ///
    /// Equals `posix_acl_to_xattr()` where a filesystem calls it.
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

/// Checks that entries come in the order in which they have to, that a mask is there where one is
/// needed, and that the filesystem has each id; `namespace` is that of the filesystem.
///
/// Equals `posix_acl_valid()`.
pub fn posix_acl_valid(
    namespace: &(impl UidGidMap<User> + UidGidMap<Group> + ?Sized),
    entries: impl IntoIterator<Item = Entry<Filesystem>>,
) -> CheckResult {
    /// What may come next.
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
    /// Whether an ACL grants what is wanted.
    ///
    /// Equals `posix_acl_permission()`.
    pub fn posix_acl_permission(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        entries: impl IntoIterator<Item = Entry<Filesystem>>,
        want: Mask,
    ) -> CheckResult {
        let want = want.intersection(Mask::RWX);
        let mut entries = entries.into_iter();
        let mut in_a_group = false;
        while let Some(entry) = entries.next() {
            let masked = match entry.tag {
                // The caller has most likely been found not to be the owner already.
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
            // The mask comes after all that it is for.
            let mask = masked.then(|| entries.find(|entry| matches!(entry.tag, Tag::Mask)));
            let granted = entry.grants(want)
                && match mask.flatten() {
                    Some(mask) => mask.grants(want),
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

    /// Whether the caller is a user that the filesystem stores.
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

    /// Takes an entry that the caller wrote. [`CheckError::EINVAL`] if its namespace has no such id.
    ///
    /// Equals `posix_acl_from_xattr()` for what `setxattr()` is given.
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

    /// What is stored for an entry that is seen. An id that the filesystem does not have becomes
    /// none, which [`posix_acl_valid`] refuses.
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

    /// What the caller reads of an entry that is stored. An id without a name to the mount or to
    /// the caller is none.
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

    /// The mode of an object whose access ACL is replaced by one that comes down to `mode`.
    ///
    /// Equals what `posix_acl_update_mode()` does with the set-group-id bit.
    #[doc(alias = "posix_mapped_acl_update_mode")]
    pub fn posix_acl_update_mode(self, inode: &impl InodeAttrs<C::Namespace>, mode: Mode) -> Mode {
        if self.in_group_or_capable(inode, self.i_gid_into_vfsgid(inode)) {
            mode
        } else {
            mode.without(Mode::S_ISGID)
        }
    }
}
