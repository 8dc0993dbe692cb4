// SPDX-License-Identifier: GPL-2.0

//! Callers, inodes and mounts of a small world, as the kernel's decisions see them.

use crate::ids::{Ids, Map, NONE};
use kernel::{
    fs::mode::{InodeFlags, Mask, Mode},
    fs::permission::{
        Caller, Capability, CheckResult, DiskCaps, Entry, HasNamespace, Idmap, InodeAttrs,
        InodePerm, KindIdmap, Namespace, NestingNamespace, Tag, UidGidMap, count_ids,
    },
    host,
    uidgid::{
        Filesystem, FsGid, FsUid, Group, Id, Kernel, Kgid, Kind, Kuid, Local, Space, User, Vfs,
        VfsGid,
    },
};
use std::rc::Rc;

/// A map for each kind of ids.
#[derive(Clone, Debug)]
pub struct Maps {
    /// The map of user ids.
    pub users: Map,
    /// The map of group ids.
    pub groups: Map,
}

/// Selects the map of a kind.
pub trait Select: Kind {
    /// Returns the map of the kind.
    fn select(maps: &Maps) -> &Map;
}

impl Select for User {
    fn select(maps: &Maps) -> &Map {
        &maps.users
    }
}

impl Select for Group {
    fn select(maps: &Maps) -> &Map {
        &maps.groups
    }
}

fn raw<K: Kind, S: Space>(id: Option<Id<K, S>>) -> u32 {
    id.map_or(NONE, Id::get)
}

/// A user namespace.
#[derive(Clone, Debug)]
pub struct Ns {
    /// Its name in stories.
    pub name: &'static str,
    /// From its own ids to kernel ids.
    pub maps: Maps,
    /// The namespace above.
    pub parent: Option<Rc<Ns>>,
    /// Whether it allows `setgroups()`.
    pub setgroups: bool,
    /// How many users and groups the rule takes it to have.
    pub counts: (u64, u64),
}

impl Ns {
    /// Makes a user namespace that allows `setgroups()`.
    pub fn new(name: &'static str, maps: Maps, parent: Option<Rc<Ns>>) -> Self {
        let counts = (
            count_ids(maps.users.extents()),
            count_ids(maps.groups.extents()),
        );
        Self {
            name,
            maps,
            parent,
            setgroups: true,
            counts,
        }
    }
}

impl<K: Select> UidGidMap<K> for Ns {
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>> {
        host::id(K::select(&self.maps).up(id.get()))
    }

    fn make_kid(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>> {
        host::id(K::select(&self.maps).down(name.get()))
    }
}

impl Namespace for Ns {
    fn parent(&self) -> Option<&Self> {
        self.parent.as_deref()
    }
}

impl NestingNamespace for Ns {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn may_setgroups(&self) -> bool {
        self.setgroups
    }

    fn user_count(&self) -> u64 {
        self.counts.0
    }

    fn group_count(&self) -> u64 {
        self.counts.1
    }
}

impl HasNamespace<Self> for Ns {
    fn namespace(&self) -> &Self {
        self
    }
}

/// What a mount shows.
#[derive(Clone, Debug)]
pub enum Mount {
    /// It is not idmapped.
    Nop,
    /// From ids of the filesystem's namespace to kernel ids.
    Idmapped(Box<Maps>),
}

impl<K: Select> KindIdmap<K, Ns> for Mount {
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<Ns>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        match self {
            Self::Nop => host::id(raw(id)),
            Self::Idmapped(maps) => {
                let name = K::select(&fs.namespace().maps).up(raw(id));
                host::id(K::select(maps).down(name))
            }
        }
    }

    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<Ns>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        match self {
            Self::Nop => host::id(raw(id)),
            Self::Idmapped(maps) => {
                let name = K::select(maps).up(raw(id));
                host::id(K::select(&fs.namespace().maps).down(name))
            }
        }
    }
}

