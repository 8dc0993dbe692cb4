// SPDX-License-Identifier: GPL-2.0 OR MIT

//! User namespaces and the maps of mounts, as decisions ask them.
//!
//! What the kernel knows by kernel ids is known here by what this program's own user namespace
//! calls them: in the initial one these are the same numbers.

use std::{
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    rc::Rc,
};

use kernel::{
    fs::permission::{HasNamespace, Idmap, KindIdmap, Namespace, UidGidMap, count_ids},
    host,
    uidgid::{Filesystem, Group, Id, Kernel, Kind, Kuid, Local, Space, User, Vfs},
    user_namespace::{Extent, IdMap},
};
use rustix::io::Errno;

use crate::{
    diagnosis,
    error::{Error, Step},
    maps::IdMaps,
    sys,
    userns::UserNs,
};

/// The number of an id, as C has it: the greatest one is none.
pub(super) fn raw<K: Kind, S: Space>(id: Option<Id<K, S>>) -> u32 {
    id.map_or(u32::MAX, Id::get)
}

/// Which of two maps is for ids of a kind.
pub(super) trait Pick: Kind {
    fn pick(maps: &IdMaps) -> &IdMap<Vec<Extent>>;

    fn name(names: &Names) -> Option<&IdMap<Vec<Extent>>>;
}

impl Pick for User {
    fn pick(maps: &IdMaps) -> &IdMap<Vec<Extent>> {
        maps.users()
    }

    fn name(names: &Names) -> Option<&IdMap<Vec<Extent>>> {
        names.users.as_ref()
    }
}

impl Pick for Group {
    fn pick(maps: &IdMaps) -> &IdMap<Vec<Extent>> {
        maps.groups()
    }

    fn name(names: &Names) -> Option<&IdMap<Vec<Extent>>> {
        names.groups.as_ref()
    }
}

/// The names that a user namespace has for ids: none before its maps are written.
#[derive(Clone, Debug)]
pub(super) struct Names {
    users: Option<IdMap<Vec<Extent>>>,
    groups: Option<IdMap<Vec<Extent>>>,
}

impl Names {
    /// Those in the user namespace of a process.
    fn of_process(pid: u32) -> Result<Self, Error> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            let fail = |errno| Error::new(Step::ReadMap, &*path, errno);
            let text = fs::read_to_string(&path)
                .map_err(|error| fail(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
            if text.is_empty() {
                return Ok(None);
            }
            let map = IdMap::parse_vec(&text);
            map.map(Some)
                .map_err(|error| fail(Errno::INVAL).because(Some(error.to_string())))
        };
        Ok(Self {
            users: read("uid_map")?,
            groups: read("gid_map")?,
        })
    }
}

/// A user namespace with its maps: this program's own, or one below it.
#[derive(Clone, Debug)]
pub struct UserNsView(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Device and inode of its file, by which it is told from others.
    key: (u64, u64),
    /// [`None`] is this program's own, in which all ids are called what they are.
    maps: Option<Names>,
    parent: Option<UserNsView>,
    /// Who made it, as this program's namespace calls that user.
    owner: u32,
    file: OwnedFd,
}

impl UserNsView {
    /// That of this program.
    pub fn ours() -> Result<Self, Error> {
        let userns = UserNs::open("/proc/self/ns/user")?;
        let key = key(userns.as_fd());
        Ok(Self(Rc::new(Inner {
            key,
            maps: None,
            parent: None,
            owner: u32::MAX,
            file: userns.into(),
        })))
    }

