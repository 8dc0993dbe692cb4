// SPDX-License-Identifier: GPL-2.0

//! A symbolic link that is a mount with a map of its own, in a sticky folder.

use std::fs;
use std::os::fd::AsFd;

use rustix::fs::CWD;
use rustix::mount::{move_mount, open_tree, unmount, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::{note, nothing, scenario, Scenario};
use crate::attr::Attr;
use crate::caller::{everybody, Place, Places, Who, DISK};
use crate::filesystem::Kind;
use crate::fixture::Stage;
use crate::ktap::{Doing, Outcome};
use crate::op::{EACCES, OK};
use crate::syscalls;

pub(super) const ALL: &[Scenario] = &[Scenario {
    known: Some("the owner of the link is asked for with the map of the folder's mount"),
    ..scenario("may_follow_link.mounted_link", &[Kind::Tmpfs], mounted_link)
}];

fn mounted_link(stage: &Stage, places: &Places) -> Outcome {
    let mut wrong = String::new();
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    for name in ["link", "place"] {
        std::os::unix::fs::symlink(scene.on_disk("file"), scene.on_disk(name))
            .doing("making a link")?;
        scene.give(name, DISK, 0)?;
    }
    scene.give(".", DISK + 7, 0o1777)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(CWD, scene.on_disk("link"), flags).doing("copying")?;
    Attr::map(places.mounts.as_fd())
        .apply(&tree)
        .doing("giving it a map")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    let place = scene.on_disk("place");
    move_mount(&tree, "", CWD, &place, flags).doing("mounting on a link")?;
    // The folder itself is seen without a map.
    let path = place.to_string_lossy().into_owned();
    for (who, place) in everybody() {
        let answer = places.act(who, place, || syscalls::read(&path));
        // The link is the owner's as it is seen, whatever the folder's mount would show.
        let expected = if who == Who::Owner { OK } else { EACCES };
        note(&mut wrong, (who, place), answer, expected);
    }
    unmount(&place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).doing("unmounting")?;
    fs::remove_file(&place).doing("removing the link")?;
    nothing(wrong)
}
