// SPDX-License-Identifier: GPL-2.0

//! Looks at files and mounts by number.

use std::{collections::BTreeSet, fs, path::Path};

use kselftest::syscalls::{self, get_xattr};
use kselftest::{acl, fscaps, mounts};
use rustix::{
    fs::{FileType, lstat, major, minor},
    io::Errno,
};

use crate::{
    report::{Context, Failure},
    show::{Census, Mode, Owner, Show, SyscallResult},
};

/// Returns the owner and the group. Does not follow a symbolic link.
pub(crate) fn owner(path: impl AsRef<Path>) -> SyscallResult<Owner> {
    lstat(path.as_ref()).map(|status| Owner(status.st_uid, status.st_gid))
}

/// The permission bits of an entry.
pub(crate) fn mode(path: impl AsRef<Path>) -> SyscallResult<Mode> {
    lstat(path.as_ref()).map(|status| Mode(status.st_mode & 0o7777))
}

/// The length of a file.
pub(crate) fn size(path: impl AsRef<Path>) -> SyscallResult<u32> {
    lstat(path.as_ref()).map(|status| u32::try_from(status.st_size).unwrap_or(u32::MAX))
}

/// The paths of a tree: that of its root, and those of all entries below.
pub(crate) fn tree(root: &Path) -> SyscallResult<Vec<std::path::PathBuf>> {
    let mut paths = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        if FileType::from_raw_mode(lstat(&path)?.st_mode) == FileType::Directory {
            paths.extend(names(&path)?.iter().map(|name| path.join(name)));
        }
    }
    Ok(paths)
}

/// The names in a directory.
pub(crate) fn names(directory: impl AsRef<Path>) -> SyscallResult<BTreeSet<String>> {
    Ok(syscalls::names(directory)?.into_iter().collect())
}

/// The owners in a tree.
pub(crate) fn census(root: impl AsRef<Path>) -> SyscallResult<Census> {
    let mut census = Census::new();
    for path in tree(root.as_ref())? {
        *census.entry(owner(path)?).or_default() += 1;
    }
    Ok(census)
}

/// The users with an entry of their own in a file's access ACL, and their permissions.
pub(crate) fn acl_users(path: impl AsRef<Path>) -> SyscallResult<Vec<AclUser>> {
    let entries = acl::decode(&get_xattr(path, acl::ACCESS)?)?.into_iter();
    let users = entries.filter(|(tag, ..)| *tag == acl::USER);
    Ok(users
        .map(|(_, permissions, user)| AclUser { user, permissions })
        .collect())
}

/// An entry of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AclUser {
    pub(crate) user: u32,
    pub(crate) permissions: u16,
}

impl crate::show::Show for AclUser {
    fn show(&self) -> String {
        let bit = |mask, letter| {
            if self.permissions & mask != 0 {
                letter
            } else {
                '-'
            }
        };
        format!(
            "user {} {}{}{}",
            self.user,
            bit(4, 'r'),
            bit(2, 'w'),
            bit(1, 'x')
        )
    }
}

/// The user whose namespaces a file's capabilities are for.
pub(crate) fn capability_root(path: impl AsRef<Path>) -> SyscallResult<u32> {
    // Without a root id the capabilities are for the initial user namespace.
    Ok(fscaps::root_id(&get_xattr(path, fscaps::NAME)?)?.unwrap_or(0))
}

/// Whether an entry has this attribute.
pub(crate) fn has_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult<bool> {
    match get_xattr(path, name) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The effective capabilities of this process, as the kernel prints them.
pub(crate) fn capabilities() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.map(|set| set.trim().to_owned())
        .ok_or_else(|| Failure::Failed("/proc/self/status has no CapEff".to_owned()))
}

/// Whether the mount at `target` has a map, by the kernel's table of mounts.
pub(crate) fn is_idmapped(target: impl AsRef<Path>) -> SyscallResult<bool> {
    Ok(mounts::at(target)?.has_option("idmapped"))
}

/// The options of the mount at `target`, without those of its filesystem.
pub(crate) fn mount_options(target: impl AsRef<Path>) -> SyscallResult<String> {
    Ok(mounts::at(target)?.options)
}

/// Returns the mount points at or below a directory, the last mount first.
pub(crate) fn mounts_below(directory: &str) -> SyscallResult<Vec<String>> {
    let targets = mounts::all()?.into_iter().map(|mount| mount.target);
    let below = |target: &String| {
        target
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut targets: Vec<String> = targets.filter(below).collect();
    targets.reverse();
    Ok(targets)
}

/// Returns the overflow ids, which stand for unmapped ids.
pub(crate) fn overflow_owner() -> Owner {
    let read = |file| fs::read_to_string(file).ok()?.trim().parse().ok();
    Owner(
        read("/proc/sys/kernel/overflowuid").unwrap_or(65534),
        read("/proc/sys/kernel/overflowgid").unwrap_or(65534),
    )
}

/// Formats the type, the mode bits and the device number, as `ls -l` does.
pub(crate) fn kind(path: &Path) -> SyscallResult<String> {
    let status = lstat(path)?;
    let letter = match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::Fifo => 'p',
        FileType::RegularFile => '-',
        _ => '?',
    };
    let mode = Mode(status.st_mode & 0o7777).show();
    match letter {
        'c' => Ok(format!(
            "{letter} {mode} {}:{}",
            major(status.st_rdev),
            minor(status.st_rdev)
        )),
        _ => Ok(format!("{letter} {mode}")),
    }
}
