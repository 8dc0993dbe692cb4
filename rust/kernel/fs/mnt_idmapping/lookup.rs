// SPDX-License-Identifier: GPL-2.0

//! One direction of an id map, laid out for lookup.
//!
//! Each `stat()`, each permission check and each new inode on an idmapped mount looks ids up. The
//! layout depends on the number of extents:
//!
//! - *one extent*: the extent is the [`Lookup::head`], which a lookup tries first;
//! - *up to five*, the `UID_GID_MAP_MAX_BASE_EXTENTS` of C: the head is the middle one. A lookup
//!   then tries the extents below the head or those above it, at most two;
//! - *more*: the head is the lowest one. The span from the first to the last id is divided into
//!   buckets of equal length. A bucket holds the number of the first extent that reaches into it. A
//!   lookup tries this extent, then searches the other extents of the bucket.

use crate::user_namespace::{
    Extent,
    IdInt, //
};
use core::ops::Deref;

/// One direction of a map.
///
/// `E` and `D` are slices or vectors, with the extents and the buckets of a map that has more than
/// [`MAX_BASE_EXTENTS`](crate::user_namespace::MAX_BASE_EXTENTS) extents.
pub struct Lookup<T, E, D> {
    /// The extent that a lookup tries first.
    head: Extent<T>,
    rest: Rest<T, E, D>,
}

/// The extents other than the head.
///
/// # Invariants
///
/// In `Inline`, the ids of `low` are below `split`, those of `high` are not; places not in use hold
/// [`Extent::EMPTY`]. In `OutOfLine`, the head is the first of `extents`, and [`fill`] made
/// `buckets` and `scale` for `extents`.
enum Rest<T, E, D> {
    Inline {
        /// The end of the head.
        split: T,
        low: [Extent<T>; 2],
        high: [Extent<T>; 2],
    },
    OutOfLine {
        /// The factor of [`bucket`].
        scale: u64,
        extents: E,
        buckets: D,
    },
}

/// The places of the extents of a map, for each number of extents. The five places are, in
/// ascending order: the outer and the inner extent below the head, the head, the inner and the
/// outer extent above the head.
///
/// A lookup tries the outer extent before the inner one, so a single extent below or above the head
/// has the outer place.
const PLACES: [[u8; 5]; 6] = [
    [0; 5],
    [2, 0, 0, 0, 0],
    [2, 4, 0, 0, 0],
    [0, 2, 4, 0, 0],
    [0, 2, 3, 4, 0],
    [0, 1, 2, 3, 4],
];

impl<T: IdInt, E, D> Lookup<T, E, D> {
    /// The lookup that maps no id.
    pub const EMPTY: Self = Self {
        head: Extent::EMPTY,
        // INVARIANT: No place is in use.
        rest: Rest::Inline {
            split: T::ZERO,
            low: [Extent::EMPTY; 2],
            high: [Extent::EMPTY; 2],
        },
    };

    /// Lays out one extent.
    #[inline(always)]
    pub fn one(extent: Extent<T>) -> Self {
        Self {
            head: extent,
            // INVARIANT: No place is in use.
            rest: Rest::Inline {
                split: extent.end(),
                low: [Extent::EMPTY; 2],
                high: [Extent::EMPTY; 2],
            },
        }
    }

    /// Lays out at most five extents, which ascend and share no id. Returns [`None`] for more.
    #[inline(never)]
    pub fn inline(extents: &[Extent<T>]) -> Option<Self> {
        let places = PLACES.get(extents.len())?;
        let mut placed = [Extent::EMPTY; 5];
        for (extent, place) in extents.iter().zip(places) {
            *placed.get_mut(usize::from(*place))? = *extent;
        }
        let [outer_low, inner_low, head, inner_high, outer_high] = placed;
        // INVARIANT: The extents ascend, so those in the places before the head are below its end,
        // and those after it are not.
        Some(Self {
            head,
            rest: Rest::Inline {
                split: head.end(),
                low: [outer_low, inner_low],
                high: [outer_high, inner_high],
            },
        })
    }

    /// Returns the inline extents in ascending order, or [`None`] for a lookup of
    /// [`Lookup::out_of_line`].
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
/// Evaluates to `Some(hit)`, `Some(miss)`, or [`None`] if a search of the bucket is needed. A
/// macro, because a function in its place costs each permission check one instruction.
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
    /// Creates a lookup of any number of extents, which ascend and share no id. `buckets` and
    /// `scale` must be those that [`fill`] made for `extents`.
    #[inline]
    pub fn out_of_line(extents: E, buckets: D, scale: u64) -> Self {
        Self {
            head: extents.first().copied().unwrap_or(Extent::EMPTY),
            // INVARIANT: The head is the first extent. `fill()` made `buckets` and `scale`: see the
            // documentation of this function.
            rest: Rest::OutOfLine {
                scale,
                extents,
                buckets,
            },
        }
    }

