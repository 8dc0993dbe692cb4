// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What only tests and tools on the host do.
//!
//! Numbers become ids: in the kernel no code but the glue can do this. And maps are compared, and
//! made as short as can be.

extern crate alloc;

use alloc::vec::Vec;
use core::ops::Deref;

use crate::{
    uidgid::{Id, Kind, Space},
    user_namespace::{Extent, IdInt, IdMap, MapError, MAX_EXTENTS},
};

/// Takes a number for an id of the kind and space that the caller asks for, [`None`] for the
/// greatest number.
pub const fn id<K: Kind, S: Space>(raw: u32) -> Option<Id<K, S>> {
    Id::from_c(raw)
}

impl<T: IdInt> IdMap<Vec<Extent<T>>> {
    /// [`IdMap::parse`] with room of its own.
    pub fn parse_vec(text: &str) -> Result<Self, MapError> {
        let mut room = [Extent::EMPTY; MAX_EXTENTS];
        let map = IdMap::parse(text, &mut room)?;
        Self::from_storage(map.extents().to_vec())
    }
}

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> IdMap<B> {
    /// The ranges in their order, each joined with those that go on where it ends: the fewest that
    /// mean the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::user_namespace::{Extent, IdMap};
    ///
    /// let map = IdMap::<Vec<Extent>>::parse_vec("5 105 2\n0 100 5\n7 200 1")?;
    /// assert_eq!(map.joined().to_string(), "0 100 7\n7 200 1\n");
    /// assert_eq!(map, map.joined());
    /// # Ok::<(), kernel::user_namespace::MapError>(())
    /// ```
    pub fn joined(&self) -> IdMap<Vec<Extent<T>>> {
        let mut extents = self.extents().to_vec();
        extents.sort_unstable_by_key(Extent::first);
        let mut joined: Vec<Extent<T>> = Vec::with_capacity(extents.len());
        for extent in extents {
            match joined.last_mut() {
                Some(last) => match join(last, &extent) {
                    Some(both) => *last = both,
                    None => joined.push(extent),
                },
                None => joined.push(extent),
            }
        }
        match IdMap::from_storage(joined) {
            Ok(map) => map,
            Err(_) => unreachable!("no id was added, and no range"),
        }
    }
}

/// Two ranges as one, if the second goes on where the first ends.
fn join<T: IdInt>(first: &Extent<T>, second: &Extent<T>) -> Option<Extent<T>> {
    let goes_on = first.end() == second.first() && first.inverse().end() == second.lower_first();
    if !goes_on {
        return None;
    }
    let count = first.count().checked_add(second.count())?;
    Extent::new(first.first(), first.lower_first(), count).ok()
}

/// Maps are equal if they map each id to the same.
impl<T, B, C> PartialEq<IdMap<C>> for IdMap<B>
where
    T: IdInt,
    B: Deref<Target = [Extent<T>]>,
    C: Deref<Target = [Extent<T>]>,
{
    fn eq(&self, other: &IdMap<C>) -> bool {
        self.joined().extents() == other.joined().extents()
    }
}

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> Eq for IdMap<B> {}
