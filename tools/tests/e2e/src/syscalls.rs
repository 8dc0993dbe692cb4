// SPDX-License-Identifier: GPL-2.0

//! System calls of scenes, with fixed modes.

use std::path::Path;

pub(crate) use kselftest::{
    credentials::as_user,
    syscalls::{chmod, link, rename, rmdir, symlink, unlink},
};
use kselftest::{
    errno::SyscallResult,
    syscalls::{self, open_ro},
};
use rustix::fs::{FileType, Timespec, makedev};

pub(crate) fn mkdir(path: impl AsRef<Path>) -> SyscallResult {
    syscalls::mkdir(path, 0o755)
}

pub(crate) fn create(path: impl AsRef<Path>) -> SyscallResult {
    syscalls::create(path, 0o644).map(drop)
}

pub(crate) fn fifo(path: impl AsRef<Path>) -> SyscallResult {
    syscalls::mknod(path, FileType::Fifo, 0o644, 0)
}

pub(crate) fn tmpfile(path: impl AsRef<Path>) -> SyscallResult {
    syscalls::create_by_tmpfile(path, 0o644)
}

/// Creates a device file with the numbers of `/dev/null`.
pub(crate) fn device(path: impl AsRef<Path>) -> SyscallResult {
    syscalls::mknod(path, FileType::CharacterDevice, 0o666, makedev(1, 3))
}

/// A system call that creates a file.
type Maker = fn(&Path) -> SyscallResult;

/// The system calls that create a file, by name.
pub(crate) const MAKERS: [(&str, Maker); 5] = [
    ("mkdir()", |path| mkdir(path)),
    ("open(O_CREAT)", |path| create(path)),
    ("open(O_TMPFILE)", |path| tmpfile(path)),
    ("symlink()", |path| symlink("nowhere", path)),
    ("mknod()", |path| fifo(path)),
];

/// Appends a line to an existing file.
pub(crate) fn append(path: impl AsRef<Path>, line: &str) -> SyscallResult {
    syscalls::append(path, line.as_bytes())
}

/// Opens a file for reading.
pub(crate) fn open(path: impl AsRef<Path>) -> SyscallResult {
    open_ro(path).map(drop)
}

/// Makes a user the owner, and the group with the same number the group.
pub(crate) fn chown(path: impl AsRef<Path>, user: u32) -> SyscallResult {
    syscalls::give(path, user)
}

/// Sets both times to a fixed time, which only the owner may.
pub(crate) fn set_times(path: impl AsRef<Path>) -> SyscallResult {
    let time = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 0,
    };
    syscalls::set_times(path, time, time)
}
