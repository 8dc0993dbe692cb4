// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The two maps of a mount, of users and of groups.

use std::{fmt, str::FromStr};

use kernel::user_namespace::{Extent, IdMap, MAX_EXTENTS, MapError};

use crate::range::{Kind, Range, RangeError};

/// A valid map of users and a valid map of groups.
///
/// The kernel takes no mount with only one of them. Two are equal if they map each id to the same,
/// in whatever ranges.
///
/// # Examples
///
/// ```
/// use idmap::{IdMaps, MapsError};
///
/// let maps: IdMaps = "u:1000:0:1 u:0:1000:1 g:0:0:65536".parse()?;
/// assert_eq!(maps.users().down(1000), Some(0));
/// assert_eq!(maps.groups().down(1000), Some(1000));
///
/// let error = "u:0:0:10 u:9:100:1 g:0:0:1".parse::<IdMaps>().unwrap_err();
/// assert!(error.to_string().contains("u:0:0:10 and u:9:100:1 both have"));
/// # Ok::<(), MapsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMaps {
    pub(crate) users: IdMap<Vec<Extent>>,
    pub(crate) groups: IdMap<Vec<Extent>>,
}

/// Why ranges are no [`IdMaps`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapsError {
    /// A part of the text is no range.
    Range(RangeError),
    /// There is no range for these ids.
    Missing(Kind),
    /// There are too many ranges for these ids.
    TooMany(Kind, Option<usize>),
    /// No id is mapped by both of two maps.
    NothingShared(Kind),
    /// Two ranges map the same id on disk.
    FromOverlap(Range, Range),
    /// Two ranges map to the same id seen through the mount.
    ToOverlap(Range, Range),
    /// A text in the form of `/proc/PID/uid_map` is no map.
    Text(Kind, MapError),
}

impl fmt::Display for MapsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(error) => error.fmt(f),
            Self::Missing(Kind::Both) => {
                f.write_str("the map has no ranges; right would be b:FROM:TO:RANGE")
            }
            Self::Missing(kind) => {
                let letter = if kind.has_users() { 'u' } else { 'g' };
                write!(
                    f,
                    "the map has no ranges for {kind}, and the kernel takes none without; \
                     {letter}:0:0:4294967295 leaves all {kind} as they are, and b: in place of \
                     u: or g: maps both alike"
                )
            }
            Self::TooMany(kind, count) => {
                let count = count.map_or_else(|| "too many".to_owned(), |count| count.to_string());
                write!(
                    f,
                    "the map has {count} ranges for {kind}; the kernel takes up to {MAX_EXTENTS}"
                )
            }
            Self::NothingShared(kind) => write!(
                f,
                "of {kind}, no id that the first map shows is one that the second map has in FROM"
            ),
            Self::FromOverlap(a, b) => {
                write!(
                    f,
                    "{a} and {b} both have the id {} on disk",
                    shared(a, b, Extent::first)
                )
            }
            Self::ToOverlap(a, b) => write!(
                f,
                "{a} and {b} both have the id {} through the mount",
                shared(a, b, Extent::lower_first)
            ),
            Self::Text(kind, error) => write!(f, "the map of {kind}: {error}"),
        }
    }
}

