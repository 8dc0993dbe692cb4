// SPDX-License-Identifier: GPL-2.0

//! Does single system calls as some user, for their exact answers.

use std::{os::fd::AsRawFd, path::Path, thread};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, makedev},
    io::Errno,
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::show::SyscallResult;

/// Does something as a user, the group of the same number, and in no other group.
///
/// Users belong to threads in Linux, so a thread of its own is all that this takes.
pub(crate) fn as_user<T: Send>(
    user: u32,
    call: impl FnOnce() -> SyscallResult<T> + Send,
) -> SyscallResult<T> {
    let become_user = move || -> SyscallResult<()> {
        set_thread_groups(&[])?;
        let group = Gid::from_raw(user);
        set_thread_res_gid(group, group, group)?;
        let user = Uid::from_raw(user);
        set_thread_res_uid(user, user, user)
    };
    thread::scope(|scope| {
        let actor = scope.spawn(move || {
            become_user()?;
            call()
        });
        actor.join().unwrap_or(Err(Errno::CANCELED))
    })
}

/// Makes a directory.
pub(crate) fn mkdir(path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::mkdirat(CWD, path.as_ref(), Mode::from_raw_mode(0o755))
}

/// Makes a file.
pub(crate) fn create(path: impl AsRef<Path>) -> SyscallResult<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path.as_ref(), flags, Mode::from_raw_mode(0o644)).map(drop)
}

/// Makes a symbolic link.
pub(crate) fn symlink(target: &str, path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::symlinkat(target, CWD, path.as_ref())
}

/// Makes a named pipe.
pub(crate) fn fifo(path: impl AsRef<Path>) -> SyscallResult<()> {
    let mode = Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(CWD, path.as_ref(), FileType::Fifo, mode, 0)
}

/// Makes a file that has no name until its contents are there, as careful programs do.
pub(crate) fn tmpfile(path: impl AsRef<Path>) -> SyscallResult<()> {
    let path = path.as_ref();
    let directory = path.parent().ok_or(Errno::INVAL)?;
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, directory, flags, Mode::from_raw_mode(0o644))?;
    let nameless = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, nameless, CWD, path, AtFlags::SYMLINK_FOLLOW)
}

/// Makes a file for a device, /dev/null's.
pub(crate) fn device(path: impl AsRef<Path>) -> SyscallResult<()> {
    let (mode, device) = (Mode::from_raw_mode(0o666), makedev(1, 3));
    rustix::fs::mknodat(CWD, path.as_ref(), FileType::CharacterDevice, mode, device)
}

/// Makes something new at a path.
type Maker = fn(&Path) -> SyscallResult<()>;

/// The system calls that make something new at a path, by name.
pub(crate) const MAKERS: [(&str, Maker); 5] = [
    ("mkdir()", |path| mkdir(path)),
    ("open(O_CREAT)", |path| create(path)),
    ("open(O_TMPFILE)", |path| tmpfile(path)),
    ("symlink()", |path| symlink("nowhere", path)),
    ("mknod()", |path| fifo(path)),
];

/// Gives a file a second name.
pub(crate) fn link(path: impl AsRef<Path>, second: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::linkat(CWD, path.as_ref(), CWD, second.as_ref(), AtFlags::empty())
}

/// Gives an entry another name.
pub(crate) fn rename(path: impl AsRef<Path>, other: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::renameat(CWD, path.as_ref(), CWD, other.as_ref())
}

/// Adds a line to a file that exists.
pub(crate) fn append(path: impl AsRef<Path>, line: &str) -> SyscallResult<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path.as_ref(), flags, Mode::empty())?;
    rustix::io::write(file, line.as_bytes()).map(drop)
}

/// Opens a file for reading, no more.
pub(crate) fn open(path: impl AsRef<Path>) -> SyscallResult<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path.as_ref(), flags, Mode::empty()).map(drop)
}

/// Changes the permission bits.
pub(crate) fn chmod(path: impl AsRef<Path>, mode: u32) -> SyscallResult<()> {
    rustix::fs::chmodat(
        CWD,
        path.as_ref(),
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    )
}

/// Gives an entry to a user and the group of the same number.
pub(crate) fn chown(path: impl AsRef<Path>, user: u32) -> SyscallResult<()> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(CWD, path.as_ref(), Some(user), Some(group), flags)
}

/// Removes a file.
pub(crate) fn unlink(path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::empty())
}

/// Removes an empty directory.
pub(crate) fn rmdir(path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::REMOVEDIR)
}

/// Sets both times to some other moment, which only the owner may.
pub(crate) fn set_times(path: impl AsRef<Path>) -> SyscallResult<()> {
    let moment = rustix::fs::Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: moment,
        last_modification: moment,
    };
    rustix::fs::utimensat(CWD, path.as_ref(), &times, AtFlags::empty())
}
