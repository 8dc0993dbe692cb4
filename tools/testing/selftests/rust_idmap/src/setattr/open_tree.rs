// SPDX-License-Identifier: GPL-2.0

//! `open_tree_attr()`: other maps for copies of mounts with maps, and nothing for the mounts.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::userns::UserNs;
use kselftest::{process, raw};
use rustix::fs::lstat;
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::{attributes, tmpfs, Entry};
use crate::attr::{self, Attr, SIZE};
use crate::caller::{everybody, CallerNamespaces, CallerNs, Who, SEEN};

pub(super) const TESTS: &[Entry] = &[
    ("copy_with_a_map", copy_with_a_map),
    ("copy_with_another_map", copy_with_another_map),
    ("copy_without_the_map", copy_without_the_map),
    ("copy_keeps_the_map", copy_keeps_the_map),
    ("tree_with_another_map", tree_with_another_map),
    ("tree_without_maps", tree_without_maps),
    ("no_copy_map_of_plain_mount", no_copy_map_of_plain_mount),
    (
        "no_copy_map_of_mount_with_a_map",
        no_copy_map_of_mount_with_a_map,
    ),
    ("no_copy_clearing", no_copy_clearing),
    ("no_copy_other_attributes", no_copy_other_attributes),
    ("attributes_of_a_copy", attributes_of_a_copy),
    ("without_struct", without_struct),
    ("sizes", sizes),
    ("clearing_of_plain_mount", clearing_of_plain_mount),
    ("part_of_a_mount", part_of_a_mount),
    ("without_capability", without_capability),
    ("callers", callers),
    ("callers_with_own_mounts", callers_with_own_mounts),
    ("failing_leaves_nothing", failing_leaves_nothing),
];

pub(super) const CLONE: u32 = 1;
pub(super) const RECURSIVE: u32 = libc::AT_RECURSIVE as u32;

pub(super) fn open(path: &Path, flags: u32, attr: Attr) -> Result<OwnedFd, Errno> {
    let path = std::ffi::CString::new(path.to_string_lossy().as_bytes());
    let path = path.map_err(|_| Errno::INVAL)?;
    raw::open_tree_attr(libc::AT_FDCWD, &path, flags, Some(&attr.bytes()), SIZE)
}

fn userns(map: &str) -> Result<UserNs, Failure> {
    UserNs::with(map).context("making a user namespace")
}

/// Another map instead of whatever there is.
pub(super) fn replace(userns: &UserNs) -> Attr {
    Attr {
        clear: attr::IDMAP,
        ..Attr::map(userns)
    }
}

/// A mount with a map at `mapped`, which shows root's files as user 1000's.
fn mapped(dir: &Path) -> Result<PathBuf, Failure> {
    let target = dir.join("mapped");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, userns("0 1000 1")?.as_fd()).context("mounting with a map")?;
    Ok(target)
}