    /// That of a process.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        let userns = UserNs::of_process(pid)?;
        let ours = Self::ours()?;
        if key(userns.as_fd()) == ours.0.key {
            return Ok(ours);
        }
        Self::named(userns, Names::of_process(pid)?)
    }

    /// One that has these maps, as this program's namespace counts ids.
    pub fn new(userns: UserNs, maps: IdMaps) -> Result<Self, Error> {
        let names = Names {
            users: Some(maps.users().clone()),
            groups: Some(maps.groups().clone()),
        };
        Self::named(userns, names)
    }

    fn named(userns: UserNs, names: Names) -> Result<Self, Error> {
        let fail =
            |errno| Error::new(Step::OpenNamespace, "", errno).because(diagnosis::relatives(errno));
        let owner = sys::namespace_owner(userns.as_fd()).map_err(fail)?;
        let parent = sys::namespace_parent(userns.as_fd()).map_err(fail)?;
        let ours = Self::ours()?;
        let parent = if key(parent.as_fd()) == ours.0.key {
            ours
        } else {
            let pid = process_in(key(parent.as_fd())).ok_or_else(|| fail(Errno::SRCH))?;
            Self::of_process(pid)?
        };
        Ok(Self(Rc::new(Inner {
            key: key(userns.as_fd()),
            maps: Some(names),
            parent: Some(parent),
            owner,
            file: userns.into(),
        })))
    }

    /// Whether it is that of this program.
    pub fn is_ours(&self) -> bool {
        self.0.maps.is_none()
    }

    /// Whether it is the initial one, as far as is seen from here.
    pub(super) fn is_initial(&self) -> bool {
        self.is_ours() && diagnosis::is_initial(self.0.file.as_fd())
    }

    /// Whether two are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }

    /// How many users and how many groups it has.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count =
            |map: Option<&IdMap<Vec<Extent>>>| map.map_or(0, |map| count_ids(map.extents()));
        let names = self.0.maps.as_ref();
        (
            count(names.and_then(User::name)),
            count(names.and_then(Group::name)),
        )
    }

    /// A process in it.
    pub(crate) fn process(&self) -> Option<u32> {
        process_in(self.0.key)
    }

    /// Its file.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }

    /// How many namespaces are between it and this program's.
    fn depth(&self) -> usize {
        self.0
            .parent
            .as_ref()
            .map_or(0, |parent| parent.depth() + 1)
    }

    /// Whether a caller in `home` that is `user` there and has these capabilities in it has one of
    /// them here.
    ///
    /// Equals `cap_capable_helper()` of `security/commoncap.c`.
    pub(super) fn is_capable(
        &self,
        home: &Self,
        user: Option<Kuid>,
        capabilities: u64,
        capability: u32,
    ) -> bool {
        let mut at = self;
        loop {
            if at.is(home) {
                return capabilities >> capability & 1 == 1;
            }
            let Some(parent) = &at.0.parent else {
                return false;
            };
            if at.depth() <= home.depth() {
                return false;
            }
            if parent.is(home) && at.0.owner == raw(user) {
                return true;
            }
            at = parent;
        }
    }
}

/// What tells a namespace's file from others.
fn key(file: BorrowedFd<'_>) -> (u64, u64) {
    rustix::fs::fstat(file).map_or((0, 0), |status| (status.st_dev, status.st_ino))
}

/// Some process in a user namespace.
fn process_in(wanted: (u64, u64)) -> Option<u32> {
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let mut pids = pids.filter(|pid| {
        fs::metadata(format!("/proc/{pid}/ns/user"))
            .is_ok_and(|status| (status.dev(), status.ino()) == wanted)
    });
    pids.next()
}

impl<K: Pick> UidGidMap<K> for UserNsView {
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>> {
        match &self.0.maps {
            None => host::id(id.get()),
            Some(names) => K::name(names)?.up(id.get()).and_then(host::id),
        }
    }

    fn make_kid(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>> {
        match &self.0.maps {
            None => host::id(name.get()),
            Some(names) => K::name(names)?.down(name.get()).and_then(host::id),
        }
    }
}

impl Namespace for UserNsView {
    fn parent(&self) -> Option<&Self> {
        self.0.parent.as_ref()
    }
}

/// The map of a mount, [`None`] where it has none.
#[derive(Clone, Debug)]
pub(super) struct MapView(pub(super) Option<IdMaps>);

impl<K: Pick> KindIdmap<K, UserNsView> for MapView {
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<UserNsView>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        let Some(maps) = &self.0 else {
            return host::id(raw(id));
        };
        let stored: Id<K, Kernel> = host::id(raw(id))?;
        let on_disk = fs.namespace().from_kid(stored)?;
        K::pick(maps).down(on_disk.get()).and_then(host::id)
    }

    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<UserNsView>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        let Some(maps) = &self.0 else {
            return host::id(raw(id));
        };
        let on_disk: Id<K, Local> = K::pick(maps).up(id?.get()).and_then(host::id)?;
        let stored = fs.namespace().make_kid(on_disk)?;
        host::id(stored.get())
    }
}

impl Idmap<UserNsView> for MapView {
    fn is_nop(&self) -> bool {
        self.0.is_none()
    }
}
