// SPDX-License-Identifier: GPL-2.0

//! Nested idmaps of trees of mounts: each mount composes with its own idmap, and all mounts get
//! one or none.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::userns::UserNs;
use rustix::io::Errno;

use super::{as_root_of_n, chown, make_file, offered, open, owners, userns, FILE, NESTED};
use crate::attr::{self, Attr};
use crate::setattr::open_tree::{open as open_tree_attr, replace, CLONE, RECURSIVE};
use crate::setattr::{mount_on, tmpfs, Entry};

pub(in crate::setattr) const TESTS: &[Entry] = &[
    ("each_mount_composes", each_mount_composes),
    ("one_without_idmaps", one_without_idmaps),
    ("one_that_is_idmapped", one_that_is_idmapped),
    ("one_of_which_no_id_is_left", one_of_which_no_id_is_left),
    ("one_filesystem_of_the_caller", one_filesystem_of_the_caller),
];

/// The mounts of the tree, below the first one.
const BELOW: [&str; 3] = ["", "b", "b/c"];

/// Mounts three filesystems within each other. Each has a file.
fn three(dir: &Path) -> Result<PathBuf, Failure> {
    let top = dir.join("a");
    for below in BELOW {
        let path = top.join(below);
        tmpfs(&path)?;
        make_file(&path)?;
    }
    Ok(top)
}

/// Returns the owners of the files of the tree.
fn files(tree: impl AsFd) -> Result<Vec<(u32, u32)>, Failure> {
    let file = |below: &&str| Path::new(below).join("file");
    let paths = BELOW.iter().map(file);
    paths
        .map(|path| owners(&tree, &path.to_string_lossy()))
        .collect()
}

/// Checks that both calls fail for the tree, and that no mount of it changes.
fn both_fail(top: &Path, map_of: &UserNs, copied: Errno, opened: Errno) -> Outcome {
    let before = files(open(top)?)?;
    let tree = attr::copy_all(top).context("copying the tree")?;
    let answer = Attr::map(map_of).apply_to_all(&tree);
    check_eq("mount_setattr()", answer, Err(copied))?;
    check_eq("the copies", files(&tree)?, before.clone())?;
    let answer = open_tree_attr(top, CLONE | RECURSIVE, replace(map_of)).map(drop);
    check_eq("open_tree_attr()", answer, Err(opened))?;
    check_eq("the mounts", files(open(top)?)?, before)
}

fn each_mount_composes(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let top = three(dir)?;
    // The second one shows other ids: those on disk are N's.
    chown(&top.join("b/file"), FILE.0 + 1, FILE.1 + 1)?;
    let shown = userns("0 100000 65536")?;
    let over = top.join("b");
    let tree = attr::copy_all(&over).context("copying the tree")?;
    check_eq("one", Attr::map(&shown).apply(&tree), Ok(0))?;
    attr::attach(&tree, &over).context("attaching the tree")?;
    as_root_of_n(|map_of| {
        let other = |(user, group)| (user + 1, group + 1);
        check_eq(
            "the mounts",
            files(open(&top)?)?,
            vec![FILE, other(FILE), FILE],
        )?;
        let expected = vec![NESTED, other(NESTED), NESTED];
        let tree = open_tree_attr(&top, CLONE | RECURSIVE, replace(map_of));
        let tree = tree.context("open_tree_attr()")?;
        check_eq("the copies", files(&tree)?, expected)
    })?;
    as_root_of_n(|map_of| {
        // mount_setattr() of the mounts that are not idmapped.
        let tree = attr::copy_all(top.join("b/c")).context("copying the tree")?;
        let answer = Attr::map(map_of).apply_to_all(&tree);
        check_eq("mount_setattr()", answer, Ok(0))?;
        check_eq("the last", owners(&tree, "file")?, NESTED)
    })
}

fn one_without_idmaps(dir: &Path) -> Outcome {
    let _offered = offered()?;
    for at in BELOW {
        let top = three(&dir.join(at.replace('/', "-") + "tree"))?;
        let below = top.join(at).join("ramfs");
        fs::create_dir(&below).context("creating a directory")?;
        mount_on(&below, "ramfs")?;
        as_root_of_n(|map_of| both_fail(&top, map_of, Errno::INVAL, Errno::INVAL))?;
    }
    Ok(())
}

fn one_that_is_idmapped(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let top = three(dir)?;
    let below = top.join("b/c/d");
    fs::create_dir(&below).context("creating a directory")?;
    attr::idmap(top.join("b"), &below, userns("0 100000 65536")?.as_fd())
        .context("idmapping a mount")?;
    as_root_of_n(|map_of| {
        let before = files(open(&top)?)?;
        let tree = attr::copy_all(&top).context("copying the tree")?;
        let answer = Attr::map(map_of).apply_to_all(&tree);
        check_eq("mount_setattr()", answer, Err(Errno::PERM))?;
        check_eq("the copies", files(&tree)?, before)?;
        let tree = open_tree_attr(&top, CLONE | RECURSIVE, replace(map_of));
        let tree = tree.context("open_tree_attr()")?;
        check_eq("open_tree_attr()", files(&tree)?, vec![NESTED; 3])
    })
}

fn one_of_which_no_id_is_left(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let top = three(dir)?;
    let below = top.join("b/c/d");
    fs::create_dir(&below).context("creating a directory")?;
    attr::idmap(top.join("b"), &below, userns("0 400000 65536")?.as_fd())
        .context("idmapping a mount")?;
    as_root_of_n(|map_of| both_fail(&top, map_of, Errno::PERM, Errno::INVAL))
}

fn one_filesystem_of_the_caller(dir: &Path) -> Outcome {
    let _offered = offered()?;
    let top = three(dir)?;
    let below = top.join("b/c/d");
    fs::create_dir(&below).context("creating a directory")?;
    as_root_of_n(|map_of| {
        // A filesystem that the caller controls is idmapped from the ids that it stores.
        tmpfs(&below)?;
        let tree = open_tree_attr(&top, CLONE | RECURSIVE, replace(map_of));
        let tree = tree.context("open_tree_attr()")?;
        check_eq("the files", files(&tree)?, vec![NESTED; 3])?;
        check_eq("its own", owners(&tree, "b/c/d")?, (1000, 1000))
    })
}
