// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One direction of an id map, laid out for lookup.
//!
//! Every `stat`, every permission check and every new inode on an idmapped mount looks ids up. The
//! layout is chosen when the idmap is allocated, by the number of extents:
//!
//! - *one extent*: it is the [`Lookup::head`], the first thing that a lookup tries;
//! - *up to [`MAX_BASE_EXTENTS`]*: the head is the middle one, and at most two more on the id's side of it are
//!   tried;
//! - *more*: the head is the lowest one, and an index of [`BUCKETS`] equal parts of the whole span
//!   holds for each part the first extent that reaches into it. A lookup tries that extent first,
//!   then searches the other extents of the part.

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

/// The maximum number of extents that a [`Lookup`] stores inline: `UID_GID_MAP_MAX_BASE_EXTENTS`.
pub const MAX_BASE_EXTENTS: usize = 5;

/// The number of parts that the span of a map is divided into.
pub const BUCKETS: usize = 512;

/// For each part of the span, the first extent that reaches into it.
pub type BucketIndex = [u16; BUCKETS];

/// One direction of a map: finds what an id is mapped to.
///
/// `E` and `D` store the extents and the buckets of a map with more than [`MAX_BASE_EXTENTS`]
/// extents, such as a vector and a box.
pub struct Lookup<T, E, D> {
    /// What is tried first.
    head: Extent<T>,
    rest: Rest<T, E, D>,
}

/// The extents beside the head.
///
/// # Invariants
///
/// In `Inline`, the ids of `low` are below `split`, those of `high` are not; places not in use hold
/// [`Extent::EMPTY`]. In `OutOfLine`, the head is the first of `extents`, and `buckets` was made for
/// `extents` and `scale` by [`fill`].
enum Rest<T, E, D> {
    Inline {
        /// Where the head ends.
        split: T,
        low: [Extent<T>; 2],
        high: [Extent<T>; 2],
    },
    OutOfLine {
        /// Multiplying an id's distance from the head with this gives its part of the span in the
        /// upper half of the product.
        scale: u64,
        extents: SortedMap<E>,
        buckets: D,
    },
}

impl<T: IdInt, E, D> Lookup<T, E, D> {
    /// The table that maps no id.
    pub const EMPTY: Self = Self {
        head: Extent::EMPTY,
        // INVARIANT: No place is in use.
        rest: Rest::Inline {
            split: T::ZERO,
            low: [Extent::EMPTY; 2],
            high: [Extent::EMPTY; 2],
        },
    };

    /// Lays out a map of at most [`MAX_BASE_EXTENTS`] extents, [`MapError::TooMany`] for more.
    pub fn inline(map: &SortedMap<impl Deref<Target = [Extent<T>]>>) -> Result<Self, MapError> {
        let at = |i: usize| map.extents().get(i).copied().unwrap_or(Extent::EMPTY);
        // INVARIANT: The extents of a sorted map ascend, so what comes before the head is below its
        // end, and what comes after it is not. The outer one of each side comes first: it is the one
        // that a map written in ascending order ends with.
        let (head, low, high) = match map.extents().len() {
            0..=2 => (at(0), [Extent::EMPTY; 2], [at(1), Extent::EMPTY]),
            3 => (at(1), [at(0), Extent::EMPTY], [at(2), Extent::EMPTY]),
            4 => (at(1), [at(0), Extent::EMPTY], [at(3), at(2)]),
            MAX_BASE_EXTENTS => (at(2), [at(0), at(1)], [at(4), at(3)]),
            _ => return Err(MapError::TooMany),
        };
        Ok(Self {
            head,
            rest: Rest::Inline {
                split: head.end(),
                low,
                high,
            },
        })
    }
}