impl std::error::Error for MapsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Range(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RangeError> for MapsError {
    fn from(error: RangeError) -> Self {
        Self::Range(error)
    }
}

/// The first id that two overlapping ranges share: one of them starts with it.
fn shared(a: &Range, b: &Range, start: impl Fn(&Extent) -> u32) -> u32 {
    start(&a.extent).max(start(&b.extent))
}

impl IdMaps {
    /// Makes the maps of a list of ranges.
    pub fn from_ranges(ranges: &[Range]) -> Result<Self, MapsError> {
        if ranges.is_empty() {
            return Err(MapsError::Missing(Kind::Both));
        }
        Ok(Self {
            users: map_of(Kind::Users, ranges, Kind::has_users)?,
            groups: map_of(Kind::Groups, ranges, Kind::has_groups)?,
        })
    }

    /// Reads two maps in the form of `/proc/PID/uid_map` and `/proc/PID/gid_map`.
    pub fn from_proc(uid_map: &str, gid_map: &str) -> Result<Self, MapsError> {
        let read =
            |kind, text| IdMap::parse_vec(text).map_err(|error| MapsError::Text(kind, error));
        Ok(Self {
            users: read(Kind::Users, uid_map)?,
            groups: read(Kind::Groups, gid_map)?,
        })
    }

    /// The same maps with the fewest ranges, in the order of the ids on disk.
    ///
    /// # Examples
    ///
    /// ```
    /// use idmap::IdMaps;
    ///
    /// let maps: IdMaps = "b:1:101:9 b:0:100:1 b:10:500:1".parse()?;
    /// assert_eq!(maps.joined().to_string(), "b:0:100:10 b:10:500:1");
    /// assert_eq!(maps.joined(), maps);
    /// # Ok::<(), idmap::MapsError>(())
    /// ```
    pub fn joined(&self) -> Self {
        Self {
            users: self.users.joined(),
            groups: self.groups.joined(),
        }
    }

    /// The same maps, with all ids that neither side of them has mapped to themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use idmap::IdMaps;
    ///
    /// let maps: IdMaps = "b:1000:1001:1".parse()?;
    /// let all = "b:0:0:1000 b:1000:1001:1 b:1002:1002:4294966293";
    /// assert_eq!(maps.with_rest()?.to_string(), all);
    /// # Ok::<(), idmap::MapsError>(())
    /// ```
    pub fn with_rest(&self) -> Result<Self, MapsError> {
        Ok(Self {
            users: with_rest(Kind::Users, &self.users)?,
            groups: with_rest(Kind::Groups, &self.groups)?,
        })
    }

    /// The map of users, from the ids on disk down to the ids seen.
    pub fn users(&self) -> &IdMap<Vec<Extent>> {
        &self.users
    }

    /// The map of groups, from the ids on disk down to the ids seen.
    pub fn groups(&self) -> &IdMap<Vec<Extent>> {
        &self.groups
    }
}

/// Adds ranges for the ids that neither side of a map has.
fn with_rest(kind: Kind, map: &IdMap<Vec<Extent>>) -> Result<IdMap<Vec<Extent>>, MapsError> {
    let mut extents = map.extents().to_vec();
    // Both sides of a range, as first ids and what is after the last.
    let sides = |extent: &Extent| {
        let end = |first: u32| {
            (
                u64::from(first),
                u64::from(first) + u64::from(extent.count()),
            )
        };
        [end(extent.first()), end(extent.lower_first())]
    };
    let mut taken: Vec<(u64, u64)> = extents.iter().flat_map(sides).collect();
    // The greatest number is no id.
    taken.push((u64::from(u32::MAX), u64::from(u32::MAX)));
    taken.sort_unstable();
    let mut next = 0;
    for (first, end) in taken {
        if let (Ok(id), Ok(count)) = (
            u32::try_from(next),
            u32::try_from(first.saturating_sub(next)),
        ) {
            if let Ok(extent) = Extent::new(id, id, count) {
                extents.push(extent);
            }
        }
        next = next.max(end);
    }
    extents.sort_unstable_by_key(Extent::first);
    let count = extents.len();
    IdMap::from_storage(extents).map_err(|error| match error {
        MapError::TooMany => MapsError::TooMany(kind, Some(count)),
        other => MapsError::Text(kind, other),
    })
}

/// Makes the map of one kind of ids from the ranges that have such.
fn map_of(
    kind: Kind,
    ranges: &[Range],
    has: fn(Kind) -> bool,
) -> Result<IdMap<Vec<Extent>>, MapsError> {
    let mine: Vec<Range> = ranges
        .iter()
        .copied()
        .filter(|range| has(range.kind))
        .collect();
    let extents: Vec<Extent> = mine.iter().map(|range| range.extent).collect();
    let count = extents.len();
    IdMap::from_storage(extents).map_err(|error| match error {
        MapError::Empty => MapsError::Missing(kind),
        MapError::TooMany => MapsError::TooMany(kind, Some(count)),
        MapError::FirstOverlap(a, b) => MapsError::FromOverlap(mine[a], mine[b]),
        MapError::LowerOverlap(a, b) => MapsError::ToOverlap(mine[a], mine[b]),
        // A `Range` is a valid extent, and vectors have room.
        other @ (MapError::Syntax { .. } | MapError::Extent { .. } | MapError::NoRoom) => {
            MapsError::Text(kind, other)
        }
    })
}

/// Reads ranges with blanks between them, as in mount(8)'s `X-mount.idmap=`.
impl FromStr for IdMaps {
    type Err = MapsError;

    fn from_str(text: &str) -> Result<Self, MapsError> {
        let ranges: Result<Vec<Range>, _> =
            text.split_ascii_whitespace().map(Range::from_str).collect();
        Self::from_ranges(&ranges?)
    }
}

/// As ranges with blanks between them, in the form in which it is read.
impl fmt::Display for IdMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |kind| move |&extent: &Extent| Range { kind, extent };
        let (users, groups) = (self.users.extents(), self.groups.extents());
        let ranges: Vec<Range> = if users == groups {
            users.iter().map(with(Kind::Both)).collect()
        } else {
            let users = users.iter().map(with(Kind::Users));
            users.chain(groups.iter().map(with(Kind::Groups))).collect()
        };
        for (index, range) in ranges.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<IdMaps>().unwrap_err().to_string()
    }

    #[test]
    fn both_kinds_are_needed() {
        assert!(error("").contains("no ranges; right would be"));
        assert!(error("u:0:0:1").contains("no ranges for groups"));
        assert!(error("u:0:0:1").contains("g:0:0:4294967295"));
        assert!(error("g:0:0:1").contains("no ranges for users"));
        assert!(error("g:0:0:1").contains("u:0:0:4294967295"));
    }

    #[test]
    fn overlaps_name_both_ranges() {
        assert_eq!(
            error("b:0:0:10 u:5:100:1"),
            "b:0:0:10 and u:5:100:1 both have the id 5 on disk"
        );
        assert_eq!(
            error("b:0:100:10 g:20:109:1"),
            "b:0:100:10 and g:20:109:1 both have the id 109 through the mount"
        );
        // A user and a group may have the same number.
        assert!("u:0:0:10 g:0:5:10".parse::<IdMaps>().is_ok());
    }

    #[test]
    fn the_kernel_takes_340_ranges() {
        let ranges = |count| {
            (0..count)
                .map(|id| format!("b:{id}:{id}:1 "))
                .collect::<String>()
        };
        assert!(ranges(340).parse::<IdMaps>().is_ok());
        assert_eq!(
            error(&ranges(341)),
            "the map has 341 ranges for users; the kernel takes up to 340"
        );
    }

    #[test]
    fn maps_of_a_process_are_read() {
        let maps = IdMaps::from_proc("         0     100000      65536\n", "0 0 4294967295\n");
        let maps = maps.unwrap();
        assert_eq!(maps.to_string(), "u:0:100000:65536 g:0:0:4294967295");
        let error = IdMaps::from_proc("0 0 1", "").unwrap_err();
        assert_eq!(error, MapsError::Text(Kind::Groups, MapError::Empty));
    }

    fn ranges() -> impl Strategy<Value = Vec<Range>> {
        let kind = prop_oneof![Just(Kind::Users), Just(Kind::Groups), Just(Kind::Both)];
        let range = (kind, 0u32..64, 0u32..64, 1u32..8).prop_map(|(kind, first, lower, count)| {
            let extent = Extent::new(first, lower, count).unwrap();
            Range { kind, extent }
        });
        proptest::collection::vec(range, 1..6)
    }

    proptest! {
        /// The maps answer for each id what the one range that has it answers.
        #[test]
        fn maps_mean_what_their_ranges_mean(ranges in ranges()) {
            let Ok(maps) = IdMaps::from_ranges(&ranges) else { return Ok(()) };
            for id in 0..80 {
                let by = |has: fn(Kind) -> bool| {
                    ranges.iter().filter(|r| has(r.kind)).find_map(|r| r.extent.down(id))
                };
                prop_assert_eq!(maps.users().down(id), by(Kind::has_users));
                prop_assert_eq!(maps.groups().down(id), by(Kind::has_groups));
            }
            let joined = maps.joined();
            prop_assert!(joined.users().extents().len() <= maps.users().extents().len());
            for id in 0..80 {
                prop_assert_eq!(joined.users().down(id), maps.users().down(id));
                prop_assert_eq!(joined.groups().up(id), maps.groups().up(id));
            }
            prop_assert_eq!(&joined, &maps);
            let again: IdMaps = maps.to_string().parse().unwrap();
            prop_assert_eq!(again.users().extents(), maps.users().extents());
            prop_assert_eq!(again.groups().extents(), maps.groups().extents());
        }

        /// Maps are equal exactly when they mean the same.
        #[test]
        fn maps_that_differ_are_not_equal(a in ranges(), b in ranges()) {
            let (Ok(a), Ok(b)) = (IdMaps::from_ranges(&a), IdMaps::from_ranges(&b)) else {
                return Ok(());
            };
            let same = (0..80).all(|id| {
                a.users().down(id) == b.users().down(id)
                    && a.groups().down(id) == b.groups().down(id)
            });
            prop_assert_eq!(a == b, same);
        }

        /// Ranges are refused exactly when an id is mapped twice or a kind is missing.
        #[test]
        fn what_is_refused_is_wrong(ranges in ranges()) {
            let wrong = [Kind::has_users, Kind::has_groups].iter().any(|has| {
                let mine: Vec<_> = ranges.iter().filter(|r| has(r.kind)).collect();
                mine.is_empty() || (0..80).any(|id| {
                    mine.iter().filter(|r| r.extent.down(id).is_some()).count() > 1
                        || mine.iter().filter(|r| r.extent.up(id).is_some()).count() > 1
                })
            });
            prop_assert_eq!(IdMaps::from_ranges(&ranges).is_err(), wrong);
        }
    }
}
