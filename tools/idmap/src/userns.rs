// SPDX-License-Identifier: GPL-2.0 OR MIT

//! User namespaces: what the kernel takes a mount's map from.

use std::{
    ffi::OsStr,
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    process::Command,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::Errno,
};

use crate::{
    diagnosis,
    error::{Error, Step},
    helper::Helper,
    maps::IdMaps,
    range::Kind,
    subid, sys,
};

/// A reference to a user namespace, which lives at least as long.
#[derive(Debug)]
pub struct UserNs(OwnedFd);

impl UserNs {
    /// Makes a user namespace with these maps.
    ///
    /// Where this program may not write them, newuidmap(1) and newgidmap(1) do it, for ids that
    /// `/etc/subuid` and `/etc/subgid` give to its user. A process is started for the namespace
    /// and has ended when this returns.
    pub fn new(maps: &IdMaps) -> Result<Self, Error> {
        let helper = start()?;
        let steps = [
            (Step::WriteUidMap, Kind::Users, "uid_map", maps.users()),
            (Step::WriteGidMap, Kind::Groups, "gid_map", maps.groups()),
        ];
        for (step, kind, file, map) in steps {
            let text = map.to_string();
            let fail = |errno, more: Option<String>| {
                let ours = fs::read_to_string(format!("/proc/self/{file}"));
                let cause = diagnosis::write_map(errno, &text, &ours.unwrap_or_default());
                let both = cause.into_iter().chain(more).collect::<Vec<_>>();
                let cause = (!both.is_empty()).then(|| both.join("; "));
                Err(Error::new(step, "", errno).because(cause))
            };
            let Err(error) = fs::write(helper.proc(file), &text) else {
                continue;
            };
            match Errno::from_io_error(&error).unwrap_or(Errno::IO) {
                // Without the right to write maps, there are those that are given to a user.
                Errno::PERM if !is_capable() => match subid::write(kind, helper.pid(), map) {
                    Ok(()) => {}
                    Err(why) => return fail(Errno::PERM, Some(why)),
                },
                errno => return fail(errno, None),
            }
        }
        Self::open(helper.proc("ns/user"))
    }

    /// Makes a user namespace without maps, for a service that writes them.
    pub fn unmapped() -> Result<Self, Error> {
        Self::open(start()?.proc("ns/user"))
    }

    /// Opens the user namespace at a path such as `/proc/PID/ns/user`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let fail = |errno| {
            Error::new(Step::OpenNamespace, path.display().to_string(), errno)
                .because(diagnosis::open_namespace(errno, path))
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(fail)?;
        match sys::namespace_type(fd.as_fd()) {
            Ok(libc::CLONE_NEWUSER) => Ok(Self(fd)),
            // The answer for what is another namespace or none at all.
            Ok(_) | Err(_) => Err(fail(Errno::INVAL)),
        }
    }

    /// Opens the user namespace of a process.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        Self::open(format!("/proc/{pid}/ns/user"))
    }

    /// Takes the descriptor of a user namespace; an error if it is of another kind.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        match sys::namespace_type(fd.as_fd()) {
            Ok(libc::CLONE_NEWUSER) => Ok(Self(fd)),
            Ok(_) | Err(_) => {
                let cause = Some("this is no user namespace".to_owned());
                Err(Error::new(Step::OpenNamespace, "", Errno::INVAL).because(cause))
            }
        }
    }

    /// A command that will run in this user namespace, as its user and group 0 and in no other
    /// groups.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        self.start(program.as_ref(), false)
    }

    /// Likewise, in a new mount namespace, which belongs to this user namespace.
    pub fn command_with_mounts(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        self.start(program.as_ref(), true)
    }

    fn start(&self, program: &OsStr, mounts: bool) -> Result<Command, Error> {
        let mut command = Command::new(program);
        let fd = self.0.try_clone().map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Error::new(Step::OpenNamespace, "", errno)
        })?;
        sys::start_in(fd, mounts, &mut command);
        Ok(command)
    }
}

/// Starts the process that a new user namespace begins with.
fn start() -> Result<Helper, Error> {
    Helper::start().map_err(|errno| {
        Error::new(Step::NewNamespace, "", errno).because(diagnosis::new_namespace(errno))
    })
}

/// Whether this program may write maps of any ids of its user namespace.
fn is_capable() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    // CAP_SETGID and CAP_SETUID.
    bits.is_some_and(|bits| bits & 0xc0 == 0xc0)
}

impl From<UserNs> for OwnedFd {
    fn from(userns: UserNs) -> Self {
        userns.0
    }
}

impl AsFd for UserNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
