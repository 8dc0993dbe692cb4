// SPDX-License-Identifier: GPL-2.0

//! Trees of mounts: all of a tree or none, propagation, and attributes that are locked.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::ktap::{check_eq, failed, Context, Failure, Outcome};
use kselftest::process;
use kselftest::userns::UserNs;
use rustix::fs::lstat;
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};
use rustix::thread::{
    move_into_link_name_space, sched_setaffinity, CpuSet, LinkNameSpaceType, UnshareFlags,
};

use super::{attributes, setattr, setattr_all, tmpfs, unique_id, About, Entry};
use crate::attr::{self, Attr};

pub(super) const TESTS: &[Entry] = &[
    ("tree_of_three", tree_of_three),
    ("tree_from_its_middle", tree_from_its_middle),
    ("tree_with_a_writer", tree_with_a_writer),
    ("tree_with_a_map", tree_with_a_map),
    ("tree_of_which_one_has_a_map", tree_of_which_one_has_a_map),
    ("tree_propagation", tree_propagation),
    ("mounts_below_are_not_mapped", mounts_below_are_not_mapped),
    ("shared_mount_with_a_map", shared_mount_with_a_map),
    ("locked_attributes", locked_attributes),
    ("locked_access_time", locked_access_time),
    ("unlocked_attributes", unlocked_attributes),
    ("first_mount_of_a_namespace", first_mount_of_a_namespace),
    ("tree_that_is_unmounted", tree_that_is_unmounted),
    ("tree_while_it_is_unmounted", tree_while_it_is_unmounted),
];

/// Mounts within each other: of the directory itself, one below it, and one below that.
fn three(dir: &Path) -> Result<[PathBuf; 3], Failure> {
    let all = [dir.join("a"), dir.join("a/b"), dir.join("a/b/c")];
    for path in &all {
        tmpfs(path)?;
    }
    Ok(all)
}

fn all_attributes(paths: &[PathBuf]) -> Result<Vec<u64>, Failure> {
    paths.iter().map(|path| attributes(path)).collect()
}

fn tree_of_three(dir: &Path) -> Outcome {
    let all = three(dir)?;
    check_eq(
        "only the first",
        setattr(&all[0], Attr::set(attr::NODEV)),
        Ok(0),
    )?;
    check_eq("after", all_attributes(&all)?, vec![attr::NODEV, 0, 0])?;
    check_eq("all", setattr_all(&all[0], Attr::set(attr::NOEXEC)), Ok(0))?;
    let expected = vec![attr::NODEV | attr::NOEXEC, attr::NOEXEC, attr::NOEXEC];
    check_eq("after", all_attributes(&all)?, expected)?;
    let clear = Attr::clear(attr::NODEV | attr::NOEXEC);
    check_eq("none", setattr_all(&all[0], clear), Ok(0))?;
    check_eq("after", all_attributes(&all)?, vec![0; 3])
}

fn tree_from_its_middle(dir: &Path) -> Outcome {
    let all = three(dir)?;
    check_eq(
        "from the second",
        setattr_all(&all[1], Attr::set(attr::RDONLY)),
        Ok(0),
    )?;
    check_eq(
        "after",
        all_attributes(&all)?,
        vec![0, attr::RDONLY, attr::RDONLY],
    )
}

fn tree_with_a_writer(dir: &Path) -> Outcome {
    let all = three(dir)?;
    for path in &all {
        let writer = fs::File::create(path.join("file")).context("making a file")?;
        let answer = setattr_all(&all[0], Attr::set(attr::RDONLY));
        check_eq("with a writer", answer, Err(Errno::BUSY))?;
        check_eq("after", all_attributes(&all)?, vec![0; 3])?;
        drop(writer);
        // None is held against writers any more.
        for path in &all {
            fs::write(path.join("other"), "").context("writing")?;
        }
    }
    check_eq(
        "without",
        setattr_all(&all[0], Attr::set(attr::RDONLY)),
        Ok(0),
    )
}

fn userns(map: &str) -> Result<UserNs, Failure> {
    UserNs::with(map).context("making a user namespace")
}

fn owners(paths: &[PathBuf]) -> Result<Vec<u32>, Failure> {
    let owner = |path: &PathBuf| lstat(path).map(|status| status.st_uid).context("looking");
    paths.iter().map(owner).collect()
}

/// The same mounts, seen below another directory.
fn seen(all: &[PathBuf], dir: &Path, target: &Path) -> Vec<PathBuf> {
    let moved = |path: &PathBuf| {
        path.strip_prefix(dir.join("a"))
            .map(|rest| target.join(rest))
    };
    all.iter().filter_map(|path| moved(path).ok()).collect()
}

fn tree_with_a_map(dir: &Path) -> Outcome {
    let all = three(dir)?;
    let userns = userns("0 1000 1")?;
    let tree = attr::copy_all(&all[0]).context("copying the tree")?;
    check_eq("all", Attr::map(&userns).apply_to_all(&tree), Ok(0))?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    check_eq("seen", owners(&seen(&all, dir, &target))?, vec![1000; 3])?;
    check_eq("the first ones", owners(&all)?, vec![0; 3])
}

