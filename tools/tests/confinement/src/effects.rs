// SPDX-License-Identifier: GPL-2.0

//! The effects that credentials can have on inodes through a mount, by the kernel's own decisions.
//!
//! Each function follows the system calls: which checks they make, in which order.

use crate::{
    ids::NONE,
    world::{Cred, Inode, Mount, Named, Ns},
};
use kernel::{
    fs::mode::{Mask, Mode, Valid},
    fs::permission::{
        Access, CallerCaps, Capability, CapsRoot, Entry, IattrValues, Ownership, Parent, Protected,
        Tag, UidGidMap, posix_acl_valid,
    },
    host,
    uidgid::{Group, Id, Kind, Local, Space, User},
};
use std::fmt;

/// An effect on the disk, or on the process, which root of the caller's namespace could not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The permission for a mask: read 4, write 2, execute or search 1.
    Permission(u32),
    /// The inode has this owner, group and mode afterwards.
    Attributes(u32, u32, u16),
    /// Contents were written, and the inode has this mode afterwards.
    Write(u16),
    /// The program was executed.
    Execute,
    /// The process has this user id.
    User(u32),
    /// The process has this group id.
    Group(u32),
    /// The process has file capabilities over this user namespace.
    Capabilities(&'static str),
    /// The times of the inode were set.
    Times,
    /// The contents were read and the access time did not change.
    NoAtime,
    /// A lease was set.
    Lease,
    /// The attributes of `chattr(1)` were set.
    Flags,
    /// The inode has an ACL with this entry, and this mode, afterwards.
    Acl(Named, u16),
    /// The inode has file capabilities of this stored root.
    FileCaps(u32),
    /// File capabilities were removed.
    NoFileCaps,
    /// A `user.*` extended attribute was set.
    Xattr,
    /// The directory has a new inode with this owner, group and mode.
    Create(u32, u32, u16),
    /// The name was removed.
    Delete,
    /// The file has another name in the directory.
    Link,
    /// The existing file was opened with `O_CREAT`.
    OpenCreate,
    /// The symbolic link was followed.
    Follow,
    /// The file was renamed into the second directory.
    Rename,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(mask) => {
                let names = [(4, "read"), (2, "write"), (1, "execute or search")];
                let names = names.iter().filter(|(bit, _)| mask & bit != 0);
                f.write_str(
                    &names
                        .map(|(_, name)| *name)
                        .collect::<Vec<_>>()
                        .join(" and "),
                )?;
                f.write_str(" it")
            }
            Self::Attributes(uid, gid, mode) => write!(
                f,
                "change it: on disk it then has owner {uid}, group {gid}, mode {:04o}",
                mode & 0o7777
            ),
            Self::Write(mode) => write!(f, "write it: its mode is then {:04o}", mode & 0o7777),
            Self::Execute => f.write_str("execute it"),
            Self::User(uid) => write!(f, "execute it and become the user {uid}"),
            Self::Group(gid) => write!(f, "execute it and become the group {gid}"),
            Self::Capabilities(ns) => write!(f, "execute it and get capabilities over {ns}"),
            Self::Times => f.write_str("set its times"),
            Self::NoAtime => f.write_str("read it with O_NOATIME"),
            Self::Lease => f.write_str("set a lease on it"),
            Self::Flags => f.write_str("set its flags (chattr)"),
            Self::Acl((group, perm, id), mode) => write!(
                f,
                "set its ACL: on disk an entry grants {perm} to {} {id}, its mode is {:04o}",
                if *group { "group" } else { "user" },
                mode & 0o7777
            ),
            Self::FileCaps(root) => {
                write!(
                    f,
                    "give it capabilities: on disk they are for the root {root}"
                )
            }
            Self::NoFileCaps => f.write_str("remove its capabilities"),
            Self::Xattr => f.write_str("set a user.* attribute on it"),
            Self::Create(uid, gid, mode) => write!(
                f,
                "make a file in it: on disk the file has owner {uid}, group {gid}, mode {:04o}",
                mode & 0o7777
            ),
            Self::Delete => f.write_str("remove the file from the directory"),
            Self::Link => f.write_str("link the file into the directory"),
            Self::OpenCreate => f.write_str("open the file with O_CREAT"),
            Self::Follow => f.write_str("follow the symbolic link"),
            Self::Rename => f.write_str("rename it from the first directory to the second"),
        }
    }
}

