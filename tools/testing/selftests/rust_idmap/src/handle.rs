// SPDX-License-Identifier: GPL-2.0

//! File handles.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use crate::errno::SyscallResult;
use crate::raw::{check, owned};
use crate::syscalls::c_path;

/// `MAX_HANDLE_SZ`
pub const MAX: u32 = 128;

/// `struct file_handle` with the largest handle that the kernel returns.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The length of the handle.
    pub bytes: u32,
    /// Its type, which the filesystem chooses.
    pub kind: i32,
    /// The handle.
    pub data: [u8; MAX as usize],
}

/// `name_to_handle_at()` with a buffer of `room` bytes. If that is too small, the call fails with
/// `EOVERFLOW` and stores the length that it needs.
pub fn name_to_handle(path: impl AsRef<Path>, room: u32, flags: i32) -> (Handle, SyscallResult) {
    let mut handle = Handle {
        bytes: room,
        kind: 0,
        data: [0; MAX as usize],
    };
    let path = match c_path(path) {
        Ok(path) => path,
        Err(errno) => return (handle, Err(errno)),
    };
    let mut mount = 0i32;
    // SAFETY: The kernel fails with EINVAL if `bytes` is more than MAX_HANDLE_SZ, and writes no
    // more than `bytes`. All three pointers are valid until the call returns.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    });
    (handle, result.map(drop))
}

/// Returns the handle of a file.
pub fn of(path: impl AsRef<Path>, flags: i32) -> SyscallResult<Handle> {
    let (handle, result) = name_to_handle(path, MAX, flags);
    result.map(|()| handle)
}

/// `open_by_handle_at()`, with `O_CLOEXEC`.
pub fn open(mount: impl AsFd, handle: &Handle, flags: i32) -> SyscallResult<OwnedFd> {
    // SAFETY: The kernel fails with EINVAL if `bytes` is more than MAX_HANDLE_SZ, and reads no
    // more than `bytes`. The handle is valid until the call returns. The call returns a new file
    // descriptor.
    unsafe {
        owned(libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_fd().as_raw_fd(),
            &raw const *handle,
            flags | libc::O_CLOEXEC,
        ))
    }
}
