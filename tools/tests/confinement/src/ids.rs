// SPDX-License-Identifier: GPL-2.0

//! Small sets of ids, and maps between them.

use kernel::{
    fs::permission::{NoNesting, nest},
    user_namespace::{Extent, SortedMap},
};

/// The most ids that a world has.
pub const MAX_IDS: usize = 12;

/// "No id", as C has it.
pub const NONE: u32 = u32::MAX;

/// A set of ids below [`MAX_IDS`], a bit for each.
pub type Ids = u16;

/// Returns the ids in a set.
pub fn each(ids: Ids) -> impl Iterator<Item = u32> {
    (0..MAX_IDS as u32).filter(move |id| ids & 1 << id != 0)
}

/// Returns the set of the ids below `count`.
pub const fn all_below(count: u32) -> Ids {
    (1 << count) - 1
}

/// A map between two sets of ids, with a table for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    extents: Vec<Extent>,
    down: [u32; MAX_IDS],
    up: [u32; MAX_IDS],
}

impl Map {
    /// Returns the map of some extents, which must make a map.
    pub fn new(extents: Vec<Extent>) -> Self {
        let (mut down, mut up) = ([NONE; MAX_IDS], [NONE; MAX_IDS]);
        for extent in &extents {
            for offset in 0..extent.count() {
                let (first, lower) = (extent.first() + offset, extent.lower_first() + offset);
                down[first as usize] = lower;
                up[lower as usize] = first;
            }
        }
        Self { extents, down, up }
    }

    /// Returns the map of ascending pairs, in as few extents as there can be.
    pub fn of_pairs(pairs: &[(u32, u32)]) -> Self {
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        for &(first, lower) in pairs {
            match runs.last_mut() {
                Some((a, b, count)) if (*a + *count, *b + *count) == (first, lower) => *count += 1,
                _ => runs.push((first, lower, 1)),
            }
        }
        let extent = |&(first, lower, count): &_| Extent::new(first, lower, count);
        Self::new(
            runs.iter()
                .map(extent)
                .collect::<Result<_, _>>()
                .expect("some ids each"),
        )
    }

    /// Returns the map of each id below `count` to itself.
    pub fn identity(count: u32) -> Self {
        Self::new(vec![Extent::new(0, 0, count).expect("some ids")])
    }

    /// Maps an id down.
    pub fn down(&self, id: u32) -> u32 {
        self.down.get(id as usize).copied().unwrap_or(NONE)
    }

    /// Maps an id up.
    pub fn up(&self, id: u32) -> u32 {
        self.up.get(id as usize).copied().unwrap_or(NONE)
    }

    /// Returns the extents.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Returns the ids that the map maps to.
    pub fn lower_ids(&self) -> Ids {
        (0..MAX_IDS)
            .filter(|&id| self.up[id] != NONE)
            .fold(0, |ids, id| ids | 1 << id)
    }

    /// Returns the ids that the map maps.
    pub fn upper_ids(&self) -> Ids {
        (0..MAX_IDS)
            .filter(|&id| self.down[id] != NONE)
            .fold(0, |ids, id| ids | 1 << id)
    }

    /// Maps through this map, then through `next`, id by id.
    pub fn then(&self, next: &Self) -> Vec<(u32, u32)> {
        (0..MAX_IDS as u32)
            .map(|id| (id, next.down(self.down(id))))
            .filter(|(_, to)| *to != NONE)
            .collect()
    }

    /// Returns the map in the other direction.
    pub fn inverse(&self) -> Self {
        Self::new(self.extents.iter().map(|extent| extent.inverse()).collect())
    }

    /// Returns the extents as the kernel sorts them.
    fn sorted(&self) -> SortedMap<Vec<Extent>> {
        SortedMap::new(self.extents.clone()).expect("the extents make a map")
    }

    /// Returns the nested idmap, as the kernel computes it.
    pub fn nested(shown: &Self, names: &Self, map: &Self) -> Result<Self, NoNesting> {
        let mut room = [Extent::EMPTY; MAX_IDS];
        let nested = nest(
            &shown.sorted(),
            &names.inverse().sorted(),
            &map.sorted(),
            &mut room,
        )?;
        Ok(Self::new(nested.extents().to_vec()))
    }

    /// Returns the map as words: `0 is 5, 1 to 3 are 7 to 9`.
    pub fn words(&self) -> String {
        let list = |extent: &Extent| match extent.count() {
            1 => format!("{} is {}", extent.first(), extent.lower_first()),
            count => format!(
                "{} to {} are {} to {}",
                extent.first(),
                extent.first() + count - 1,
                extent.lower_first(),
                extent.lower_first() + count - 1
            ),
        };
        self.extents.iter().map(list).collect::<Vec<_>>().join(", ")
    }
}

/// Returns every map of one or two extents over the ids below `count`, each once.
pub fn all_maps(count: u32) -> Vec<Map> {
    let mut extents = Vec::new();
    for first in 0..count {
        for lower in 0..count {
            for length in 1..=count - first.max(lower) {
                extents.push(Extent::new(first, lower, length).expect("it ends below the count"));
            }
        }
    }
    let mut maps: Vec<Map> = extents
        .iter()
        .map(|&extent| Map::new(vec![extent]))
        .collect();
    for (index, one) in extents.iter().enumerate() {
        for other in &extents[..index] {
            let apart = !one.overlaps(other) && !one.inverse().overlaps(&other.inverse());
            // Two extents that one extent could replace are the same map.
            let joined = |a: &Extent, b: &Extent| {
                a.end() == b.first() && a.inverse().end() == b.lower_first()
            };
            if apart && !joined(one, other) && !joined(other, one) {
                maps.push(Map::new(vec![*one, *other]));
            }
        }
    }
    maps
}
