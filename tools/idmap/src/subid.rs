// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Maps that newuidmap(1) and newgidmap(1) write for those who may not.
//!
//! A plain user may map ids that `/etc/subuid` and `/etc/subgid` give away, and the own one.

use std::{
    fmt, fs,
    process::{Command, Stdio},
};

use kernel::user_namespace::{Extent, IdMap};

use crate::{
    maps::{IdMaps, MapsError},
    range::Kind,
};

/// A program of the two, and the file that it goes by.
fn program(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Groups => ("newgidmap", "/etc/subgid"),
        Kind::Users | Kind::Both => ("newuidmap", "/etc/subuid"),
    }
}

/// Has the map of one kind of ids written for a process in a new user namespace; otherwise tells
/// why this was not done.
pub(crate) fn write(kind: Kind, pid: i32, map: &IdMap<Vec<Extent>>) -> Result<(), String> {
    let (program, file) = program(kind);
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    for extent in map.extents() {
        let numbers = [extent.first(), extent.lower_first(), extent.count()];
        command.args(numbers.map(|number| number.to_string()));
    }
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim();
            let text = fs::read_to_string(file).unwrap_or_default();
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            let user = rustix::process::getuid().as_raw();
            let own = match kind {
                Kind::Groups => rustix::process::getgid().as_raw(),
                Kind::Users | Kind::Both => user,
            };
            let given = given(&text, name(&passwd, user), user);
            Err(match refused(map, &given, own) {
                Some(extent) => format!(
                    "{program} says: {said}; of {kind}, {file} gives user {user} {}, and the map \
                     wants {}",
                    list(&given),
                    span(extent.lower_first(), extent.count())
                ),
                None => format!("{program} says: {said}"),
            })
        }
        Err(error) => Err(format!(
            "{program} would do it for ids that {file} gives away, but cannot be run: {error} (it \
             is in the package uidmap or shadow-utils)"
        )),
    }
}

/// Why a user has no maps for a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubidError {
    /// The file gives the user no ids of this kind.
    NotGiven {
        /// Users or groups.
        kind: Kind,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The user.
        user: u32,
        /// The name of the user, if there is one.
        name: Option<String>,
    },
    /// The ids that are given make no maps.
    Maps(MapsError),
}

impl fmt::Display for SubidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGiven {
                kind,
                file,
                user,
                name,
            } => write!(
                f,
                "{file} gives user {user} no {kind}; usermod(8) adds them: \
                 usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
                name.as_deref().unwrap_or("USER")
            ),
            Self::Maps(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SubidError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotGiven { .. } => None,
            Self::Maps(error) => Some(error),
        }
    }
}

/// Returns maps for a user namespace of a plain user: 0 is the user, and the ids from 1 on are those
/// that `/etc/subuid` and `/etc/subgid` give to the user.
pub fn rootless_maps() -> Result<IdMaps, SubidError> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    let mut maps = Vec::new();
    for (kind, own) in [(Kind::Users, user), (Kind::Groups, group)] {
        let (_, file) = program(kind);
        let text = fs::read_to_string(file).unwrap_or_default();
        let name = name(&passwd, user);
        let given = given(&text, name, user);
        if given.is_empty() {
            let name = name.map(str::to_owned);
            return Err(SubidError::NotGiven {
                kind,
                file,
                user,
                name,
            });
        }
        maps.push(from_one(own, &given));
    }
    IdMaps::from_proc(&maps[0], &maps[1]).map_err(SubidError::Maps)
}

/// Returns a map of 0 to the own id, and of the ids from 1 on to those that are given, in the format
/// of `/proc/PID/uid_map`.
fn from_one(own: u32, given: &[(u32, u32)]) -> String {
    let mut text = format!("0 {own} 1\n");
    let mut next: u32 = 1;
    for (first, count) in given {
        // A user may have the own id, and more ids than there are.
        let count = (*count).min(u32::MAX - next);
        if count > 0 && !(*first..first.saturating_add(count)).contains(&own) {
            text += &format!("{next} {first} {count}\n");
            next += count;
        }
    }
    text
}

