// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Id maps: lists of extents of which no two share an id.

use super::extent::{
    Extent,
    ExtentError,
    IdInt, //
};
use core::{
    fmt,
    ops::{
        Deref,
        DerefMut, //
    },
};

/// The maximum number of extents of a map, `UID_GID_MAP_MAX_EXTENTS`.
pub const MAX_EXTENTS: usize = 340;

/// The maximum number of extents of a map without an allocation, `UID_GID_MAP_MAX_BASE_EXTENTS`.
pub const MAX_BASE_EXTENTS: usize = 5;

/// The reason for which a list of extents is not an id map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// There is no extent.
    Empty,
    /// There are more than [`MAX_EXTENTS`] extents.
    TooMany,
    /// A line of text is not three decimal numbers of 32 bits.
    Syntax {
        /// The line, counted from zero.
        line: usize,
    },
    /// An extent is not valid.
    Extent {
        /// The index of the extent.
        line: usize,
        /// The error of the extent.
        error: ExtentError,
    },
    /// The upper extents of two extents share an id.
    FirstOverlap(usize, usize),
    /// The lower extents of two extents share an id.
    LowerOverlap(usize, usize),
    /// The slice for the result is too small.
    NoRoom,
}

/// An id map whose extents are in an array, a slice, or a vector.
///
/// The extents stay in their order. This type defines the results; idmaps of mounts look ids up in
/// a `fs::mnt_idmapping::Lookup`.
///
/// # Invariants
///
/// There are 1 to [`MAX_EXTENTS`] extents. No extent is empty. No two upper extents share an id,
/// and no two lower extents share an id. Each id is therefore mapped to at most one id, in both
/// directions.
///
/// # Examples
///
/// ```
/// use kernel::user_namespace::{Extent, IdMap, MapError};
///
/// let map = IdMap::new([Extent::new(0u32, 100000, 1000)?, Extent::new(1000, 5000, 1)?]).unwrap();
/// assert_eq!(map.down(999), Some(100999));
/// assert_eq!(map.down(1000), Some(5000));
/// assert_eq!(map.up(5000), Some(1000));
/// assert_eq!(map.down(1001), None);
///
/// let error = IdMap::new([Extent::new(0u32, 100000, 1000)?, Extent::new(999, 5000, 1)?]);
/// assert_eq!(error.err(), Some(MapError::FirstOverlap(0, 1)));
/// # Ok::<(), kernel::user_namespace::ExtentError>(())
/// ```
#[derive(Clone, Copy)]
pub struct IdMap<B>(B);

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> IdMap<B> {
    /// Checks extents by the rules of `map_write()` in `kernel/user_namespace.c`.
    ///
    /// The time is quadratic in the number of extents.
    pub fn from_storage(extents: B) -> Result<Self, MapError> {
        check_count(&extents)?;
        for (b, second) in extents.iter().enumerate() {
            for (a, first) in extents.iter().enumerate().take(b) {
                if first.overlaps(second) {
                    return Err(MapError::FirstOverlap(a, b));
                }
                if first.inverse().overlaps(&second.inverse()) {
                    return Err(MapError::LowerOverlap(a, b));
                }
            }
        }
        // INVARIANT: Each condition was just checked.
        Ok(Self(extents))
    }

    /// Returns the extents in their order.
    pub fn extents(&self) -> &[Extent<T>] {
        &self.0
    }

    /// Maps an id of an upper extent to the lower one. In the map of a mount, this is from the id
    /// on disk to the id at the mount.
    ///
    /// Mirrors `map_id_down()` in `kernel/user_namespace.c`.
    pub fn down(&self, id: T) -> Option<T> {
        self.0.iter().find_map(|extent| extent.down(id))
    }

    /// Maps an id of a lower extent to the upper one. In the map of a mount, this is from the id at
    /// the mount to the id on disk.
    ///
    /// Mirrors `map_id_up()` in `kernel/user_namespace.c`.
    pub fn up(&self, id: T) -> Option<T> {
        self.0.iter().find_map(|extent| extent.up(id))
    }

    /// Maps the `count` ids from `id` down, if one extent contains all of them.
    ///
    /// Mirrors `map_id_range_down()` in `kernel/user_namespace.c`, except that ids past the
    /// greatest one are never mapped.
    pub fn range_down(&self, id: T, count: T) -> Option<T> {
        self.0
            .iter()
            .find_map(|extent| extent.range_down(id, count))
    }

    /// Maps the `count` ids from `id` up, if one extent contains all of them.
    ///
    /// Mirrors `map_id_range_up()` in `kernel/user_namespace.c`, with the same exception as
    /// [`IdMap::range_down`].
    pub fn range_up(&self, id: T, count: T) -> Option<T> {
        self.0
            .iter()
            .find_map(|extent| extent.inverse().range_down(id, count))
    }

    /// Exchanges the upper and the lower extents.
    pub fn into_inverse(mut self) -> Self
    where
        B: DerefMut,
    {
        for extent in self.0.iter_mut() {
            *extent = extent.inverse();
        }
        // INVARIANT: The invariants are the same for upper and lower extents.
        self
    }

    /// Composes two maps: the result maps each id down by this map and then by `next`. `room` is
    /// the memory of the result.
    ///
    /// One extent of a map can overlap with many extents of the other, so the result can have more
    /// extents than both maps together.
    ///
    /// # Errors
    ///
    /// [`MapError::Empty`] if the result maps no id. [`MapError::NoRoom`] if `room` is too small:
    /// if it has [`MAX_EXTENTS`] places, the result is not a valid map.
    ///
    /// # Examples
    ///
    /// The first map maps id 0 on disk to id 1000 of the host, the second maps id 1000 of the host
    /// to root of a container:
    ///
    /// ```
    /// use kernel::user_namespace::{Extent, IdMap};
    ///
    /// let disk_to_host = IdMap::new([Extent::new(0u32, 1000, 10)?]).unwrap();
    /// let host_to_guest = IdMap::new([Extent::new(1000u32, 0, 5)?]).unwrap();
    /// let mut room = [Extent::EMPTY; 4];
    /// let both = disk_to_host.compose(&host_to_guest, &mut room).unwrap();
    /// assert_eq!(both.extents(), [Extent::new(0, 0, 5)?]);
    /// # Ok::<(), kernel::user_namespace::ExtentError>(())
    /// ```
    pub fn compose<'a, C>(
        &self,
        next: &IdMap<C>,
        room: &'a mut [Extent<T>],
    ) -> Result<IdMap<&'a [Extent<T>]>, MapError>
    where
        C: Deref<Target = [Extent<T>]>,
    {
        let mut used = 0;
        for first in self.extents() {
            for second in next.extents() {
                if let Some(both) = first.then(second) {
                    *room.get_mut(used).ok_or(MapError::NoRoom)? = both;
                    used = used.wrapping_add(1);
                }
            }
        }
        let extents = room.get(..used).ok_or(MapError::NoRoom)?;
        check_count(extents)?;
        // INVARIANT: Composing two injective maps gives an injective one, so no two extents share
        // an id; the count was just checked.
        Ok(IdMap(extents))
    }
}