impl Idmap<Ns> for Mount {
    fn is_nop(&self) -> bool {
        matches!(self, Self::Nop)
    }
}

/// The credentials of a process.
#[derive(Clone, Debug)]
pub struct Cred {
    /// The user namespace.
    pub ns: Rc<Ns>,
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// The group id and the supplementary groups.
    pub groups: Ids,
    /// The capabilities over `ns` and the namespaces below, as bits.
    pub capabilities: u64,
}

/// All capabilities.
pub const ALL_CAPABILITIES: u64 = u64::MAX;

impl Caller for &Cred {
    type Namespace = Ns;

    fn fsuid(&self) -> Option<Kuid> {
        host::id(self.uid)
    }

    fn fsgid(&self) -> Option<Kgid> {
        host::id(self.gid)
    }

    fn in_group(&self, group: VfsGid) -> bool {
        self.groups & 1 << group.get() != 0
    }

    fn namespace(&self) -> &Ns {
        &self.ns
    }

    fn capable(&self, capability: Capability) -> bool {
        self.ns.parent.is_none() && self.capabilities & 1 << capability as i32 != 0
    }

    fn ns_capable(&self, namespace: &Ns, capability: Capability) -> bool {
        let mut at = Some(namespace);
        while let Some(namespace) = at {
            if namespace.is_same(&self.ns) {
                return self.capabilities & 1 << capability as i32 != 0;
            }
            at = namespace.parent.as_deref();
        }
        false
    }
}

/// An ACL entry for a user or a group: whether for a group, the permissions, the stored id.
pub type Named = (bool, u16, u32);

/// An inode.
#[derive(Clone, Debug)]
pub struct Inode {
    /// The user namespace of its filesystem.
    pub fs: Rc<Ns>,
    /// The type and the mode bits.
    pub mode: u16,
    /// The stored owner.
    pub uid: u32,
    /// The stored group.
    pub gid: u32,
    /// The ACL entries that name an id. Without one there is no ACL.
    pub named: Vec<Named>,
    /// What the ACL grants to the object's group. The mask is in the mode.
    pub group_perm: u16,
    /// The stored root of the file capabilities, if there are any.
    pub caps: Option<DiskCaps>,
}

impl HasNamespace<Ns> for Inode {
    fn namespace(&self) -> &Ns {
        &self.fs
    }
}

impl InodeAttrs<Ns> for Inode {
    fn mode(&self) -> Mode {
        Mode::new(self.mode)
    }

    fn i_uid(&self) -> Option<FsUid> {
        host::id(self.uid)
    }

    fn i_gid(&self) -> Option<FsGid> {
        host::id(self.gid)
    }

    fn flags(&self) -> InodeFlags {
        InodeFlags::EMPTY
    }
}

impl InodePerm<Ns> for Inode {
    type Entries<'a> = std::vec::IntoIter<Entry<Filesystem>>;

    fn no_acl(&self) -> bool {
        self.named.is_empty()
    }

    fn is_posixacl(&self) -> bool {
        true
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn with_acl<R>(
        &self,
        _: Mask,
        judge: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        if self.named.is_empty() {
            return Ok(None);
        }
        let entry = |tag, perm| Entry { tag, perm };
        let mut entries = vec![entry(Tag::UserObj, self.mode >> 6 & 7)];
        let named = |group| self.named.iter().filter(move |named| named.0 == group);
        entries.extend(named(false).map(|&(_, perm, id)| entry(Tag::User(host::id(id)), perm)));
        entries.push(entry(Tag::GroupObj, self.group_perm));
        entries.extend(named(true).map(|&(_, perm, id)| entry(Tag::Group(host::id(id)), perm)));
        entries.push(entry(Tag::Mask, self.mode >> 3 & 7));
        entries.push(entry(Tag::Other, self.mode & 7));
        Ok(Some(judge(entries.into_iter())))
    }
}
