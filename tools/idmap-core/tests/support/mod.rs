// SPDX-License-Identifier: GPL-2.0

//! What tests share: here, what an id map is, spelt out id by id, to compare the real one with.

#![allow(dead_code)] // Each test program uses its part.

pub(crate) mod c_attr;
pub(crate) mod c_dir;
pub(crate) mod c_rules;
pub(crate) mod fixture;
pub(crate) mod scenes;

use kernel::{
    fs::mnt_idmapping::{bucket_count, fill, Lookup},
    user_namespace::{sort_by_first, Extent, IdInt},
};
use std::fmt;

/// One direction of a map, laid out in vectors.
pub(crate) type VecLookup<T> = Lookup<T, Vec<Extent<T>>, Vec<u16>>;

/// Lays one direction of a map out: inline, if there are few extents, and in buckets.
pub(crate) fn lookups<T: IdInt>(extents: &[Extent<T>]) -> (Option<VecLookup<T>>, VecLookup<T>) {
    let mut extents = extents.to_vec();
    sort_by_first(&mut extents);
    let few = Lookup::inline(&extents);
    let mut buckets = vec![u16::MAX; bucket_count(extents.len())];
    let (first, end) = (extents[0].first(), extents[extents.len() - 1].end());
    let copied = extents.iter().copied();
    let scale = fill(&mut buckets, |number| number, first, end, copied);
    assert!(buckets
        .iter()
        .all(|&number| usize::from(number) < extents.len()));
    (few, Lookup::out_of_line(extents, buckets, scale))
}

/// An unsigned integer with the values `0..=NONE`, for worlds that can be gone through whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tiny<const NONE: u8>(pub(crate) u8);

impl<const NONE: u8> fmt::Debug for Tiny<NONE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const NONE: u8> fmt::Display for Tiny<NONE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const NONE: u8> IdInt for Tiny<NONE> {
    const NONE: Self = Self(NONE);
    const ZERO: Self = Self(0);

    fn checked_add(self, other: Self) -> Option<Self> {
        let sum = u16::from(self.0) + u16::from(other.0);
        (sum <= u16::from(NONE)).then_some(Self(sum as u8))
    }

    fn wrapping_add(self, other: Self) -> Self {
        let values = u16::from(NONE) + 1;
        Self(((u16::from(self.0) + u16::from(other.0)) % values) as u8)
    }

    fn wrapping_sub(self, other: Self) -> Self {
        let values = u16::from(NONE) + 1;
        Self(((u16::from(self.0) + values - u16::from(other.0)) % values) as u8)
    }

    fn to_u64(self) -> u64 {
        u64::from(self.0)
    }
}

/// An id type whose values are those of a `u8`, or fewer.
pub(crate) trait Small: IdInt + Send {
    fn from_u8(value: u8) -> Self;
    fn to_u8(self) -> u8;
    /// All values, [`IdInt::NONE`] being the last.
    fn all() -> impl Iterator<Item = Self> {
        (0..=Self::NONE.to_u8()).map(Self::from_u8)
    }
}

impl Small for u8 {
    fn from_u8(value: u8) -> Self {
        value
    }
    fn to_u8(self) -> u8 {
        self
    }
}

impl<const NONE: u8> Small for Tiny<NONE> {
    fn from_u8(value: u8) -> Self {
        Self(value)
    }
    fn to_u8(self) -> u8 {
        self.0
    }
}

/// A range as it is written: first, lower first, count. It may be nonsense.
pub(crate) type Raw = (u8, u8, u8);

/// The ids that each id is mapped to, and where from, by the pairs that the ranges spell out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Relation {
    pub(crate) down: [Option<u8>; 256],
    pub(crate) up: [Option<u8>; 256],
    /// A column in which an id is written twice.
    pub(crate) twice: [bool; 2],
    /// Whether a range is empty or names an id that is none.
    pub(crate) nonsense: bool,
}

impl Relation {
    pub(crate) const EMPTY: Self = Self {
        down: [None; 256],
        up: [None; 256],
        twice: [false; 2],
        nonsense: false,
    };

    /// The pairs of a list of ranges over the ids `0..none`.
    pub(crate) fn new(ranges: &[Raw], none: u8) -> Self {
        let mut relation = Self::EMPTY;
        for &(first, lower, count) in ranges {
            relation.nonsense |= count == 0;
            for i in 0..u16::from(count) {
                let (a, b) = (u16::from(first) + i, u16::from(lower) + i);
                if a >= u16::from(none) || b >= u16::from(none) {
                    relation.nonsense = true;
                } else {
                    relation.twice[0] |= relation.down[usize::from(a)].replace(b as u8).is_some();
                    relation.twice[1] |= relation.up[usize::from(b)].replace(a as u8).is_some();
                }
            }
        }
        relation
    }

    /// Whether the ranges make a map; an empty list does not.
    pub(crate) fn is_map(&self) -> bool {
        !self.nonsense && self.twice == [false; 2] && self.down.iter().any(Option::is_some)
    }

    /// Follows this relation and then the other.
    pub(crate) fn then(&self, next: &Self) -> Self {
        let mut both = Self::EMPTY;
        for a in 0..=u8::MAX {
            if let Some(c) = self.down[usize::from(a)].and_then(|b| next.down[usize::from(b)]) {
                both.down[usize::from(a)] = Some(c);
                both.up[usize::from(c)] = Some(a);
            }
        }
        both
    }
}

/// Every range of a small id type that is one by itself, as written and as made.
pub(crate) fn all_extents<T: Small>() -> Vec<(Raw, Extent<T>)> {
    let mut found = Vec::new();
    for first in T::all() {
        for lower in T::all() {
            for count in T::all() {
                if let Ok(extent) = Extent::new(first, lower, count) {
                    found.push(((first.to_u8(), lower.to_u8(), count.to_u8()), extent));
                }
            }
        }
    }
    found
}