/// A set of effects, sorted.
#[derive(Clone, Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// Adds an effect.
    pub fn add(&mut self, effect: Effect) {
        if let Err(at) = self.0.binary_search(&effect) {
            self.0.insert(at, effect);
        }
    }

    /// Returns whether the set has an effect.
    pub fn has(&self, effect: Effect) -> bool {
        self.0.binary_search(&effect).is_ok()
    }

    /// Returns the effects.
    pub fn iter(&self) -> impl Iterator<Item = Effect> + '_ {
        self.0.iter().copied()
    }

    /// Removes all effects.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Credentials at a mount.
#[derive(Clone, Copy)]
pub struct At<'a> {
    cred: &'a Cred,
    access: Access<'a, &'a Cred, Mount>,
    may_suid: bool,
}

/// The masks that system calls check.
pub const MASKS: [u32; 5] = [4, 2, 1, 6, 3];

/// The modes that `chmod()` sets. With each mode, the mode without its set-group-id bit is there.
const CHMOD: [u16; 6] = [0o777, 0o755, 0o2755, 0o4711, 0o4777, 0o6777];

fn raw<K: Kind, S: Space>(id: Option<Id<K, S>>) -> u32 {
    id.map_or(NONE, Id::get)
}

/// Returns the ids that a namespace has, by their own names.
fn names<K: Kind>(ns: &Ns) -> impl Iterator<Item = Id<K, Local>>
where
    Ns: UidGidMap<K>,
{
    (0..crate::ids::MAX_IDS as u32)
        .filter_map(host::id)
        .filter(|name| ns.make_kid(*name).is_some())
        .collect::<Vec<_>>()
        .into_iter()
}

impl<'a> At<'a> {
    /// Brings credentials and a mount together. `may_suid` is the result of `mnt_may_suid()`: whether
    /// programs of the mount give privileges to the process.
    pub fn new(cred: &'a Cred, mount: &'a Mount, may_suid: bool) -> Self {
        Self {
            cred,
            access: Access::new(cred, mount),
            may_suid,
        }
    }

    /// Returns whether a permission is granted.
    pub fn may(self, inode: &Inode, mask: u32) -> bool {
        let mask = Mask::new(mask);
        let rest = || self.access.mapped_generic_permission(inode, mask);
        self.access
            .mapped_inode_permission(inode, mask, rest)
            .is_ok()
    }

    /// Returns what `notify_change()` makes of the inode.
    fn change(self, inode: &Inode, mut attr: IattrValues) -> Option<Ownership> {
        let permission = |mask: Mask| match self.may(inode, mask.bits()) {
            true => Ok(()),
            false => Err(kernel::fs::permission::CheckError::EACCES),
        };
        self.access
            .may_setattr(inode, attr.valid, permission)
            .ok()?;
        if !attr.kill_suid_sgid(Mode::new(inode.mode)) {
            return None;
        }
        self.access.notify_change_ids(inode, &attr).ok()?;
        self.access
            .setattr_prepare(inode, &mut attr, || Ok(()), || Ok(()))
            .ok()?;
        Some(self.access.setattr_copy(inode, &attr))
    }

    fn add_change(self, effects: &mut Effects, inode: &Inode, attr: IattrValues) {
        if let Some(after) = self.change(inode, attr) {
            let effect = Effect::Attributes(raw(after.owner), raw(after.group), after.mode.bits());
            effects.add(effect);
        }
    }

    /// Adds the permissions to an inode.
    pub fn permissions(self, effects: &mut Effects, inode: &Inode) {
        for mask in MASKS {
            if self.may(inode, mask) {
                effects.add(Effect::Permission(mask));
            }
        }
    }

    /// Adds all effects on one inode.
    pub fn inode(self, effects: &mut Effects, inode: &Inode) {
        self.permissions(effects, inode);
        self.attributes(effects, inode);
        self.extended(effects, inode);
        if Mode::new(inode.mode).is_reg() {
            self.write(effects, inode);
            self.execute(effects, inode);
        }
    }

