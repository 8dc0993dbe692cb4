// SPDX-License-Identifier: GPL-2.0

//! Maps on the command line: ranges of numbers and names, and what is added to them.

use std::{fmt, fs, os::unix::fs::MetadataExt, path::Path, path::PathBuf};

use clap::{Args, ValueEnum};
use idmap::{IdMaps, Kind, MapsError, Range, RangeError, UserNs};

use crate::run::Failure;

/// The argument of `--map-mount` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Ranges(Vec<Range>),
    Namespace(PathBuf),
}

/// Why a text is no map.
#[derive(Debug)]
pub(crate) enum MapError {
    Range(RangeError),
    /// There is no user or no group of a name.
    Name(String, &'static str, String),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(error) => error.fmt(f),
            Self::Name(range, kind, name) => {
                write!(f, "'{range}': there is no {kind} with the name '{name}'")
            }
        }
    }
}

impl std::error::Error for MapError {}

impl Map {
    /// Reads ranges with blanks between them; a text with a slash is the path of a namespace.
    pub(crate) fn parse(text: &str) -> Result<Self, MapError> {
        if text.contains('/') {
            return Ok(Self::Namespace(PathBuf::from(text)));
        }
        let mut words = text.split_ascii_whitespace().peekable();
        if words.peek().is_none() {
            // For its message.
            let range = text.parse().map_err(MapError::Range)?;
            return Ok(Self::Ranges(vec![range]));
        }
        let ranges: Result<Vec<Vec<Range>>, _> = words.map(ranges).collect();
        Ok(Self::Ranges(ranges?.concat()))
    }
}

/// One range, or two where a name is another number as a user than as a group.
fn ranges(word: &str) -> Result<Vec<Range>, MapError> {
    let fields: Vec<&str> = word.split(':').collect();
    let (kind, from, to, count) = match fields[..] {
        [kind, from, to, count] => (kind, from, to, count),
        [kind, from, to] if is_name(from) || is_name(to) => (kind, from, to, "1"),
        _ => return Ok(vec![word.parse().map_err(MapError::Range)?]),
    };
    let is_kind = matches!(kind, "b" | "both" | "u" | "uid" | "g" | "gid");
    if !is_kind || !(is_name(from) || is_name(to)) {
        return Ok(vec![word.parse().map_err(MapError::Range)?]);
    }
    let mut all = Vec::new();
    for (letter, find) in [
        ("u", user as fn(&str) -> Option<u32>),
        ("g", group as fn(&str) -> Option<u32>),
    ] {
        let is_other = matches!((kind, letter), ("u" | "uid", "g") | ("g" | "gid", "u"));
        if is_other {
            continue;
        }
        let what = if letter == "u" { "user" } else { "group" };
        let id = |field: &str| match is_name(field) {
            true => match find(field) {
                Some(id) => Ok(id.to_string()),
                None => Err(MapError::Name(word.to_owned(), what, field.to_owned())),
            },
            false => Ok(field.to_owned()),
        };
        let range = format!("{letter}:{}:{}:{count}", id(from)?, id(to)?);
        all.push(range.parse().map_err(MapError::Range)?);
    }
    Ok(all)
}

/// Whether a field is a name, which no number begins.
fn is_name(field: &str) -> bool {
    field.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn user(name: &str) -> Option<u32> {
    idmap::account(name).map(|(user, _)| user)
}

/// The group of a name, and else the group of the user of that name.
fn group(name: &str) -> Option<u32> {
    idmap::group(name).or_else(|| idmap::account(name).map(|(_, group)| group))
}

/// An owner, as `--owner` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    fn parse(text: &str) -> Result<Self, String> {
        let number = |word: &str| match word.parse() {
            Ok(u32::MAX) | Err(_) => None,
            Ok(id) => Some(id),
        };
        let (name, group_name) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let fail = |what: &str, name: &str| format!("there is no {what} '{name}'");
        let user = number(name).or_else(|| user(name));
        let group = match group_name {
            Some(name) => number(name)
                .or_else(|| idmap::group(name))
                .ok_or_else(|| fail("group", name))?,
            None => match number(name) {
                Some(id) => id,
                None => group(name).ok_or_else(|| fail("user", name))?,
            },
        };
        Ok(Self {
            user: user.ok_or_else(|| fail("user", name))?,
            group,
        })
    }
}

/// The ids that a map does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rest {
    /// They are seen as they are on disk.
    Keep,
    /// They are seen as nobody's.
    None,
}

