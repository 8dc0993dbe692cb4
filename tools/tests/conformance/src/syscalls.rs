// SPDX-License-Identifier: GPL-2.0

//! System calls with plain arguments and exact answers.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    thread,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, Statx, StatxFlags, Timespec,
        Timestamps, XattrFlags,
    },
    io::Errno,
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// What a system call answered.
pub(crate) type SyscallResult<T> = Result<T, Errno>;

const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
/// What `statx()` is asked for.
pub(crate) const EVERYTHING: StatxFlags = StatxFlags::BASIC_STATS
    .union(StatxFlags::BTIME)
    .union(StatxFlags::MNT_ID);

/// Does something as a user, the group of the same number, and the other `groups`.
///
/// Users belong to threads in Linux, so a thread of its own is all that this takes.
pub(crate) fn as_member<T: Send>(
    user: u32,
    groups: &[u32],
    call: impl FnOnce() -> SyscallResult<T> + Send,
) -> SyscallResult<T> {
    let become_user = || -> SyscallResult<()> {
        let groups: Vec<Gid> = groups.iter().map(|id| Gid::from_raw(*id)).collect();
        set_thread_groups(&groups)?;
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

/// Does something as a user and the group of the same number.
pub(crate) fn as_user<T: Send>(
    user: u32,
    call: impl FnOnce() -> SyscallResult<T> + Send,
) -> SyscallResult<T> {
    as_member(user, &[], call)
}

pub(crate) fn open(path: impl AsRef<Path>, flags: OFlags, mode: u32) -> SyscallResult<OwnedFd> {
    let mode = Mode::from_raw_mode(mode);
    rustix::fs::openat(CWD, path.as_ref(), flags | OFlags::CLOEXEC, mode)
}

/// Opens what is there for reading and writing.
pub(crate) fn open_rw(path: impl AsRef<Path>) -> SyscallResult<OwnedFd> {
    open(path, OFlags::RDWR, 0)
}

/// Opens what is there for reading.
pub(crate) fn open_ro(path: impl AsRef<Path>) -> SyscallResult<OwnedFd> {
    open(path, OFlags::RDONLY, 0)
}

/// Makes a file, which must not be there yet.
pub(crate) fn create(path: impl AsRef<Path>, mode: u32) -> SyscallResult<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    open(path, flags, mode)
}

/// Makes a file with these contents, or replaces those of one.
pub(crate) fn write_file(path: impl AsRef<Path>, contents: &[u8]) -> SyscallResult<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    write_all(open(path, flags, 0o644)?, contents)
}

pub(crate) fn write_all(fd: impl AsFd, mut contents: &[u8]) -> SyscallResult<()> {
    while !contents.is_empty() {
        let count = rustix::io::write(&fd, contents)?;
        contents = &contents[count..];
    }
    Ok(())
}

/// Reads a file from its start.
pub(crate) fn read_file(path: impl AsRef<Path>) -> SyscallResult<Vec<u8>> {
    let fd = open_ro(path)?;
    let mut contents = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match rustix::io::read(&fd, &mut buffer)? {
            0 => return Ok(contents),
            count => contents.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Up to `length` bytes at `offset`.
pub(crate) fn pread(fd: impl AsFd, length: usize, offset: u64) -> SyscallResult<Vec<u8>> {
    let mut buffer = vec![0; length];
    let count = rustix::io::pread(fd, &mut buffer[..], offset)?;
    buffer.truncate(count);
    Ok(buffer)
}

pub(crate) fn mkdir(path: impl AsRef<Path>, mode: u32) -> SyscallResult<()> {
    rustix::fs::mkdirat(CWD, path.as_ref(), Mode::from_raw_mode(mode))
}

pub(crate) fn mknod(
    path: impl AsRef<Path>,
    kind: FileType,
    mode: u32,
    device: u64,
) -> SyscallResult<()> {
    rustix::fs::mknodat(CWD, path.as_ref(), kind, Mode::from_raw_mode(mode), device)
}

pub(crate) fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::symlinkat(target.as_ref(), CWD, path.as_ref())
}

pub(crate) fn link(old: impl AsRef<Path>, new: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::linkat(CWD, old.as_ref(), CWD, new.as_ref(), AtFlags::empty())
}

/// Gives an open file a name, by the way through `/proc`, which needs no rights.
pub(crate) fn link_open(fd: impl AsFd, new: impl AsRef<Path>) -> SyscallResult<()> {
    let old = through(&fd);
    rustix::fs::linkat(CWD, &old[..], CWD, new.as_ref(), AtFlags::SYMLINK_FOLLOW)
}

/// The path of what is open.
pub(crate) fn through(fd: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

pub(crate) fn unlink(path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::empty())
}

pub(crate) fn rmdir(path: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::REMOVEDIR)
}

