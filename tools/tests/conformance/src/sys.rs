// SPDX-License-Identifier: GPL-2.0

//! The system calls that rustix has not, or not with every argument; every `unsafe` is here.

use std::{
    ffi::{CStr, CString, c_long, c_void},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::io::Errno;

use crate::syscalls::SyscallResult;

/// `fchmodat2()`, the same number on every architecture but Alpha.
const FCHMODAT2: c_long = 452;

fn check(result: c_long) -> SyscallResult<usize> {
    usize::try_from(result).map_err(|_| {
        // The C library has just set `errno` for this thread.
        let error = io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}

fn text(path: &Path) -> SyscallResult<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)
}

/// Takes the descriptor that a call has just made.
fn owned(result: SyscallResult<usize>) -> SyscallResult<OwnedFd> {
    // SAFETY: The call has just made this descriptor, so that nobody else has it.
    result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Gives this thread, and those that it starts, mounts of their own.
pub(crate) fn unshare_mounts() -> SyscallResult<()> {
    // SAFETY: No memory is at stake.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into()).map(drop)
}

/// `truncate()`, with a length that may be negative.
pub(crate) fn truncate(path: &Path, length: i64) -> SyscallResult<()> {
    let path = text(path)?;
    // SAFETY: The path is a C string that lives until the call returns.
    check(unsafe { libc::truncate(path.as_ptr(), length) }.into()).map(drop)
}

/// `readlink()` with a buffer of `size` bytes, which may be none.
pub(crate) fn readlink(path: &Path, size: usize) -> SyscallResult<Vec<u8>> {
    let path = text(path)?;
    let mut buffer = vec![0; size];
    // SAFETY: The buffer has the length that is said, and both live until the call returns.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_readlink,
            path.as_ptr(),
            buffer.as_mut_ptr(),
            size as i32,
        )
    })?;
    buffer.truncate(length);
    Ok(buffer)
}

/// `fchmodat2()` with `AT_SYMLINK_NOFOLLOW`.
pub(crate) fn lchmod(path: &Path, mode: u32) -> SyscallResult<()> {
    let path = text(path)?;
    // SAFETY: The path is a C string that lives until the call returns.
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

/// An entry of a directory, as `getdents64()` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ino: u64,
    /// Where reading goes on after this entry.
    pub(crate) offset: u64,
    /// The `DT_...` of it.
    pub(crate) kind: u8,
    pub(crate) name: String,
}

/// One call of `getdents64()` with room for `size` bytes.
pub(crate) fn getdents(fd: BorrowedFd<'_>, size: usize) -> SyscallResult<Vec<Entry>> {
    let mut buffer = vec![0u8; size];
    // SAFETY: The buffer has the length that is said and lives until the call returns.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            fd.as_raw_fd(),
            buffer.as_mut_ptr(),
            size,
        )
    })?;
    buffer.truncate(length);
    let mut entries = Vec::new();
    let mut rest = &buffer[..];
    while let Some((head, _)) = rest.split_at_checked(19) {
        let number = |at: usize| -> SyscallResult<u64> {
            let bytes = head.get(at..at + 8).ok_or(Errno::IO)?;
            Ok(u64::from_ne_bytes(bytes.try_into().map_err(|_| Errno::IO)?))
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

/// `struct file_handle` with as much room as the kernel ever needs.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// Its length.
    pub(crate) bytes: u32,
    pub(crate) kind: i32,
    pub(crate) data: [u8; 128],
}

/// `name_to_handle_at()` with room for `room` bytes; a handle that is too short comes with the
/// error, and says the length that is needed.
pub(crate) fn name_to_handle(path: &Path, room: u32, flags: i32) -> (Handle, SyscallResult<()>) {
    let mut handle = Handle {
        bytes: room,
        kind: 0,
        data: [0; 128],
    };
    let path = match text(path) {
        Ok(path) => path,
        Err(errno) => return (handle, Err(errno)),
    };
    let mut mount = 0i32;
    // SAFETY: The kernel writes no more than `bytes`, and refuses more than the 128 that are there;
    // all three live until the call returns.
    let answer = check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    });
    (handle, answer.map(drop))
}

