// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where the paths of a caller begin: its root, its working directory and its mount namespace.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, fstat, openat, statx},
    io::Errno,
};

use crate::{
    error::{Error, Step},
    mounts,
};

/// How directories are opened that lookups begin at.
const OPEN: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where the paths of a caller begin.
#[derive(Debug)]
pub(super) enum Origin {
    /// Where those of this program begin.
    Ours,
    /// Where those of a process begin.
    Process(Process),
}

/// The root and the working directory of a process.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    root: OwnedFd,
    directory: OwnedFd,
    /// The mount namespace, if it is not that of this program.
    pub(super) mounts: Option<OwnedFd>,
}

impl Origin {
    /// Opens where the paths of a process begin.
    pub(super) fn of_process(pid: u32) -> Result<Self, Error> {
        let open = |name: &str, flags: OFlags| {
            let path = format!("/proc/{pid}/{name}");
            openat(CWD, &*path, flags, Mode::empty()).map_err(|errno| fail(&path, errno))
        };
        let root = open("root", OPEN)?;
        let directory = open("cwd", OPEN)?;
        let mounts = open("ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC)?;
        let ours = openat(CWD, "/proc/thread-self/ns/mnt", OFlags::PATH, Mode::empty())
            .map_err(|errno| fail("/proc/thread-self/ns/mnt", errno))?;
        let key = |file: BorrowedFd<'_>| fstat(file).map(|status| (status.st_dev, status.st_ino));
        let is_ours = key(mounts.as_fd()).is_ok_and(|mounts| key(ours.as_fd()) == Ok(mounts));
        Ok(Self::Process(Process {
            pid,
            root,
            directory,
            mounts: (!is_ours).then_some(mounts),
        }))
    }

    /// The root.
    pub(super) fn root(&self) -> Result<OwnedFd, Error> {
        match self {
            Self::Ours => openat(CWD, "/", OPEN, Mode::empty()).map_err(|errno| fail("/", errno)),
            Self::Process(process) => copy(&process.root),
        }
    }

    /// The working directory.
    pub(super) fn directory(&self) -> Result<OwnedFd, Error> {
        match self {
            Self::Ours => openat(CWD, ".", OPEN, Mode::empty())
                .map_err(|errno| fail("the working directory", errno)),
            Self::Process(process) => copy(&process.directory),
        }
    }

    /// The mount namespace, the root and the working directory, if they are not those of this
    /// program.
    pub(super) fn process(&self) -> Option<&Process> {
        match self {
            Self::Ours => None,
            Self::Process(process) => Some(process),
        }
    }

    /// Whether two descriptors are of one object on one mount.
    pub(super) fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
        let key = |file| {
            let status = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::INO).ok()?;
            let device = (status.stx_dev_major, status.stx_dev_minor);
            Some((device, status.stx_ino, mounts::mount_id(file).ok()?))
        };
        key(one).is_some_and(|one| key(other) == Some(one))
    }

    /// The text of `self` or `thread-self` in the root of a proc filesystem, for a process.
    pub(super) fn own_directory(&self, proc: BorrowedFd<'_>, name: &OsStr) -> Option<OsString> {
        let pid = self.process()?.pid;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let numbers = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))?;
        let started = |directory: BorrowedFd<'_>, number: &str| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let stat = openat(directory, format!("{number}/stat"), flags, Mode::empty()).ok()?;
            let mut text = [0; 1024];
            let count = rustix::io::read(stat, &mut text).ok()?;
            let text = String::from_utf8_lossy(text.get(..count)?).into_owned();
            // The name of the program, which may have blanks, ends with the last parenthesis.
            let (_, rest) = text.rsplit_once(')')?;
            rest.split_ascii_whitespace().nth(19).map(str::to_owned)
        };
        let here = openat(CWD, "/proc", OPEN, Mode::empty()).ok()?;
        let wanted = started(here.as_fd(), &pid.to_string())?;
        let mut numbers = numbers.split_ascii_whitespace();
        let number = numbers.find(|number| started(proc, number).as_ref() == Some(&wanted))?;
        Some(match name == "self" {
            true => number.into(),
            false => format!("{number}/task/{number}").into(),
        })
    }
}

impl Process {
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

fn copy(file: &OwnedFd) -> Result<OwnedFd, Error> {
    let copied = file.try_clone();
    copied.map_err(|error| fail("", Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

fn fail(path: &str, errno: Errno) -> Error {
    let cause = match errno {
        Errno::ACCESS | Errno::PERM => {
            Some("the paths of a process are seen by its user and by root".to_owned())
        }
        Errno::NOENT => Some("the process has ended".to_owned()),
        _ => None,
    };
    Error::new(Step::LookAtCaller, path, errno).because(cause)
}
