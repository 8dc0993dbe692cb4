// SPDX-License-Identifier: GPL-2.0

//! A symbolic link that is a mount with a map of its own, in a sticky directory.

use std::fs;
use std::os::fd::AsFd;

use kselftest::filesystem::TMPFS;
use kselftest::ktap::{Context, Outcome};
use rustix::fs::CWD;
use rustix::mount::{move_mount, open_tree, unmount, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::{note, nothing, scenario, On, Scenario};
use crate::attr::Attr;
use crate::caller::{everybody, CallerNamespaces, CallerNs, Who, DISK};
use crate::calls;
use crate::fixture::Fixture;
use crate::op::{EACCES, OK};

pub(super) const ALL: &[Scenario] = &[Scenario {
    known: Some("the owner of the link is asked for with the map of the directory's mount"),
    ..scenario(
        "may_follow_link.mounted_link",
        On::Types(&[TMPFS]),
        mounted_link,
    )
}];

fn mounted_link(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    for name in ["link", "place"] {
        std::os::unix::fs::symlink(case.on_disk("file"), case.on_disk(name))
            .context("making a link")?;
        case.give(name, DISK, 0)?;
    }
    case.give(".", DISK + 7, 0o1777)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, case.on_disk("link"), flags).context("copying")?;
    Attr::map(namespaces.mounts.as_fd())
        .apply(&tree)
        .context("giving it a map")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let place = case.on_disk("place");
    move_mount(&tree, "", CWD, &place, flags).context("mounting on a link")?;
    // The directory itself is seen without a map.
    let path = place.to_string_lossy().into_owned();
    for (who, ns) in everybody() {
        let answer = namespaces.run_as(who, ns, || calls::read(&path));
        // The owner of the link is the one at the mount of the link, not at the directory's.
        let expected = if who == Who::Owner { OK } else { EACCES };
        note(&mut wrong, (who, ns), answer, expected);
    }
    unmount(&place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).context("unmounting")?;
    fs::remove_file(&place).context("removing the link")?;
    nothing(wrong)
}
