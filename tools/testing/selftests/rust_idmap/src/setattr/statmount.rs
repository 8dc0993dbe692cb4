// SPDX-License-Identifier: GPL-2.0

//! The idmaps in `statmount()`, by the numbers of the caller's user namespace.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::{About, Entry};
use crate::attr;
use crate::caller::{CallerNamespaces, CallerNs, Who, COUNT, DISK};
use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::process;
use kselftest::userns::UserNs;

pub(super) const TESTS: &[Entry] = &[
    ("plain_mount", plain_mount),
    ("initial_namespace", |dir| {
        told_to(dir, CallerNs::Initial, Some(2000))
    }),
    ("nested_namespace", |dir| {
        told_to(dir, CallerNs::Nested, None)
    }),
    ("namespace_of_the_mount", |dir| {
        told_to(dir, CallerNs::Mounts, Some(1000))
    }),
    ("namespace_that_knows_part", namespace_that_knows_part),
    ("users_and_groups_apart", users_and_groups_apart),
    ("many_ranges", many_ranges),
    ("idmapped_in_mountinfo", idmapped_in_mountinfo),
];

const UID_MAP: u64 = 0x2000;
const GID_MAP: u64 = 0x4000;

fn mapped(dir: &Path, userns: &UserNs) -> Result<PathBuf, Failure> {
    let target = dir.join("mapped");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, userns.as_fd()).context("mounting with a map")?;
    Ok(target)
}

/// Formats the idmap in the reply.
fn told(about: &About) -> String {
    let [users, groups] = about.maps().map(|ranges| ranges.join(","));
    format!("{}|{users}|{groups}", about.mask() & (UID_MAP | GID_MAP))
}

fn plain_mount(dir: &Path) -> Outcome {
    // Without an idmap the parts are missing.
    check_eq("told", told(&About::mount(dir)?).as_str(), "0||")
}

/// The map of all tests, to a caller in a namespace.
fn told_to(dir: &Path, ns: CallerNs, lower: Option<u32>) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let target = mapped(dir, &namespaces.mounts)?;
    let range = lower.map_or(String::new(), |lower| format!("{DISK} {lower} {COUNT}"));
    let expected = format!("{}|{range}|{range}", UID_MAP | GID_MAP);
    // The numbers depend on the user namespace of the caller, not on its ids.
    for who in Who::ALL {
        let answer = namespaces.run_as(who, ns, || {
            let about = About::mount(&target).map_err(|_| rustix::io::Errno::IO)?;
            Ok(u64::from(told(&about) == expected))
        });
        check_eq(&format!("{}: told {expected}", who.name()), answer, Ok(1))?;
    }
    Ok(())
}

fn namespace_that_knows_part(dir: &Path) -> Outcome {
    let target = mapped(
        dir,
        &UserNs::with("0 1000 1\n1 2000 10\n").context("a user namespace")?,
    )?;
    let own = UserNs::with("0 1000 1\n1 2000 5\n").context("a user namespace")?;
    let answer = process::isolated(|| {
        use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};
        move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::User))?;
        let about = About::mount(&target).map_err(|_| rustix::io::Errno::IO)?;
        // An extent that is not mapped as a whole is left out.
        let range = "0 0 1";
        Ok(u64::from(
            told(&about) == format!("{}|{range}|{range}", UID_MAP | GID_MAP),
        ))
    });
    check_eq("told the range that is known as a whole", answer, Ok(1))
}

fn users_and_groups_apart(dir: &Path) -> Outcome {
    let userns = UserNs::new("5 100 1\n9 10 3\n", "6 200 7\n").context("a user namespace")?;
    let target = mapped(dir, &userns)?;
    let expected = format!("{}|5 100 1,9 10 3|6 200 7", UID_MAP | GID_MAP);
    check_eq("told", told(&About::mount(&target)?), expected)
}

fn many_ranges(dir: &Path) -> Outcome {
    // The kernel sorts six extents or more by the first column.
    let lines: Vec<String> = (0..200u32)
        .map(|i| format!("{} {} 1", 5 * i, 1000 + 7 * i))
        .collect();
    let reversed: Vec<&str> = lines.iter().rev().map(String::as_str).collect();
    let userns = UserNs::with(&(reversed.join("\n") + "\n")).context("a user namespace")?;
    let target = mapped(dir, &userns)?;
    let expected = format!("{}|{1}|{1}", UID_MAP | GID_MAP, lines.join(","));
    check_eq("told", told(&About::mount(&target)?), expected)
}

fn idmapped_in_mountinfo(dir: &Path) -> Outcome {
    let target = mapped(dir, &UserNs::with("0 1000 1").context("a user namespace")?)?;
    let table =
        fs::read_to_string("/proc/self/mountinfo").context("reading the table of mounts")?;
    let options = |path: &Path| {
        let line = table
            .lines()
            .rfind(|line| line.split(' ').nth(4) == path.to_str());
        line.and_then(|line| line.split(' ').nth(5))
            .unwrap_or_default()
            .to_owned()
    };
    let is = |path| options(path).split(',').any(|option| option == "idmapped");
    check_eq(
        "with and without a map",
        (is(&target), is(dir)),
        (true, false),
    )
}
