// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One checked extent of an id map.

use core::fmt;

/// An unsigned integer that ids are numbered with.
///
/// The kernel's is [`u32`]. [`u8`] is there because a map over a space that small can be compared
/// with its definition for every id; tests make smaller ones still.
///
/// An implementation has the values from [`IdInt::ZERO`] to [`IdInt::NONE`], in the order of
/// [`Ord`], with no gap and at most `1 << 32` of them. Arithmetic is that of the integers, and
/// "modulo" means modulo the number of values. What is below relies on this for its results, but
/// never for memory safety.
pub trait IdInt: Copy + Ord + fmt::Debug + fmt::Display {
    /// The greatest value, which is no id: it stands for "no id" where C needs a number for that.
    const NONE: Self;
    /// Zero.
    const ZERO: Self;

    /// Adds, [`None`] on overflow.
    fn checked_add(self, other: Self) -> Option<Self>;
    /// Adds modulo the number of values.
    fn wrapping_add(self, other: Self) -> Self;
    /// Subtracts modulo the number of values.
    fn wrapping_sub(self, other: Self) -> Self;
    /// Widens.
    fn to_u64(self) -> u64;
    /// Reads a decimal number and nothing else: no sign, no blanks, no silent truncation.
    fn parse(text: &str) -> Option<Self>;
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

            fn parse(text: &str) -> Option<Self> {
                // `FromStr` would take a leading plus sign.
                if text.bytes().all(|b| b.is_ascii_digit()) {
                    text.parse().ok()
                } else {
                    None
                }
            }
        }
    )* };
}

impl_id_int!(u8 u32);

/// An extent of ids and the extent of the same length that it is mapped to.
///
/// The names are those of `struct uid_gid_extent`: `first` counts in the space that the map is
/// written for, `lower_first` in the one below it. In a mount's map these are the ids of the
/// filesystem and the ids seen through the mount.
///
/// # Invariants
///
/// - `count` is not zero, except in [`Extent::EMPTY`], which holds no id;
/// - neither `first + count` nor `lower_first + count` overflows, hence [`IdInt::NONE`] is in
///   neither extent.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Extent<T = u32> {
    first: T,
    lower_first: T,
    count: T,
}

/// Why three numbers are no [`Extent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtentError {
    /// The extent has no ids.
    Empty,
    /// The upper extent ends past the greatest id.
    FirstOverflows,
    /// The lower extent ends past the greatest id.
    LowerOverflows,
}

impl fmt::Display for ExtentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a range of no ids",
            Self::FirstOverflows => "the first range ends past the greatest id",
            Self::LowerOverflows => "the second range ends past the greatest id",
        })
    }
}

impl<T: IdInt> Extent<T> {
    /// The extent that holds no id, for places that are not in use.
    pub const EMPTY: Self = Self {
        first: T::ZERO,
        lower_first: T::ZERO,
        count: T::ZERO,
    };

    /// Checks an extent by the rules of `map_write()` in `kernel/user_namespace.c`.
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
    /// // The greatest number is no id, so this is all of them.
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
            // INVARIANT: All three conditions were just checked.
            Ok(Self {
                first,
                lower_first,
                count,
            })
        }
    }

    /// The first id of the upper extent.
    #[inline(always)]
    pub fn first(&self) -> T {
        self.first
    }

    /// The first id of the lower extent.
    #[inline(always)]
    pub fn lower_first(&self) -> T {
        self.lower_first
    }

    /// The number of ids.
    #[inline(always)]
    pub fn count(&self) -> T {
        self.count
    }

    /// Whether this is [`Extent::EMPTY`].
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.count == T::ZERO
    }

    /// One past the last id of the upper extent.
    #[inline(always)]
    pub fn end(&self) -> T {
        // By the type invariant this does not wrap.
        self.first.wrapping_add(self.count)
    }

    /// The same pairs of ids, read from below.
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

    /// Whether an id is in the upper extent.
    #[inline(always)]
    pub fn has(&self, id: T) -> bool {
        id.wrapping_sub(self.first) < self.count
    }

    /// Maps an id of the lower extent to the upper one.
    #[inline(always)]
    pub fn up(&self, id: T) -> Option<T> {
        self.inverse().down(id)
    }

    /// Maps `count` ids from `id` on to the lower extent, if all of them are in the upper one.
    pub fn range_down(&self, id: T, count: T) -> Option<T> {
        if count == T::ZERO || id < self.first || id.checked_add(count)? > self.end() {
            return None;
        }
        self.down(id)
    }

    /// Whether the upper extents share an id.
    #[inline]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.end() && other.first < self.end()
    }

    /// The part of this extent whose lower ids are in the upper extent of `next`, mapped through
    /// both.
    pub fn then(&self, next: &Self) -> Option<Self> {
        let low = self.lower_first.max(next.first);
        let end = self.inverse().end().min(next.end());
        if low >= end {
            return None;
        }
        // INVARIANT: The extents are parts of extents of valid extents, and not empty.
        Some(Self {
            first: self.up(low)?,
            lower_first: next.down(low)?,
            count: end.wrapping_sub(low),
        })
    }
}

/// As a line of `/proc/PID/uid_map`, with single blanks.
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
