// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The process that a new user namespace begins with.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use crate::sys;

/// A process that keeps a new user namespace alive until the namespace is opened.
///
/// It ends with this value. Should the whole program end before, by whatever signal, it reads the
/// end of its pipe and ends as well.
pub(crate) struct Helper {
    pid: libc::pid_t,
    /// Closed by the end of this program, which is what the helper waits for.
    _alive: OwnedFd,
}

impl Helper {
    pub(crate) fn start() -> Result<Self, Errno> {
        let (wait, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let pid = sys::start_in_new_userns(wait.as_fd(), alive.as_fd())?;
        Ok(Self { pid, _alive: alive })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The path of one of its files in /proc.
    pub(crate) fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        sys::reap(self.pid);
    }
}