fn tree_of_which_one_has_a_map(dir: &Path) -> Outcome {
    let all = three(dir)?;
    let (one, other) = (userns("0 1000 1")?, userns("0 2000 1")?);
    let below = dir.join("a/d");
    fs::create_dir(&below).context("making a directory")?;
    attr::idmap(&all[1], &below, one.as_fd()).context("mounting with a map")?;
    let tree = attr::copy_all(&all[0]).context("copying the tree")?;
    check_eq(
        "all",
        Attr::map(&other).apply_to_all(&tree),
        Err(Errno::PERM),
    )?;
    check_eq("only the first", Attr::map(&other).apply(&tree), Ok(0))?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::attach(&tree, &target).context("attaching")?;
    let paths = [
        target.clone(),
        target.join("b"),
        target.join("b/c"),
        target.join("d"),
    ];
    check_eq("seen", owners(&paths)?, vec![2000, 0, 0, 1000])
}

fn tree_propagation(dir: &Path) -> Outcome {
    let all = three(dir)?;
    let propagations = || -> Result<Vec<u64>, Failure> {
        all.iter()
            .map(|path| About::mount(path).map(|about| about.propagation()))
            .collect()
    };
    let (private, shared) = (1 << 18, 1 << 20);
    check_eq("one", setattr(&all[1], Attr::propagation(shared)), Ok(0))?;
    check_eq("after", propagations()?, vec![private, shared, private])?;
    check_eq(
        "all",
        setattr_all(&all[0], Attr::propagation(shared)),
        Ok(0),
    )?;
    check_eq("after", propagations()?, vec![shared; 3])?;
    check_eq(
        "all back",
        setattr_all(&all[0], Attr::propagation(private)),
        Ok(0),
    )?;
    check_eq("after", propagations()?, vec![private; 3])
}

fn mounts_below_are_not_mapped(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    let target = dir.join("target");
    fs::create_dir(&target).context("making a directory")?;
    attr::idmap(dir, &target, userns.as_fd()).context("mounting with a map")?;
    fs::create_dir(dir.join("below")).context("making a directory")?;
    super::mount_on(&target.join("below"), "tmpfs")?;
    check_eq(
        "the directory",
        owners(std::slice::from_ref(&target))?,
        vec![1000],
    )?;
    check_eq(
        "what is mounted below",
        owners(&[target.join("below")])?,
        vec![0],
    )
}

fn shared_mount_with_a_map(dir: &Path) -> Outcome {
    let userns = userns("0 1000 1")?;
    let (from, to) = (dir.join("from"), dir.join("to"));
    tmpfs(&from)?;
    fs::create_dir(&to)
        .and_then(|()| fs::create_dir(from.join("below")))
        .context("making directories")?;
    check_eq("sharing", setattr(&from, Attr::propagation(1 << 20)), Ok(0))?;
    attr::idmap(&from, &to, userns.as_fd()).context("mounting with a map")?;
    // A submount of one mount moves below the other, unchanged.
    tmpfs(&from.join("below"))?;
    check_eq("with a map", owners(std::slice::from_ref(&to))?, vec![1000])?;
    check_eq("what came", owners(&[to.join("below")])?, vec![0])?;
    let flags = UnmountFlags::empty();
    unmount(from.join("below"), flags).context("unmounting")?;
    check_eq("what went", owners(&[to.join("below")])?, vec![1000])
}

/// In a user and mount namespace of others, which got its mounts from here.
fn in_container(run: impl FnOnce() -> Result<u64, Errno>) -> Result<u64, Errno> {
    let userns = UserNs::with("0 0 65536")?;
    process::isolated(|| {
        move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))?;
        process::unshare(UnshareFlags::NEWNS)?;
        run()
    })
}

fn locked_attributes(dir: &Path) -> Outcome {
    let all = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
    check_eq("setting", setattr(dir, Attr::set(all)), Ok(0))?;
    for flag in [attr::RDONLY, attr::NOSUID, attr::NODEV, attr::NOEXEC] {
        let answer = in_container(|| setattr(dir, Attr::clear(flag)));
        check_eq(&format!("clearing {flag:#x}"), answer, Err(Errno::PERM))?;
        let answer = in_container(|| setattr_all(dir, Attr::clear(flag)));
        check_eq(
            &format!("clearing {flag:#x} of a tree"),
            answer,
            Err(Errno::PERM),
        )?;
        let both = Attr {
            set: flag,
            ..Attr::clear(flag)
        };
        let answer = in_container(|| setattr(dir, both));
        check_eq(&format!("setting {flag:#x} again"), answer, Ok(0))?;
    }
    check_eq("after", attributes(dir)?, all)
}