/// Returns the owner that a copy shows once it is attached.
fn shown(dir: &Path, tree: Result<OwnedFd, Errno>) -> Result<u32, Failure> {
    let tree = tree.context("open_tree_attr()")?;
    let target = dir.join("shown");
    fs::create_dir_all(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    owner(&target)
}

fn owner(path: &Path) -> Result<u32, Failure> {
    lstat(path).map(|status| status.st_uid).context("looking")
}

fn copy_with_a_map(dir: &Path) -> Outcome {
    let userns = userns("0 2000 1")?;
    check_eq(
        "seen",
        shown(dir, open(dir, CLONE, Attr::map(&userns)))?,
        2000,
    )?;
    check_eq("the mount", owner(dir)?, 0)
}

fn copy_with_another_map(dir: &Path) -> Outcome {
    let (mapped, other) = (mapped(dir)?, userns("0 2000 1")?);
    // Without asking for the old one to go as well.
    check_eq(
        "seen",
        shown(dir, open(&mapped, CLONE, Attr::map(&other)))?,
        2000,
    )?;
    check_eq(
        "seen",
        shown(dir, open(&mapped, CLONE, replace(&other)))?,
        2000,
    )?;
    check_eq("the mount", owner(&mapped)?, 1000)
}

fn copy_without_the_map(dir: &Path) -> Outcome {
    let mapped = mapped(dir)?;
    check_eq(
        "seen",
        shown(dir, open(&mapped, CLONE, Attr::clear(attr::IDMAP)))?,
        0,
    )?;
    check_eq("attributes", attributes(&dir.join("shown"))?, 0)?;
    check_eq("the mount", owner(&mapped)?, 1000)
}

fn copy_keeps_the_map(dir: &Path) -> Outcome {
    let mapped = mapped(dir)?;
    check_eq(
        "seen",
        shown(dir, open(&mapped, CLONE, Attr::set(attr::NODEV)))?,
        1000,
    )?;
    check_eq(
        "attributes",
        attributes(&dir.join("shown"))?,
        attr::NODEV | attr::IDMAP,
    )
}

/// A mount with a map, and a plain one below it.
fn tree(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir(dir.join("below")).context("making a directory")?;
    let mapped = mapped(dir)?;
    tmpfs(&mapped.join("below"))?;
    Ok(mapped)
}

fn tree_with_another_map(dir: &Path) -> Outcome {
    let (mapped, other) = (tree(dir)?, userns("0 2000 1")?);
    let tree = open(&mapped, CLONE | RECURSIVE, replace(&other));
    check_eq("seen", shown(dir, tree)?, 2000)?;
    check_eq("seen below", owner(&dir.join("shown/below"))?, 2000)?;
    check_eq(
        "the mounts",
        (owner(&mapped)?, owner(&mapped.join("below"))?),
        (1000, 0),
    )
}

fn tree_without_maps(dir: &Path) -> Outcome {
    let mapped = tree(dir)?;
    let tree = open(&mapped, CLONE | RECURSIVE, Attr::clear(attr::IDMAP));
    check_eq("seen", shown(dir, tree)?, 0)?;
    check_eq("seen below", owner(&dir.join("shown/below"))?, 0)?;
    check_eq("the mount", owner(&mapped)?, 1000)
}

fn no_copy_map_of_plain_mount(dir: &Path) -> Outcome {
    let userns = userns("0 2000 1")?;
    check_eq(
        "map",
        open(dir, 0, Attr::map(&userns)).map(drop),
        Err(Errno::INVAL),
    )?;
    check_eq("the mount", owner(dir)?, 0)
}

fn no_copy_map_of_mount_with_a_map(dir: &Path) -> Outcome {
    let (mapped, other) = (mapped(dir)?, userns("0 2000 1")?);
    check_eq(
        "map",
        open(&mapped, 0, Attr::map(&other)).map(drop),
        Err(Errno::PERM),
    )?;
    check_eq(
        "replacing",
        open(&mapped, 0, replace(&other)).map(drop),
        Err(Errno::INVAL),
    )?;
    check_eq("the mount", owner(&mapped)?, 1000)
}

fn no_copy_clearing(dir: &Path) -> Outcome {
    let mapped = mapped(dir)?;
    let answer = open(&mapped, 0, Attr::clear(attr::IDMAP)).map(drop);
    check_eq("clearing", answer, Err(Errno::INVAL))?;
    check_eq("the mount", owner(&mapped)?, 1000)
}

fn no_copy_other_attributes(dir: &Path) -> Outcome {
    let mapped = mapped(dir)?;
    check_eq(
        "setting",
        open(&mapped, 0, Attr::set(attr::NOEXEC)).map(drop),
        Ok(()),
    )?;
    check_eq(
        "the mount",
        attributes(&mapped)?,
        attr::NOEXEC | attr::IDMAP,
    )
}

fn attributes_of_a_copy(dir: &Path) -> Outcome {
    let both = Attr {
        propagation: 1 << 20,
        ..Attr::set(attr::NOEXEC | attr::RDONLY)
    };
    check_eq("seen", shown(dir, open(dir, CLONE, both))?, 0)?;
    check_eq(
        "attributes",
        attributes(&dir.join("shown"))?,
        attr::NOEXEC | attr::RDONLY,
    )?;
    check_eq("the mount", attributes(dir)?, 0)
}

fn without_struct(_: &Path) -> Outcome {
    let call = |size| raw::open_tree_attr(libc::AT_FDCWD, c"/mnt", CLONE, None, size).map(drop);
    check_eq("no size", call(0), Ok(()))?;
    check_eq("a size", call(SIZE), Err(Errno::INVAL))
}

fn sizes(_: &Path) -> Outcome {
    let call = |last: u8, size: usize| {
        let mut bytes = Attr::set(attr::NODEV).bytes();
        bytes.resize(8192, 0);
        bytes[SIZE + 8] = last;
        raw::open_tree_attr(libc::AT_FDCWD, c"/mnt", CLONE, Some(&bytes), size).map(drop)
    };
    check_eq("too small", call(0, SIZE - 1), Err(Errno::INVAL))?;
    check_eq("none", call(0, 0), Err(Errno::INVAL))?;
    check_eq("right", call(1, SIZE), Ok(()))?;
    check_eq("bigger, with zeros", call(0, SIZE + 9), Ok(()))?;
    check_eq(
        "bigger, with something",
        call(1, SIZE + 9),
        Err(Errno::TOOBIG),
    )?;
    check_eq("a page", call(0, 4096), Ok(()))?;
    check_eq("more than a page", call(0, 4097), Err(Errno::TOOBIG))
}

fn clearing_of_plain_mount(dir: &Path) -> Outcome {
    check_eq(
        "seen",
        shown(dir, open(dir, CLONE, Attr::clear(attr::IDMAP)))?,
        0,
    )
}

fn part_of_a_mount(dir: &Path) -> Outcome {
    let userns = userns("0 2000 1")?;
    fs::create_dir(dir.join("part")).context("making a directory")?;
    let copy = open(&dir.join("part"), CLONE, Attr::map(&userns));
    check_eq("a copy", shown(dir, copy)?, 2000)?;
    let itself = open(&dir.join("part"), 0, Attr::set(attr::NODEV)).map(drop);
    check_eq("no copy", itself, Err(Errno::INVAL))
}

fn without_capability(dir: &Path) -> Outcome {
    let userns = userns("0 2000 1")?;
    let answer = process::isolated(|| {
        let user = rustix::process::Uid::from_raw(1000);
        rustix::thread::set_thread_res_uid(user, user, user)?;
        let copy = open(dir, CLONE, Attr::map(&userns)).map(drop);
        let itself = open(dir, 0, Attr::set(attr::NODEV)).map(drop);
        Ok(u64::from(
            [copy, itself] == [Err(Errno::PERM), Err(Errno::PERM)],
        ))
    });
    check_eq("a copy, no copy", answer, Ok(1))
}

/// Returns a bit mask of the calls with a wrong result: a copy with an idmap of the caller's own
/// user namespace, a copy without the idmap, a copy that keeps it, and a change of another
/// attribute of the mount itself.
fn wrong(target: &Path, own: &UserNs, expected: [Result<(), Errno>; 4]) -> u64 {
    let seen = [
        open(target, CLONE, replace(own)),
        open(target, CLONE, Attr::clear(attr::IDMAP)),
        open(target, CLONE, Attr::set(attr::NODEV)),
        open(target, 0, Attr::set(attr::NODEV)),
    ];
    let pairs = seen.map(|it| it.map(drop)).into_iter().zip(expected);
    let wrong = pairs.enumerate().filter(|(_, (seen, it))| seen != it);
    wrong.fold(0, |all, (at, _)| all | 1 << at)
}

/// A mount with the map of all tests.
fn mapped_for_all(dir: &Path, namespaces: &CallerNamespaces) -> Result<PathBuf, Failure> {
    let target = dir.join("mapped");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, namespaces.mounts.as_fd()).context("mounting with a map")?;
    Ok(target)
}

