// SPDX-License-Identifier: GPL-2.0

//! The shape of a fixture: user namespaces, mounts and callers.

use std::fmt;

use crate::{caller::Caller, map::Map};
use kselftest::rng::Rng;

/// A user namespace.
#[derive(Clone)]
pub(crate) struct Namespace {
    /// The number of its parent; the first namespace, the initial one, has none.
    pub(crate) parent: Option<usize>,
    pub(crate) users: Map,
    pub(crate) groups: Map,
}

impl Namespace {
    fn initial() -> Self {
        Self {
            parent: None,
            users: Map::initial(),
            groups: Map::initial(),
        }
    }

    fn random(rng: &mut Rng, parent: usize, inside: &Self) -> Self {
        let users = Map::random(rng, &inside.users);
        // A map of users may be invalid as a map of groups, if the parent has two different maps.
        let groups = if parent == 0 && rng.chance(40) {
            users.clone()
        } else {
            Map::random(rng, &inside.groups)
        };
        Self {
            parent: Some(parent),
            users,
            groups,
        }
    }

    /// Returns the ids here of the parent's root user and group, if they are mapped.
    pub(crate) fn root(&self) -> Option<(u32, u32)> {
        self.users.up(0).zip(self.groups.up(0))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else {
            return f.write_str("initial");
        };
        let line = |map: &Map| {
            let text = map.text();
            let lines: Vec<&str> = text.lines().collect();
            match &lines[..] {
                [first, .., last] if lines.len() > 20 => {
                    format!("{first}, {} lines, {last}", lines.len() - 2)
                }
                all => all.join(", "),
            }
        };
        write!(
            f,
            "in n{parent} users {} groups {}",
            line(&self.users),
            line(&self.groups)
        )
    }
}

/// A mount of the world's files.
#[derive(Clone, Copy)]
pub(crate) struct Mount {
    /// The number of the user namespace that its map is of.
    pub(crate) map: Option<usize>,
    pub(crate) nosuid: bool,
    pub(crate) readonly: bool,
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.map {
            None => f.write_str("plain")?,
            Some(map) => write!(f, "map of n{map}")?,
        }
        f.write_str(if self.nosuid { " nosuid" } else { "" })?;
        f.write_str(if self.readonly { " ro" } else { "" })
    }
}

/// The shape of a world.
pub(crate) struct Shape {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) mounts: Vec<Mount>,
    /// The number of the user namespace that the filesystem is mounted in.
    pub(crate) filesystem: usize,
    pub(crate) callers: Vec<Caller>,
}

/// The parents of the user namespaces that a world has beside the initial one.
const PARENTS: [usize; 6] = [0, 0, 1, 3, 0, 0];
/// The index of the user namespace that filesystems may be mounted in and that idmaps of layers may
/// come from: it maps root.
pub(crate) const ROOTED: usize = 6;

impl Shape {
    /// A shape for a filesystem that can, or cannot, be mounted in a user namespace.
    pub(crate) fn random(rng: &mut Rng, can_be_inside: bool) -> Self {
        let mut namespaces = vec![Namespace::initial()];
        for parent in PARENTS {
            let mut next = Namespace::random(rng, parent, &namespaces[parent]);
            while namespaces.len() == ROOTED && next.root().is_none() {
                next = Namespace::random(rng, parent, &namespaces[parent]);
            }
            namespaces.push(next);
        }
        let mut mounts = vec![Mount {
            map: None,
            nosuid: false,
            readonly: false,
        }];
        for map in [1, 2, 3, 4, 5] {
            mounts.push(Mount {
                map: Some(map),
                nosuid: rng.chance(10),
                readonly: rng.chance(5),
            });
        }
        let callers = (0..14).map(|number| {
            let namespace = match number {
                0..5 => 0,
                5..8 => 1,
                8 => 2,
                9 | 10 => 3,
                11 => 4,
                _ => ROOTED,
            };
            Caller::random(rng, namespace, &namespaces[namespace])
        });
        Self {
            callers: callers.collect(),
            namespaces,
            mounts,
            filesystem: if can_be_inside && rng.chance(40) {
                ROOTED
            } else {
                0
            },
        }
    }

    /// Returns the id in the initial user namespace of an id in a user namespace.
    fn down(&self, number: usize, id: u32, map: Which) -> Option<u32> {
        let namespace = &self.namespaces[number];
        match namespace.parent {
            None => Some(id),
            Some(parent) => self.down(parent, map(namespace).down(id)?, map),
        }
    }

    /// Returns the id in a user namespace of an id in the initial one.
    fn up(&self, number: usize, id: u32, map: Which) -> Option<u32> {
        let namespace = &self.namespaces[number];
        match namespace.parent {
            None => Some(id),
            Some(parent) => map(namespace).up(self.up(parent, id, map)?),
        }
    }

    /// Returns the owner and the group on disk of files that a caller creates through a mount.
    fn owner(&self, caller: &Caller, mount: &Mount) -> Option<(u32, u32)> {
        let (user, group) = caller.effective;
        let one = |id, map: Which| {
            let seen = self.down(caller.namespace, id, map)?;
            let stored = match mount.map {
                None => seen,
                Some(number) => self.down(self.filesystem, self.up(number, seen, map)?, map)?,
            };
            self.up(self.filesystem, stored, map).and(Some(stored))
        };
        one(user, |it| &it.users).zip(one(group, |it| &it.groups))
    }

    /// A caller and a mount: mostly such that the caller may own something there.
    pub(crate) fn pair(&self, rng: &mut Rng) -> (usize, usize) {
        let caller = rng.below(self.callers.len());
        let mut mount = rng.below(self.mounts.len());
        for _ in 0..2 {
            if self
                .owner(&self.callers[caller], &self.mounts[mount])
                .is_some()
            {
                break;
            }
            mount = rng.below(self.mounts.len());
        }
        (caller, mount)
    }

    /// Returns an owner: a random one, or that of a caller through some mount.
    pub(crate) fn any_owner(&self, rng: &mut Rng) -> (u32, u32) {
        let inside = &self.namespaces[self.filesystem];
        let mut one = |map: Which| {
            let id = rng.pick(map(inside).ids());
            // The ids of a namespace are those of its parents, too.
            self.down(self.filesystem, id, map).unwrap_or_default()
        };
        let anybody = (one(|it| &it.users), one(|it| &it.groups));
        let (caller, mount) = self.pair(rng);
        let owner = self.owner(&self.callers[caller], &self.mounts[mount]);
        match owner {
            Some((user, group)) => match rng.below(4) {
                0 => anybody,
                1 => (user, anybody.1),
                2 => (anybody.0, group),
                _ => (user, group),
            },
            None => anybody,
        }
    }
}

/// Which of the two maps.
type Which = fn(&Namespace) -> &Map;

/// Those of several things that are there, by name.
pub(crate) fn names<T: Copy>(all: &[(T, &str)], is_there: impl Fn(T) -> bool) -> String {
    let there = all.iter().filter(|&&(it, _)| is_there(it));
    let names: Vec<&str> = there.map(|&(_, name)| name).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(",")
}
