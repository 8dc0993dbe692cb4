// SPDX-License-Identifier: GPL-2.0

//! One direction of a map, laid out for lookup.
//!
//! Every `stat`, every permission check and every new inode on an idmapped mount looks ids up, so
//! the layout is made when the mount is, for the three sizes that maps have in practice:
//!
//! - *one range*: it is the [`Table::head`], the first thing that a lookup tries;
//! - *up to [`FEW`]*: the head is the middle one, and at most two more on the id's side of it are
//!   tried;
//! - *more*: the head is the lowest, and a directory of [`BUCKETS`] equal parts of the whole span
//!   tells for each part the first range that reaches into it. That is the right one nearly always;
//!   a binary search over the few others of that part follows where it is not.

use crate::user_namespace::{
    Extent,
    IdInt,
    MapError,
    SortedMap, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// The most ranges that need no memory beside the table, `UID_GID_MAP_MAX_BASE_EXTENTS`.
pub const FEW: usize = 5;

/// The number of parts of a directory.
pub const BUCKETS: usize = 512;

/// For each part of the span, the first range that reaches into it.
pub type Directory = [u16; BUCKETS];

/// One direction of a map: finds what an id is mapped to.
///
/// `E` and `D` are the storage of the ranges and of the directory of a map with more than [`FEW`]
/// ranges, such as a vector and a box.
pub struct Table<T, E, D> {
    /// What is tried first.
    head: Extent<T>,
    rest: Rest<T, E, D>,
}

/// The ranges beside the head.
///
/// # Invariants
///
/// In `Few`, the ids of `low` are below `split`, those of `high` are not; places not in use hold
/// [`Extent::EMPTY`]. In `Many`, the head is the first of `extents`, and `directory` was made for
/// `extents` and `scale` by [`fill`].
enum Rest<T, E, D> {
    Few {
        /// Where the head ends.
        split: T,
        low: [Extent<T>; 2],
        high: [Extent<T>; 2],
    },
    Many {
        /// Multiplying an id's distance from the head with this gives its part of the span in the
        /// upper half of the product.
        scale: u64,
        extents: SortedMap<E>,
        directory: D,
    },
}

impl<T: IdInt, E, D> Table<T, E, D> {
    /// The table that maps no id.
    pub const EMPTY: Self = Self {
        head: Extent::EMPTY,
        // INVARIANT: No place is in use.
        rest: Rest::Few {
            split: T::ZERO,
            low: [Extent::EMPTY; 2],
            high: [Extent::EMPTY; 2],
        },
    };

    /// Lays out a map of at most [`FEW`] ranges, [`MapError::TooMany`] for more.
    pub fn few(map: &SortedMap<impl Deref<Target = [Extent<T>]>>) -> Result<Self, MapError> {
        let at = |i: usize| map.extents().get(i).copied().unwrap_or(Extent::EMPTY);
        // INVARIANT: The ranges of a sorted map ascend, so what comes before the head is below its
        // end, and what comes after it is not. The outer one of each side comes first: it is the one
        // that a map written in ascending order ends with.
        let (head, low, high) = match map.extents().len() {
            0..=2 => (at(0), [Extent::EMPTY; 2], [at(1), Extent::EMPTY]),
            3 => (at(1), [at(0), Extent::EMPTY], [at(2), Extent::EMPTY]),
            4 => (at(1), [at(0), Extent::EMPTY], [at(3), at(2)]),
            FEW => (at(2), [at(0), at(1)], [at(4), at(3)]),
            _ => return Err(MapError::TooMany),
        };
        Ok(Self {
            head,
            rest: Rest::Few {
                split: head.end(),
                low,
                high,
            },
        })
    }
}

/// What is to be said of the range that has an id, something else if there is no such range, or
/// [`None`] if it takes a search to find it.
///
/// Written so that it needs no stack frame, and no more loads than it uses. With a function in the
/// place of this macro a permission check takes an instruction more.
macro_rules! quick {
    ($table:expr, $id:expr, |$extent:ident| $found:expr, $none:expr) => {{
        let $extent = &$table.head;
        if let Some(answer) = $found {
            return Some(answer);
        }
        match &$table.rest {
            Rest::Few { split, low, high } => {
                let [outer, inner] = if $id < *split { low } else { high };
                let $extent = outer;
                if let Some(answer) = $found {
                    return Some(answer);
                }
                let $extent = inner;
                if let Some(answer) = $found {
                    return Some(answer);
                }
                Some($none)
            }
            Rest::Many {
                scale,
                extents,
                directory,
            } => {
                let bucket = bucket($id.wrapping_sub($table.head.first()), *scale);
                let nearest = usize::from(directory[bucket]);
                extents.extents().get(nearest).and_then(|$extent| $found)
            }
        }
    }};
}

impl<T, E, D> Table<T, E, D>
where
    T: IdInt,
    E: Deref<Target = [Extent<T>]>,
    D: Deref<Target = Directory>,
{
    /// Lays out a map of any size; `directory` is filled here.
    pub fn many(extents: SortedMap<E>, mut directory: D) -> Self
    where
        D: DerefMut,
    {
        let scale = fill(&mut directory, extents.extents());
        Self {
            head: extents.extents().first().copied().unwrap_or(Extent::EMPTY),
            // INVARIANT: As required, just made.
            rest: Rest::Many {
                scale,
                extents,
                directory,
            },
        }
    }

    /// The ranges of a map made by [`Table::many`], ascending.
    pub fn many_extents(&self) -> Option<&[Extent<T>]> {
        match &self.rest {
            Rest::Few { .. } => None,
            Rest::Many { extents, .. } => Some(extents.extents()),
        }
    }

    /// Maps an id, to [`IdInt::NONE`] if it has no mapping; [`IdInt::NONE`] itself has none.
    #[inline(always)]
    pub fn get(&self, id: T) -> T {
        match self.get_quick(id) {
            Some(id) => id,
            None => self.search(id),
        }
    }

    /// [`Table::get`] if that takes no search, which it hardly ever does.
    #[inline(always)]
    pub fn get_quick(&self, id: T) -> Option<T> {
        quick!(self, id, |extent| extent.down(id), T::NONE)
    }

    /// Whether an id has a mapping.
    #[inline(always)]
    pub fn has(&self, id: T) -> bool {
        match self.has_quick(id) {
            Some(has) => has,
            None => self.search(id) != T::NONE,
        }
    }

    /// [`Table::has`] if that takes no search.
    #[inline(always)]
    pub fn has_quick(&self, id: T) -> Option<bool> {
        quick!(self, id, |extent| extent.has(id).then_some(true), false)
    }

    /// Finds an id in a part of the span whose first range does not have it.
    #[cold]
    #[inline(never)]
    fn search(&self, id: T) -> T {
        let Rest::Many {
            scale,
            extents,
            directory,
        } = &self.rest
        else {
            return T::NONE;
        };
        let bucket = bucket(id.wrapping_sub(self.head.first()), *scale);
        let at = |bucket: usize| directory.get(bucket).map(|index| usize::from(*index));
        let from = at(bucket).unwrap_or(0);
        // The first range that reaches into the next part may begin in this one.
        let to = at(bucket.wrapping_add(1)).unwrap_or(extents.extents().len().wrapping_sub(1));
        extents.find(id, from, to).unwrap_or(T::NONE)
    }
}

/// The part of the span that an id is in, by its distance from the lowest id.
///
/// The mask changes nothing for an id within the span. For one beyond it any part will do: no range
/// of that part has the id.
#[inline(always)]
fn bucket<T: IdInt>(offset: T, scale: u64) -> usize {
    let product = offset.to_u64().wrapping_mul(scale);
    (product >> 32) as usize & (BUCKETS - 1)
}

/// Fills the directory of ascending ranges, and returns its scale.
fn fill<T: IdInt>(directory: &mut Directory, extents: &[Extent<T>]) -> u64 {
    let first = extents.first().map_or(T::ZERO, Extent::first);
    let end = extents.last().map_or(T::ZERO, Extent::end);
    let span = end.wrapping_sub(first).to_u64().max(1);
    // The quotient is rounded down, so an offset within the span stays below `BUCKETS`; the
    // product is below 2^41.
    let scale = ((BUCKETS as u64) << 32) / span;

    // Walk the ranges once: each is the answer for the parts up to the one that its last id is in,
    // as far as no range before it reached into them.
    let mut next = 0;
    for (index, extent) in extents.iter().enumerate() {
        let last = extent.end().wrapping_sub(first).to_u64().wrapping_sub(1);
        let reach = (last.wrapping_mul(scale) >> 32) as usize;
        while next <= reach && next < BUCKETS {
            directory[next] = index as u16;
            next = next.wrapping_add(1);
        }
    }
    let last = extents.len().wrapping_sub(1) as u16;
    for entry in directory.iter_mut().skip(next) {
        *entry = last;
    }
    scale
}
