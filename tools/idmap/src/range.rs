// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One range of a map in the notation of the command line, `b:FROM:TO:RANGE`.

use std::{fmt, str::FromStr};

use kernel::host;
use kernel::user_namespace::{Extent, ExtentError};

/// Whose ids a range maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those of users.
    Users,
    /// Those of groups.
    Groups,
    /// Those of users and those of groups.
    Both,
}

impl Kind {
    /// Whether the ids of users are among them.
    pub fn has_users(self) -> bool {
        self != Self::Groups
    }

    /// Whether the ids of groups are among them.
    pub fn has_groups(self) -> bool {
        self != Self::Users
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "b" | "both" => Self::Both,
            "u" | "uid" => Self::Users,
            "g" | "gid" => Self::Groups,
            _ => return None,
        })
    }

    fn letter(self) -> char {
        match self {
            Self::Users => 'u',
            Self::Groups => 'g',
            Self::Both => 'b',
        }
    }
}

/// In words, as in "the map has no ranges for groups".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Both => "users and groups",
        })
    }
}

/// A range of ids on disk and what they are through the mount.
///
/// # Examples
///
/// ```
/// use idmap::{Kind, Range};
///
/// let range: Range = "u:1000:2000:10".parse()?;
/// assert_eq!(range.kind, Kind::Users);
/// assert_eq!(range.extent.down(1009), Some(2009));
/// assert_eq!("both:0:1:1".parse::<Range>()?.to_string(), "b:0:1:1");
/// assert_eq!("0:1:1".parse::<Range>()?.kind, Kind::Both);
///
/// let error = "u:1000:2000".parse::<Range>().unwrap_err();
/// assert!(error.to_string().contains("u:FROM:TO:RANGE"));
/// # Ok::<(), idmap::RangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Whose ids these are.
    pub kind: Kind,
    /// From the ids on disk down to the ids seen.
    pub extent: Extent,
}

/// Why a text is no [`Range`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeError {
    text: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Kind(String),
    Fields { kind: char, numbers: usize },
    Number { name: &'static str, word: String },
    Extent(ExtentError),
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return f
                .write_str("no range; right would be KIND:FROM:TO:RANGE, such as b:1000:1001:1");
        }
        write!(f, "'{}': ", self.text)?;
        match &self.reason {
            Reason::Kind(word) => write!(
                f,
                "'{word}' is not a kind of ids; right would be b (both), u (uid) or g (gid)"
            ),
            Reason::Fields { kind, numbers } => write!(
                f,
                "expected three numbers, {kind}:FROM:TO:RANGE, got {numbers}"
            ),
            Reason::Number { name, word } => write!(
                f,
                "{name} is '{word}'; right would be a decimal number up to {}",
                u32::MAX
            ),
            Reason::Extent(ExtentError::Empty) => {
                f.write_str("RANGE is 0; right would be the number of ids, at least 1")
            }
            Reason::Extent(ExtentError::FirstOverflows) => {
                f.write_str("FROM + RANGE is greater than 4294967295, which no id may be")
            }
            Reason::Extent(ExtentError::LowerOverflows) => {
                f.write_str("TO + RANGE is greater than 4294967295, which no id may be")
            }
        }
    }
}

impl std::error::Error for RangeError {}

/// Reads `KIND:FROM:TO:RANGE`; without `KIND:` it is both.
impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        parse(text).map_err(|reason| RangeError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Range, Reason> {
    let mut words: Vec<&str> = text.split(':').collect();
    // As mount(8) does: without a letter, users and groups.
    let kind = match words.first() {
        Some(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => {
            let kind = Kind::parse(word).ok_or_else(|| Reason::Kind((*word).to_owned()))?;
            words.remove(0);
            kind
        }
        _ => Kind::Both,
    };
    let [from, to, range] = words[..] else {
        return Err(Reason::Fields {
            kind: kind.letter(),
            numbers: words.len(),
        });
    };
    let number = |name, word: &str| {
        host::parse_number::<u32>(word).ok_or_else(|| Reason::Number {
            name,
            word: word.to_owned(),
        })
    };
    let extent = Extent::new(
        number("FROM", from)?,
        number("TO", to)?,
        number("RANGE", range)?,
    );
    Ok(Range {
        kind,
        extent: extent.map_err(Reason::Extent)?,
    })
}

/// In the form in which it is read.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, extent } = self;
        write!(
            f,
            "{}:{}:{}:{}",
            kind.letter(),
            extent.first(),
            extent.lower_first(),
            extent.count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<Range>().unwrap_err().to_string()
    }

    #[test]
    fn every_kind_has_a_short_and_a_long_name() {
        for (text, kind) in [
            ("b:1:2:3", Kind::Both),
            ("both:1:2:3", Kind::Both),
            ("1:2:3", Kind::Both),
            ("u:1:2:3", Kind::Users),
            ("uid:1:2:3", Kind::Users),
            ("g:1:2:3", Kind::Groups),
            ("gid:1:2:3", Kind::Groups),
        ] {
            let extent = Extent::new(1, 2, 3).unwrap();
            assert_eq!(text.parse(), Ok(Range { kind, extent }), "{text}");
        }
    }

    #[test]
    fn errors_name_the_field() {
        assert!(error("x:1:2:3").contains("'x' is not a kind"));
        assert!(error("").starts_with("no range"));
        assert!(error("b:1:2").contains("expected three numbers, b:FROM:TO:RANGE, got 2"));
        assert!(error("g:1:2:3:4").contains("got 4"));
        assert!(error("b:1:2:3 ").contains("RANGE is '3 '"));
        assert!(error("b:-1:2:3").contains("FROM is '-1'"));
        assert!(error("b:+1:2:3").contains("FROM is '+1'"));
        assert!(error("b:1::3").contains("TO is ''"));
        assert!(error("b:1:2:0").contains("RANGE is 0"));
        // More than fits is not cut off silently.
        assert!(error("b:1:4294967296:1").contains("TO is '4294967296'"));
        assert!(error("b:4294967295:0:1").contains("FROM + RANGE"));
        assert!(error("b:0:4294967295:1").contains("TO + RANGE"));
        assert!("b:0:0:4294967295".parse::<Range>().is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            kind in prop_oneof![Just(Kind::Users), Just(Kind::Groups), Just(Kind::Both)],
            first: u32, lower: u32, count: u32,
        ) {
            if let Ok(extent) = Extent::new(first, lower, count) {
                let range = Range { kind, extent };
                prop_assert_eq!(range.to_string().parse(), Ok(range));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[bug:0-9 /.-]{0,24}") {
            if let Ok(range) = text.parse::<Range>() {
                prop_assert!(range.extent.count() > 0);
            }
        }
    }
}
