// SPDX-License-Identifier: GPL-2.0

//! User namespaces.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::thread::UnshareFlags;

use crate::sys;

/// A user namespace.
#[derive(Debug)]
pub(crate) struct UserNs(OwnedFd);

/// The error number of an error of the library.
pub(crate) fn number(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

impl UserNs {
    /// Makes one with the same map for users and for groups, in the form of `/proc/PID/uid_map`.
    pub(crate) fn with(map: &str) -> Result<Self, Errno> {
        Self::new(map, map)
    }

    /// Makes one with these maps of users and of groups; an empty one is not written.
    pub(crate) fn new(users: &str, groups: &str) -> Result<Self, Errno> {
        let (ready, say_ready) = pipe_with(PipeFlags::CLOEXEC)?;
        let (end, say_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let [mut ready, mut say_ready, mut end, mut say_end] =
            [ready, say_ready, end, say_end].map(File::from);
        let pid = sys::fork(|| {
            let mut live = || -> io::Result<()> {
                sys::unshare(UnshareFlags::NEWUSER)?;
                say_ready.write_all(b"1")?;
                end.read_exact(&mut [0])
            };
            i32::from(live().is_err())
        })?;
        drop(say_ready);
        let mut made = || -> io::Result<Self> {
            ready.read_exact(&mut [0])?;
            for (file, text) in [("uid_map", users), ("gid_map", groups)] {
                if !text.is_empty() {
                    fs::write(format!("/proc/{pid}/{file}"), text)?;
                }
            }
            Ok(Self(File::open(format!("/proc/{pid}/ns/user"))?.into()))
        };
        let made = made().map_err(number);
        // If it has ended already nobody reads this, and there is nothing to end.
        let _ = say_end.write_all(b"1");
        sys::wait(pid)?;
        made
    }
}

impl AsFd for UserNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
