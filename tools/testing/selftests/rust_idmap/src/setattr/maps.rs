// SPDX-License-Identifier: GPL-2.0

//! Which mounts may be idmapped, with which user namespaces, and the owners that they show.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::process;
use kselftest::userns::UserNs;
use rustix::fs::{chownat, lstat, AtFlags, CWD};
use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};
use rustix::process::{Gid, Uid};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType, UnshareFlags};

use super::{setattr, Entry};
use crate::attr::{self, Attr};
use crate::caller::OVERFLOW;

pub(super) const TESTS: &[Entry] = &[
    ("attached_mount", attached_mount),
    ("mount_with_a_map", mount_with_a_map),
    ("copy_of_a_mount_with_a_map", copy_of_a_mount_with_a_map),
    ("filesystem_without_maps", filesystem_without_maps),
    ("namespace_of_the_filesystem", namespace_of_the_filesystem),
    ("filesystem_of_a_namespace", filesystem_of_a_namespace),
    ("filesystem_of_others", filesystem_of_others),
    ("namespace_of_others", namespace_of_others),
    ("of_a_file", of_a_file),
    ("swapped_ids", swapped_ids),
    ("users_and_groups_apart", users_and_groups_apart),
    ("whole_range", whole_range),
    ("five_and_six_ranges", five_and_six_ranges),
    ("most_ranges", most_ranges),
    ("with_other_attributes", with_other_attributes),
    ("failing_changes_nothing", failing_changes_nothing),
    ("namespace_may_end", namespace_may_end),
];

fn userns(map: &str) -> Result<UserNs, Failure> {
    UserNs::with(map).context("making a user namespace")
}

fn attached_mount(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    check_eq(
        "attached",
        setattr(dir, Attr::map(&userns)),
        Err(Errno::INVAL),
    )?;
    // Nor one that was attached and is taken away.
    let (from, to) = (dir.join("from"), dir.join("to"));
    fs::create_dir(&from)
        .and_then(|()| fs::create_dir(&to))
        .context("making directories")?;
    let tree = attr::copy(dir).context("copying")?;
    attr::attach(&tree, &to).context("attaching")?;
    check_eq(
        "after attaching",
        Attr::map(&userns).apply(&tree),
        Err(Errno::INVAL),
    )
}

fn mount_with_a_map(dir: &Path) -> Outcome {
    let (one, other) = (userns("0 1000 1")?, userns("0 2000 1")?);
    let tree = attr::copy(dir).context("copying")?;
    check_eq("first", Attr::map(&one).apply(&tree), Ok(0))?;
    check_eq("again", Attr::map(&one).apply(&tree), Err(Errno::PERM))?;
    check_eq("another", Attr::map(&other).apply(&tree), Err(Errno::PERM))?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    check_eq(
        "attached",
        setattr(&target, Attr::map(&other)),
        Err(Errno::PERM),
    )
}

fn copy_of_a_mount_with_a_map(dir: &Path) -> Outcome {
    let (one, other) = (userns("0 1000 1")?, userns("0 2000 1")?);
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, one.as_fd()).context("mounting with a map")?;
    check_eq("seen", owner(&target)?, (1000, 1000))?;
    let copy = attr::copy(&target).context("copying")?;
    check_eq(
        "another map",
        Attr::map(&other).apply(&copy),
        Err(Errno::PERM),
    )?;
    let second = dir.join("second");
    fs::create_dir(&second).context("making a directory")?;
    attr::attach(&copy, &second).context("attaching")?;
    check_eq("seen through the copy", owner(&second)?, (1000, 1000))
}

fn filesystem_without_maps(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    for kind in ["proc", "sysfs", "ramfs", "devpts"] {
        let target = dir.join(kind);
        fs::create_dir(&target).context("making a directory")?;
        mount(kind, &target, kind, MountFlags::empty(), None).context(kind)?;
        let tree = attr::copy(&target).context("copying")?;
        check_eq(kind, Attr::map(&userns).apply(&tree), Err(Errno::INVAL))?;
    }
    Ok(())
}

/// Becomes root of a new user namespace, with a mount namespace and a tmpfs of it.
fn become_container(target: &Path) -> Result<(), Errno> {
    process::unshare(UnshareFlags::NEWNS)?;
    mount(
        "container",
        target,
        "tmpfs",
        MountFlags::empty(),
        c"mode=755",
    )
}

