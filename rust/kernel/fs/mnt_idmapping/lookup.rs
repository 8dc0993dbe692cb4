// SPDX-License-Identifier: GPL-2.0

//! One direction of an id map, laid out for lookup.
//!
//! Every `stat()`, every permission check and every new inode on an idmapped mount looks ids up. The
//! layout is chosen when the idmap is allocated, by the number of extents:
//!
//! - *one extent*: it is the [`Lookup::head`], which a lookup tries first;
//! - *up to five*, the `UID_GID_MAP_MAX_BASE_EXTENTS` of C: the head is the middle one, and a lookup
//!   tries at most two more on the id's side of it;
//! - *more*: the head is the lowest one, and the whole span is divided into buckets of equal length.
//!   A bucket holds the first extent that reaches into it. A lookup tries that extent first, then
//!   searches the other extents of the bucket.

use crate::user_namespace::{
    Extent,
    IdInt, //
};
use core::ops::Deref;

/// One direction of a map: finds the id that an id is mapped to.
///
/// `E` and `D` store the extents and the buckets of a map with more than
/// [`MAX_BASE_EXTENTS`](crate::user_namespace::MAX_BASE_EXTENTS) extents, such as two vectors.
pub struct Lookup<T, E, D> {
    /// The extent that is tried first.
    head: Extent<T>,
    rest: Rest<T, E, D>,
}

/// The extents beside the head.
///
/// # Invariants
///
/// In `Inline`, the ids of `low` are below `split`, those of `high` are not; places not in use hold
/// [`Extent::EMPTY`]. In `OutOfLine`, the head is the first of `extents`, and [`fill`] made `buckets`
/// and `scale` for `extents`.
enum Rest<T, E, D> {
    Inline {
        /// The end of the head.
        split: T,
        low: [Extent<T>; 2],
        high: [Extent<T>; 2],
    },
    OutOfLine {
        /// The distance of an id from the head times this is the id's bucket, in the upper half of
        /// the product.
        scale: u64,
        extents: E,
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

    /// Lays out at most five extents, which ascend and share no id. Returns [`None`] for more.
    #[inline]
    pub fn inline(extents: &[Extent<T>]) -> Option<Self> {
        const fn none<T: IdInt>() -> Extent<T> {
            Extent::EMPTY
        }
        // INVARIANT: The extents ascend, so the ones before the head are below its end, and the ones
        // after it are not. The outer one of each side comes first: it is the one that a map written
        // in ascending order ends with.
        let (head, low, high) = match *extents {
            [] => return Some(Self::EMPTY),
            [a] => (a, [none(); 2], [none(); 2]),
            [a, b] => (a, [none(); 2], [b, none()]),
            [a, b, c] => (b, [a, none()], [c, none()]),
            [a, b, c, d] => (b, [a, none()], [d, c]),
            [a, b, c, d, e] => (c, [a, b], [e, d]),
            _ => return None,
        };
        Some(Self {
            head,
            rest: Rest::Inline {
                split: head.end(),
                low,
                high,
            },
        })
    }

    /// The extents of a map made by [`Lookup::inline`], ascending.
    pub fn inline_extents(&self) -> Option<impl Iterator<Item = Extent<T>>> {
        match &self.rest {
            Rest::Inline { low, high, .. } => {
                let places = [low[0], low[1], self.head, high[1], high[0]];
                Some(places.into_iter().filter(|extent| !extent.is_empty()))
            }
            Rest::OutOfLine { .. } => None,
        }
    }
}

/// Looks an id up in the head and the inline extents, or in the first extent of its bucket.
///
/// Evaluates to `Some(hit)`, `Some(miss)`, or [`None`] if a search of the bucket is needed. A macro,
/// because a function in its place costs each permission check one instruction.
macro_rules! inline_lookup {
    ($lookup:expr, $id:expr, |$extent:ident| $found:expr, $none:expr) => {{
        let $extent = &$lookup.head;
        if let Some(answer) = $found {
            return Some(answer);
        }
        match &$lookup.rest {
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
                let bucket = bucket($id.wrapping_sub($lookup.head.first()), *scale);
                match buckets.get(bucket) {
                    Some(first) => extents.get(usize::from(*first)).and_then(|$extent| $found),
                    // Beyond the span.
                    None => Some($none),
                }
            }
        }
    }};
}

