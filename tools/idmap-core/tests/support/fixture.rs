// SPDX-License-Identifier: GPL-2.0

//! Callers, objects and mounts to decide upon, as plain numbers.
//!
//! Ids are C's here: `u32::MAX` is none. The decisions under test get at them through the traits
//! of `kernel::fs::permission`; what they must equal reads the numbers. Both leave a trace of what they
//! asked where C's asking is seen from outside.

use kernel::{
    fs::{
        mode::{InodeFlags, Mask, Mode},
        permission::{
            Caller, Capability, CheckError, CheckResult, Entry, HasNamespace, Idmap, InodeAttrs,
            InodePerm, KindIdmap, Namespace, Tag, UidGidMap,
        },
    },
    host,
    uidgid::{
        Filesystem, FsGid, FsUid, Group, Id, Kernel, Kgid, Kind, Kuid, Local, Space, User, Vfs,
        VfsGid,
    },
};
use std::cell::RefCell;

/// No id.
pub(crate) const NONE: u32 = u32::MAX;

/// Ranges: first, lower first, count.
pub(crate) type Ranges = Vec<[u32; 3]>;

pub(crate) fn down(ranges: &Ranges, id: u32) -> u32 {
    let found = ranges
        .iter()
        .find(|[first, _, count]| id >= *first && id - first < *count);
    found.map_or(NONE, |[first, lower, _]| id - first + lower)
}

pub(crate) fn up(ranges: &Ranges, id: u32) -> u32 {
    let found = ranges
        .iter()
        .find(|[_, lower, count]| id >= *lower && id - lower < *count);
    found.map_or(NONE, |[first, lower, _]| id - lower + first)
}

/// A user namespace: first is what it calls an id, lower first what the kernel does.
#[derive(Debug)]
pub(crate) struct Ns {
    /// Which one it is; 0 is the initial one.
    pub(crate) number: usize,
    pub(crate) users: Ranges,
    pub(crate) groups: Ranges,
    pub(crate) parent: Option<&'static Ns>,
}

impl Ns {
    pub(crate) fn initial() -> &'static Ns {
        static INITIAL: std::sync::OnceLock<Ns> = std::sync::OnceLock::new();
        INITIAL.get_or_init(|| Ns {
            number: 0,
            users: vec![[0, 0, NONE]],
            groups: vec![[0, 0, NONE]],
            parent: None,
        })
    }

    pub(crate) fn new(
        number: usize,
        users: Ranges,
        groups: Ranges,
        parent: &'static Ns,
    ) -> &'static Ns {
        Box::leak(Box::new(Ns {
            number,
            users,
            groups,
            parent: Some(parent),
        }))
    }
}

/// Which of two maps is for ids of a kind.
pub(crate) trait Pick: Kind {
    fn pick<'a>(users: &'a Ranges, groups: &'a Ranges) -> &'a Ranges;
}

impl Pick for User {
    fn pick<'a>(users: &'a Ranges, _: &'a Ranges) -> &'a Ranges {
        users
    }
}

impl Pick for Group {
    fn pick<'a>(_: &'a Ranges, groups: &'a Ranges) -> &'a Ranges {
        groups
    }
}

impl<K: Pick> UidGidMap<K> for Ns {
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>> {
        host::id(up(K::pick(&self.users, &self.groups), id.get()))
    }

    fn make_kid(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>> {
        host::id(down(K::pick(&self.users, &self.groups), name.get()))
    }
}

impl Namespace for Ns {
    fn parent(&self) -> Option<&Self> {
        self.parent
    }
}

/// The map of a mount: first is what the filesystem calls an id, lower first what the mount shows.
#[derive(Debug)]
pub(crate) enum Map {
    Nop,
    Invalid,
    Ranges(Ranges, Ranges),
}

/// An id as C has it.
pub(crate) fn raw<K: Kind, S: Space>(id: Option<Id<K, S>>) -> u32 {
    id.map_or(NONE, Id::get)
}

impl<K: Pick> KindIdmap<K, Ns> for Map {
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<Ns>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        match self {
            Map::Nop => host::id(raw(id)),
            Map::Invalid => None,
            Map::Ranges(users, groups) => {
                let ns = fs.namespace();
                let name = up(K::pick(&ns.users, &ns.groups), raw(id));
                host::id(down(K::pick(users, groups), name))
            }
        }
    }

    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<Ns>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        match self {
            Map::Nop => host::id(raw(id)),
            Map::Invalid => None,
            Map::Ranges(users, groups) => {
                let name = up(K::pick(users, groups), raw(id));
                let ns = fs.namespace();
                host::id(down(K::pick(&ns.users, &ns.groups), name))
            }
        }
    }
}

impl Idmap<Ns> for Map {
    fn is_nop(&self) -> bool {
        matches!(self, Map::Nop)
    }
}

/// What was asked that is seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// For a capability in the namespace of a number.
    Capable(usize, i32),
    /// For an ACL, which may have to be read from disk.
    Acl,
    /// For the permission to do what a mask says, which is a decision of its own.
    Permission(u32),
}

