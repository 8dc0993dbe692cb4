// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A whole id map: a list of extents, of which no two share an id.

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

/// The most extents that a map can have, `UID_GID_MAP_MAX_EXTENTS`.
pub const MAX_EXTENTS: usize = 340;

/// The most extents that a map has without memory of its own, `UID_GID_MAP_MAX_BASE_EXTENTS`.
pub const MAX_BASE_EXTENTS: usize = 5;

/// Why a list of extents is no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// There is no extent at all.
    Empty,
    /// There are more than [`MAX_EXTENTS`].
    TooMany,
    /// Line `line`, counted from zero, is not three decimal numbers in the id's extent.
    Syntax {
        /// The line.
        line: usize,
    },
    /// Range `line`, counted from zero, is not valid by itself.
    Extent {
        /// The extent.
        line: usize,
        /// What is wrong with it.
        error: ExtentError,
    },
    /// The upper extents of two extents share an id.
    FirstOverlap(usize, usize),
    /// The lower extents of two extents share an id.
    LowerOverlap(usize, usize),
    /// The place given for the result is too small.
    NoRoom,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a map needs at least one range"),
            Self::TooMany => write!(f, "a map has at most {MAX_EXTENTS} extents"),
            Self::Syntax { line } => write!(
                f,
                "range {}: expected three numbers, FIRST LOWER COUNT, each below 4294967296",
                line.wrapping_add(1)
            ),
            Self::Extent { line, error } => write!(f, "range {}: {error}", line.wrapping_add(1)),
            Self::FirstOverlap(a, b) => write!(
                f,
                "extents {} and {} both map an id of the first column",
                a.wrapping_add(1),
                b.wrapping_add(1)
            ),
            Self::LowerOverlap(a, b) => write!(
                f,
                "extents {} and {} both map to an id of the second column",
                a.wrapping_add(1),
                b.wrapping_add(1)
            ),
            Self::NoRoom => f.write_str("no room for the extents of the result"),
        }
    }
}

/// A valid map over some storage for its extents: an array, a slice, a vector.
///
/// This is the definition of what a map is and means; [`Lookup`](super::Lookup) is how the kernel
/// finds an id fast. Extents stay in the order in which they were given.
///
/// # Invariants
///
/// There are 1 to [`MAX_EXTENTS`] extents, none of them empty, and of no two do the upper extents or
/// the lower extents share an id. So each id is mapped to one id at most, either way.
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
    /// Compares every extent with every other.
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

    /// The extents, in the order in which they were given.
    pub fn extents(&self) -> &[Extent<T>] {
        &self.0
    }

    /// Maps an id down: from the filesystem to what is seen through the mount.
    ///
    /// Mirrors `map_id_down()` in `kernel/user_namespace.c`.
    pub fn down(&self, id: T) -> Option<T> {
        self.0.iter().find_map(|extent| extent.down(id))
    }

    /// Maps an id up: from what is seen through the mount to the filesystem.
    ///
    /// Mirrors `map_id_up()` in `kernel/user_namespace.c`.
    pub fn up(&self, id: T) -> Option<T> {
        self.0.iter().find_map(|extent| extent.up(id))
    }

    /// Maps `count` ids from `id` on down, if one extent of the map has them all.
    ///
    /// Mirrors `map_id_range_down()` in `kernel/user_namespace.c`, but for an extent that would pass
    /// the greatest id, which is never mapped.
    pub fn range_down(&self, id: T, count: T) -> Option<T> {
        self.0
            .iter()
            .find_map(|extent| extent.range_down(id, count))
    }

    /// Maps `count` ids from `id` on up, if one extent of the map has them all.
    ///
    /// Mirrors `map_id_range_up()` in `kernel/user_namespace.c`, with the difference of
    /// [`IdMap::range_down`].
    pub fn range_up(&self, id: T, count: T) -> Option<T> {
        self.0
            .iter()
            .find_map(|extent| extent.inverse().range_down(id, count))
    }

    /// Turns the map round: what was down is up.
    pub fn into_inverse(mut self) -> Self
    where
        B: DerefMut,
    {
        for extent in self.0.iter_mut() {
            *extent = extent.inverse();
        }
        // INVARIANT: The invariants treat both directions alike.
        self
    }

    /// Maps down through this map and then through `next`, as one map in `room`.
    ///
    /// The result maps the ids that both maps map, [`MapError::Empty`] if there is none. An extent of
    /// the one may meet many of the other, so `room` may have to be larger than either; with
    /// [`MAX_EXTENTS`] places, [`MapError::NoRoom`] says that the result is no map any more.
    ///
    /// # Examples
    ///
    /// What is 0 on disk is 1000 on the host through the first map, and the container's root
    /// through the second:
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
    /// Makes a map of an array of extents.
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

