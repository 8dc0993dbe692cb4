// SPDX-License-Identifier: GPL-2.0

//! POSIX access control lists.

use super::{
    bits::Mask,
    caller::Caller,
    denied::{
        Denied,
        Verdict, //
    },
    object::{
        MountMap,
        Owned, //
    },
    Access, //
};
use crate::uidgid::{
    Filesystem,
    Group,
    Id,
    Space,
    User, //
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
/// ```compile_fail
/// use kernel::{fs::access::Entry, uidgid::{Filesystem, Vfs}};
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
    /// Whether the entry grants all that is wanted, of [`Mask::RWX`].
    #[inline(always)]
    fn grants(&self, want: Mask) -> bool {
        u32::from(self.perm) & want.bits() == want.bits()
    }
}

impl<C: Caller, M: MountMap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Whether an ACL grants what is wanted.
    ///
    /// Equals `posix_acl_permission()`.
    pub fn posix_acl_permission(
        &self,
        inode: &impl Owned<C::Namespace>,
        entries: impl IntoIterator<Item = Entry<Filesystem>>,
        want: Mask,
    ) -> Verdict {
        let want = want.only(Mask::RWX);
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
                Tag::Group(group) if self.vfsgid_in_group_p(self.map.to_vfs(inode, group)) => {
                    in_a_group = true;
                    if !entry.grants(want) {
                        continue;
                    }
                    true
                }
                Tag::Other if in_a_group => return Err(Denied::EACCES),
                Tag::Other => false,
                Tag::UserObj | Tag::User(_) | Tag::GroupObj | Tag::Group(_) | Tag::Mask => continue,
                Tag::Unknown => return Err(Denied::EIO),
            };
            // The mask comes after all that it is for.
            let mask = masked.then(|| entries.find(|entry| matches!(entry.tag, Tag::Mask)));
            let granted = entry.grants(want)
                && match mask.flatten() {
                    Some(mask) => mask.grants(want),
                    None => true,
                };
            return if granted { Ok(()) } else { Err(Denied::EACCES) };
        }
        Err(Denied::EIO)
    }

    /// Whether the caller is a user that the filesystem stores.
    fn is_user(
        &self,
        inode: &impl Owned<C::Namespace>,
        user: Option<Id<User, Filesystem>>,
    ) -> bool {
        match self.map.to_vfs(inode, user) {
            Some(user) => user == self.caller.fsuid(),
            None => false,
        }
    }
}
