// SPDX-License-Identifier: GPL-2.0

//! Single system calls on names in the working directory, for their answers.

use std::os::fd::OwnedFd;

use rustix::fs::{
    chmodat, chownat, linkat, lstat, mkdirat, mknodat, openat, renameat_with, symlinkat, unlinkat,
    utimensat, AtFlags, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, CWD, UTIME_NOW,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::caller::SyscallResult;

fn done<T>(result: Result<T, Errno>) -> SyscallResult {
    result.map(|_| 0)
}

/// Opens an entry.
pub(crate) fn file(name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(
        CWD,
        name,
        flags | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o644),
    )
}

/// Opens an entry and closes it again.
pub(crate) fn open(name: &str, flags: OFlags) -> SyscallResult {
    done(file(name, flags))
}

/// Opens a file for reading and reads it.
pub(crate) fn read(name: &str) -> SyscallResult {
    let file = file(name, OFlags::RDONLY)?;
    done(rustix::io::read(&file, &mut [0; 16]))
}

/// Opens a file for writing and adds a byte.
pub(crate) fn append(name: &str) -> SyscallResult {
    let file = file(name, OFlags::WRONLY | OFlags::APPEND)?;
    done(rustix::io::write(&file, b"x"))
}

/// Makes a file with permission bits.
pub(crate) fn create(name: &str, mode: u32) -> SyscallResult {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    done(openat(CWD, name, flags, Mode::from_raw_mode(mode)))
}

/// Makes a directory.
pub(crate) fn mkdir(name: &str, mode: u32) -> SyscallResult {
    done(mkdirat(CWD, name, Mode::from_raw_mode(mode)))
}

/// Makes a pipe or a socket.
pub(crate) fn mknod(name: &str, kind: FileType) -> SyscallResult {
    done(mknodat(CWD, name, kind, Mode::from_raw_mode(0o644), 0))
}

/// Makes a symbolic link.
pub(crate) fn symlink(target: &str, name: &str) -> SyscallResult {
    done(symlinkat(target, CWD, name))
}

/// Makes a hard link.
pub(crate) fn link(from: &str, to: &str) -> SyscallResult {
    done(linkat(CWD, from, CWD, to, AtFlags::empty()))
}

/// Renames.
pub(crate) fn rename(from: &str, to: &str) -> SyscallResult {
    done(renameat_with(CWD, from, CWD, to, RenameFlags::empty()))
}

/// Exchanges two entries.
pub(crate) fn exchange(from: &str, to: &str) -> SyscallResult {
    done(renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE))
}

/// Removes a file.
pub(crate) fn unlink(name: &str) -> SyscallResult {
    done(unlinkat(CWD, name, AtFlags::empty()))
}

/// Removes a directory.
pub(crate) fn rmdir(name: &str) -> SyscallResult {
    done(unlinkat(CWD, name, AtFlags::REMOVEDIR))
}

/// Changes the permission bits.
pub(crate) fn chmod(name: &str, mode: u32) -> SyscallResult {
    done(chmodat(
        CWD,
        name,
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    ))
}

/// Changes owner and group, by the numbers of the caller's namespace.
pub(crate) fn chown(name: &str, user: Option<u32>, group: Option<u32>) -> SyscallResult {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    done(chownat(CWD, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
}

/// The owner as the caller sees it.
pub(crate) fn owner(name: &str) -> SyscallResult {
    lstat(name).map(|status| u64::from(status.st_uid))
}

/// The group as the caller sees it.
pub(crate) fn group(name: &str) -> SyscallResult {
    lstat(name).map(|status| u64::from(status.st_gid))
}

/// Sets both times to a moment of the caller's choice, which only the owner may.
pub(crate) fn set_times(name: &str) -> SyscallResult {
    let moment = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 0,
    };
    times(name, moment)
}

/// Sets both times to now, for which being allowed to write is enough.
pub(crate) fn touch(name: &str) -> SyscallResult {
    times(
        name,
        Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        },
    )
}

fn times(name: &str, moment: Timespec) -> SyscallResult {
    let times = Timestamps {
        last_access: moment,
        last_modification: moment,
    };
    done(utimensat(CWD, name, &times, AtFlags::empty()))
}

/// Cuts a file by name.
pub(crate) fn truncate(name: &std::ffi::CStr) -> SyscallResult {
    crate::sys::truncate(name, 1)
}
