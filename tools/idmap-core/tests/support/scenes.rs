// SPDX-License-Identifier: GPL-2.0

//! Who meets what: callers, maps and owners that stand for all that can differ.

use super::fixture::{cap, Map, Ns, Who, NONE};

/// Ways from a stored owner to a caller: the map and the filesystem's namespace.
///
/// In each, 1000 is stored for what is seen as 2000, 1001 for 2001, and 1010 has no name. Where
/// there is no map each is itself, and where the filesystem was mounted in a namespace without one,
/// that namespace has 1000 to 1009 only.
pub(crate) fn ways() -> [(Map, &'static Ns); 4] {
    let mounted_in = Ns::new(3, vec![[0, 1000, 10]], vec![[0, 1000, 10]], Ns::initial());
    let seen_in = Ns::new(3, vec![[0, 2000, 10]], vec![[0, 2000, 10]], Ns::initial());
    let shift = || vec![[1000, 2000, 10]];
    [
        (Map::Nop, Ns::initial()),
        (Map::Ranges(shift(), shift()), Ns::initial()),
        (
            Map::Ranges(vec![[0, 2000, 10]], vec![[0, 2000, 10]]),
            mounted_in,
        ),
        (Map::Nop, seen_in),
    ]
}

/// What is stored for an id that is to be seen, or that is to have no name.
pub(crate) fn stored(map: &Map, seen: Option<u32>) -> u32 {
    match (map, seen) {
        (Map::Nop, Some(seen)) => seen,
        (Map::Nop, None) => NONE,
        (_, Some(seen)) => seen - 1000,
        (_, None) => 1010,
    }
}

/// Owners or groups: the caller's, another's, and one without a name.
pub(crate) const SEEN: [Option<u32>; 3] = [Some(2000), Some(2001), None];

/// An owner and a group.
pub(crate) fn pairs() -> impl Iterator<Item = (Option<u32>, Option<u32>)> {
    SEEN.into_iter().flat_map(|o| SEEN.map(|g| (o, g)))
}

/// Callers with the user id 2000 and each way to be, or not to be, in the group 2000.
///
/// Their namespace is the initial one, or has names for the user 2000 and the group 2000 only.
/// There they have every choice of the capabilities.
pub(crate) fn callers(capabilities: &[i32]) -> Vec<Who> {
    let narrow = Ns::new(1, vec![[0, 2000, 1]], vec![[0, 2000, 1]], Ns::initial());
    let mut callers = Vec::new();
    for ns in [Ns::initial(), narrow] {
        for (fsgid, groups) in [(2000, vec![]), (2002, vec![5, 2000]), (2002, vec![])] {
            for choice in 0..1 << capabilities.len() {
                let mut who = Who {
                    fsuid: 2000,
                    fsgid,
                    groups: groups.clone(),
                    ns,
                    caps: [0; 4],
                };
                for (i, capability) in capabilities.iter().enumerate() {
                    if choice >> i & 1 == 1 {
                        who.caps[ns.number] |= cap(*capability);
                    }
                }
                callers.push(who);
            }
        }
    }
    callers
}

/// A fixed sequence that picks where there are too many choices to go through.
pub(crate) struct Pick(pub(crate) u64);

impl Pick {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    pub(crate) fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.below(2) == 1
    }
}