thread_local! {
    static TRACE: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

/// Notes that something was asked.
pub(crate) fn ask(asked: Asked) {
    TRACE.with_borrow_mut(|trace| trace.push(asked));
}

/// Runs a decision, and returns its answer with what it asked.
pub(crate) fn traced<R>(decide: impl FnOnce() -> R) -> (R, Vec<Asked>) {
    TRACE.with_borrow_mut(Vec::clear);
    let answer = decide();
    (answer, TRACE.with_borrow_mut(std::mem::take))
}

/// Who wants something.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) fsuid: u32,
    pub(crate) fsgid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) ns: &'static Ns,
    /// For each namespace by its number, the capabilities as bits.
    pub(crate) caps: [u64; 4],
}

/// The bit of a capability.
pub(crate) const fn cap(number: i32) -> u64 {
    1 << number
}

impl Who {
    pub(crate) fn in_group_p(&self, group: u32) -> bool {
        group == self.fsgid || self.groups.contains(&group)
    }

    pub(crate) fn asked_capable(&self, ns: &Ns, capability: i32) -> bool {
        ask(Asked::Capable(ns.number, capability));
        self.caps[ns.number] & cap(capability) != 0
    }
}

impl Caller for &Who {
    type Namespace = Ns;

    fn fsuid(&self) -> Option<Kuid> {
        host::id(self.fsuid)
    }

    fn fsgid(&self) -> Option<Kgid> {
        host::id(self.fsgid)
    }

    fn in_group(&self, group: VfsGid) -> bool {
        self.in_group_p(group.get())
    }

    fn namespace(&self) -> &Ns {
        self.ns
    }

    fn capable(&self, capability: Capability) -> bool {
        self.asked_capable(Ns::initial(), capability as i32)
    }

    fn ns_capable(&self, namespace: &Ns, capability: Capability) -> bool {
        self.asked_capable(namespace, capability as i32)
    }
}

/// What is there of an access ACL.
#[derive(Clone, Debug)]
pub(crate) enum Acl {
    /// It is cached that there is none.
    None,
    /// There is none, but this has to be read.
    NoneToBeRead,
    /// Tag, permissions and id of each entry.
    Cached(Vec<(u16, u16, u32)>),
    ToBeRead(Vec<(u16, u16, u32)>),
    /// It cannot be read.
    Error(i32),
}

/// An object and what there is to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) flags: u32,
    pub(crate) ns: &'static Ns,
    pub(crate) acl: Acl,
    pub(crate) sb_posixacl: bool,
    pub(crate) sb_rdonly: bool,
}

impl Inode {
    pub(crate) fn new(mode: u16, uid: u32, gid: u32) -> Self {
        Self {
            mode,
            uid,
            gid,
            flags: 0,
            ns: Ns::initial(),
            acl: Acl::None,
            sb_posixacl: true,
            sb_rdonly: false,
        }
    }
}

impl HasNamespace<Ns> for Inode {
    fn namespace(&self) -> &Ns {
        self.ns
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
        InodeFlags::new(self.flags)
    }
}

/// An ACL's entry as the decisions take it.
pub(crate) fn entry<S: Space>((tag, perm, id): (u16, u16, u32)) -> Entry<S> {
    let tag = match tag {
        0x01 => Tag::UserObj,
        0x02 => Tag::User(host::id(id)),
        0x04 => Tag::GroupObj,
        0x08 => Tag::Group(host::id(id)),
        0x10 => Tag::Mask,
        0x20 => Tag::Other,
        _ => Tag::Unknown,
    };
    Entry { tag, perm }
}

/// And back; the entries that name nobody have no id.
pub(crate) fn plain_entry<S: Space>(entry: Entry<S>) -> (u16, u16, u32) {
    let (tag, id) = match entry.tag {
        Tag::UserObj => (0x01, NONE),
        Tag::User(user) => (0x02, raw(user)),
        Tag::GroupObj => (0x04, NONE),
        Tag::Group(group) => (0x08, raw(group)),
        Tag::Mask => (0x10, NONE),
        Tag::Other => (0x20, NONE),
        Tag::Unknown => (0, NONE),
    };
    (tag, entry.perm, id)
}

impl InodePerm<Ns> for Inode {
    type Entries<'a> = std::vec::IntoIter<Entry<Filesystem>>;

    fn no_acl(&self) -> bool {
        matches!(self.acl, Acl::None)
    }

    fn is_posixacl(&self) -> bool {
        self.sb_posixacl
    }

    fn is_read_only(&self) -> bool {
        self.sb_rdonly
    }

    fn with_acl<R>(
        &self,
        mask: Mask,
        judge: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        let blocking = !mask.has(Mask::MAY_NOT_BLOCK);
        if blocking {
            ask(Asked::Acl);
        }
        match &self.acl {
            Acl::None => Ok(None),
            Acl::Cached(entries) => Ok(Some(judge(
                entries
                    .iter()
                    .copied()
                    .map(entry)
                    .collect::<Vec<_>>()
                    .into_iter(),
            ))),
            _ if !blocking => Err(CheckError::ECHILD),
            Acl::NoneToBeRead => Ok(None),
            Acl::ToBeRead(entries) => Ok(Some(judge(
                entries
                    .iter()
                    .copied()
                    .map(entry)
                    .collect::<Vec<_>>()
                    .into_iter(),
            ))),
            Acl::Error(errno) => Err(CheckError::from_errno(*errno).unwrap()),
        }
    }
}