impl<T: IdInt, const N: usize> IdMap<ExtentArray<T, N>> {
    /// Creates a map from an array of extents.
    pub fn new(extents: [Extent<T>; N]) -> Result<Self, MapError> {
        Self::from_storage(ExtentArray(extents))
    }
}

/// An array of extents as the storage of a map.
#[derive(Clone, Copy)]
pub struct ExtentArray<T, const N: usize>([Extent<T>; N]);

impl<T, const N: usize> Deref for ExtentArray<T, N> {
    type Target = [Extent<T>];

    fn deref(&self) -> &[Extent<T>] {
        &self.0
    }
}

/// Formats the extents as in `/proc/PID/uid_map`, with single blanks.
impl<T: IdInt, B: Deref<Target = [Extent<T>]>> fmt::Display for IdMap<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|extent| writeln!(f, "{extent}"))
    }
}

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> fmt::Debug for IdMap<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

/// Sorts extents by their first ids.
///
/// This is a shell sort with the gaps of M. Ciura. For a few extents it is an insertion sort. Most
/// maps ascend already.
#[inline(never)]
pub fn sort_by_first<T: IdInt>(extents: &mut [Extent<T>]) {
    if extents.is_sorted_by(|a, b| a.first() <= b.first()) {
        return;
    }
    for gap in [132, 57, 23, 10, 4, 1] {
        for sorted in gap..extents.len() {
            let mut at = sorted;
            while let Some(before) = at.checked_sub(gap) {
                match extents.get_mut(before..=at) {
                    Some([a, .., b]) if a.first() > b.first() => core::mem::swap(a, b),
                    _ => break,
                }
                at = before;
            }
        }
    }
}

/// Checks the number of extents, and that none is empty.
fn check_count<T: IdInt>(extents: &[Extent<T>]) -> Result<(), MapError> {
    if extents.is_empty() {
        return Err(MapError::Empty);
    }
    if extents.len() > MAX_EXTENTS {
        return Err(MapError::TooMany);
    }
    match extents.iter().position(|e| e.count() == T::ZERO) {
        Some(line) => Err(MapError::Extent {
            line,
            error: ExtentError::Empty,
        }),
        None => Ok(()),
    }
}

/// A list of extents in the order of their first ids, for maps in one direction.
///
/// # Invariants
///
/// There are 1 to [`MAX_EXTENTS`] extents. No extent is empty. The extents ascend by their first
/// ids, and no two upper extents share an id.
#[derive(Clone, Copy)]
pub struct SortedMap<B>(B);

impl<T: IdInt, B: DerefMut<Target = [Extent<T>]>> SortedMap<B> {
    /// Sorts the extents, and checks that no two upper extents share an id.
    pub fn new(mut extents: B) -> Result<Self, MapError> {
        check_count(&extents)?;
        sort_by_first(&mut extents);
        for (line, pair) in extents.windows(2).enumerate() {
            if let [a, b] = pair {
                if a.overlaps(b) {
                    return Err(MapError::FirstOverlap(line, line.wrapping_add(1)));
                }
            }
        }
        // INVARIANT: Each condition was just established or checked.
        Ok(Self(extents))
    }
}

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> SortedMap<B> {
    /// Returns the extents in ascending order.
    #[inline(always)]
    pub fn extents(&self) -> &[Extent<T>] {
        &self.0
    }
}