/// `open_by_handle_at()`.
pub(crate) fn open_by_handle(
    mount: BorrowedFd<'_>,
    handle: &Handle,
    flags: i32,
) -> SyscallResult<OwnedFd> {
    // SAFETY: The kernel reads `bytes` of the handle and refuses more than the 128 that are there;
    // it lives until the call returns.
    owned(check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            &raw const *handle,
            flags | libc::O_CLOEXEC,
        )
    }))
}

/// A lock of the open file itself, on its first byte: `F_OFD_SETLK`.
pub(crate) fn lock_first_byte(fd: BorrowedFd<'_>, kind: i32) -> SyscallResult<()> {
    // SAFETY: A lock of zeros is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_len = 1;
    // SAFETY: The lock lives until the call returns.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }.into())
        .map(drop)
}

/// Asks for a lease or gives it back.
pub(crate) fn set_lease(fd: BorrowedFd<'_>, kind: i32) -> SyscallResult<()> {
    // SAFETY: No memory is at stake.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, kind) }.into()).map(drop)
}

/// A file in memory.
pub(crate) struct Mapping {
    start: *mut u8,
    length: usize,
}

impl Mapping {
    /// Maps the first `length` bytes of a file; `flags` are `MAP_SHARED` or `MAP_PRIVATE`.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        length: usize,
        write: bool,
        flags: i32,
    ) -> SyscallResult<Self> {
        let protection = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
        let none = std::ptr::null_mut();
        // SAFETY: The kernel chooses an address at which nothing is.
        let start = unsafe { libc::mmap(none, length, protection, flags, fd.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(check(-1).err().unwrap_or(Errno::IO));
        }
        Ok(Self {
            start: start.cast(),
            length,
        })
    }

    /// The byte at `index`, which must be within the file.
    pub(crate) fn get(&self, index: usize) -> u8 {
        assert!(index < self.length);
        // SAFETY: The byte is within the mapping. Others may change the file, hence volatile.
        unsafe { self.start.add(index).read_volatile() }
    }

    /// Sets the byte at `index`, which must be within the file, of a mapping that may be written.
    pub(crate) fn set(&self, index: usize, value: u8) {
        assert!(index < self.length);
        // SAFETY: As for `get()`.
        unsafe { self.start.add(index).write_volatile(value) };
    }

    /// Has the kernel read a byte of the mapping, by writing it to `fd`: it may be behind the end
    /// of the file, which is then an error and no signal.
    pub(crate) fn write_to(&self, index: usize, fd: BorrowedFd<'_>) -> SyscallResult<usize> {
        assert!(index < self.length);
        // SAFETY: The byte is within the mapping, and it is the kernel that reads it.
        let result = unsafe { libc::write(fd.as_raw_fd(), self.start.add(index).cast(), 1) };
        check(result as c_long)
    }

    /// Has the kernel store a byte in the mapping, by reading it from `fd`: where there can be no
    /// page for it, that is an error and no signal.
    pub(crate) fn fill_from(&self, index: usize, fd: BorrowedFd<'_>) -> SyscallResult<usize> {
        assert!(index < self.length);
        // SAFETY: The byte is within the mapping, and it is the kernel that writes it.
        let result = unsafe { libc::pread(fd.as_raw_fd(), self.start.add(index).cast(), 1, 0) };
        check(result as c_long)
    }

    /// Has the kernel move each page to other memory, and never use the old one again.
    pub(crate) fn migrate(&self) -> SyscallResult<()> {
        let start: *mut c_void = self.start.cast();
        // SAFETY: The range is that of the mapping, and what is in it stays.
        check(unsafe { libc::madvise(start, self.length, libc::MADV_SOFT_OFFLINE) }.into())
            .map(drop)
    }

    /// Waits until what was changed is in the file.
    pub(crate) fn sync(&self) -> SyscallResult<()> {
        let start: *mut c_void = self.start.cast();
        // SAFETY: The range is that of the mapping.
        check(unsafe { libc::msync(start, self.length, libc::MS_SYNC) }.into()).map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: The range is that of the mapping, to which nobody has a reference.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}
