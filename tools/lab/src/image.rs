// SPDX-License-Identifier: GPL-2.0

//! The guest's root filesystem: a small Debian, made once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cache::Cache;
use crate::{apt, run, ui};

/// The release in the guest.
const SUITE: &str = "trixie";
/// What is in it besides the essential packages.
const PACKAGES: &[&str] = &[
    "acl",
    "attr",
    "btrfs-progs",
    "dosfstools",
    "e2fsprogs",
    "kmod",
    "libcap2-bin",
    "mount",
    "procps",
    "python3-minimal",
    "strace",
    "uidmap",
    "util-linux",
    "xfsprogs",
];
/// Of the image, not of its contents: the file is sparse.
const SIZE: &str = "1G";

/// The image, made if it is not there. The caller holds the lock.
pub(crate) fn root(cache: &Cache, verbose: bool) -> Result<PathBuf> {
    cache.make(&format!("image/{}.ext4", name()), |image| {
        let tar = image.with_extension("tar");
        let made = bootstrap(cache, &tar, verbose).and_then(|()| format(cache, &tar, image));
        let _ = fs::remove_file(&tar);
        made
    })
}

/// A name that changes with the contents.
fn name() -> String {
    let contents = format!("{SUITE} {PACKAGES:?} {SIZE}");
    format!("{SUITE}-{}", &crate::digest::text(&contents)[..8])
}

/// Installs the packages into an archive.
fn bootstrap(cache: &Cache, tar: &Path, verbose: bool) -> Result<()> {
    let mirror = apt::mirror()?;
    let mut command = run::command("mmdebstrap");
    command
        .args(["--variant=minbase", "--format=tar"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg("--aptopt=Acquire::Retries \"3\"")
        .arg(SUITE)
        .arg(tar)
        .arg(format!(
            "deb [signed-by={}] {mirror} {SUITE} main",
            apt::KEYRING
        ));
    let step = ui::Step {
        cache,
        label: "guest image: packages",
        log: "image",
        lines: 500,
        verbose,
    };
    step.run(command)
}

/// Turns the archive into a filesystem, with owners that need no rights.
fn format(cache: &Cache, tar: &Path, image: &Path) -> Result<()> {
    let folder = image.with_extension("root");
    crate::cache::remove(&folder)?;
    fs::create_dir(&folder)?;
    // The guest has a devtmpfs, and making device files needs rights.
    let script = "tar -C \"$1\" -xf \"$2\" --exclude='./dev/*' && \
                  PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -L guest -d \"$1\" \"$3\" \"$4\"";
    let mut command = run::command("fakeroot");
    command
        .args(["sh", "-c", script, "sh"])
        .args([&folder, tar, image])
        .arg(SIZE);
    let step = ui::Step {
        cache,
        label: "guest image: filesystem",
        log: "image-format",
        lines: 1,
        verbose: false,
    };
    let made = step.run(command);
    crate::cache::remove(&folder)?;
    made
}
