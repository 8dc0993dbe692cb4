// SPDX-License-Identifier: GPL-2.0

//! System calls that check stored ids.
//!
//! They do not use the idmap of the mount, or not all of it. Through the new mount they must work for
//! an inode only if they work for it through the old one, for some user that root of `N` can be.

use std::{
    collections::BTreeSet,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use kselftest::{
    credentials::set_ids,
    errno::{SyscallResult, from_io},
    process, raw, syscalls,
    userns::UserNs,
};
use rustix::{
    fs::OFlags,
    io::Errno,
    thread::{CapabilitySet, CapabilitySets},
};

use crate::ids::CALLERS;

/// `BTRFS_IOC_DEFRAG`, of which other filesystems know nothing.
const DEFRAG: u64 = 0x5000_9402;

/// A name and a system call for an open file.
type Call = (&'static str, fn(&OwnedFd, &Path) -> SyscallResult<u64>);

/// The calls. Another process than the one that opens the file can make the first ones.
const CALLS: [Call; 5] = [
    ("BTRFS_IOC_DEFRAG", |file, _| {
        raw::ioctl_without(file.as_fd(), DEFRAG)
    }),
    ("cachestat()", |file, _| raw::cachestat(file.as_fd(), 4096)),
    ("F_SETLEASE", |file, _| {
        raw::set_lease(file, libc::F_RDLCK)?;
        raw::set_lease(file, libc::F_UNLCK).map(|_| 0)
    }),
    ("open()", |_, path| open(path, OFlags::RDONLY).map(|_| 0)),
    ("O_NOATIME", |_, path| {
        open(path, OFlags::RDONLY | OFlags::NOATIME).map(|_| 0)
    }),
];
/// How many of them need the file descriptor alone.
const WITH_FD: usize = 3;
/// The number of the call that opens the file.
const OPEN: u64 = 3;

fn open(path: &Path, flags: OFlags) -> SyscallResult<OwnedFd> {
    syscalls::open(path, flags | OFlags::NONBLOCK | OFlags::NOFOLLOW, 0)
}

/// The number before the results of a child process.
const MARK: u64 = u64::MAX;

/// The numbers of a call and of the inode that it works for.
pub(crate) type Works = BTreeSet<(u64, u64)>;

/// Names an element of [`Works`].
pub(crate) fn name((call, inode): (u64, u64)) -> String {
    let call = CALLS.get(call as usize).map_or("?", |(name, _)| name);
    format!("{call} of inode {inode}")
}

/// Returns the files below a directory. Root of the host must call this.
pub(crate) fn files(dir: &Path) -> SyscallResult<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for name in syscalls::names(dir)? {
        let path = dir.join(&name);
        let status = std::fs::symlink_metadata(&path).map_err(from_io)?;
        if name == "." || name == ".." {
            continue;
        }
        if status.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push((path, status.ino()));
        }
    }
    Ok(files)
}

/// As root of `N`: makes all calls for some files, as each user of `N` and of `M`. The files are
/// relative to the current directory.
pub(crate) fn try_all(files: &[(PathBuf, u64)], map_of: &UserNs) -> SyscallResult<Works> {
    let mut works = Works::new();
    for below in [None, Some(map_of)] {
        for user in CALLERS {
            for capable in [false, true] {
                let more = in_child(|| try_as(files, below, user, capable, &works))?;
                works.extend(more);
            }
        }
    }
    Ok(works)
}

/// Returns the result of a child process.
pub(crate) fn in_child(run: impl FnOnce() -> SyscallResult<Works>) -> SyscallResult<Works> {
    let child = process::Child::start(|output| {
        // The parent fails if it does not read this.
        let Ok(works) = run() else { return };
        let pairs = works.iter().flat_map(|(call, inode)| [*call, *inode]);
        let bytes: Vec<u8> = [MARK]
            .into_iter()
            .chain(pairs)
            .flat_map(u64::to_le_bytes)
            .collect();
        let _ = std::io::Write::write_all(output, &bytes);
    })?;
    let output = child.output()?;
    let mut numbers = output.chunks_exact(8).map(|chunk| {
        let mut number = [0; 8];
        number.copy_from_slice(chunk);
        u64::from_le_bytes(number)
    });
    if numbers.next() != Some(MARK) {
        return Err(Errno::CANCELED);
    }
    let mut works = Works::new();
    while let (Some(call), Some(inode)) = (numbers.next(), numbers.next()) {
        works.insert((call, inode));
    }
    Ok(works)
}

/// Opens the files as a user, and makes the calls as each user. `before` is what works already.
fn try_as(
    files: &[(PathBuf, u64)],
    below: Option<&UserNs>,
    user: u32,
    capable: bool,
    before: &Works,
) -> SyscallResult<Works> {
    let mut others = CALLERS.to_vec();
    match below {
        Some(map_of) => map_of.enter(0, 0)?,
        // These are users of M, too.
        None => others.extend(CALLERS.map(|user| 1000 + user)),
    }
    become_user(user, capable)?;
    let mut works = Works::new();
    let mut opened = Vec::new();
    for (path, inode) in files {
        if let Ok(file) = open(path, OFlags::RDONLY) {
            opened.push((file, path, *inode));
        }
    }
    let mut call_all = |calls: std::ops::Range<usize>, is_same: bool| {
        for number in calls {
            for (file, path, inode) in &opened {
                let call = (number as u64, *inode);
                // Another user has opened the file: it does not matter who.
                let is_known = before.contains(&(OPEN, *inode)) && !is_same;
                if !is_known && !before.contains(&call) && (CALLS[number].1)(file, path).is_ok() {
                    works.insert(call);
                }
            }
        }
    };
    call_all(0..CALLS.len(), true);
    for other in others {
        for capable in [false, true] {
            become_user(other, capable)?;
            call_all(0..WITH_FD, false);
        }
    }
    Ok(works)
}

/// Becomes a user with or without effective capabilities. They stay permitted.
fn become_user(user: u32, capable: bool) -> SyscallResult {
    set_effective(CapabilitySet::all())?;
    rustix::thread::set_keep_capabilities(true)?;
    set_ids([user; 3], [user; 3], &[])?;
    set_effective(match capable {
        true => CapabilitySet::all(),
        false => CapabilitySet::empty(),
    })
}

fn set_effective(effective: CapabilitySet) -> SyscallResult {
    let sets = CapabilitySets {
        effective,
        permitted: CapabilitySet::all(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets)
}
