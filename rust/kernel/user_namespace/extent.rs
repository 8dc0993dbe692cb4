// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Extents of id maps: `struct uid_gid_extent`.

use core::fmt;

/// The unsigned integer of an id.
///
/// Ids of the kernel are [`u32`]. Tests use [`u8`] and smaller types, so that they can check a map
/// for every id.
///
/// An implementation must order its values from [`IdInt::ZERO`] to [`IdInt::NONE`], and have at
/// most `1 << 32` of them. Arithmetic wraps at the number of values. The results of this module
/// depend on these rules; memory safety does not.
pub trait IdInt: Copy + Ord + fmt::Debug + fmt::Display {
    /// The greatest value, which is not an id: C's `INVALID_UID`.
    const NONE: Self;
    /// Zero.
    const ZERO: Self;

    /// Returns the sum, or [`None`] on overflow.
    fn checked_add(self, other: Self) -> Option<Self>;
    /// Adds, and wraps at the number of values.
    fn wrapping_add(self, other: Self) -> Self;
    /// Subtracts, and wraps at the number of values.
    fn wrapping_sub(self, other: Self) -> Self;
    /// Converts to [`u64`].
    fn to_u64(self) -> u64;
}

macro_rules! impl_id_int {
    ($($int:ty)*) => { $(
        impl IdInt for $int {
            const NONE: Self = <$int>::MAX;
            const ZERO: Self = 0;

            #[inline(always)]
            fn checked_add(self, other: Self) -> Option<Self> {
                <$int>::checked_add(self, other)
            }

            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                <$int>::wrapping_add(self, other)
            }

            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                <$int>::wrapping_sub(self, other)
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    )* };
}

impl_id_int!(u8 u32);

/// An extent of ids and the extent of the same length that it is mapped to.
///
/// The names are those of `struct uid_gid_extent`. The upper extent begins with `first`, the lower
/// one with `lower_first`. In the map of a mount, the upper ids are those on disk, and the lower
/// ids are those at the mount.
///
/// # Invariants
///
/// - `count` is not zero, except in [`Extent::EMPTY`].
/// - Neither `first + count` nor `lower_first + count` overflows. Neither extent therefore contains
///   the greatest value, which is not an id.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Extent<T = u32> {
    first: T,
    lower_first: T,
    count: T,
}

/// The reason for which three numbers are not an [`Extent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtentError {
    /// The extent has no ids.
    Empty,
    /// The upper extent ends after the greatest id.
    FirstOverflows,
    /// The lower extent ends after the greatest id.
    LowerOverflows,
}

impl<T: IdInt> Extent<T> {
    /// The extent without ids, for places that are not in use.
    pub const EMPTY: Self = Self {
        first: T::ZERO,
        lower_first: T::ZERO,
        count: T::ZERO,
    };

    /// Creates an extent. Checks it by the rules of `map_write()` in `kernel/user_namespace.c`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::user_namespace::{Extent, ExtentError};
    ///
    /// let extent = Extent::new(0u32, 100000, 65536)?;
    /// assert_eq!(extent.down(1000), Some(101000));
    /// assert_eq!(extent.up(101000), Some(1000));
    /// assert_eq!(extent.down(65536), None);
    ///
    /// // These are all ids: the greatest number is not one.
    /// assert!(Extent::new(0, 0, u32::MAX).is_ok());
    /// assert_eq!(Extent::new(1, 0, u32::MAX), Err(ExtentError::FirstOverflows));
    /// # Ok::<(), ExtentError>(())
    /// ```
    pub fn new(first: T, lower_first: T, count: T) -> Result<Self, ExtentError> {
        if count == T::ZERO {
            Err(ExtentError::Empty)
        } else if first.checked_add(count).is_none() {
            Err(ExtentError::FirstOverflows)
        } else if lower_first.checked_add(count).is_none() {
            Err(ExtentError::LowerOverflows)
        } else {
            // INVARIANT: The three conditions were checked above.
            Ok(Self {
                first,
                lower_first,
                count,
            })
        }
    }

    /// Returns the first id of the upper extent.
    #[inline(always)]
    pub fn first(&self) -> T {
        self.first
    }

    /// Returns the first id of the lower extent.
    #[inline(always)]
    pub fn lower_first(&self) -> T {
        self.lower_first
    }

    /// Returns the number of ids.
    #[inline(always)]
    pub fn count(&self) -> T {
        self.count
    }

    /// Returns whether this is [`Extent::EMPTY`].
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.count == T::ZERO
    }

    /// Returns the value after the last id of the upper extent.
    #[inline(always)]
    pub fn end(&self) -> T {
        // Does not wrap, by the type invariants.
        self.first.wrapping_add(self.count)
    }

    /// Exchanges the upper and the lower extent.
    #[inline]
    pub fn inverse(self) -> Self {
        // INVARIANT: The invariants treat both extents alike.
        Self {
            first: self.lower_first,
            lower_first: self.first,
            count: self.count,
        }
    }

    /// Maps an id of the upper extent to the lower one.
    #[inline(always)]
    pub fn down(&self, id: T) -> Option<T> {
        let offset = id.wrapping_sub(self.first);
        if offset < self.count {
            Some(offset.wrapping_add(self.lower_first))
        } else {
            None
        }
    }

    /// Returns whether an id is in the upper extent.
    #[inline(always)]
    pub fn has(&self, id: T) -> bool {
        id.wrapping_sub(self.first) < self.count
    }

    /// Maps an id of the lower extent to the upper one.
    #[inline(always)]
    pub fn up(&self, id: T) -> Option<T> {
        self.inverse().down(id)
    }

    /// Maps the `count` ids from `id` to the lower extent, if all of them are in the upper one.
    /// Returns the first of the mapped ids.
    pub fn range_down(&self, id: T, count: T) -> Option<T> {
        if count == T::ZERO || id < self.first || id.checked_add(count)? > self.end() {
            return None;
        }
        self.down(id)
    }

    /// Returns whether the upper extents share an id.
    #[inline]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.end() && other.first < self.end()
    }

    /// Composes two extents: maps each id down by this extent and the result down by `next`.
    /// Contains the ids for which both do so; returns [`None`] if there are none.
    pub fn then(&self, next: &Self) -> Option<Self> {
        let low = self.lower_first.max(next.first);
        let end = self.inverse().end().min(next.end());
        if low >= end {
            return None;
        }
        // INVARIANT: `low < end`, so `count` is not zero. The upper and the lower extent are parts
        // of the extents of `self` and `next`, so they do not overflow.
        Some(Self {
            first: self.up(low)?,
            lower_first: next.down(low)?,
            count: end.wrapping_sub(low),
        })
    }
}

/// Formats the extent as a line of `/proc/PID/uid_map`, with single blanks.
impl<T: IdInt> fmt::Display for Extent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.first, self.lower_first, self.count)
    }
}

impl<T: IdInt> fmt::Debug for Extent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
