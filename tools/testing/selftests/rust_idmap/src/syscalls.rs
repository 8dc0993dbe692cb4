// SPDX-License-Identifier: GPL-2.0

//! System calls on paths.
//!
//! Relative paths start at the current directory. Calls do not follow a symbolic link in the last
//! component, unless their documentation says so.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Statx, StatxFlags, Timespec, Timestamps,
    XattrFlags, CWD,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::errno::SyscallResult;
use crate::raw::{self, check};

const NOFOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW;
/// The fields that [`statx()`] requests.
pub const STATX_ALL: StatxFlags = StatxFlags::BASIC_STATS
    .union(StatxFlags::BTIME)
    .union(StatxFlags::MNT_ID);

/// Opens a file with `O_CLOEXEC`; follows symbolic links.
pub fn open(path: impl AsRef<Path>, flags: OFlags, mode: u32) -> SyscallResult<OwnedFd> {
    let mode = Mode::from_raw_mode(mode);
    rustix::fs::openat(CWD, path.as_ref(), flags | OFlags::CLOEXEC, mode)
}

/// Opens an existing file for reading and writing.
pub fn open_rw(path: impl AsRef<Path>) -> SyscallResult<OwnedFd> {
    open(path, OFlags::RDWR, 0)
}

/// Opens an existing file for reading.
pub fn open_ro(path: impl AsRef<Path>) -> SyscallResult<OwnedFd> {
    open(path, OFlags::RDONLY, 0)
}

/// Creates a file. Fails with `EEXIST` if the path exists.
pub fn create(path: impl AsRef<Path>, mode: u32) -> SyscallResult<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    open(path, flags, mode)
}

/// Creates a file with these contents, or replaces the contents of an existing file.
pub fn write_file(path: impl AsRef<Path>, contents: &[u8]) -> SyscallResult {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    write_all(open(path, flags, 0o644)?, contents)
}

/// Writes all of `contents`.
pub fn write_all(fd: impl AsFd, mut contents: &[u8]) -> SyscallResult {
    while !contents.is_empty() {
        let count = rustix::io::write(&fd, contents)?;
        contents = &contents[count..];
    }
    Ok(())
}

