// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A process that removes names once this program is done with them, or has ended.
//!
//! It keeps to the rule at the head of `actor.rs`. It is in a session of its own with all signals
//! blocked, so that no signal for this program ends it.

use std::{
    ffi::{CStr, CString, c_int, c_long},
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use super::{Blocked, clone};

/// `FS_IOC_GETFLAGS`, `FS_IOC_SETFLAGS`, `FS_IMMUTABLE_FL` and `FS_APPEND_FL` of `linux/fs.h`.
const GETFLAGS: libc::Ioctl = libc::FS_IOC_GETFLAGS as libc::Ioctl;
const SETFLAGS: libc::Ioctl = libc::FS_IOC_SETFLAGS as libc::Ioctl;
const LOCKS: c_int = 0x10 | 0x20;

/// A name that is removed.
pub(crate) struct Made {
    /// The directory that it is in, if that is not the one that is swept.
    pub(crate) within: Option<CString>,
    pub(crate) name: CString,
}

/// A directory in which names are removed.
pub(crate) struct Sweep<'a> {
    pub(crate) directory: BorrowedFd<'a>,
    /// The names, in the order in which they are removed.
    pub(crate) names: &'a [Made],
    /// Its times of access and of change, to which they are set back.
    pub(crate) times: [(i64, i64); 2],
}

/// The process.
#[derive(Debug)]
pub(crate) struct Sweeper {
    pid: libc::pid_t,
    /// The process begins to remove when the last copy of this descriptor is closed.
    alive: Option<OwnedFd>,
}

