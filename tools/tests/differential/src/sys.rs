// SPDX-License-Identifier: GPL-2.0

//! What needs `unsafe`: starting processes, and two system calls that no library has.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::{io::Errno, process::Pid};

/// Starts a process that does something and ends with the status that this returns.
///
/// The process is a copy of this one, which must have a single thread.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: There is no other thread (nothing in this program starts one), so that the copy is
    // as whole as the original, and may go on in the same way.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = child();
            // SAFETY: Ends the process at once, so that nothing that the original has buffered is
            // written a second time.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork() returned no process id")),
    }
}

fn check(result: i32) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    // The C library has just set `errno` for this thread.
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

/// Changes the length of the file at a path.
pub(crate) fn truncate(path: &CStr, size: u32) -> Result<(), Errno> {
    // SAFETY: The path is a C string that lives until the call returns.
    check(unsafe { libc::truncate(path.as_ptr(), libc::off_t::from(size)) })
}

/// Takes a lease, for reading, of an open file.
pub(crate) fn lease(file: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: The descriptor is open, and the command takes a number.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) })
}