    /// `chmod()`, `chown()`, `utimes()`, leases, `O_NOATIME`.
    fn attributes(self, effects: &mut Effects, inode: &Inode) {
        let attr = |valid, mode| IattrValues {
            valid,
            mode: Mode::new(inode.mode & 0o170000 | mode),
            vfsuid: None,
            vfsgid: None,
        };
        for mode in CHMOD {
            self.add_change(
                effects,
                inode,
                attr(Valid::ATTR_MODE.with(Valid::ATTR_CTIME), mode),
            );
        }
        let users: Vec<_> = names::<User>(&self.cred.ns)
            .map(Some)
            .chain([None])
            .collect();
        let groups: Vec<_> = names::<Group>(&self.cred.ns)
            .map(Some)
            .chain([None])
            .collect();
        for user in users {
            for group in &groups {
                if let Ok(mut attr) = self.access.chown_attr(user, *group) {
                    attr.valid = attr.valid.with(self.access.chown_kill(inode));
                    self.add_change(effects, inode, attr);
                }
            }
        }
        let set = Valid::ATTR_MTIME
            .with(Valid::ATTR_MTIME_SET)
            .with(Valid::ATTR_TIMES_SET);
        let touch = Valid::ATTR_MTIME.with(Valid::ATTR_TOUCH);
        if self.change(inode, attr(set, 0)).is_some()
            || self.change(inode, attr(touch, 0)).is_some()
        {
            effects.add(Effect::Times);
        }
        let owner = self.access.i_uid_into_vfsuid(inode);
        if owner.is_some_and(|owner| owner == host::id(self.cred.uid)) {
            effects.add(Effect::Lease);
        }
        if self.access.inode_owner_or_capable(inode) {
            effects.add(Effect::Flags);
            if self.may(inode, 4) {
                effects.add(Effect::NoAtime);
            }
        }
    }

    /// `setxattr()`: ACLs, file capabilities, attributes of users.
    fn extended(self, effects: &mut Effects, inode: &Inode) {
        if self.access.may_write_xattr(inode).is_err() {
            return;
        }
        let mode = Mode::new(inode.mode);
        let owner = self.access.inode_owner_or_capable(inode);
        let sticky = mode.is_dir() && mode.has(Mode::S_ISVTX);
        if (mode.is_reg() || mode.is_dir()) && (!sticky || owner) && self.may(inode, 2) {
            effects.add(Effect::Xattr);
        }
        if owner {
            for user in names::<User>(&self.cred.ns) {
                self.acl(effects, inode, Tag::User(Some(user)));
            }
            for group in names::<Group>(&self.cred.ns) {
                self.acl(effects, inode, Tag::Group(Some(group)));
            }
        }
        if mode.is_reg() {
            let roots = names::<User>(&self.cred.ns).map(|root| CapsRoot::V3(Some(root)));
            for root in roots.chain([CapsRoot::V2]) {
                if let Ok(caps) = self.access.caps_from_caller(inode, CallerCaps(root)) {
                    effects.add(Effect::FileCaps(match caps.0 {
                        CapsRoot::V3(root) => raw(root),
                        _ => 0,
                    }));
                }
            }
            if self
                .access
                .capable_wrt_inode_uidgid(inode, Capability::Setfcap)
            {
                effects.add(Effect::NoFileCaps);
            }
        }
    }

    /// An ACL with one entry that names an id.
    fn acl(self, effects: &mut Effects, inode: &Inode, tag: Tag<Local>) {
        let Ok(entry) = self.access.acl_from_caller(Entry { tag, perm: 7 }) else {
            return;
        };
        let entry = self.access.acl_to_fs(inode, entry);
        let named = match entry.tag {
            Tag::User(id) => (false, 7, raw(id)),
            Tag::Group(id) => (true, 7, raw(id)),
            _ => return,
        };
        let plain = |tag| Entry { tag, perm: 7 };
        let mut entries = vec![plain(Tag::UserObj), plain(Tag::GroupObj), entry];
        entries.extend([plain(Tag::Mask), plain(Tag::Other)]);
        if !named.0 {
            entries.swap(1, 2);
        }
        if posix_acl_valid(&*inode.fs, entries).is_ok() {
            let mode = Mode::new(inode.mode | 0o777);
            let mode = self.access.posix_acl_update_mode(inode, mode);
            effects.add(Effect::Acl(named, mode.bits()));
        }
    }

