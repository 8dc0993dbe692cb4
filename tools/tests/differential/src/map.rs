// SPDX-License-Identifier: GPL-2.0

//! Random maps of user namespaces.

use std::fmt::Write;

use kselftest::rng::Rng;

/// The ids that everything here revolves around, so that owners and callers meet often.
pub(crate) const IDS: [u32; 9] = [0, 1, 1000, 1001, 1002, 2000, 65534, 100_000, 101_000];

/// One line of a map: ids from `first` in the namespace are those from `lower` in its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    first: u32,
    lower: u32,
    count: u32,
}

/// A map of users or of groups, from a user namespace to its parent.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    extents: Vec<Extent>,
    /// The ids of the namespace for those of the parent's [`Map::ids`] that are mapped.
    ids: Vec<u32>,
}

impl Map {
    /// The map of the initial namespace.
    pub(crate) fn initial() -> Self {
        let all = Extent {
            first: 0,
            lower: 0,
            count: u32::MAX,
        };
        Self {
            extents: vec![all],
            ids: IDS.to_vec(),
        }
    }

    /// A map for a child of a namespace. At least one of [`Map::ids`] is mapped.
    pub(crate) fn random(rng: &mut Rng, parent: &Self) -> Self {
        let lowers = rng.shuffled(&parent.ids);
        let some = 1 + rng.below(lowers.len()).max(rng.below(lowers.len()));
        let extents = match rng.below(6) {
            0 => parent.all_alike(),
            1 => vec![parent.range(rng, lowers[0])],
            // Some ids, in another order and with others.
            2 => singles(&rng.shuffled(&IDS), &lowers[..some]),
            // The same ids, changed round.
            3 => {
                let mut firsts = lowers[..some].to_vec();
                firsts.rotate_left(1);
                singles(&firsts, &lowers[..some])
            }
            // Without id 0.
            4 => singles(&rng.shuffled(&IDS[1..]), &lowers[..some.min(IDS.len() - 1)]),
            _ => parent.many(lowers[0]),
        };
        let mut map = Self {
            extents,
            ids: Vec::new(),
        };
        map.ids = parent.ids.iter().filter_map(|&id| map.up(id)).collect();
        map
    }

    /// Returns the id in the namespace of an id of its parent.
    pub(crate) fn up(&self, lower: u32) -> Option<u32> {
        self.extents.iter().find_map(|extent| {
            let offset = lower.checked_sub(extent.lower)?;
            (offset < extent.count).then(|| extent.first + offset)
        })
    }

    /// Returns the id in the parent of an id of the namespace.
    pub(crate) fn down(&self, id: u32) -> Option<u32> {
        self.extents.iter().find_map(|extent| {
            let offset = id.checked_sub(extent.first)?;
            (offset < extent.count).then(|| extent.lower + offset)
        })
    }

    /// The ids of the namespace that are worth being, owning and giving to.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The lines to write to `/proc/PID/uid_map` or `gid_map`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Extent {
            first,
            lower,
            count,
        } in &self.extents
        {
            let _ = writeln!(text, "{first} {lower} {count}");
        }
        text
    }

    /// A child's map in which everything that is mapped here keeps its number.
    fn all_alike(&self) -> Vec<Extent> {
        let alike = |extent: &Extent| Extent {
            first: extent.first,
            lower: extent.first,
            count: extent.count,
        };
        self.extents.iter().map(alike).collect()
    }

    /// How many ids that follow each other, from `id`, one line here maps.
    fn room(&self, id: u32) -> u32 {
        let rooms = self.extents.iter().filter_map(|extent| {
            let offset = id.checked_sub(extent.first)?;
            extent.count.checked_sub(offset)
        });
        rooms.max().unwrap_or(0)
    }

    /// A child's only line, to ids from `lower`, which is mapped here.
    fn range(&self, rng: &mut Rng, lower: u32) -> Extent {
        let first = rng.pick(&[0, 0, 5, 1000, lower]);
        let count = rng.pick(&[1, 3, 1002, 65536]);
        let count = count.min(self.room(lower)).min(u32::MAX - first);
        Extent {
            first,
            lower,
            count,
        }
    }

    /// As many lines as there can be (up to 340, in less than a page), to ids from `lower` as far
    /// as they are mapped here: pairs of ids changed round, from 999 on or from 0.
    fn many(&self, lower: u32) -> Vec<Extent> {
        let line = format!("{lower} {lower} 1\n").len() as u32 + 1;
        let count = self.room(lower).min(340).min(4095 / line);
        let start = if lower >= 1000 { 999 } else { 0 };
        let extent = |index: u32| Extent {
            first: start
                + if (index ^ 1) < count {
                    index ^ 1
                } else {
                    index
                },
            lower: lower + index,
            count: 1,
        };
        (0..count).map(extent).collect()
    }
}

fn singles(firsts: &[u32], lowers: &[u32]) -> Vec<Extent> {
    let extent = |(&first, &lower)| Extent {
        first,
        lower,
        count: 1,
    };
    firsts.iter().zip(lowers).map(extent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the kernel's requirements on thousands of maps.
    #[test]
    fn random_maps_are_valid() {
        for seed in 0..5000 {
            let mut rng = Rng::of(seed, 0);
            let mut parent = Map::initial();
            for _ in 0..3 {
                let map = Map::random(&mut rng, &parent);
                assert!(!map.ids.is_empty(), "{map:?} of {parent:?}");
                assert!(map.extents.len() <= 340 && map.text().len() < 4096);
                for (index, a) in map.extents.iter().enumerate() {
                    assert!(a.count > 0 && a.first.checked_add(a.count).is_some());
                    assert!(parent.room(a.lower) >= a.count, "{a:?} of {parent:?}");
                    for b in &map.extents[..index] {
                        let apart = |a: u32, a_count, b: u32, b_count| {
                            a.saturating_add(a_count) <= b || b.saturating_add(b_count) <= a
                        };
                        assert!(apart(a.first, a.count, b.first, b.count), "{a:?} {b:?}");
                        assert!(apart(a.lower, a.count, b.lower, b.count), "{a:?} {b:?}");
                    }
                }
                for &id in map.ids() {
                    let lower = map.down(id).unwrap();
                    assert_eq!(map.up(lower), Some(id));
                    assert!(parent.down(lower).is_some());
                }
                parent = map;
            }
        }
    }
}