fn enter(userns: &UserNs) -> Result<(), Errno> {
    move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))?;
    let (user, group) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    // Otherwise the files of its children in /proc are the initial root's.
    process::set_dumpable()
}

fn namespace_of_the_filesystem(dir: &Path) -> Outcome {
    let (own, other) = (userns("0 100000 65536")?, userns("0 100000 65536")?);
    let answer = process::isolated(|| {
        enter(&own)?;
        become_container(dir)?;
        let tree = attr::copy(dir)?;
        let itself = Attr::map(&own).apply(&tree);
        // Of another one, which is beside this one, it has no capability.
        let foreign = Attr::map(&other).apply(&tree);
        Ok(u64::from(
            [itself, foreign] == [Err(Errno::INVAL), Err(Errno::PERM)],
        ))
    });
    check_eq("own namespace, another namespace", answer, Ok(1))
}

fn filesystem_of_a_namespace(dir: &Path) -> Outcome {
    let own = userns("0 100000 65536")?;
    let answer = process::isolated(|| {
        enter(&own)?;
        become_container(dir)?;
        // A namespace below, that shows root's files as user 5's.
        let below = UserNs::with("0 5 1")?;
        let target = dir.join("target");
        fs::create_dir(&target).map_err(kselftest::errno::from_io)?;
        attr::idmap(dir, &target, below.as_fd())?;
        lstat(&target).map(|status| u64::from(status.st_uid))
    });
    check_eq("seen by the owner of the filesystem", answer, Ok(5))
}

fn filesystem_of_others(dir: &Path) -> Outcome {
    let own = userns("0 100000 65536")?;
    let answer = process::isolated(|| {
        enter(&own)?;
        process::unshare(UnshareFlags::NEWNS)?;
        let below = UserNs::with("0 5 1")?;
        // This tmpfs is of the initial namespace.
        let tree = attr::copy(dir)?;
        Attr::map(&below).apply(&tree)
    });
    check_eq(
        "in a namespace that does not control the filesystem",
        answer,
        Err(Errno::PERM),
    )
}

fn namespace_of_others(dir: &Path) -> Outcome {
    // One that root in another namespace beside it made.
    let (own, other) = (userns("0 100000 65536")?, userns("0 200000 65536")?);
    let answer = process::isolated(|| {
        enter(&own)?;
        become_container(dir)?;
        Attr::map(&other).apply(attr::copy(dir)?)
    });
    check_eq("a namespace beside the caller's", answer, Err(Errno::PERM))
}

/// Owner and group as they are seen.
fn owner(path: &Path) -> Result<(u32, u32), Failure> {
    let status = lstat(path).context(format_args!("looking at {}", path.display()))?;
    Ok((status.st_uid, status.st_gid))
}

fn give(path: &Path, user: u32, group: u32) -> Outcome {
    let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    chownat(CWD, path, user, group, AtFlags::SYMLINK_NOFOLLOW).context("changing the owner")
}

fn of_a_file(dir: &Path) -> Outcome {
    let (file, target) = (dir.join("file"), dir.join("target"));
    fs::write(&file, "x")
        .and_then(|()| fs::write(&target, ""))
        .context("making files")?;
    give(&file, 7, 8)?;
    let userns = UserNs::new("7 1007 1", "8 1008 1").context("making a user namespace")?;
    attr::idmap(&file, &target, userns.as_fd()).context("mounting a file")?;
    check_eq("the file", owner(&file)?, (7, 8))?;
    check_eq("through the mount", owner(&target)?, (1007, 1008))
}

/// Checks pairs of an id on disk and the id that the mount shows.
fn shows(dir: &Path, users: &str, groups: &str, pairs: &[(u32, u32)]) -> Outcome {
    let (file, target) = (dir.join("file"), dir.join("target"));
    fs::write(&file, "x")
        .and_then(|()| fs::create_dir_all(&target))
        .context("making a file")?;
    let userns = UserNs::new(users, groups).context("making a user namespace")?;
    attr::idmap(dir, &target, userns.as_fd()).context("mounting with a map")?;
    for &(disk, seen) in pairs {
        give(&file, disk, disk)?;
        check_eq(
            &format!("{disk} on disk"),
            owner(&target.join("file"))?,
            (seen, seen),
        )?;
        if seen != OVERFLOW {
            // Changes the owner back, from another mapped owner.
            give(&file, pairs[0].0, pairs[0].0)?;
            give(&target.join("file"), seen, seen)?;
            check_eq(&format!("{seen} stored"), owner(&file)?, (disk, disk))?;
        }
    }
    Ok(())
}