/// Reads the contents of a file.
pub fn read_file(path: impl AsRef<Path>) -> SyscallResult<Vec<u8>> {
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

/// Reads up to `length` bytes at `offset`.
pub fn pread(fd: impl AsFd, length: usize, offset: u64) -> SyscallResult<Vec<u8>> {
    let mut buffer = vec![0; length];
    let count = rustix::io::pread(fd, &mut buffer[..], offset)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Creates a directory.
pub fn mkdir(path: impl AsRef<Path>, mode: u32) -> SyscallResult {
    rustix::fs::mkdirat(CWD, path.as_ref(), Mode::from_raw_mode(mode))
}

/// Creates a file of any type, such as a device.
pub fn mknod(path: impl AsRef<Path>, kind: FileType, mode: u32, device: u64) -> SyscallResult {
    rustix::fs::mknodat(CWD, path.as_ref(), kind, Mode::from_raw_mode(mode), device)
}

/// Creates a symbolic link.
pub fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> SyscallResult {
    rustix::fs::symlinkat(target.as_ref(), CWD, path.as_ref())
}

/// Creates a hard link.
pub fn link(old: impl AsRef<Path>, new: impl AsRef<Path>) -> SyscallResult {
    rustix::fs::linkat(CWD, old.as_ref(), CWD, new.as_ref(), AtFlags::empty())
}

/// Creates a hard link to an open file, such as an `O_TMPFILE` file, by its path in `/proc`.
pub fn link_open(fd: impl AsFd, new: impl AsRef<Path>) -> SyscallResult {
    let old = through(&fd);
    rustix::fs::linkat(CWD, &old[..], CWD, new.as_ref(), AtFlags::SYMLINK_FOLLOW)
}

/// Returns the path in `/proc` of an open file.
pub fn through(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// Removes a file.
pub fn unlink(path: impl AsRef<Path>) -> SyscallResult {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::empty())
}

/// Removes an empty directory.
pub fn rmdir(path: impl AsRef<Path>) -> SyscallResult {
    rustix::fs::unlinkat(CWD, path.as_ref(), AtFlags::REMOVEDIR)
}

/// Renames a file.
pub fn rename(old: impl AsRef<Path>, new: impl AsRef<Path>) -> SyscallResult {
    rename_with(old, new, RenameFlags::empty())
}

/// Renames a file, with flags such as `RENAME_EXCHANGE`.
pub fn rename_with(
    old: impl AsRef<Path>,
    new: impl AsRef<Path>,
    flags: RenameFlags,
) -> SyscallResult {
    rustix::fs::renameat_with(CWD, old.as_ref(), CWD, new.as_ref(), flags)
}

/// Returns the attributes of a file.
pub fn stat(path: impl AsRef<Path>) -> SyscallResult<Stat> {
    rustix::fs::statat(CWD, path.as_ref(), NOFOLLOW)
}

/// Returns the link count.
pub fn links(path: impl AsRef<Path>) -> SyscallResult<u64> {
    stat(path).map(|stat| link_count(&stat))
}

/// The link count among the attributes of a file.
// `st_nlink` is an `u32` on arm64 and riscv64.
#[allow(clippy::useless_conversion)]
pub fn link_count(stat: &Stat) -> u64 {
    stat.st_nlink.into()
}

/// Returns the mode bits without the file type.
pub fn mode(path: impl AsRef<Path>) -> SyscallResult<u32> {
    stat(path).map(|stat| stat.st_mode & 0o7777)
}

/// Returns the owner and the group.
pub fn owner(path: impl AsRef<Path>) -> SyscallResult<(u32, u32)> {
    stat(path).map(|stat| (stat.st_uid, stat.st_gid))
}

/// Returns the inode number.
pub fn ino(path: impl AsRef<Path>) -> SyscallResult<u64> {
    stat(path).map(|stat| stat.st_ino)
}

/// Returns the attributes of a file, with those that only `statx()` has.
pub fn statx(path: impl AsRef<Path>) -> SyscallResult<Statx> {
    rustix::fs::statx(CWD, path.as_ref(), NOFOLLOW, STATX_ALL)
}

/// Changes the mode bits; follows symbolic links.
pub fn chmod(path: impl AsRef<Path>, mode: u32) -> SyscallResult {
    rustix::fs::chmodat(
        CWD,
        path.as_ref(),
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    )
}

/// Changes the owner, the group, or both.
pub fn chown(path: impl AsRef<Path>, user: Option<u32>, group: Option<u32>) -> SyscallResult {
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    rustix::fs::chownat(CWD, path.as_ref(), user, group, NOFOLLOW)
}

/// Makes a user the owner, and the group with the same number the group.
pub fn give(path: impl AsRef<Path>, id: u32) -> SyscallResult {
    chown(path, Some(id), Some(id))
}

/// Sets the access time and the modification time.
pub fn set_times(path: impl AsRef<Path>, access: Timespec, change: Timespec) -> SyscallResult {
    let times = Timestamps {
        last_access: access,
        last_modification: change,
    };
    rustix::fs::utimensat(CWD, path.as_ref(), &times, NOFOLLOW)
}

/// Sets an extended attribute.
pub fn set_xattr(path: impl AsRef<Path>, name: &str, value: &[u8]) -> SyscallResult {
    set_xattr_with(path, name, value, XattrFlags::empty())
}

/// Sets an extended attribute, with flags such as `XATTR_CREATE`.
pub fn set_xattr_with(
    path: impl AsRef<Path>,
    name: &str,
    value: &[u8],
    flags: XattrFlags,
) -> SyscallResult {
    rustix::fs::lsetxattr(path.as_ref(), name, value, flags)
}

/// Returns the value of an extended attribute.
pub fn get_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult<Vec<u8>> {
    let mut value = vec![0; 65536];
    let length = rustix::fs::lgetxattr(path.as_ref(), name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// Returns the names of the extended attributes, sorted.
pub fn list_xattr(path: impl AsRef<Path>) -> SyscallResult<Vec<String>> {
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

/// Removes an extended attribute.
pub fn remove_xattr(path: impl AsRef<Path>, name: &str) -> SyscallResult {
    rustix::fs::lremovexattr(path.as_ref(), name)
}

/// Returns the names in a directory, sorted, without `.` and `..`.
pub fn names(path: impl AsRef<Path>) -> SyscallResult<Vec<String>> {
    let fd = open(path, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
    let mut names = Vec::new();
    loop {
        let entries = raw::getdents(&fd, 4096)?;
        if entries.is_empty() {
            break;
        }
        let entries = entries.into_iter().map(|entry| entry.name);
        names.extend(entries.filter(|name| name != "." && name != ".."));
    }
    names.sort();
    Ok(names)
}

/// Creates a file without a name, writes nothing, and links it to a path.
pub fn create_by_tmpfile(path: impl AsRef<Path>, mode: u32) -> SyscallResult {
    let directory = path.as_ref().parent().ok_or(Errno::INVAL)?;
    let file = open(directory, OFlags::WRONLY | OFlags::TMPFILE, mode)?;
    link_open(&file, path)
}

/// Appends to an existing file.
pub fn append(path: impl AsRef<Path>, contents: &[u8]) -> SyscallResult {
    write_all(open(path, OFlags::WRONLY | OFlags::APPEND, 0)?, contents)
}

/// Changes the size of a file, which may be negative here; follows symbolic links.
pub fn truncate(path: impl AsRef<Path>, length: i64) -> SyscallResult {
    let path = c_path(path)?;
    // SAFETY: `path` is a C string and lives until the call returns.
    check(unsafe { libc::truncate(path.as_ptr(), length) }.into()).map(drop)
}

/// Reads a symbolic link into a buffer of `size` bytes, which may be 0.
pub fn readlink(path: impl AsRef<Path>, size: usize) -> SyscallResult<Vec<u8>> {
    let path = c_path(path)?;
    let mut buffer = vec![0; size];
    // SAFETY: `path` is a C string, `buffer` has `size` bytes, and both live until the call
    // returns.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_readlinkat,
            libc::AT_FDCWD,
            path.as_ptr(),
            buffer.as_mut_ptr(),
            size as i32,
        )
    })?;
    buffer.truncate(length as usize);
    Ok(buffer)
}

/// `fchmodat2()` with `AT_SYMLINK_NOFOLLOW`.
pub fn lchmod(path: impl AsRef<Path>, mode: u32) -> SyscallResult {
    /// The number on every architecture but Alpha.
    const FCHMODAT2: libc::c_long = 452;
    let path = c_path(path)?;
    // SAFETY: `path` is a C string and lives until the call returns.
    check(unsafe {
        libc::syscall(
            FCHMODAT2,
            libc::AT_FDCWD,
            path.as_ptr(),
            mode,
            libc::AT_SYMLINK_NOFOLLOW,
        )
    })
    .map(drop)
}

/// `faccessat2()`. The C library may emulate it, this function does not.
pub fn access(path: impl AsRef<Path>, mode: i32, flags: i32) -> SyscallResult {
    let path = c_path(path)?;
    // SAFETY: `path` is a C string and lives until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            mode,
            flags,
        )
    })
    .map(drop)
}

/// Converts a path to a C string. Fails with `EINVAL` if it has a NUL byte.
pub(crate) fn c_path(path: impl AsRef<Path>) -> SyscallResult<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes()).map_err(|_| Errno::INVAL)
}
