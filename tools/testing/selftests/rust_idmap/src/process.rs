// SPDX-License-Identifier: GPL-2.0

//! Child processes of test programs.
//!
//! The child runs a copy of the program after `fork()`. A caller of these functions must have one
//! thread only: after `fork()` in a program with more of them, the child may find locks taken.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{retry_on_intr, Errno};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{
    pidfd_getfd, pidfd_open, waitpid, Pid, PidfdFlags, PidfdGetfdFlags, WaitOptions, WaitStatus,
};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::errno::{from_io, last, SyscallResult};
use crate::ktap::{Failure, Outcome};

/// Starts a child process that calls `child` and exits with the returned status.
pub fn fork(child: impl FnOnce() -> i32) -> SyscallResult<Pid> {
    // SAFETY: The process has one thread, as the documentation of this module requires, so no
    // other thread holds a lock that the child needs.
    match unsafe { libc::fork() } {
        -1 => Err(last()),
        0 => {
            let status = child();
            // SAFETY: `_exit()` ends the child. It does not flush buffers and does not run exit
            // handlers, which the parent has as well.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid).ok_or(Errno::SRCH),
    }
}

/// Waits for the exit of a child process.
pub fn wait(pid: Pid) -> SyscallResult<WaitStatus> {
    let waited = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    waited.map(|(_, status)| status).ok_or(Errno::CHILD)
}

/// Leaves the namespaces in `flags` for new ones.
pub fn unshare(flags: UnshareFlags) -> SyscallResult {
    assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: The table of file descriptors stays shared, so no owner of a descriptor loses it.
    unsafe { unshare_unsafe(flags) }
}

/// `prctl()` with an integer argument.
pub fn prctl(option: i32, argument: u64) -> SyscallResult<u64> {
    assert!([libc::PR_SET_DUMPABLE, libc::PR_GET_DUMPABLE].contains(&option));
    // SAFETY: Neither option takes a pointer.
    let result = unsafe { libc::prctl(option, argument, 0, 0, 0) };
    u64::try_from(result).map_err(|_| last())
}

/// Makes the files in `/proc/PID` of this process belong to its user. A change of credentials
/// clears this flag.
pub fn set_dumpable() -> SyscallResult {
    prctl(libc::PR_SET_DUMPABLE, 1).map(drop)
}

/// A child process with a pipe from its output.
pub struct Child {
    pid: Pid,
    output: File,
}

impl Child {
    /// Starts a child process. It must write its output to the file that it gets.
    pub fn start(run: impl FnOnce(&mut File)) -> SyscallResult<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let output = File::from(reader);
        let pid = fork(|| {
            run(&mut File::from(writer));
            0
        })?;
        Ok(Self { pid, output })
    }

    /// Reads the output up to its end and waits for the exit of the child process.
    pub fn output(mut self) -> SyscallResult<Vec<u8>> {
        let mut output = Vec::new();
        let read = self.output.read_to_end(&mut output).map_err(from_io);
        wait(self.pid)?;
        read.map(|_| output)
    }
}

/// Runs a system call in a child process and returns its result.
///
/// Fails with `ECANCELED` if the child process dies.
pub fn isolated(call: impl FnOnce() -> SyscallResult<u64>) -> SyscallResult<u64> {
    let child = Child::start(|output| {
        let (errno, value) = match call() {
            Ok(value) => (0, value),
            Err(errno) => (errno.raw_os_error(), 0),
        };
        let mut bytes = errno.to_ne_bytes().to_vec();
        bytes.extend(value.to_ne_bytes());
        // The parent fails with ECANCELED if it reads nothing.
        let _ = output.write_all(&bytes);
    })?;
    let output = child.output()?;
    let (errno, value) = output.split_first_chunk().ok_or(Errno::CANCELED)?;
    let value = value.first_chunk().ok_or(Errno::CANCELED)?;
    match i32::from_ne_bytes(*errno) {
        0 => Ok(u64::from_ne_bytes(*value)),
        errno => Err(Errno::from_raw_os_error(errno)),
    }
}

/// Runs a test in a child process. Its mounts and open files go away with that process.
pub fn isolated_test(run: impl FnOnce() -> Outcome) -> Outcome {
    let died = || Failure::Failed("the process of the test died".to_owned());
    let failed = |errno| Failure::Failed(format!("process of the test: {errno}"));
    let child = Child::start(|output| {
        let (kind, text) = match run() {
            Ok(()) => ("o", String::new()),
            Err(Failure::Failed(text)) => ("w", text),
            Err(Failure::Skipped(text)) => ("s", text),
        };
        // The parent reports a death if it reads nothing.
        let _ = write!(output, "{kind}{text}");
    });
    let output = child.and_then(Child::output).map_err(failed)?;
    let output = String::from_utf8_lossy(&output);
    let (kind, text) = output.split_at_checked(1).ok_or_else(died)?;
    match kind {
        "o" => Ok(()),
        "s" => Err(Failure::Skipped(text.to_owned())),
        _ => Err(Failure::Failed(text.to_owned())),
    }
}

/// Opens a file in a child process, which may have other credentials and namespaces than the
/// parent, and returns the file descriptor.
pub fn fd_from_child(open: impl FnOnce() -> SyscallResult<OwnedFd>) -> SyscallResult<OwnedFd> {
    let (result, result_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let (end, end_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let pid = fork(|| {
        let opened = open();
        // File descriptors are positive here, error numbers are sent as negative numbers.
        let number = match &opened {
            Ok(fd) => fd.as_raw_fd(),
            Err(errno) => -errno.raw_os_error(),
        };
        let sent = File::from(result_writer).write_all(&number.to_ne_bytes());
        // The descriptor stays open until the parent has a copy.
        let ended = File::from(end).read(&mut [0]);
        i32::from(sent.is_err() || ended.is_err())
    })?;
    let mut bytes = [0; 4];
    let read = File::from(result).read_exact(&mut bytes);
    let fd = match (read.map_err(from_io), i32::from_ne_bytes(bytes)) {
        (Err(errno), _) => Err(errno),
        (_, number @ ..0) => Err(Errno::from_raw_os_error(-number)),
        (_, number) => pidfd_open(pid, PidfdFlags::empty())
            .and_then(|process| pidfd_getfd(process, number, PidfdGetfdFlags::empty())),
    };
    // Fails if the child process has died. Its exit status shows this as well.
    let _ = File::from(end_writer).write_all(&[0]);
    wait(pid)?;
    fd
}