pub(crate) fn rename(old: impl AsRef<Path>, new: impl AsRef<Path>) -> SyscallResult<()> {
    rustix::fs::renameat(CWD, old.as_ref(), CWD, new.as_ref())
}

pub(crate) fn rename_with(
    old: impl AsRef<Path>,
    new: impl AsRef<Path>,
    flags: RenameFlags,
) -> SyscallResult<()> {
    rustix::fs::renameat_with(CWD, old.as_ref(), CWD, new.as_ref(), flags)
}

/// Looks at a path itself, be it a symbolic link.
pub(crate) fn stat(path: impl AsRef<Path>) -> SyscallResult<Stat> {
    rustix::fs::statat(CWD, path.as_ref(), NOFOLLOW)
}

/// The number of names.
pub(crate) fn links(path: impl AsRef<Path>) -> SyscallResult<u64> {
    stat(path).map(|stat| stat.st_nlink)
}

/// The permission bits and those above them.
pub(crate) fn mode(path: impl AsRef<Path>) -> SyscallResult<u32> {
    stat(path).map(|stat| stat.st_mode & 0o7777)
}

/// User and group.
pub(crate) fn owner(path: impl AsRef<Path>) -> SyscallResult<(u32, u32)> {
    stat(path).map(|stat| (stat.st_uid, stat.st_gid))
}

/// The number of the inode.
pub(crate) fn ino(path: impl AsRef<Path>) -> SyscallResult<u64> {
    stat(path).map(|stat| stat.st_ino)
}

/// All that there is to know of a path itself.
pub(crate) fn statx(path: impl AsRef<Path>) -> SyscallResult<Statx> {
    rustix::fs::statx(CWD, path.as_ref(), NOFOLLOW, EVERYTHING)
}

pub(crate) fn chmod(path: impl AsRef<Path>, mode: u32) -> SyscallResult<()> {
    rustix::fs::chmodat(
        CWD,
        path.as_ref(),
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    )
}

/// Changes the owner of a path itself.
pub(crate) fn chown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> SyscallResult<()> {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    rustix::fs::chownat(CWD, path.as_ref(), user, group, NOFOLLOW)
}

/// Gives a path to a user and the group of the same number.
pub(crate) fn give(path: impl AsRef<Path>, id: u32) -> SyscallResult<()> {
    chown(path, Some(id), Some(id))
}

/// Sets the times of a path itself.
pub(crate) fn set_times(
    path: impl AsRef<Path>,
    access: Timespec,
    change: Timespec,
) -> SyscallResult<()> {
    let times = Timestamps {
        last_access: access,
        last_modification: change,
    };
    rustix::fs::utimensat(CWD, path.as_ref(), &times, NOFOLLOW)
}

/// Sets an extended attribute of a path itself.
pub(crate) fn set_xattr(path: impl AsRef<Path>, name: &str, value: &[u8]) -> SyscallResult<()> {
    set_xattr_with(path, name, value, XattrFlags::empty())
}

pub(crate) fn set_xattr_with(
    path: impl AsRef<Path>,
    name: &str,
    value: &[u8],
    flags: XattrFlags,
) -> SyscallResult<()> {
    rustix::fs::lsetxattr(path.as_ref(), name, value, flags)
}

/// An extended attribute of a path itself.
pub(crate) fn get_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult<Vec<u8>> {
    let mut value = vec![0; 65536];
    let length = rustix::fs::lgetxattr(path.as_ref(), name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// The names of the extended attributes of a path itself, in order.
pub(crate) fn list_xattr(path: impl AsRef<Path>) -> SyscallResult<Vec<String>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path.as_ref(), &mut names[..])?;
    let mut names: Vec<String> = names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    Ok(names)
}

pub(crate) fn remove_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult<()> {
    rustix::fs::lremovexattr(path.as_ref(), name)
}

/// The names in a directory, in order, without `.` and `..`.
pub(crate) fn names(path: impl AsRef<Path>) -> SyscallResult<Vec<String>> {
    let fd = open(path, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    let mut names = Vec::new();
    loop {
        let entries = crate::sys::getdents(fd.as_fd(), 4096)?;
        if entries.is_empty() {
            break;
        }
        let entries = entries.into_iter().map(|entry| entry.name);
        names.extend(entries.filter(|name| name != "." && name != ".."));
    }
    names.sort();
    Ok(names)
}
