// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Functions for tests and tools on the host, which the kernel does not contain.
//!
//! They turn numbers into ids, read, join and compare maps, and format errors.

extern crate alloc;

use alloc::vec::Vec;
use core::{fmt, ops::Deref, str::FromStr};

use crate::{
    fs::permission::{CheckError, NoNesting},
    uidgid::{Id, Kind, Space},
    user_namespace::{Extent, ExtentError, IdInt, IdMap, MapError, MAX_EXTENTS},
};

/// Converts a number to an id of any kind and space, or to [`None`] if it is `u32::MAX`.
pub const fn id<K: Kind, S: Space>(raw: u32) -> Option<Id<K, S>> {
    Id::from_c(raw)
}

impl<'a, T: IdInt + FromStr> IdMap<&'a [Extent<T>]> {
    /// Reads a map in the format of `/proc/PID/uid_map` into `room`: an extent on each line, with
    /// blanks between and around its three numbers.
    ///
    /// `map_write()` in the kernel takes the low 32 bits of a greater number. This function fails.
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
            let mut numbers = words.split_ascii_whitespace().map(parse_number);
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
            used += 1;
        }
        Self::from_storage(room.get(..used).ok_or(MapError::NoRoom)?)
    }
}

/// Reads a decimal number without a sign.
pub fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    // `FromStr` accepts a leading plus sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

impl<T: IdInt + FromStr> IdMap<Vec<Extent<T>>> {
    /// [`IdMap::parse`] into a new vector.
    pub fn parse_vec(text: &str) -> Result<Self, MapError> {
        let mut room = [Extent::EMPTY; MAX_EXTENTS];
        let map = IdMap::parse(text, &mut room)?;
        Self::from_storage(map.extents().to_vec())
    }
}

impl<T: IdInt, B: Deref<Target = [Extent<T>]>> IdMap<B> {
    /// Returns the map with the fewest extents that maps each id alike: adjacent extents are joined.
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
            Err(_) => unreachable!("no id and no extent was added"),
        }
    }
}

/// Joins two extents if the second begins where the first ends.
fn join<T: IdInt>(first: &Extent<T>, second: &Extent<T>) -> Option<Extent<T>> {
    let goes_on = first.end() == second.first() && first.inverse().end() == second.lower_first();
    if !goes_on {
        return None;
    }
    let count = first.count().checked_add(second.count())?;
    Extent::new(first.first(), first.lower_first(), count).ok()
}

/// Maps are equal if they map each id to the same id.
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

impl fmt::Display for ExtentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a range of no ids",
            Self::FirstOverflows => "the first range ends past the greatest id",
            Self::LowerOverflows => "the second range ends past the greatest id",
        })
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a map needs at least one range"),
            Self::TooMany => write!(f, "a map has at most {MAX_EXTENTS} extents"),
            Self::Syntax { line } => write!(
                f,
                "range {}: expected three numbers, FIRST LOWER COUNT, each below 4294967296",
                line + 1
            ),
            Self::Extent { line, error } => write!(f, "range {}: {error}", line + 1),
            Self::FirstOverlap(a, b) => write!(
                f,
                "extents {} and {} both map an id of the first column",
                a + 1,
                b + 1
            ),
            Self::LowerOverlap(a, b) => write!(
                f,
                "extents {} and {} both map to an id of the second column",
                a + 1,
                b + 1
            ),
            Self::NoRoom => f.write_str("no room for the extents of the result"),
        }
    }
}

impl fmt::Display for NoNesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "the sysctl fs.mount_idmap_nested is 0",
            Self::NotRoot(capability) => {
                return write!(
                    f,
                    "the caller has no {} over its user namespace",
                    capability.name()
                )
            }
            Self::NotBelow => "the user namespace is not the caller's, nor below it",
            Self::SetgroupsDenied => "the caller's user namespace does not allow setgroups()",
            Self::TooFewUsers => "the caller's user namespace maps too few user ids",
            Self::TooFewGroups => "the caller's user namespace maps too few group ids",
            Self::MapsNothing => "the nested idmap maps no user id or no group id",
            Self::TooManyExtents => "the nested idmap has too many extents",
        })
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::EPERM => "EPERM",
            Self::ENOENT => "ENOENT",
            Self::EIO => "EIO",
            Self::EBADF => "EBADF",
            Self::ECHILD => "ECHILD",
            Self::EAGAIN => "EAGAIN",
            Self::EACCES => "EACCES",
            Self::EEXIST => "EEXIST",
            Self::EINVAL => "EINVAL",
            Self::EROFS => "EROFS",
            Self::ENODATA => "ENODATA",
            Self::EOVERFLOW => "EOVERFLOW",
            Self::EOPNOTSUPP => "EOPNOTSUPP",
            other => return write!(f, "errno {}", -other.to_errno()),
        })
    }
}
