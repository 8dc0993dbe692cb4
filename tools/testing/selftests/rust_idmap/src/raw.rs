// SPDX-License-Identifier: GPL-2.0

//! System calls that rustix does not have, or not with all arguments.

use std::ffi::{c_long, CStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::errno::{last, SyscallResult};

// The numbers on every architecture but Alpha.
const MOUNT_SETATTR: c_long = 442;
const CACHESTAT: c_long = 451;
const STATMOUNT: c_long = 457;
const OPEN_TREE_ATTR: c_long = 467;

/// Converts the return value of a function of the C library.
pub(crate) fn check(result: c_long) -> SyscallResult<u64> {
    u64::try_from(result).map_err(|_| last())
}

/// Takes ownership of the file descriptor that a system call has returned.
///
/// # Safety
///
/// `result` must be the return value of a system call that creates a file descriptor.
pub(crate) unsafe fn owned(result: c_long) -> SyscallResult<OwnedFd> {
    let fd = check(result)? as RawFd;
    // SAFETY: By the safety requirement the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `mount_setattr()` with any bytes in place of `struct mount_attr`, and any size.
pub fn mount_setattr(
    dir: RawFd,
    path: &CStr,
    flags: i32,
    attr: Option<&[u8]>,
    size: usize,
) -> SyscallResult<u64> {
    let attr = attr.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // SAFETY: The kernel reads `attr` only, and fails with EFAULT where no memory is mapped.
    // `path` is a C string. Both live until the call returns.
    check(unsafe { libc::syscall(MOUNT_SETATTR, dir, path.as_ptr(), flags, attr, size) })
}

/// `open_tree_attr()` with any bytes in place of `struct mount_attr`, and any size.
pub fn open_tree_attr(
    dir: RawFd,
    path: &CStr,
    flags: u32,
    attr: Option<&[u8]>,
    size: usize,
) -> SyscallResult<OwnedFd> {
    let attr = attr.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // SAFETY: The kernel reads `attr` only, and fails with EFAULT where no memory is mapped.
    // `path` is a C string. Both live until the call returns, which returns a new descriptor.
    unsafe {
        owned(libc::syscall(
            OPEN_TREE_ATTR,
            dir,
            path.as_ptr(),
            flags,
            attr,
            size,
        ))
    }
}

/// `mount_setattr()` or `open_tree_attr()` with arguments that may all be wrong.
#[derive(Clone, Copy, Debug)]
pub struct MountAttrCall {
    /// Whether the call is `open_tree_attr()`.
    pub open: bool,
    /// The file descriptor.
    pub dir: i32,
    /// The address of the path.
    pub path: usize,
    /// The flags.
    pub flags: u32,
    /// The address of the attributes.
    pub attr: usize,
    /// The size of the attributes.
    pub size: usize,
}

impl MountAttrCall {
    /// Makes the call. Closes the file descriptor that `open_tree_attr()` returns.
    pub fn make(&self) -> SyscallResult {
        let number = if self.open {
            OPEN_TREE_ATTR
        } else {
            MOUNT_SETATTR
        };
        // SAFETY: Both calls only read memory of the process, and fail with EFAULT where none is
        // mapped, so any address is allowed.
        let result = unsafe {
            libc::syscall(
                number, self.dir, self.path, self.flags, self.attr, self.size,
            )
        };
        if self.open {
            // SAFETY: open_tree_attr() returns a new file descriptor.
            return unsafe { owned(result) }.map(drop);
        }
        check(result).map(drop)
    }
}

/// `statmount()`: returns the parts in `mask` of the mount with this unique id.
pub fn statmount(mount: u64, mask: u64) -> SyscallResult<Vec<u8>> {
    /// `struct mnt_id_req` in its first version.
    #[repr(C)]
    struct Request {
        size: u32,
        spare: u32,
        mount: u64,
        param: u64,
    }
    let request = Request {
        size: size_of::<Request>() as u32,
        spare: 0,
        mount,
        param: mask,
    };
    let mut buffer = vec![0u8; 1 << 16];
    // SAFETY: `request` has the layout and the size that it states, `buffer` has the length that
    // is passed, and both live until the call returns.
    check(unsafe {
        libc::syscall(
            STATMOUNT,
            &raw const request,
            buffer.as_mut_ptr(),
            buffer.len(),
            0,
        )
    })?;
    Ok(buffer)
}

/// An ioctl whose argument is a struct without pointers.
pub fn ioctl(fd: BorrowedFd<'_>, request: u64, data: &mut [u8]) -> SyscallResult<u64> {
    // Some ioctls access more than the size in their number, though less than a page.
    assert!(data.len() >= (request >> 16 & 0x3fff) as usize);
    // SAFETY: `data` has the size in the number of the ioctl, and lives until the call returns.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request as libc::Ioctl, data.as_mut_ptr()) };
    check(result.into())
}

/// An ioctl without an argument.
pub fn ioctl_without(fd: BorrowedFd<'_>, request: u64) -> SyscallResult<u64> {
    let none = std::ptr::null_mut::<u8>();
    // SAFETY: The kernel fails with EFAULT if it accesses the null pointer.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as libc::Ioctl, none) }.into())
}

/// `fcntl()` with an integer argument.
pub fn fcntl(fd: BorrowedFd<'_>, command: i32, argument: i32) -> SyscallResult<u64> {
    let known = [
        libc::F_SETFL,
        libc::F_SETLEASE,
        libc::F_SETOWN,
        libc::F_NOTIFY,
    ];
    assert!(known.contains(&command));
    // SAFETY: None of these commands takes a pointer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) }.into())
}

/// Sets a lease (`F_RDLCK`, `F_WRLCK`) or removes it (`F_UNLCK`).
pub fn set_lease(fd: impl AsFd, kind: i32) -> SyscallResult {
    fcntl(fd.as_fd(), libc::F_SETLEASE, kind).map(drop)
}

/// Sets the write hint of a file to `RWH_WRITE_LIFE_SHORT`.
pub fn set_write_hint(fd: BorrowedFd<'_>) -> SyscallResult<u64> {
    // F_SET_RW_HINT and RWH_WRITE_LIFE_SHORT of linux/fcntl.h.
    let (command, hint) = (1024 + 12, 2u64);
    // SAFETY: `hint` lives until the call returns.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, &raw const hint) }.into())
}

/// Sets an open file description lock on the first byte.
pub fn lock_first_byte(fd: impl AsFd, kind: i32) -> SyscallResult {
    // SAFETY: All bytes of `struct flock` may be zero.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_len = 1;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `lock` lives until the call returns.
    check(unsafe { libc::fcntl(fd, libc::F_OFD_SETLK, &raw const lock) }.into()).map(drop)
}

/// `cachestat()`: returns the number of cached pages of the first `length` bytes.
pub fn cachestat(fd: BorrowedFd<'_>, length: u64) -> SyscallResult<u64> {
    let range = [0u64, length];
    let mut stat = [0u64; 5];
    // SAFETY: `struct cachestat_range` has two 64-bit members and `struct cachestat` five. Both
    // arrays live until the call returns.
    check(unsafe {
        libc::syscall(
            CACHESTAT,
            fd.as_raw_fd(),
            range.as_ptr(),
            stat.as_mut_ptr(),
            0,
        )
    })?;
    Ok(stat[0])
}

/// Sets the filesystem user id and group id of this thread. The kernel reports no failure.
pub fn set_fs_ids(user: u32, group: u32) {
    // SAFETY: Neither call takes a pointer.
    unsafe {
        libc::setfsgid(group);
        libc::setfsuid(user);
    }
}

/// `quotactl_fd()`. `data` must have room for any struct of the quota interface.
pub fn quotactl(fd: BorrowedFd<'_>, command: u32, id: u32, data: &mut [u8]) -> SyscallResult<u64> {
    assert!(data.len() >= 256);
    // SAFETY: No struct of the quota interface is larger than 256 bytes, and `data` lives until
    // the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            fd.as_raw_fd(),
            command,
            id,
            data.as_mut_ptr(),
        )
    })
}