    /// Returns the extents and the buckets of a lookup of [`Lookup::out_of_line`].
    pub fn out_of_line_parts(&self) -> Option<(&E, &D)> {
        match &self.rest {
            Rest::Inline { .. } => None,
            Rest::OutOfLine {
                extents, buckets, ..
            } => Some((extents, buckets)),
        }
    }

    /// Maps an id. Returns [`IdInt::NONE`] for an id without a mapping and for [`IdInt::NONE`].
    #[inline(always)]
    pub fn get(&self, id: T) -> T {
        match self.get_inline(id) {
            Some(id) => id,
            None => self.search(id),
        }
    }

    /// Returns the result of [`Lookup::get`], or [`None`] if a search of the bucket is needed.
    #[inline(always)]
    pub fn get_inline(&self, id: T) -> Option<T> {
        inline_lookup!(self, id, |extent| extent.down(id), T::NONE)
    }

    /// Checks whether an id has a mapping.
    #[inline(always)]
    pub fn has(&self, id: T) -> bool {
        match self.has_inline(id) {
            Some(has) => has,
            None => self.search(id) != T::NONE,
        }
    }

    /// Returns the result of [`Lookup::has`], or [`None`] if a search of the bucket is needed.
    #[inline(always)]
    pub fn has_inline(&self, id: T) -> Option<bool> {
        inline_lookup!(self, id, |extent| extent.has(id).then_some(true), false)
    }

    /// Searches the bucket of an id, whose first extent does not contain the id.
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

/// Returns the number of buckets for a number of extents.
#[inline]
pub fn bucket_count(extents: usize) -> usize {
    // Extents of equal length and distance have a bucket each.
    extents.saturating_add(extents >> 1)
}

/// Returns the bucket of an id by its distance from the lowest id.
///
/// An id outside of the span may get any bucket: the extents of the bucket do not contain the id.
#[inline(always)]
fn bucket<T: IdInt>(offset: T, scale: u64) -> usize {
    (offset.to_u64().wrapping_mul(scale) >> 32) as usize
}

/// Returns the factor of [`bucket`] for a number of buckets and of ids: the quotient of
/// `buckets << 32` and `span`, or a little less.
///
/// There is no division of 64 bits: some architectures of 32 bits need a library function for it,
/// which the kernel does not have.
fn scale(buckets: usize, span: u64) -> u64 {
    // A span has fewer than 2^32 ids.
    let span = (span as u32).max(1);
    let shift = span.leading_zeros();
    // Rounded up, so `span << shift` is below `upper << 16`.
    let upper = ((span << shift) >> 16).wrapping_add(1);
    // At most 2^17.
    let reciprocal = u32::MAX.checked_div(upper).unwrap_or(0);
    // There are fewer than 2^10 buckets, so the shifted product is below 2^58.
    ((buckets as u64).wrapping_mul(u64::from(reciprocal)) << shift) >> 16
}

/// Fills the buckets for extents, and returns their scale.
///
/// The extents must ascend and share no id. They begin with the id `first` and end before the id
/// `end`. `bucket` creates a bucket from the number of an extent. The function writes each bucket,
/// and takes each extent from the iterator once.
#[inline]
pub fn fill<T: IdInt, S>(
    buckets: &mut [S],
    bucket: impl Fn(u16) -> S,
    first: T,
    end: T,
    extents: impl Iterator<Item = Extent<T>>,
) -> u64 {
    let scale = scale(buckets.len(), end.wrapping_sub(first).to_u64());
    // An extent is the first one of each bucket up to the bucket of its last id, except for the
    // buckets that an extent before it reaches into.
    let mut next = 0;
    let mut number: u16 = 0;
    for extent in extents {
        let last = extent.end().wrapping_sub(first).to_u64().wrapping_sub(1);
        let after = ((last.wrapping_mul(scale) >> 32) as usize).wrapping_add(1);
        while next < after {
            let Some(place) = buckets.get_mut(next) else {
                break;
            };
            *place = bucket(number);
            next = next.wrapping_add(1);
        }
        number = number.wrapping_add(1);
    }
    let last = number.saturating_sub(1);
    for place in buckets.iter_mut().skip(next) {
        *place = bucket(last);
    }
    scale
}
