// SPDX-License-Identifier: GPL-2.0

//! The worlds that are checked: all small ones, and random ones.

use crate::{
    ids::{Ids, MAX_IDS, Map, NONE, all_below, all_maps, each},
    model::{Accomplice, Condition, Setup, Target},
    world::{Inode, Maps, Named, Ns},
};
use fastrand::Rng;
use kernel::{
    fs::permission::{CapsRoot, DiskCaps},
    uidgid::Uid,
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// The maps of one kind of ids: what the old mount shows, the caller's namespace, the namespace of
/// the idmap.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What the old mount shows. Without: it is not idmapped.
    pub shown: Option<Map>,
    /// From ids of the caller's namespace to kernel ids.
    pub own: Map,
    /// From ids of the namespace of the idmap to kernel ids.
    pub map: Map,
}

/// What [`all_kinds()`] went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// How many triples of maps there are.
    pub triples: u64,
    /// How many of them differ in more than the numbers of their ids.
    pub kinds: u64,
}

/// The tables of a triple of maps, and nothing of how they are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Tables {
    /// For each stored id: what the old mount shows, and what the new one shows.
    shown: [(u8, u8); 6],
    own: Ids,
    map: Ids,
    is_nop: bool,
}

impl Tables {
    fn renumbered(&self, order: &[u8]) -> Self {
        let number = |id: u8| order.get(usize::from(id)).copied().unwrap_or(u8::MAX);
        let ids = |ids: Ids| each(ids).fold(0, |sum, id| sum | 1 << order[id as usize]);
        let mut shown = self.shown.map(|(old, new)| (number(old), number(new)));
        shown.sort_unstable();
        Self {
            shown,
            own: ids(self.own),
            map: ids(self.map),
            is_nop: self.is_nop,
        }
    }
}

