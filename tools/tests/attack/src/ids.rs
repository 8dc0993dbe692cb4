// SPDX-License-Identifier: GPL-2.0

//! The ids of the attack.
//!
//! Root of the user namespace `N` attacks. `N` has 65536 ids from [`BASE`] on. The user namespace
//! `M` of the nested idmap is below `N`.

/// The first kernel id of `N`.
pub(crate) const BASE: u32 = 100_000;
/// The map of `N`.
pub(crate) const OWN: &str = "0 100000 65536\n";
/// The map of `M`, written in `N`.
pub(crate) const MAP: &str = "0 1000 60000\n60000 0 500\n";
/// What the old mount shows, if it is idmapped: some ids outside of `N`, too.
pub(crate) const SHOWN: &str = "0 100000 50000\n50000 400000 10\n50010 150010 15000\n";

/// Ids of `N` that own inodes. `M` does not map the last one.
const INSIDE: [u32; 6] = [0, 1, 5, 1000, 1001, 61_000];
/// Stored ids that the old mount shows outside of `N`, or not at all: not idmapped, and idmapped.
/// Of the latter, an idmap that replaces the old one would map two.
const OUTSIDE: [[u32; 4]; 2] = [[0, 1, 1000, 300_000], [50_000, 50_005, 70_000, 101_000]];
/// Ids of `N` and of `M` that the attacker becomes.
pub(crate) const CALLERS: [u32; 9] = [0, 1, 5, 500, 1000, 1001, 1005, 2000, 2001];

/// Which old mount there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    /// Whether it is idmapped.
    pub(crate) idmapped: bool,
}

impl Old {
    /// Returns the stored id that the old mount shows as an id of `N`.
    pub(crate) fn stored(self, name: u32) -> u32 {
        if self.idmapped { name } else { BASE + name }
    }

    /// Returns the stored ids that own inodes.
    pub(crate) fn owners(self) -> Vec<u32> {
        let inside = INSIDE.iter().map(|name| self.stored(*name));
        inside.chain(OUTSIDE[usize::from(self.idmapped)]).collect()
    }

    /// Returns the name in `N` of the id that the old mount shows for a stored id.
    pub(crate) fn name(self, id: u32) -> Option<u32> {
        let (name, end) = match self.idmapped {
            true => (Some(id).filter(|id| !(50_000..50_010).contains(id)), 65_010),
            false => (id.checked_sub(BASE), 65_536),
        };
        name.filter(|name| *name < end)
    }

    /// Returns whether the nested idmap maps a stored id.
    pub(crate) fn is_mapped(self, id: u32) -> bool {
        // The names of N that M has.
        self.name(id).is_some_and(|name| name < 60_500)
    }
}