/// The name of a user in the text of `/etc/passwd`.
fn name(passwd: &str, user: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then_some(name)
    })
}

/// The ranges, as first ids and counts, that the text of `/etc/subuid` gives to a user.
fn given(text: &str, name: Option<&str>, user: u32) -> Vec<(u32, u32)> {
    let number = user.to_string();
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        if Some(who) != name && who != number {
            return None;
        }
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    text.lines().filter_map(range).collect()
}

/// The first range of a map whose lower ids are neither given nor the one own id.
fn refused<'a>(map: &'a IdMap<Vec<Extent>>, given: &[(u32, u32)], own: u32) -> Option<&'a Extent> {
    map.extents().iter().find(|extent| {
        let (first, count) = (extent.lower_first(), extent.count());
        let within = |(start, room): &(u32, u32)| {
            first >= *start
                && u64::from(first) + u64::from(count) <= u64::from(*start) + u64::from(*room)
        };
        !(given.iter().any(within) || (first, count) == (own, 1))
    })
}

fn span(first: u32, count: u32) -> String {
    match count {
        1 => first.to_string(),
        _ => format!(
            "{first} to {}",
            u64::from(first) + u64::from(count).saturating_sub(1)
        ),
    }
}

fn list(given: &[(u32, u32)]) -> String {
    let ranges: Vec<String> = given
        .iter()
        .map(|(first, count)| span(*first, *count))
        .collect();
    match &ranges[..] {
        [] => "none".to_owned(),
        ranges => ranges.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBUID: &str = "ann:100000:65536\n# ann:1:1\nbob:1:1\n1000:5:1\n\nann:x:1\n";
    const PASSWD: &str = "root:x:0:0::/:\nann:x:1000:1000::/:\n";

    #[test]
    fn ranges_are_given_by_name_and_by_number() {
        assert_eq!(name(PASSWD, 1000), Some("ann"));
        assert_eq!(name(PASSWD, 7), None);
        let both = given(SUBUID, name(PASSWD, 1000), 1000);
        assert_eq!(both, [(100_000, 65536), (5, 1)]);
        assert_eq!(list(&both), "100000 to 165535, 5");
        assert_eq!(list(&given(SUBUID, None, 7)), "none");
    }

    #[test]
    fn own_id_is_zero() {
        let given = [(100_000, 65536), (5, 2)];
        let map = "0 1000 1\n1 100000 65536\n65537 5 2\n";
        assert_eq!(from_one(1000, &given), map);
        assert_eq!(from_one(6, &given), "0 6 1\n1 100000 65536\n");
        let all = from_one(1, &[(2, u32::MAX - 2), (0, 1)]);
        assert_eq!(all, "0 1 1\n1 2 4294967293\n4294967294 0 1\n");
    }

    #[test]
    fn error_names_the_file_and_the_remedy() {
        let error = SubidError::NotGiven {
            kind: Kind::Groups,
            file: "/etc/subgid",
            user: 1000,
            name: Some("ann".to_owned()),
        };
        let text = error.to_string();
        assert!(text.starts_with("/etc/subgid gives user 1000 no groups;"));
        assert!(text.ends_with("--add-subgids 100000-165535 ann"), "{text}");
    }

    #[test]
    fn what_is_not_given_is_found() {
        let given = [(100_000, 10), (5, 1)];
        let refused = |ranges: &[(u32, u32, u32)]| {
            let extents = ranges
                .iter()
                .map(|(a, b, c)| Extent::new(*a, *b, *c).unwrap());
            let map = IdMap::from_storage(extents.collect::<Vec<_>>()).unwrap();
            refused(&map, &given, 1000).map(Extent::lower_first)
        };
        assert_eq!(refused(&[(0, 1000, 1), (1, 100_000, 10), (11, 5, 1)]), None);
        assert_eq!(refused(&[(0, 100_001, 10)]), Some(100_001));
        assert_eq!(refused(&[(0, 1000, 2)]), Some(1000));
        assert_eq!(refused(&[(0, 99_999, 2)]), Some(99_999));
        assert_eq!(refused(&[(0, u32::MAX - 1, 1)]), Some(u32::MAX - 1));
    }
}