fn swapped_ids(dir: &Path) -> Outcome {
    let map = "0 0 1\n1000 1001 1\n1001 1000 1\n";
    shows(
        dir,
        map,
        map,
        &[(1000, 1001), (1001, 1000), (1002, OVERFLOW), (0, 0)],
    )
}

fn users_and_groups_apart(dir: &Path) -> Outcome {
    let (file, target) = (dir.join("file"), dir.join("target"));
    fs::write(&file, "x")
        .and_then(|()| fs::create_dir(&target))
        .context("making a file")?;
    let userns = UserNs::new("5 100 1", "6 200 1").context("making a user namespace")?;
    attr::idmap(dir, &target, userns.as_fd()).context("mounting with a map")?;
    for ((user, group), seen) in [
        ((5, 6), (100, 200)),
        ((6, 5), (OVERFLOW, OVERFLOW)),
        ((5, 5), (100, OVERFLOW)),
        ((6, 6), (OVERFLOW, 200)),
    ] {
        give(&file, user, group)?;
        check_eq(
            &format!("{user} and {group}"),
            owner(&target.join("file"))?,
            seen,
        )?;
    }
    Ok(())
}

fn whole_range(dir: &Path) -> Outcome {
    let map = "0 0 4294967295\n";
    shows(
        dir,
        map,
        map,
        &[
            (0, 0),
            (1, 1),
            (65534, 65534),
            (4_294_967_294, 4_294_967_294),
        ],
    )
}

/// Returns a map of this many extents of two ids each, with gaps of one, and the pairs that it must
/// show.
fn ranges(count: u32) -> (String, Vec<(u32, u32)>) {
    let line = |i: u32| format!("{} {} 2\n", 1000 + 3 * i, 5000 + 3 * (count - i));
    let pairs = (0..count).flat_map(|i| {
        let (disk, seen) = (1000 + 3 * i, 5000 + 3 * (count - i));
        [(disk, seen), (disk + 1, seen + 1), (disk + 2, OVERFLOW)]
    });
    (
        (0..count).map(line).collect(),
        pairs.chain([(999, OVERFLOW)]).collect(),
    )
}

fn five_and_six_ranges(dir: &Path) -> Outcome {
    for (name, count) in [("five", 5), ("six", 6)] {
        let directory = dir.join(name);
        fs::create_dir(&directory).context("making a directory")?;
        let (map, pairs) = ranges(count);
        shows(&directory, &map, &map, &pairs)?;
    }
    Ok(())
}

fn most_ranges(dir: &Path) -> Outcome {
    // A map is written at once, in less than a page; the kernel takes up to 340 extents.
    let line = |i: u32| format!("{} {} 1\n", 2 * i, 2 * i + 1);
    let map: String = (0..340).map(line).collect();
    let pairs = (0..340)
        .step_by(13)
        .flat_map(|i| [(2 * i, 2 * i + 1), (2 * i + 1, OVERFLOW)]);
    shows(dir, &map, &map, &pairs.collect::<Vec<_>>())
}

fn with_other_attributes(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    let tree = attr::copy(dir).context("copying")?;
    let mut all = Attr::map(&userns);
    all.set |= attr::NODEV | attr::RDONLY;
    all.propagation = 1 << 20;
    check_eq("all at once", all.apply(&tree), Ok(0))?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    let expected = attr::IDMAP | attr::NODEV | attr::RDONLY;
    check_eq("attributes", super::attributes(&target)?, expected)?;
    check_eq("owner", owner(&target)?, (1000, 1000))
}

fn failing_changes_nothing(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    fs::create_dir(dir.join("below")).context("making a directory")?;
    super::mount_on(&dir.join("below"), "proc")?;
    let tree = attr::copy_all(dir).context("copying the tree")?;
    let mut all = Attr::map(&userns);
    all.set |= attr::NODEV;
    check_eq(
        "with a mount that cannot have one",
        all.apply_to_all(&tree),
        Err(Errno::INVAL),
    )?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    check_eq("attributes", super::attributes(&target)?, 0)?;
    check_eq("owner", owner(&target)?, (0, 0))
}

fn namespace_may_end(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, userns.as_fd()).context("mounting with a map")?;
    drop(userns);
    check_eq("owner", owner(&target)?, (1000, 1000))
}