/// What is added to a map.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct MapOptions {
    /// Shows the owner of SOURCE as USER and its group as GROUP (that of USER), by names or numbers
    #[arg(long, value_name = "USER[:GROUP]", value_parser = Owner::parse)]
    pub(crate) owner: Option<Owner>,
    /// Ids that the map does not name: seen as they are, or as nobody's [default: none]
    #[arg(long, value_name = "keep|none", hide_possible_values = true)]
    pub(crate) rest: Option<Rest>,
    /// TO counts in the user namespace of this process
    #[arg(long, value_name = "PID")]
    pub(crate) relative_to: Option<u32>,
}

impl MapOptions {
    fn is_empty(&self) -> bool {
        self.owner.is_none() && self.rest.is_none() && self.relative_to.is_none()
    }

    /// The user namespace of a map, if one is given. `option` is the name of the option that gives
    /// ranges, and `source` the tree whose owner may be wanted.
    pub(crate) fn namespace(
        &self,
        option: &str,
        maps: &[Map],
        source: &Path,
    ) -> Result<Option<UserNs>, Failure> {
        let usage = |text: String| Failure::Usage(format!("{option}: {text}"));
        let mut ranges: Vec<Range> = Vec::new();
        for map in maps {
            match map {
                Map::Ranges(more) => ranges.extend(more),
                Map::Namespace(path) if maps.len() == 1 && self.is_empty() => {
                    return Ok(Some(UserNs::open(path)?));
                }
                Map::Namespace(path) => {
                    return Err(usage(format!(
                        "{} is the path of a user namespace, which has a whole map: give either \
                         one path or ranges",
                        path.display()
                    )));
                }
            }
        }
        if let Some(owner) = self.owner {
            let status = fs::metadata(source)
                .map_err(|error| Failure::Unfit(format!("{}: {error}", source.display())))?;
            for (kind, from, to) in [
                (Kind::Users, status.uid(), owner.user),
                (Kind::Groups, status.gid(), owner.group),
            ] {
                let letter = if kind.has_users() { 'u' } else { 'g' };
                let range = format!("{letter}:{from}:{to}:1").parse();
                ranges.push(range.map_err(|error: RangeError| usage(error.to_string()))?);
            }
        }
        if ranges.is_empty() {
            return match self.is_empty() {
                true => Ok(None),
                false => Err(usage(
                    "--rest and --relative-to add to a map, and there is none".to_owned(),
                )),
            };
        }
        let fail = |error: MapsError| usage(error.to_string());
        let mut maps = IdMaps::from_ranges(&ranges).map_err(fail)?;
        if let Some(pid) = self.relative_to {
            maps = maps.then(&IdMaps::of_process(pid)?).map_err(fail)?;
        }
        if self.rest == Some(Rest::Keep) {
            maps = maps.with_rest().map_err(fail)?;
        }
        Ok(Some(UserNs::new(&maps)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(map: &str) -> Result<String, String> {
        match Map::parse(map) {
            Ok(Map::Ranges(ranges)) => {
                let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                Ok(ranges.join(" "))
            }
            Ok(Map::Namespace(path)) => Ok(path.display().to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn names_become_numbers() {
        assert_eq!(text("u:root:1000:1").unwrap(), "u:0:1000:1");
        assert_eq!(text("b:root:5").unwrap(), "u:0:5:1 g:0:5:1");
        assert_eq!(text("g:1:root:3 b:7:8:1").unwrap(), "g:1:0:3 b:7:8:1");
        let error = text("u:nobody-there:5:1").unwrap_err();
        assert!(
            error.contains("no user with the name 'nobody-there'"),
            "{error}"
        );
        assert!(text("x:root:1:1").unwrap_err().contains("is not a kind"));
        assert!(text("u:0:1").unwrap_err().contains("three numbers"));
        assert_eq!(text("/proc/1/ns/user").unwrap(), "/proc/1/ns/user");
    }

    #[test]
    fn an_owner_is_a_name_or_a_number() {
        let owner = |user, group| Ok(Owner { user, group });
        assert_eq!(Owner::parse("root"), owner(0, 0));
        assert_eq!(Owner::parse("5"), owner(5, 5));
        assert_eq!(Owner::parse("5:root"), owner(5, 0));
        assert!(Owner::parse("none-such").unwrap_err().contains("no user"));
        assert!(
            Owner::parse("5:none-such")
                .unwrap_err()
                .contains("no group")
        );
    }
}
