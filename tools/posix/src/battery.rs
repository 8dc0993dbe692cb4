// SPDX-License-Identifier: GPL-2.0

//! Each call, and each error of its manual page that can be had here, on a filesystem of its own.

mod acl;
mod attr;
mod data;
mod dirs;
mod handles;
mod links;
mod mounts;
mod nodes;
mod open;
mod owners;
mod rename;
mod space;
mod times;
mod watch;
mod xattr;

use std::error::Error;

use crate::{
    call,
    ktap::Part,
    place::{Manner, Place},
    test::{Named, Test},
};

/// A user who owns what most tests make.
pub(crate) const OWNER: u32 = 1000;
/// Another user.
pub(crate) const OTHER: u32 = 2000;
/// A group that nobody is in unless a test says so.
pub(crate) const GROUP: u32 = 3000;

/// Every test, by what it is about.
const PARTS: &[&[Named]] = &[
    open::TESTS,
    nodes::TESTS,
    links::TESTS,
    rename::TESTS,
    dirs::TESTS,
    data::TESTS,
    space::TESTS,
    attr::TESTS,
    times::TESTS,
    owners::TESTS,
    xattr::TESTS,
    acl::TESTS,
    handles::TESTS,
    watch::TESTS,
    mounts::TESTS,
];

/// Runs the tests whose name begins with `only` in one manner; the process is in the user namespace
/// already. The answer is whether all passed.
pub(crate) fn run(kind: &str, manner: Manner, only: &str) -> Result<bool, Box<dyn Error>> {
    let place = Place::new(kind, manner, "mode=755")?;
    let tests = PARTS.iter().copied().flatten();
    let tests: Vec<_> = tests.filter(|(name, _)| name.starts_with(only)).collect();
    let mut part = Part::begin(manner.name(), tests.len());
    let mut all = 0;
    for (name, act) in tests {
        let dir = place.root().join(name);
        call::mkdir(&dir, 0o755)?;
        let test = Test::new(&place, dir.clone());
        let end = act(&test);
        let (checks, wrong) = test.close(end);
        all += checks;
        part.result(name, &wrong);
        std::fs::remove_dir_all(&dir)?;
    }
    part.say(&format!("{all} checks on {kind}, {}", manner.name()));
    Ok(part.end())
}