fn locked_access_time(dir: &Path) -> Outcome {
    let atime = |value| Attr {
        set: value,
        ..Attr::clear(attr::ATIME)
    };
    check_eq("setting", setattr(dir, atime(attr::NOATIME)), Ok(0))?;
    let answer = in_container(|| setattr(dir, atime(0)));
    check_eq("another one", answer, Err(Errno::PERM))?;
    let answer = in_container(|| setattr(dir, Attr::set(attr::NODIRATIME)));
    check_eq("not of directories", answer, Err(Errno::PERM))?;
    let answer = in_container(|| setattr(dir, atime(attr::NOATIME)));
    check_eq("the same one", answer, Ok(0))
}

fn unlocked_attributes(dir: &Path) -> Outcome {
    let answer = in_container(|| {
        let flags = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;
        setattr(dir, Attr::set(flags))?;
        // Flags that the caller has set may be cleared.
        setattr(dir, Attr::clear(flags))
    });
    check_eq("setting and clearing", answer, Ok(0))?;
    check_eq("here", attributes(dir)?, 0)
}

/// `MS_SHARED`.
const SHARED: u64 = 1 << 20;
/// How many mounts may be on top of each other at the root.
const MOST_ROOTS: usize = 8;

fn first_mount_of_a_namespace(_: &Path) -> Outcome {
    let namespace = fs::File::open("/proc/self/ns/mnt").context("opening the namespace")?;
    let root = Path::new("/");
    // The initial root filesystem is below all later mounts on the root.
    for _ in 0..MOST_ROOTS {
        if About::mount(root)?.parent() == unique_id(root)? {
            check_eq("setting", setattr(root, Attr::set(attr::NOEXEC)), Ok(0))?;
            check_eq("set", attributes(root)? & attr::NOEXEC, attr::NOEXEC)?;
            check_eq("clearing", setattr(root, Attr::clear(attr::NOEXEC)), Ok(0))?;
            check_eq("cleared", attributes(root)? & attr::NOEXEC, 0)?;
            check_eq("shared", setattr(root, Attr::propagation(SHARED)), Ok(0))?;
            return check_eq("propagation", About::mount(root)?.propagation(), SHARED);
        }
        unmount(root, UnmountFlags::DETACH).context("unmounting the root")?;
        let kind = Some(LinkNameSpaceType::Mount);
        move_into_link_name_space(namespace.as_fd(), kind).context("entering the namespace")?;
    }
    Err(failed("no mount is the first one"))
}

/// The number of the group of a mount that was just shared, which is the lowest that is free.
fn next_group(dir: &Path) -> Result<usize, Failure> {
    let path = dir.join("group");
    tmpfs(&path)?;
    setattr(&path, Attr::propagation(SHARED)).context("sharing")?;
    let table =
        fs::read_to_string("/proc/self/mountinfo").context("reading the table of mounts")?;
    let line = table
        .lines()
        .rfind(|line| line.split(' ').nth(4) == path.to_str());
    let words = line.map(|line| line.split(' ')).into_iter().flatten();
    let group = words
        .filter_map(|word| word.strip_prefix("shared:")?.parse().ok())
        .next();
    unmount(&path, UnmountFlags::empty()).context("unmounting")?;
    group.ok_or_else(|| failed("the mount is not shared"))
}

fn tree_that_is_unmounted(dir: &Path) -> Outcome {
    let [top, ..] = three(dir)?;
    let tree = fs::File::open(&top).context("opening it")?;
    unmount(&top, UnmountFlags::DETACH).context("unmounting")?;
    for attr in [Attr::set(attr::NODEV), Attr::propagation(SHARED)] {
        check_eq("one", attr.apply(&tree), Err(Errno::INVAL))?;
        check_eq("all", attr.apply_to_all(&tree), Err(Errno::INVAL))?;
    }
    Ok(())
}

fn tree_while_it_is_unmounted(dir: &Path) -> Outcome {
    const ROUNDS: usize = 100;
    /// Far more than there is time for.
    const MOST_CALLS: usize = 10_000_000;
    let before = next_group(dir)?;
    for _ in 0..ROUNDS {
        let [top, ..] = three(dir)?;
        let tree = fs::File::open(&top).context("opening it")?;
        let other = process::fork(|| {
            // On any processor, so that both run at once where there are two.
            let _ = sched_setaffinity(None, &every_processor());
            i32::from(unmount(&top, UnmountFlags::DETACH).is_err())
        })
        .context("making a process")?;
        // The first that is refused finds it unmounted.
        let mut calls = 0..MOST_CALLS;
        let refused = calls.find_map(|_| Attr::propagation(SHARED).apply_to_all(&tree).err());
        let unmounted = process::wait(other).context("waiting")?;
        check_eq("unmounting", unmounted.exit_status(), Some(0))?;
        check_eq("once it is unmounted", refused, Some(Errno::INVAL))?;
    }
    // Others may share mounts meanwhile, but hardly as many.
    let lost = next_group(dir)?.saturating_sub(before);
    check_eq("groups that are lost", lost >= ROUNDS, false)
}

fn every_processor() -> CpuSet {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
    all
}