    /// `write()`, which removes the set-user-id and the set-group-id bit.
    fn write(self, effects: &mut Effects, inode: &Inode) {
        if self.may(inode, 2) {
            let mode = Mode::new(inode.mode);
            let mut attr = IattrValues {
                valid: self.access.setattr_should_drop_suidgid(inode),
                mode,
                vfsuid: None,
                vfsgid: None,
            };
            attr.kill_suid_sgid(mode);
            effects.add(Effect::Write(attr.mode.bits()));
        }
    }

    /// `execve()`: `bprm_fill_uid()` and file capabilities.
    fn execute(self, effects: &mut Effects, inode: &Inode) {
        let mode = Mode::new(inode.mode);
        if !self.may(inode, 1) {
            return;
        }
        effects.add(Effect::Execute);
        if !self.may_suid {
            return;
        }
        let user = self.access.i_uid_into_vfsuid(inode).map(Id::into_kernel);
        let group = self.access.i_gid_into_vfsgid(inode).map(Id::into_kernel);
        if let (Some(user), Some(group)) = (user, group) {
            if self.cred.ns.has(user) && self.cred.ns.has(group) {
                if mode.has(Mode::S_ISUID) {
                    effects.add(Effect::User(user.get()));
                }
                if mode.has(Mode::S_ISGID.with(Mode::S_IXGRP)) {
                    effects.add(Effect::Group(group.get()));
                }
            }
        }
        if inode
            .caps
            .is_some_and(|caps| self.access.caps_to_execute(inode, caps).is_ok())
        {
            effects.add(Effect::Capabilities(self.cred.ns.name));
        }
    }

    /// Adds the effects on a directory and on an inode in it.
    pub fn directory(self, effects: &mut Effects, dir: &Inode, inode: &Inode) {
        let permission = || self.verdict(dir, 3);
        if let Ok(owner) = self.access.may_create(dir, false, permission) {
            let kinds = [
                (Mode::S_IFREG, 0o2775u16),
                (Mode::S_IFREG, 0o6755),
                (Mode::S_IFDIR, 0o777),
            ];
            for (kind, mode) in kinds {
                let allowed = Mode::new(0o7777);
                let mode = Mode::new(mode);
                let mode = self
                    .access
                    .vfs_prepare_mode(dir, mode, allowed, kind, || Mode::EMPTY);
                let new = owner.ownership_in(dir, mode);
                let mode = new.mode.bits();
                effects.add(Effect::Create(raw(new.owner), raw(new.group), mode));
            }
            let source = self
                .access
                .may_linkat(inode, true, |mask| self.verdict(inode, mask.bits()));
            let mode = Mode::new(inode.mode);
            if source.is_ok() && !mode.is_dir() && self.access.may_write_xattr(inode).is_ok() {
                effects.add(Effect::Link);
            }
        }
        if self.access.may_delete(dir, inode, permission).is_ok() {
            effects.add(Effect::Delete);
        }
        let parent = Parent {
            mode: Mode::new(dir.mode),
            owner: self.access.i_uid_into_vfsuid(dir),
        };
        let protected = Protected {
            regular: 2,
            fifos: 2,
        };
        // The sticky bit of a directory restricts these beyond the permissions.
        if self
            .access
            .may_create_in_sticky(inode, parent, protected)
            .is_ok()
        {
            effects.add(Effect::OpenCreate);
        }
        if self
            .access
            .may_follow_link(inode, parent, true, false)
            .is_ok()
        {
            effects.add(Effect::Follow);
        }
    }

    fn verdict(self, inode: &Inode, mask: u32) -> kernel::fs::permission::CheckResult {
        match self.may(inode, mask) {
            true => Ok(()),
            false => Err(kernel::fs::permission::CheckError::EACCES),
        }
    }

    /// Returns whether a rename succeeds, of `from.1` in the directory `from.0` over `to.1` in the
    /// directory `to.0`.
    pub fn rename(self, from: (&Inode, &Inode), to: (&Inode, &Inode)) -> bool {
        let (dir, inode) = from;
        let (to_dir, target) = to;
        let is_dir = |inode: &Inode| Mode::new(inode.mode).is_dir();
        self.access.may_delete(dir, inode, || self.verdict(dir, 3)).is_ok()
            && self.access.may_delete(to_dir, target, || self.verdict(to_dir, 3)).is_ok()
            && is_dir(inode) == is_dir(target)
            // A directory that moves changes its `..`.
            && (!is_dir(inode) || self.may(inode, 2))
            && (!is_dir(target) || self.may(target, 2))
    }
}