/// Looks an id up in the head and the inline extents, or in the first extent of its bucket.
///
/// Evaluates to `Some(hit)`, `Some(miss)`, or [`None`] if a search of the bucket is needed. A macro,
/// because a function in its place costs each permission check one instruction.
macro_rules! inline_lookup {
    ($table:expr, $id:expr, |$extent:ident| $found:expr, $none:expr) => {{
        let $extent = &$table.head;
        if let Some(answer) = $found {
            return Some(answer);
        }
        match &$table.rest {
            Rest::Inline { split, low, high } => {
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
            Rest::OutOfLine {
                scale,
                extents,
                buckets,
            } => {
                let bucket = bucket($id.wrapping_sub($table.head.first()), *scale);
                let nearest = usize::from(buckets[bucket]);
                extents.extents().get(nearest).and_then(|$extent| $found)
            }
        }
    }};
}

impl<T, E, D> Lookup<T, E, D>
where
    T: IdInt,
    E: Deref<Target = [Extent<T>]>,
    D: Deref<Target = BucketIndex>,
{
    /// Lays out a map of any size; `buckets` is filled here.
    pub fn out_of_line(extents: SortedMap<E>, mut buckets: D) -> Self
    where
        D: DerefMut,
    {
        let scale = fill(&mut buckets, extents.extents());
        Self {
            head: extents.extents().first().copied().unwrap_or(Extent::EMPTY),
            // INVARIANT: As required, just made.
            rest: Rest::OutOfLine {
                scale,
                extents,
                buckets,
            },
        }
    }

    /// The extents of a map made by [`Lookup::out_of_line`], ascending.
    pub fn out_of_line_extents(&self) -> Option<&[Extent<T>]> {
        match &self.rest {
            Rest::Inline { .. } => None,
            Rest::OutOfLine { extents, .. } => Some(extents.extents()),
        }
    }

    /// Maps an id, to [`IdInt::NONE`] if it has no mapping; [`IdInt::NONE`] itself has none.
    #[inline(always)]
    pub fn get(&self, id: T) -> T {
        match self.get_inline(id) {
            Some(id) => id,
            None => self.search(id),
        }
    }

    /// [`Lookup::get`] if that takes no search, which it hardly ever does.
    #[inline(always)]
    pub fn get_inline(&self, id: T) -> Option<T> {
        inline_lookup!(self, id, |extent| extent.down(id), T::NONE)
    }

    /// Whether an id has a mapping.
    #[inline(always)]
    pub fn has(&self, id: T) -> bool {
        match self.has_inline(id) {
            Some(has) => has,
            None => self.search(id) != T::NONE,
        }
    }

    /// [`Lookup::has`] if that takes no search.
    #[inline(always)]
    pub fn has_inline(&self, id: T) -> Option<bool> {
        inline_lookup!(self, id, |extent| extent.has(id).then_some(true), false)
    }

    /// Finds an id in a part of the span whose first extent does not have it.
    #[cold]
    #[inline(never)]
    fn search(&self, id: T) -> T {
        let Rest::OutOfLine {
            scale,
            extents,
            buckets,
        } = &self.rest
        else {
            return T::NONE;
        };
        let bucket = bucket(id.wrapping_sub(self.head.first()), *scale);
        let at = |bucket: usize| buckets.get(bucket).map(|index| usize::from(*index));
        let from = at(bucket).unwrap_or(0);
        // The first extent that reaches into the next part may begin in this one.
        let to = at(bucket.wrapping_add(1)).unwrap_or(extents.extents().len().wrapping_sub(1));
        extents.find(id, from, to).unwrap_or(T::NONE)
    }
}

/// The part of the span that an id is in, by its distance from the lowest id.
///
/// The mask changes nothing for an id within the span. For one beyond it any part will do: no extent
/// of that part has the id.
#[inline(always)]
fn bucket<T: IdInt>(offset: T, scale: u64) -> usize {
    let product = offset.to_u64().wrapping_mul(scale);
    (product >> 32) as usize & (BUCKETS - 1)
}

/// Returns the greatest `scale` by which an offset below `span` stays below [`BUCKETS`] times 2^32:
/// `BUCKETS << 32` divided by `span`, which is not 0.
///
/// 32-bit architectures have no division of 64-bit numbers. One of 32 bits gives the upper digits,
/// long division the others.
fn scale(span: u32) -> u64 {
    let span = span.max(1);
    let wide = u64::from(span);
    let mut quotient = u64::from(u32::MAX / span);
    let mut rest = u64::from(u32::MAX % span).wrapping_add(1);
    if rest == wide {
        quotient = quotient.wrapping_add(1);
        rest = 0;
    }
    // `quotient * span + rest` is 2^32, and doubles in each round.
    for _ in 0..BUCKETS.trailing_zeros() {
        quotient <<= 1;
        rest <<= 1;
        if rest >= wide {
            quotient |= 1;
            rest = rest.wrapping_sub(wide);
        }
    }
    quotient
}

/// Fills the buckets for ascending extents, and returns the scale.
fn fill<T: IdInt>(buckets: &mut BucketIndex, extents: &[Extent<T>]) -> u64 {
    let first = extents.first().map_or(T::ZERO, Extent::first);
    let end = extents.last().map_or(T::ZERO, Extent::end);
    let span = end.wrapping_sub(first).to_u64().max(1);
    let scale = scale(span as u32);

    // Walk the extents once: each is the answer for the parts up to the one that its last id is in,
    // as far as no extent before it reached into them.
    let mut next = 0;
    for (index, extent) in extents.iter().enumerate() {
        let last = extent.end().wrapping_sub(first).to_u64().wrapping_sub(1);
        let reach = (last.wrapping_mul(scale) >> 32) as usize;
        while next <= reach && next < BUCKETS {
            buckets[next] = index as u16;
            next = next.wrapping_add(1);
        }
    }
    let last = extents.len().wrapping_sub(1) as u16;
    for entry in buckets.iter_mut().skip(next) {
        *entry = last;
    }
    scale
}
