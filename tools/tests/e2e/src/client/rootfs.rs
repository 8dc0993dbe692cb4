// SPDX-License-Identifier: GPL-2.0

//! The root filesystem of a small container: one program that has many names.

use std::{fs, path::Path};

use crate::{
    report::{Context, Failure},
    tree::{Entry, make},
};

/// Makes one; all of it belongs to a user.
pub(super) fn make_rootfs(root: &Path, owner: u32) -> Result<(), Failure> {
    let program = fs::read("/bin/busybox").context("reading /bin/busybox")?;
    for name in [
        ".", "bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "data",
    ] {
        make(root, name, &Entry::Directory, owner, 0o755)?;
    }
    make(root, "bin/busybox", &Entry::File(&program), owner, 0o755)?;
    for name in ["sh", "cat", "chown", "grep", "mkdir", "stat", "touch"] {
        make(
            root,
            &format!("bin/{name}"),
            &Entry::Link("busybox"),
            owner,
            0o777,
        )?;
    }
    make(
        root,
        "etc/os-release",
        &Entry::File(b"ID=small\n"),
        owner,
        0o644,
    )
}

/// Creates the directory that is mounted into containers, with this owner, a file of root and one
/// of 1000.
pub(super) fn make_data(root: &Path, owner: u32) -> Result<(), Failure> {
    for (name, entry, owner) in [
        (".", Entry::Directory, owner),
        ("f0", Entry::File(b"0\n"), 0),
        ("f1000", Entry::File(b"1000\n"), 1000),
    ] {
        let mode = if name == "." { 0o755 } else { 0o644 };
        make(root, name, &entry, owner, mode)?;
    }
    Ok(())
}