fn callers(dir: &Path) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let target = mapped_for_all(dir, &namespaces)?;
    let own = userns("0 2000 1")?;
    for (who, ns) in everybody() {
        // Only a caller with capabilities over the mount namespace may change its mounts.
        let expected = match (who, ns) {
            (Who::Admin, CallerNs::Initial) => Ok(()),
            _ => Err(Errno::PERM),
        };
        let answer = namespaces.run_as(who, ns, || Ok(wrong(&target, &own, [expected; 4])));
        check_eq(&format!("wrong for {who:?}, {ns:?}"), answer, Ok(0))?;
    }
    Ok(())
}

fn callers_with_own_mounts(dir: &Path) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let target = mapped_for_all(dir, &namespaces)?;
    for ns in CallerNs::ALL {
        // The idmap of a mount needs capabilities over the filesystem.
        let map = match ns {
            CallerNs::Initial => Ok(()),
            _ => Err(Errno::PERM),
        };
        let answer = namespaces.run_as(Who::Admin, ns, || {
            process::unshare(UnshareFlags::NEWNS)?;
            let own = UserNs::with(&format!("0 {} 1", ns.known(SEEN)))?;
            Ok(wrong(&target, &own, [map, map, Ok(()), Ok(())]))
        });
        check_eq(&format!("wrong for one of {ns:?}"), answer, Ok(0))?;
    }
    check_eq("the mount", attributes(&target)?, attr::IDMAP)
}

fn failing_leaves_nothing(dir: &Path) -> Outcome {
    let (own, empty) = (
        userns("0 2000 1")?,
        UserNs::new("", "").context("a user namespace")?,
    );
    let next = || {
        fs::File::open(dir)
            .map(|file| file.as_raw_fd())
            .context("opening")
    };
    let before = next()?;
    let bad = Attr {
        userns_fd: u64::MAX,
        ..Attr::map(&own)
    };
    for attr in [
        bad,
        Attr::map(&empty),
        Attr::set(1 << 40),
        Attr::propagation(1),
    ] {
        check_eq(
            "what is wrong",
            open(dir, CLONE, attr).map(drop),
            Err(Errno::INVAL),
        )?;
        check_eq("the next descriptor", next()?, before)?;
    }
    Ok(())
}
