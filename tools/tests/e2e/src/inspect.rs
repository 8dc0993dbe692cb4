// SPDX-License-Identifier: GPL-2.0

//! Looks at files and mounts by number.

use std::{collections::BTreeSet, fs, path::Path};

use rustix::{
    fs::{Dir, FileType, Mode as OpenMode, OFlags, lgetxattr, lstat, major, minor, openat},
    io::Errno,
};

use crate::{
    report::{Doing, Failure},
    show::{Census, Mode, Owner, Show, SyscallResult},
};

/// Who owns an entry; a symbolic link is not followed.
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

/// The names in a directory, in order.
pub(crate) fn names(directory: impl AsRef<Path>) -> SyscallResult<BTreeSet<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(
        rustix::fs::CWD,
        directory.as_ref(),
        flags,
        OpenMode::empty(),
    )?;
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.insert(name);
        }
    }
    Ok(names)
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
    /// `ACL_USER` of `linux/posix_acl.h`.
    const ACL_USER: u16 = 0x02;
    let value = xattr(path.as_ref(), "system.posix_acl_access")?;
    let Some((_version, entries)) = value.split_first_chunk::<4>() else {
        return Err(Errno::INVAL);
    };
    let mut users = Vec::new();
    for entry in entries.chunks_exact(8) {
        let &[t0, t1, p0, p1, i0, i1, i2, i3] = entry else {
            return Err(Errno::INVAL);
        };
        if u16::from_le_bytes([t0, t1]) == ACL_USER {
            users.push(AclUser {
                user: u32::from_le_bytes([i0, i1, i2, i3]),
                permissions: u16::from_le_bytes([p0, p1]),
            });
        }
    }
    Ok(users)
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
    /// `VFS_CAP_REVISION_3` of `linux/capability.h`, in the top byte of the first number.
    const REVISION_3: u8 = 3;
    let value = xattr(path.as_ref(), "security.capability")?;
    match (
        value.get(3),
        value.get(20..24).and_then(<[u8]>::first_chunk),
    ) {
        (Some(&REVISION_3), Some(root)) => Ok(u32::from_le_bytes(*root)),
        // Of an older revision: for the first user namespace.
        _ => Ok(0),
    }
}

/// Whether an entry has this attribute.
pub(crate) fn has_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult<bool> {
    match xattr(path.as_ref(), name) {
        Ok(_) => Ok(true),
        Err(Errno::NODATA) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn xattr(path: &Path, name: &str) -> SyscallResult<Vec<u8>> {
    let mut value = vec![0; 4096];
    let length = lgetxattr(path, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// The effective capabilities of this process, as the kernel prints them.
pub(crate) fn capabilities() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status").doing("reading /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.map(|set| set.trim().to_owned())
        .ok_or_else(|| Failure("/proc/self/status has no CapEff".to_owned()))
}

/// Whether the mount at `target` has a map, by the kernel's table of mounts.
pub(crate) fn is_idmapped(target: impl AsRef<Path>) -> SyscallResult<bool> {
    Ok(mount_options(target)?
        .split(',')
        .any(|option| option == "idmapped"))
}

/// The options of the mount at `target`, without those of its filesystem.
pub(crate) fn mount_options(target: impl AsRef<Path>) -> SyscallResult<String> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let target = target.as_ref().to_str().ok_or(Errno::INVAL)?;
    // The last of several is on top.
    let line = table
        .lines()
        .rfind(|line| line.split(' ').nth(4) == Some(target));
    line.and_then(|line| line.split(' ').nth(5))
        .map(str::to_owned)
        .ok_or(Errno::NOENT)
}

/// What is mounted at or below a directory, the last mounted first.
pub(crate) fn mounts_below(directory: &str) -> std::io::Result<Vec<String>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let below = |point: &&str| {
        point
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut points: Vec<String> = points.filter(below).map(str::to_owned).collect();
    points.reverse();
    Ok(points)
}

/// The number that stands for users who have none in a map.
pub(crate) fn overflow_owner() -> Owner {
    let read = |file| fs::read_to_string(file).ok()?.trim().parse().ok();
    Owner(
        read("/proc/sys/kernel/overflowuid").unwrap_or(65534),
        read("/proc/sys/kernel/overflowgid").unwrap_or(65534),
    )
}

/// What an entry is, but for its owner: as in `ls -l`, with the number of a device.
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
