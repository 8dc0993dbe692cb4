// SPDX-License-Identifier: GPL-2.0

//! User namespaces of plain users, whose maps newuidmap(1) and newgidmap(1) write.

use std::fs;

use idmap::{IdMaps, UserNs};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{
    fixture::Fixture,
    report::{Context, Failure},
};

/// The user, and its temporary entries in the files of the machine.
const USER: u32 = 2000;
const FILES: [(&str, &str); 3] = [
    (
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\nplain:x:2000:2000::/:/bin/sh\n",
    ),
    ("/etc/subuid", "plain:300000:100\n"),
    ("/etc/subgid", "plain:400000:100\n"),
];

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    with_files(fixture, &FILES, ask)
}

/// Covers files of the machine by others, given by path and contents, while `run` runs.
pub(super) fn with_files(
    fixture: &mut Fixture,
    files: &[(&str, &str)],
    run: impl FnOnce(&mut Fixture) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (number, (file, text)) in files.iter().enumerate() {
        let ours = fixture.path(&format!("etc-{number}"));
        fs::write(&ours, text).context(ours.display())?;
        mount(&ours, *file, "", MountFlags::BIND, None).context(format_args!("covering {file}"))?;
    }
    let done = run(fixture);
    for (file, _) in files {
        unmount(*file, UnmountFlags::empty()).context(format_args!("uncovering {file}"))?;
    }
    done
}

fn ask(fixture: &mut Fixture) -> Result<(), Failure> {
    let program = std::env::current_exe().context("finding this program")?;
    let line = |map: &str| format!("{} in-namespace {map}", program.display());
    let map = "u:0:2000:1,u:1:300000:100,g:0:2000:1,g:1:400000:100";
    let ran = fixture.succeeds("a namespace with ids given away", USER, &line(map))?;
    fixture.check(
        "whom it has, from inside",
        Ok(ran.output),
        Ok("user 0, group 0, users 0 2000 1, 1 300000 100, groups 0 2000 1, 1 400000 100".into()),
    );
    let map = "u:0:300099:2,g:0:400000:1";
    let words = "/etc/subuid gives user 2000 300000 to 300099, and the map wants 300099 to 300100";
    fixture.refused("one with an id more", USER, &line(map), words)?;
    let map = "u:0:300000:1,g:0:300000:1";
    let words = "/etc/subgid gives user 2000 400000 to 400099, and the map wants 300000";
    fixture.refused("one with somebody's group", USER, &line(map), words)?;
    let words = "newuidmap would do it for ids that /etc/subuid gives away, but cannot be run";
    let without = format!("env PATH=/nowhere {}", line("b:0:300000:1"));
    fixture.refused("one without newuidmap", USER, &without, words)
}

/// Returns what a process in a new user namespace finds there; `map` has commas between its
/// extents.
pub(crate) fn in_namespace(map: &str) -> Result<String, Failure> {
    let maps: IdMaps = map.replace(',', " ").parse().context(map)?;
    let userns = UserNs::new(&maps).context("making the namespace")?;
    let mut command = userns.command("cat").context("entering it")?;
    command.args([
        "/proc/self/status",
        "/proc/self/uid_map",
        "/proc/self/gid_map",
    ]);
    let output = command.output().context("running cat in it")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let id = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_ascii_whitespace().nth(1));
        word.unwrap_or("none").to_owned()
    };
    let (user, group) = (id("Uid:"), id("Gid:"));
    let ranges: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with(' '))
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let half = ranges.len() / 2;
    let (users, groups) = ranges.split_at(half);
    Ok(format!(
        "user {user}, group {group}, users {}, groups {}",
        users.join(", "),
        groups.join(", ")
    ))
}