impl Sweeper {
    /// Starts the process.
    pub(crate) fn start(sweeps: &[Sweep<'_>]) -> Result<Self, Errno> {
        let (wait, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let blocked = Blocked::all()?;
        // SAFETY: Without CLONE_VM this is a fork: the child has its own copy of the memory. It
        // calls nothing but the functions below, which keep to the rule of this file.
        let pid = unsafe { clone(0) }?;
        if pid == 0 {
            serve(sweeps, wait.as_raw_fd(), alive.as_raw_fd());
        }
        drop(blocked);
        Ok(Self {
            pid: pid as libc::pid_t,
            alive: Some(alive),
        })
    }

    /// Lets it remove the names, and waits for that. `times` has, for each directory, the time of
    /// change that this program has left: another one is of somebody else, and stays.
    pub(crate) fn sweep(mut self, times: &[(i64, i64)]) -> Result<(), Errno> {
        let message: Vec<u8> = times
            .iter()
            .flat_map(|(second, part)| [second.to_ne_bytes(), part.to_ne_bytes()])
            .flatten()
            .collect();
        if let Some(alive) = &self.alive {
            rustix::io::write(alive, &message)?;
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), Errno> {
        if self.alive.take().is_none() {
            return Ok(());
        }
        let mut status = 0;
        loop {
            // SAFETY: The status lives until the call returns; nobody else waits for this process.
            let waited = unsafe { libc::waitpid(self.pid, &mut status, libc::__WALL) };
            if waited >= 0 {
                break;
            }
            let error = io::Error::last_os_error();
            match Errno::from_io_error(&error).unwrap_or(Errno::IO) {
                Errno::INTR => {}
                errno => return Err(errno),
            }
        }
        match libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)) {
            Some(0) => Ok(()),
            Some(errno) => Err(Errno::from_raw_os_error(errno)),
            None => Err(Errno::IO),
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// What the process does.
fn serve(sweeps: &[Sweep<'_>], wait: c_int, alive: c_int) -> ! {
    /// As many directories as there may be, two numbers for each.
    const ROOM: usize = 64;
    let mut left = [0i64; ROOM];
    let mut got = 0;
    // SAFETY: System calls on memory of this function; `got` is within the room.
    unsafe {
        libc::syscall(libc::SYS_setsid);
        libc::syscall(libc::SYS_close, alive);
        loop {
            let start = left.as_mut_ptr().cast::<u8>().add(got);
            let count = libc::syscall(libc::SYS_read, wait, start, size_of_val(&left) - got);
            if count <= 0 {
                break;
            }
            got += count as usize;
        }
    }
    let mut failed = 0;
    for (index, sweep) in sweeps.iter().enumerate() {
        let pair = left.get(2 * index..2 * index + 2);
        let known = got >= (index + 1) * 16;
        let expected = match pair {
            Some(&[second, part]) if known => Some((second, part)),
            _ => None,
        };
        let errno = remove(sweep, expected);
        if failed == 0 {
            failed = errno;
        }
    }
    loop {
        // SAFETY: This call does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, failed) };
    }
}

/// Removes the names in a directory; the first error number, or zero.
fn remove(sweep: &Sweep<'_>, expected: Option<(i64, i64)>) -> i32 {
    let directory = sweep.directory.as_raw_fd();
    let now = times(directory);
    let mut failed = 0;
    for name in sweep.names {
        let mut errno = remove_name(directory, name);
        if matches!(errno, libc::EPERM | libc::EACCES) {
            for name in sweep.names {
                unlock(directory, name);
            }
            errno = remove_name(directory, name);
        }
        // A name may be missing, and a name in a file always is.
        if failed == 0 && !matches!(errno, libc::ENOENT | libc::ENOTDIR) {
            failed = errno;
        }
    }
    let touched = now.is_some_and(|now| Some(now) != sweep.times.get(1).copied());
    let is_ours = expected.is_none_or(|expected| now == Some(expected));
    if touched && is_ours {
        let times = sweep.times.map(|(second, part)| libc::timespec {
            tv_sec: second as _,
            tv_nsec: part as _,
        });
        // SAFETY: The path and the times live until the call returns. An error leaves the times
        // that the removal has set.
        unsafe {
            libc::syscall(
                libc::SYS_utimensat,
                directory,
                c"".as_ptr(),
                times.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
    }
    failed
}

/// The time of the last change of a directory.
fn times(directory: c_int) -> Option<(i64, i64)> {
    // SAFETY: Zero is a value of all fields, and the status lives until the call returns.
    let (done, time) = unsafe {
        let mut status: libc::statx = std::mem::zeroed();
        let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
        let mask = libc::STATX_MTIME;
        let place = std::ptr::from_mut(&mut status);
        let done = libc::syscall(libc::SYS_statx, directory, path, flags, mask, place);
        (done, status.stx_mtime)
    };
    (done == 0).then_some((time.tv_sec, time.tv_nsec.into()))
}

fn remove_name(directory: c_int, made: &Made) -> i32 {
    in_directory(directory, made, |directory, name| {
        match unlink(directory, name, 0) {
            libc::EISDIR => unlink(directory, name, libc::AT_REMOVEDIR),
            errno => errno,
        }
    })
}

/// Does something to a name, in its directory and in no other that a link leads to.
fn in_directory(directory: c_int, made: &Made, act: impl FnOnce(c_int, &CStr) -> i32) -> i32 {
    let Some(within) = &made.within else {
        return act(directory, &made.name);
    };
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: The name lives until the call returns, and the descriptor is one that was just made.
    unsafe {
        let fd = libc::syscall(libc::SYS_openat, directory, within.as_ptr(), flags, 0);
        if fd < 0 {
            return error(fd);
        }
        let errno = act(fd as c_int, &made.name);
        libc::syscall(libc::SYS_close, fd);
        errno
    }
}

fn unlink(directory: c_int, name: &CStr, flags: c_int) -> i32 {
    // SAFETY: The name lives until the call returns.
    error(unsafe { libc::syscall(libc::SYS_unlinkat, directory, name.as_ptr(), flags) })
}

/// Takes the flags that forbid the removal of a name from its object.
fn unlock(directory: c_int, made: &Made) {
    in_directory(directory, made, |directory, name| {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let mut set: c_int = 0;
        // SAFETY: The name and the flags live until the calls return, and the descriptor is one
        // that was just made.
        unsafe {
            let fd = libc::syscall(libc::SYS_openat, directory, name.as_ptr(), flags, 0);
            if fd < 0 {
                return error(fd);
            }
            if libc::syscall(libc::SYS_ioctl, fd, GETFLAGS, &mut set) == 0 && set & LOCKS != 0 {
                set &= !LOCKS;
                libc::syscall(libc::SYS_ioctl, fd, SETFLAGS, &set);
            }
            libc::syscall(libc::SYS_close, fd);
        }
        0
    });
}

/// The error number of a system call, zero if it has none.
fn error(result: c_long) -> i32 {
    if result >= 0 {
        return 0;
    }
    // SAFETY: The place of this thread's error number is valid.
    unsafe { *libc::__errno_location() }
}