/// Returns each order of the numbers below `count`.
fn orders(count: u8) -> Vec<Vec<u8>> {
    let mut orders = vec![vec![]];
    for last in 0..count {
        let longer = |order: &Vec<u8>| {
            (0..=order.len())
                .map(|at| {
                    let mut longer = order.clone();
                    longer.insert(at, last);
                    longer
                })
                .collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

/// Goes through all triples of maps of up to two extents over `count` ids, compares the kernel's
/// nested idmap of each with its definition, and returns one triple of each kind: those that differ
/// in more than the numbers of their ids.
///
/// Panics if an idmap is not what its definition says.
pub fn all_kinds(count: u32) -> (Vec<Kind>, Tally) {
    let maps = all_maps(count);
    let shown: Vec<Option<&Map>> = [None].into_iter().chain(maps.iter().map(Some)).collect();
    let identity = Map::identity(count);
    let orders = orders(count as u8);
    let mut tally = Tally::default();
    let mut seen = HashSet::new();
    let mut kinds = HashMap::new();
    for own in &maps {
        for relative in &maps {
            // A namespace below maps to ids that its parent has.
            let pairs = relative.then(own);
            if pairs.is_empty() {
                continue;
            }
            let map = Map::of_pairs(&pairs);
            for old in &shown {
                tally.triples += 1;
                let new = check_nested(old.unwrap_or(&identity), own, &map);
                let mut tables = Tables {
                    shown: [(u8::MAX, u8::MAX); 6],
                    own: own.lower_ids(),
                    map: map.lower_ids(),
                    is_nop: old.is_none(),
                };
                for id in 0..count {
                    let old = old.unwrap_or(&identity).down(id) as u8;
                    tables.shown[id as usize] = (old, new[id as usize] as u8);
                }
                if !seen.insert(tables) {
                    continue;
                }
                let orders = orders.iter().map(|order| tables.renumbered(order));
                if let Some(least) = orders.min() {
                    kinds.entry(least).or_insert_with(|| Kind {
                        shown: old.cloned(),
                        own: own.clone(),
                        map: map.clone(),
                    });
                }
            }
        }
    }
    let mut kinds: Vec<(Tables, Kind)> = kinds.into_iter().collect();
    kinds.sort_unstable_by_key(|(tables, _)| *tables);
    tally.kinds = kinds.len() as u64;
    (kinds.into_iter().map(|(_, kind)| kind).collect(), tally)
}

/// Compares the kernel's nested idmap with its definition, id by id.
fn check_nested(shown: &Map, own: &Map, map: &Map) -> [u32; MAX_IDS] {
    let mut expected = [NONE; MAX_IDS];
    for id in 0..MAX_IDS as u32 {
        expected[id as usize] = map.down(own.up(shown.down(id)));
    }
    let nested = Map::nested(shown, own, map);
    let computed = (0..MAX_IDS as u32).map(|id| nested.as_ref().map_or(NONE, |map| map.down(id)));
    assert!(
        computed.eq(expected),
        "{shown:?} {own:?} {map:?}: {nested:?}"
    );
    expected
}

/// Returns pairs of kinds for users and for groups: each kind with some partners, and the reverse.
/// Without partners: all with all.
pub fn pairs(kinds: &[Kind], partners: usize) -> Vec<(&Kind, &Kind)> {
    let all = |users| kinds.iter().map(move |groups| (users, groups));
    if partners == 0 {
        return kinds.iter().flat_map(all).collect();
    }
    let mut pairs = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        for partner in 0..partners {
            let other = &kinds[(index * 31 + partner * kinds.len() / partners) % kinds.len()];
            pairs.extend([(kind, other), (other, kind)]);
        }
    }
    pairs
}

/// Returns a world of two kinds.
pub fn setup(count: u32, users: &Kind, groups: &Kind, max_named: u64) -> Setup {
    let shown = match (&users.shown, &groups.shown) {
        (None, None) => None,
        (users, groups) => {
            let map = |map: &Option<Map>| map.clone().unwrap_or_else(|| Map::identity(count));
            Some(Maps {
                users: map(users),
                groups: map(groups),
            })
        }
    };
    let maps = |users: &Map, groups: &Map| Maps {
        users: users.clone(),
        groups: groups.clone(),
    };
    let mut setup = Setup::new(
        count,
        shown,
        maps(&users.own, &groups.own),
        maps(&users.map, &groups.map),
    );
    setup.max_named = max_named;
    setup
}

/// Returns a plain inode.
pub fn inode(fs: &Rc<Ns>, mode: u16, uid: u32, gid: u32) -> Inode {
    Inode {
        fs: fs.clone(),
        mode,
        uid,
        gid,
        named: Vec::new(),
        group_perm: 0,
        caps: None,
    }
}

/// A source of random worlds.
pub struct Random {
    rng: Rng,
    count: u32,
}

impl Random {
    /// Starts with a seed. Worlds have `count` ids.
    pub fn new(seed: u64, count: u32) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            count,
        }
    }

    /// Returns a map of random pairs, some of them in a row.
    fn map(&mut self, from: Ids, to: Ids) -> Map {
        let mut uppers: Vec<u32> = each(from).collect();
        let mut lowers: Vec<u32> = each(to).collect();
        if self.rng.bool() {
            self.rng.shuffle(&mut lowers);
        }
        if self.rng.u8(..4) == 0 {
            self.rng.shuffle(&mut uppers);
        }
        let most = uppers.len().min(lowers.len());
        let keep = 1 + self.rng.usize(..most);
        let keep = if self.rng.bool() { most } else { keep };
        let skip = self.rng.usize(..=most - keep);
        let mut pairs: Vec<(u32, u32)> = uppers
            .into_iter()
            .skip(skip)
            .zip(lowers)
            .take(keep)
            .collect();
        pairs.sort_unstable();
        Map::of_pairs(&pairs)
    }

    fn subset(&mut self, ids: Ids) -> Ids {
        let some = ids & self.rng.u16(..);
        if some == 0 { ids } else { some }
    }

    /// Returns the maps of a kind. If `few`, then the caller's namespace has one or two ids.
    fn kind(&mut self, few: bool) -> Kind {
        let all = all_below(self.count);
        let shown = (self.rng.u8(..3) != 0).then(|| self.map(all, all));
        let range = if few {
            1 << self.rng.u32(..self.count) | 1 << self.rng.u32(..self.count)
        } else if self.rng.bool() {
            all
        } else {
            self.subset(all)
        };
        let own = self.map(all, range);
        let range = self.subset(own.upper_ids());
        let relative = self.map(all, range);
        let map = Map::of_pairs(&relative.then(&own));
        Kind { shown, own, map }
    }

    /// Returns an id below `count`, or any of `ids`.
    fn one_of(&mut self, ids: Ids) -> u32 {
        let ids: Vec<u32> = each(ids).collect();
        match self.rng.choice(&ids) {
            Some(id) => *id,
            None => self.rng.u32(..self.count),
        }
    }

    /// Returns a world. If `without` is a condition, then it does not hold in the world.
    pub fn setup(&mut self, without: Option<Condition>, entries: usize) -> Setup {
        let users = self.kind(without == Some(Condition::Users));
        let groups = self.kind(without == Some(Condition::Groups));
        let mut setup = setup(self.count, &users, &groups, 1 + entries as u64);
        let all = all_below(self.count);
        if self.rng.u8(..8) == 0 {
            // The filesystem was mounted in a namespace of its own.
            setup.fs = Maps {
                users: self.map(all, all),
                groups: self.map(all, all),
            };
        }
        if without == Some(Condition::Below) {
            setup.below = false;
            setup.map = Maps {
                users: self.map(all, all),
                groups: self.map(all, all),
            };
        }
        if without == Some(Condition::Setgroups) {
            setup.setgroups = false;
        }
        if without == Some(Condition::Setgroups) || self.rng.u8(..4) == 0 {
            setup.outside_groups = self.subset(all) & !setup.own.groups.lower_ids();
        }
        if without == Some(Condition::Capabilities) {
            let uid = self.one_of(setup.own.users.lower_ids());
            let gid = self.one_of(setup.own.groups.lower_ids());
            setup.weak = Some((uid, gid));
        }
        if self.rng.bool() {
            let root_of = self.rng.bool().then(|| Maps {
                users: self.map(all, all),
                groups: self.map(all, all),
            });
            let mut groups = self.subset(all);
            while groups.count_ones() > 3 {
                groups &= groups - 1;
            }
            setup.accomplice = Some(Accomplice {
                uid: self.rng.u32(..self.count),
                groups,
                root_of,
            });
        }
        setup
    }

    /// Returns a stored id.
    fn stored(&mut self, map: &Map) -> u32 {
        self.one_of(map.lower_ids())
    }

    fn inode(&mut self, fs: &Rc<Ns>, entries: usize, dir: bool) -> Inode {
        let kind = if dir { 0o040000 } else { 0o100000 };
        let bits = match self.rng.u8(..4) {
            // Modes that deny the group, or the owner, what others may.
            0 => [0o0604, 0o0705, 0o0077, 0o0007, 0o0707, 0o0770][self.rng.usize(..6)],
            _ => self.rng.u16(..0o10000),
        };
        let (uid, gid) = (self.stored(&fs.maps.users), self.stored(&fs.maps.groups));
        let mut inode = inode(fs, kind | bits, uid, gid);
        for _ in 0..self.rng.usize(..=entries) {
            let group = self.rng.bool();
            let perm = if self.rng.bool() {
                0
            } else {
                self.rng.u16(..8)
            };
            let map = if group {
                &fs.maps.groups
            } else {
                &fs.maps.users
            };
            let named: Named = (group, perm, self.stored(map));
            if !inode
                .named
                .iter()
                .any(|other| (other.0, other.2) == (named.0, named.2))
            {
                inode.named.push(named);
            }
        }
        inode.named.sort_unstable_by_key(|named| (named.0, named.2));
        inode.group_perm = self.rng.u16(..8);
        if !dir && self.rng.u8(..4) == 0 {
            let root = Uid::new(self.rng.u32(..self.count));
            inode.caps = Some(DiskCaps(CapsRoot::V3(root)));
        }
        inode
    }

    /// Returns inodes for an operation.
    pub fn target(&mut self, fs: &Rc<Ns>, entries: usize) -> Target {
        match self.rng.u8(..8) {
            0 => {
                let dirs = self.rng.bool();
                let mut one = |dir| self.inode(fs, entries, dir);
                Target::Rename([one(true), one(dirs), one(true), one(dirs)])
            }
            1 | 2 => {
                let dir = self.rng.u8(..4) == 0;
                Target::Directory(self.inode(fs, entries, true), self.inode(fs, entries, dir))
            }
            number => Target::Inode(self.inode(fs, entries, number == 3)),
        }
    }
}
