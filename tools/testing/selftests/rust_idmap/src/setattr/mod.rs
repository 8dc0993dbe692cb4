// SPDX-License-Identifier: GPL-2.0

//! `mount_setattr()` and its neighbours by themselves, on a tmpfs.

mod errors;
mod flags;
mod fuse;
mod maps;
mod nested;
mod open_tree;
mod statmount;
mod trees;
mod user_namespace;

use std::ffi::CString;
use std::path::Path;

use kselftest::ktap::{Context, Failure, Outcome};
use kselftest::{mounts, process, raw};
use rustix::fs::{statx, AtFlags, StatxFlags, CWD};
use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};

use crate::attr;
use crate::attr::Attr;
use crate::runner::Test;

/// The tests.
pub(crate) fn tests() -> Vec<Test<'static>> {
    let files = [
        ("mount_setattr", errors::TESTS),
        ("mount_setattr", flags::TESTS),
        ("mount_setattr", maps::TESTS),
        ("mount_setattr", trees::TESTS),
        ("open_tree_attr", open_tree::TESTS),
        ("statmount", statmount::TESTS),
        ("user_namespace", user_namespace::TESTS),
        ("fuse", fuse::TESTS),
        ("nested", nested::refused::TESTS),
        ("nested", nested::shown::TESTS),
        ("nested", nested::trees::TESTS),
    ];
    let entries = files
        .into_iter()
        .flat_map(|(part, tests)| tests.iter().map(move |it| (part, it)));
    entries
        .map(|(part, (name, run))| Test::new(format!("{part}.{name}"), move || alone(*run)))
        .collect()
}

/// A test by name.
type Entry = (&'static str, fn(&Path) -> Outcome);

/// Runs a test in a process and a mount namespace of its own, on a tmpfs.
pub(crate) fn alone(run: impl FnOnce(&Path) -> Outcome) -> Outcome {
    process::isolated_test(|| {
        mounts::new_namespace().context("creating a mount namespace")?;
        let directory = Path::new("/mnt");
        tmpfs(directory)?;
        run(directory)
    })
}

/// Mounts a tmpfs on a new directory.
fn tmpfs(directory: &Path) -> Outcome {
    std::fs::create_dir_all(directory).context(format_args!("making {}", directory.display()))?;
    mount("test", directory, "tmpfs", MountFlags::empty(), c"mode=755").context("mounting a tmpfs")
}

/// Mounts a filesystem that needs no device.
fn mount_on(directory: &Path, kind: &str) -> Outcome {
    mount("test", directory, kind, MountFlags::empty(), None).context(kind)
}

/// The call on the mount at a path.
fn setattr(path: &Path, attr: Attr) -> Result<u64, Errno> {
    with_flags(path, 0, attr)
}

/// The call on the mount at a path and all below.
fn setattr_all(path: &Path, attr: Attr) -> Result<u64, Errno> {
    with_flags(path, libc::AT_RECURSIVE, attr)
}

/// The call with flags.
fn with_flags(path: &Path, flags: i32, attr: Attr) -> Result<u64, Errno> {
    with_bytes(path, flags, &attr.bytes(), attr::SIZE)
}

/// The call with a struct of any length.
fn with_bytes(path: &Path, flags: i32, bytes: &[u8], size: usize) -> Result<u64, Errno> {
    let path = CString::new(path.to_string_lossy().as_bytes()).map_err(|_| Errno::INVAL)?;
    raw::mount_setattr(libc::AT_FDCWD, &path, flags, Some(bytes), size)
}

/// The reply of `statmount()` for a mount.
struct About(Vec<u8>);

impl About {
    /// `STATMOUNT_MNT_BASIC`, `_PROPAGATE_FROM`, `_MNT_UIDMAP` and `_MNT_GIDMAP`.
    const EVERYTHING: u64 = 0x2 | 0x4 | 0x2000 | 0x4000;

    fn mount(path: &Path) -> Result<Self, Failure> {
        raw::statmount(unique_id(path)?, Self::EVERYTHING)
            .map(Self)
            .context("statmount()")
    }

    fn u32(&self, at: usize) -> usize {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u32::from_ne_bytes) as usize
    }

    fn u64(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_ne_bytes)
    }

    /// The id of the mount that it is on, which for the first one of a mount namespace is its own.
    fn parent(&self) -> u64 {
        self.u64(48)
    }

    /// Returns which of the requested parts are there.
    fn mask(&self) -> u64 {
        self.u64(8)
    }

    /// `MOUNT_ATTR_...`.
    fn attributes(&self) -> u64 {
        self.u64(64)
    }

    /// `MS_...`.
    fn propagation(&self) -> u64 {
        self.u64(72)
    }

    /// The ranges of the map of users and of that of groups.
    fn maps(&self) -> [Vec<String>; 2] {
        [(152, 156), (160, 164)].map(|(count, at)| {
            let strings = self.0.get(512 + self.u32(at)..).unwrap_or_default();
            let ranges = strings.split(|byte| *byte == 0).take(self.u32(count));
            ranges
                .map(|range| String::from_utf8_lossy(range).into_owned())
                .collect()
        })
    }
}

/// The id of the mount at a path that no other mount ever has.
fn unique_id(path: &Path) -> Result<u64, Failure> {
    /// `STATX_MNT_ID_UNIQUE`.
    const UNIQUE: u32 = 0x4000;
    let wanted = StatxFlags::from_bits_retain(UNIQUE);
    let status = statx(CWD, path, AtFlags::empty(), wanted).context("statx()")?;
    Ok(status.stx_mnt_id)
}

/// The attributes of the mount at a path.
fn attributes(path: &Path) -> Result<u64, Failure> {
    Ok(About::mount(path)?.attributes())
}
