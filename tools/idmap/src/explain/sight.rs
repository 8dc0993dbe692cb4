// SPDX-License-Identifier: GPL-2.0 OR MIT

//! An owner on its way from the disk to `stat()`.

use kernel::{
    fs::permission::{Access, InodeAttrs, UidGidMap},
    uidgid::{Filesystem, Group, Id, Kernel, User, Vfs},
};

use super::{
    caller::Caller,
    lookup::shown,
    node::Node,
    view::{Pick, UserNsView},
};

/// What an owner or a group is called at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// On disk. [`None`] is not known, or no id.
    pub disk: Option<u32>,
    /// In the kernel, once the filesystem's own map was applied.
    pub kernel: Option<u32>,
    /// Through the mount. [`None`] where its map has no entry.
    pub seen: Option<u32>,
    /// In the caller's user namespace. [`None`] where that has no name for it.
    pub named: Option<u32>,
    /// What `stat()` shows.
    pub stat: u32,
}

/// What is seen of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sight {
    /// Its path.
    pub path: String,
    /// What kind of object it is.
    pub kind: &'static str,
    /// The permission bits.
    pub mode: u16,
    /// The owner.
    pub user: Column,
    /// The group.
    pub group: Column,
    /// The mount, by where it is.
    pub mount: String,
    /// The type of its filesystem.
    pub filesystem: String,
    /// The map of the mount; [`None`] if it has none.
    pub map: Option<String>,
    /// The layer that the object is stored in, on overlayfs.
    pub layer: Option<LayerSight>,
    /// Why the ids on disk are not known, if so.
    pub hidden: Option<&'static str>,
}

/// A layer of overlayfs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerSight {
    /// Its path.
    pub path: String,
    /// The map of the mount that it was taken from.
    pub map: Option<String>,
}

impl Sight {
    pub(super) fn of(caller: &Caller, node: &Node, overflow: (u32, u32)) -> Self {
        let access = Access::new(caller, &node.mount.map);
        let map = node.mount.map.0.as_ref();
        let layers = node.mount.layers();
        let found = layers.and_then(|layers| layers.find(node));
        let hidden = match layers {
            Some(_) if found.is_none() => Some("in a layer that is not found from here"),
            _ => node.mount.disk_is_hidden(),
        };
        let disk = |plain: Option<u32>, layer: Option<u32>| match (hidden, found.is_some()) {
            (Some(_), _) => None,
            (None, true) => layer,
            (None, false) => plain,
        };
        let mut sight = Self {
            path: shown(node),
            kind: node.kind(),
            mode: node.mode().bits() & 0o7777,
            user: column::<User>(
                caller,
                node,
                node.i_uid(),
                access.i_uid_into_vfsuid(node),
                overflow.0,
            ),
            group: column::<Group>(
                caller,
                node,
                node.i_gid(),
                access.i_gid_into_vfsgid(node),
                overflow.1,
            ),
            mount: node.mount.target.display().to_string(),
            filesystem: node.mount.filesystem.clone(),
            map: map.map(ToString::to_string),
            layer: found.map(|(layer, _)| LayerSight {
                path: layer.path.display().to_string(),
                map: layer.mount.map.0.as_ref().map(ToString::to_string),
            }),
            hidden,
        };
        let stored = found.map(|(_, stored)| stored);
        sight.user.disk = disk(sight.user.disk, stored.and_then(|stored| stored.user));
        sight.group.disk = disk(sight.group.disk, stored.and_then(|stored| stored.group));
        sight
    }
}

fn column<K: Pick>(
    caller: &Caller,
    node: &Node,
    stored: Option<Id<K, Filesystem>>,
    seen: Option<Id<K, Vfs>>,
    overflow: u32,
) -> Column
where
    UserNsView: UidGidMap<K>,
{
    let id: Option<Id<K, Kernel>> = seen.map(Id::into_kernel);
    let named = id.and_then(|id| UidGidMap::<K>::from_kid(&caller.userns, id));
    let named = named.map(Id::get);
    Column {
        disk: node.on_disk(stored),
        kernel: stored.map(Id::get),
        seen: seen.map(Id::get),
        named,
        stat: named.unwrap_or(overflow),
    }
}