impl<'a, T: IdInt> IdMap<&'a [Extent<T>]> {
    /// Reads a map in the form of `/proc/PID/uid_map`: an extent a line, three numbers each, with
    /// blanks between and around them. The extents are put in `room`.
    ///
    /// Unlike the kernel's `map_write()`, which takes the low 32 bits of a greater number, this
    /// refuses what is no id.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::user_namespace::{Extent, IdMap, MapError};
    ///
    /// let mut room = [Extent::<u32>::EMPTY; 2];
    /// let map = IdMap::parse("         0     100000      65536\n", &mut room).unwrap();
    /// assert_eq!(map.down(1), Some(100001));
    ///
    /// let error = IdMap::parse("0 0 4294967297", &mut room).err();
    /// assert_eq!(error, Some(MapError::Syntax { line: 0 }));
    /// ```
    pub fn parse(text: &str, room: &'a mut [Extent<T>]) -> Result<Self, MapError> {
        let mut used = 0;
        for (line, words) in text.lines().enumerate() {
            let mut numbers = words.split_ascii_whitespace().map(T::parse);
            let (Some(Some(first)), Some(Some(lower)), Some(Some(count)), None) = (
                numbers.next(),
                numbers.next(),
                numbers.next(),
                numbers.next(),
            ) else {
                return Err(MapError::Syntax { line });
            };
            let extent = Extent::new(first, lower, count)
                .map_err(|error| MapError::Extent { line, error })?;
            if used >= MAX_EXTENTS {
                return Err(MapError::TooMany);
            }
            *room.get_mut(used).ok_or(MapError::NoRoom)? = extent;
            used = used.wrapping_add(1);
        }
        Self::from_storage(room.get(..used).ok_or(MapError::NoRoom)?)
    }
}

/// In the form of `/proc/PID/uid_map`, with single blanks.
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

/// Puts extents in the order of their first ids.
///
/// Inserts one by one, which is the right way for as few extents as a lookup stores inline.
pub fn sort_by_first<T: IdInt>(extents: &mut [Extent<T>]) {
    for sorted in 1..extents.len() {
        for lower in (0..sorted).rev() {
            match extents.get_mut(lower..) {
                Some([a, b, ..]) if a.first() > b.first() => core::mem::swap(a, b),
                _ => break,
            }
        }
    }
}

/// Checks what each list of extents must fulfil.
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

/// A valid map whose extents ascend by their first ids.
///
/// # Invariants
///
/// There are 1 to [`MAX_EXTENTS`] extents, none of them empty, ascending, and no two upper extents
/// share an id.
#[derive(Clone, Copy)]
pub struct SortedMap<B>(B);

impl<T: IdInt, B: DerefMut<Target = [Extent<T>]>> SortedMap<B> {
    /// Sorts the extents and checks that no id is mapped twice.
    ///
    /// The extents must be few or nearly in order, see [`sort_by_first`].
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
    /// Returns the extents, ascending.
    #[inline(always)]
    pub fn extents(&self) -> &[Extent<T>] {
        &self.0
    }
}