impl<T, E, D> Lookup<T, E, D>
where
    T: IdInt,
    E: Deref<Target = [Extent<T>]>,
    D: Deref<Target = [u16]>,
{
    /// Makes a lookup of any number of extents, which ascend and share no id, from `buckets` and
    /// `scale` as [`fill`] made them for `extents`.
    #[inline]
    pub fn out_of_line(extents: E, buckets: D, scale: u64) -> Self {
        Self {
            head: extents.first().copied().unwrap_or(Extent::EMPTY),
            // INVARIANT: By the requirement on the arguments.
            rest: Rest::OutOfLine {
                scale,
                extents,
                buckets,
            },
        }
    }

    /// The extents and the buckets of a map made by [`Lookup::out_of_line`].
    pub fn out_of_line_parts(&self) -> Option<(&E, &D)> {
        match &self.rest {
            Rest::Inline { .. } => None,
            Rest::OutOfLine {
                extents, buckets, ..
            } => Some((extents, buckets)),
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
        self.find(id).unwrap_or(T::NONE)
    }

    fn find(&self, id: T) -> Option<T> {
        let Rest::OutOfLine {
            scale,
            extents,
            buckets,
        } = &self.rest
        else {
            return None;
        };
        let bucket = bucket(id.wrapping_sub(self.head.first()), *scale);
        let from = usize::from(*buckets.get(bucket)?);
        // The first extent that reaches into the next bucket may begin in this one.
        let extents = match buckets.get(bucket.wrapping_add(1)) {
            Some(to) => extents.get(from..=usize::from(*to))?,
            None => extents.get(from..)?,
        };
        let after = extents.partition_point(|extent| extent.first() <= id);
        extents.get(after.checked_sub(1)?)?.down(id)
    }
}

/// The number of buckets for a number of extents.
#[inline]
pub fn bucket_count(extents: usize) -> usize {
    // Extents of one length in equal distances have a bucket each, others nearly so.
    extents.saturating_add(extents >> 1)
}

/// The bucket of an id, by its distance from the lowest id.
///
/// For an id beyond the span any bucket will do: no extent of the bucket has the id.
#[inline(always)]
fn bucket<T: IdInt>(offset: T, scale: u64) -> usize {
    (offset.to_u64().wrapping_mul(scale) >> 32) as usize
}

/// The factor of [`bucket`] for a number of buckets and of ids: at most, and nearly, the quotient of
/// `buckets << 32` and `span`.
///
/// A division of 64 bits needs a library function that the kernel lacks on some architectures of 32
/// bits.
fn scale(buckets: usize, span: u64) -> u64 {
    // A span has at most as many ids as there are.
    let span = (span as u32).max(1);
    let shift = span.leading_zeros();
    // Rounded up, so `span << shift` is below `upper << 16`.
    let upper = ((span << shift) >> 16).wrapping_add(1);
    // At most 2^17.
    let reciprocal = u32::MAX.checked_div(upper).unwrap_or(0);
    // There are less than 2^10 buckets, so the shifted product is below 2^58.
    ((buckets as u64).wrapping_mul(u64::from(reciprocal)) << shift) >> 16
}

/// Fills the buckets for extents, and returns their scale.
///
/// The extents ascend, share no id, begin with the id `first` and end before the id `end`. `bucket`
/// makes a bucket from the number of an extent. Each bucket is written, and each extent is taken
/// from the iterator once, so the iterator may copy the extents on the way.
#[inline]
pub fn fill<T: IdInt, S>(
    buckets: &mut [S],
    bucket: impl Fn(u16) -> S,
    first: T,
    end: T,
    extents: impl Iterator<Item = Extent<T>>,
) -> u64 {
    let scale = scale(buckets.len(), end.wrapping_sub(first).to_u64());
    // An extent is the first one of the buckets up to the one of its last id, as far as no extent
    // before it reached into them.
    let mut next = 0;
    let mut number: u16 = 0;
    for extent in extents {
        let last = extent.end().wrapping_sub(first).to_u64().wrapping_sub(1);
        let after = ((last.wrapping_mul(scale) >> 32) as usize).wrapping_add(1);
        if let Some(reached) = buckets.get_mut(next..after) {
            for place in reached {
                *place = bucket(number);
            }
            next = after;
        }
        number = number.wrapping_add(1);
    }
    let last = number.saturating_sub(1);
    for place in buckets.iter_mut().skip(next) {
        *place = bucket(last);
    }
    scale
}