/// A directory entry as `getdents64()` returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The inode number.
    pub ino: u64,
    /// The position after this entry.
    pub offset: u64,
    /// The file type, `DT_...`.
    pub kind: u8,
    /// The name.
    pub name: String,
}

/// `getdents64()` with a buffer of `size` bytes.
pub fn getdents(fd: impl AsFd, size: usize) -> SyscallResult<Vec<Entry>> {
    let mut buffer = vec![0u8; size];
    // SAFETY: `buffer` has `size` bytes and lives until the call returns.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            fd.as_fd().as_raw_fd(),
            buffer.as_mut_ptr(),
            size,
        )
    })?;
    buffer.truncate(length as usize);
    let mut entries = Vec::new();
    let mut rest = &buffer[..];
    while let Some((head, _)) = rest.split_at_checked(19) {
        let number = |at: usize| -> SyscallResult<u64> {
            let bytes = head.get(at..).and_then(<[u8]>::first_chunk);
            bytes.copied().map(u64::from_ne_bytes).ok_or(Errno::IO)
        };
        let length = usize::from(u16::from_ne_bytes([head[16], head[17]]));
        let record = rest.get(..length).ok_or(Errno::IO)?;
        let name = record.get(19..).ok_or(Errno::IO)?;
        let name = CStr::from_bytes_until_nul(name).map_err(|_| Errno::IO)?;
        entries.push(Entry {
            ino: number(0)?,
            offset: number(8)?,
            kind: head[18],
            name: name.to_string_lossy().into_owned(),
        });
        rest = &rest[length..];
    }
    Ok(entries)
}
