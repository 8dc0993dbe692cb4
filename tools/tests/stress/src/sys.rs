// SPDX-License-Identifier: GPL-2.0

//! The two calls, with whatever arguments.

use std::{ffi::c_long, io};

use rustix::io::Errno;

/// Numbers of the calls, the same on every architecture but Alpha.
pub(crate) const MOUNT_SETATTR: c_long = 442;
pub(crate) const OPEN_TREE_ATTR: c_long = 467;

/// A call and its arguments, any of which may be wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: c_long,
    pub(crate) directory: i32,
    /// The address of a path.
    pub(crate) path: usize,
    pub(crate) flags: u32,
    /// The address of the attributes.
    pub(crate) attr: usize,
    pub(crate) size: usize,
}

impl Call {
    /// Makes the call; the answer is what it returned.
    pub(crate) fn make(&self) -> Result<i32, Errno> {
        // SAFETY: Both calls only read the memory of the process, and answer EFAULT where there
        // is none, so that any address will do. What they change is mounts, and the descriptors
        // of the process by one that is new.
        let result = unsafe {
            libc::syscall(
                self.number,
                self.directory,
                self.path,
                self.flags,
                self.attr,
                self.size,
            )
        };
        if result < 0 {
            let error = io::Error::last_os_error();
            return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
        Ok(result as i32)
    }
}

/// Closes a descriptor that [`Call::make`] returned.
pub(crate) fn close(fd: i32) {
    // SAFETY: The caller has just got it from the kernel, so that nobody else uses it.
    unsafe { libc::close(fd) };
}
