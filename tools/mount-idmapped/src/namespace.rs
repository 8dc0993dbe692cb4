// SPDX-License-Identifier: GPL-2.0

//! Other mount namespaces.

use std::{
    ffi::OsStr,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::run::Failure;

/// Moves this program to a mount namespace in which paths are looked up. They must be absolute: the
/// working directory would be the root of the namespace.
pub(crate) fn enter_for<'a>(
    namespace: Option<&OsStr>,
    paths: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    let Some(namespace) = namespace else {
        return Ok(());
    };
    for path in paths {
        if path.is_relative() {
            return Err(Failure::Usage(format!(
                "{}: with --namespace, this path must begin with /, as this program has no working \
                 directory there",
                path.display()
            )));
        }
    }
    enter(namespace)
}

/// Moves this program to the mount namespace of a process, or at a path.
fn enter(namespace: &OsStr) -> Result<(), Failure> {
    let pid = namespace.to_str().and_then(|text| text.parse::<u32>().ok());
    let path = match pid {
        Some(pid) => PathBuf::from(format!("/proc/{pid}/ns/mnt")),
        None => namespace.into(),
    };
    let fail = |what: &str, errno: Errno| {
        let why = match errno {
            Errno::NOENT if pid.is_some() => "there is no such process, or /proc is not mounted",
            Errno::INVAL => {
                "it is no mount namespace; right would be a process id or a path such \
                             as /proc/PID/ns/mnt"
            }
            Errno::PERM | Errno::ACCESS => {
                "this needs CAP_SYS_ADMIN and CAP_SYS_CHROOT: run it as \
                                            root"
            }
            _ => "",
        };
        let path = path.display();
        Err(Failure::Unfit(match why {
            "" => format!("{what} the mount namespace {path}: {errno}"),
            why => format!("{what} the mount namespace {path}: {why}"),
        }))
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = match openat(CWD, &path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(errno) => return fail("opening", errno),
    };
    match move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Mount)) {
        Ok(()) => Ok(()),
        Err(errno) => fail("entering", errno),
    }
}
