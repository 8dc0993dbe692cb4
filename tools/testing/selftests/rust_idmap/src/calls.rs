// SPDX-License-Identifier: GPL-2.0

//! System calls on names in the current directory, in the form that operations have: the result is
//! a number, which is 0 where it is of no interest.

use std::os::fd::OwnedFd;

use kselftest::errno::SyscallResult as Result;
use kselftest::syscalls;
use rustix::fs::{FileType, OFlags, RenameFlags, Timespec, UTIME_NOW};

use crate::caller::SyscallResult;

/// Replaces the value of a result by 0.
pub(crate) fn done<T>(result: Result<T>) -> SyscallResult {
    result.map(|_| 0)
}

/// Opens or creates a file.
pub(crate) fn file(name: &str, flags: OFlags) -> Result<OwnedFd> {
    syscalls::open(name, flags, 0o644)
}

pub(crate) fn open(name: &str, flags: OFlags) -> SyscallResult {
    done(file(name, flags))
}

pub(crate) fn read(name: &str) -> SyscallResult {
    done(syscalls::pread(syscalls::open_ro(name)?, 16, 0))
}

pub(crate) fn append(name: &str) -> SyscallResult {
    done(syscalls::append(name, b"x"))
}

pub(crate) fn create(name: &str, mode: u32) -> SyscallResult {
    done(syscalls::create(name, mode))
}

pub(crate) fn mkdir(name: &str, mode: u32) -> SyscallResult {
    done(syscalls::mkdir(name, mode))
}

/// Creates a FIFO or a socket.
pub(crate) fn mknod(name: &str, kind: FileType) -> SyscallResult {
    done(syscalls::mknod(name, kind, 0o644, 0))
}

pub(crate) fn symlink(target: &str, name: &str) -> SyscallResult {
    done(syscalls::symlink(target, name))
}

pub(crate) fn link(from: &str, to: &str) -> SyscallResult {
    done(syscalls::link(from, to))
}

pub(crate) fn rename(from: &str, to: &str) -> SyscallResult {
    done(syscalls::rename(from, to))
}

pub(crate) fn exchange(from: &str, to: &str) -> SyscallResult {
    done(syscalls::rename_with(from, to, RenameFlags::EXCHANGE))
}

pub(crate) fn unlink(name: &str) -> SyscallResult {
    done(syscalls::unlink(name))
}

pub(crate) fn rmdir(name: &str) -> SyscallResult {
    done(syscalls::rmdir(name))
}

pub(crate) fn chmod(name: &str, mode: u32) -> SyscallResult {
    done(syscalls::chmod(name, mode))
}

/// Changes owner and group, by the numbers of the caller's user namespace.
pub(crate) fn chown(name: &str, user: Option<u32>, group: Option<u32>) -> SyscallResult {
    done(syscalls::chown(name, user, group))
}

/// Returns the owner by the number of the caller's user namespace.
pub(crate) fn owner(name: &str) -> SyscallResult {
    syscalls::owner(name).map(|(user, _)| user.into())
}

/// Returns the group by the number of the caller's user namespace.
pub(crate) fn group(name: &str) -> SyscallResult {
    syscalls::owner(name).map(|(_, group)| group.into())
}

/// Sets both times to a fixed time, which only the owner may.
pub(crate) fn set_times(name: &str) -> SyscallResult {
    times(name, 1_000_000_000, 0)
}

/// Sets both times to the current time, for which write permission is enough.
pub(crate) fn touch(name: &str) -> SyscallResult {
    times(name, 0, UTIME_NOW)
}

fn times(name: &str, tv_sec: i64, tv_nsec: i64) -> SyscallResult {
    let time = Timespec { tv_sec, tv_nsec };
    done(syscalls::set_times(name, time, time))
}

pub(crate) fn truncate(name: &str) -> SyscallResult {
    done(syscalls::truncate(name, 1))
}

pub(crate) fn set_xattr(name: &str, attribute: &str, value: &[u8]) -> SyscallResult {
    done(syscalls::set_xattr(name, attribute, value))
}

pub(crate) fn remove_xattr(name: &str, attribute: &str) -> SyscallResult {
    done(syscalls::remove_xattr(name, attribute))
}
