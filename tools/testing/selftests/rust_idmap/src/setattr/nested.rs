// SPDX-License-Identifier: GPL-2.0

//! Nested idmaps: idmapped mounts for root of a user namespace that does not control the
//! filesystem. Documentation/filesystems/rust-idmapping-nested.rst has the rule.
//!
//! `N` is the user namespace of the caller, `M` the user namespace of the idmap. The filesystem
//! belongs to the initial user namespace.

pub(super) mod refused;
pub(super) mod shown;
pub(super) mod trees;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::ktap::{Context, Failure, Outcome};
use kselftest::userns::UserNs;
use kselftest::{mounts, process};
use rustix::fs::{chownat, statat, AtFlags, CWD};
use rustix::process::{Gid, Uid};

use crate::attr;
use crate::sysctl::Sysctl;

const SYSCTL: &str = "fs/mount_idmap_nested";

/// The first kernel id of `N`.
const FIRST: u32 = 100_000;
/// The map of `N`.
const OWN: &str = "0 100000 65536";
/// The map of `M`, by the ids of `N`.
const MAP: &str = "0 1000 60000\n60000 0 500";
/// The owner and the group of the file, by the ids of `N`.
const FILE: (u32, u32) = (1000, 2000);
/// The same through a nested mount: id 1000 of `M` is id 2000 of `N`.
const NESTED: (u32, u32) = (2000, 3000);

/// Sets the sysctl to 1. Without the sysctl, a kernel has no nested idmaps.
fn offered() -> Result<Sysctl, Failure> {
    if !Path::new("/proc/sys").join(SYSCTL).exists() {
        return Err(Failure::Skipped(
            "this kernel has no nested idmaps".to_owned(),
        ));
    }
    Sysctl::set(SYSCTL, "1")
}

/// Creates the file, which an id of `N` owns.
fn make_file(dir: &Path) -> Outcome {
    let path = dir.join("file");
    fs::write(&path, "").context("creating the file")?;
    let (user, group) = (FIRST + FILE.0, FIRST + FILE.1);
    chown(&path, user, group)
}

fn chown(path: &Path, user: u32, group: u32) -> Outcome {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    chownat(CWD, path, Some(user), Some(group), AtFlags::empty()).context("chown()")
}

fn userns(map: &str) -> Result<UserNs, Failure> {
    UserNs::with(map).context("creating a user namespace")
}

/// Attaches an idmapped copy of the mount to a new directory.
fn idmapped(dir: &Path, shown: &UserNs) -> Result<PathBuf, Failure> {
    let target = dir.join("idmapped");
    fs::create_dir(&target).context("creating a directory")?;
    attr::idmap(dir, &target, shown.as_fd()).context("idmapping a mount")?;
    Ok(target)
}

/// Runs a test as root of a user namespace, with all capabilities there, in a mount namespace of
/// its own.
fn as_root_of(own: &UserNs, run: impl FnOnce() -> Outcome) -> Outcome {
    process::isolated_test(|| {
        own.enter(0, 0).context("entering the user namespace")?;
        mounts::new_namespace().context("creating a mount namespace")?;
        run()
    })
}

/// Runs a test as root of `N`, with `M` below `N`.
fn as_root_of_n(run: impl FnOnce(&UserNs) -> Outcome) -> Outcome {
    as_root_of(&userns(OWN)?, || run(&userns(MAP)?))
}

/// Returns the owner and the group of a file of a tree that need not be attached.
fn owners(tree: impl AsFd, path: &str) -> Result<(u32, u32), Failure> {
    let status = statat(tree, path, AtFlags::EMPTY_PATH).context("stat()")?;
    Ok((status.st_uid, status.st_gid))
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).context(path.display())
}
