// SPDX-License-Identifier: GPL-2.0

//! FUSE. A server declares whether its filesystem allows idmapped mounts. With idmapped mounts,
//! requests carry the caller's ids only when they create a file.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::fuse::{self, Attributes, Reply, Request, INVALID_UIDGID};
use kselftest::ktap::{check_eq, skipped, Context, Failure, Outcome};
use kselftest::process;
use rustix::fs::lstat;
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::thread::UnshareFlags;

use super::Entry;
use crate::attr;
use crate::caller::{everybody, CallerNamespaces, Who, DISK, SEEN};
use crate::calls;
use crate::op::{EACCES, EOVERFLOW};

pub(super) const TESTS: &[Entry] = &[
    ("server_that_allows_maps", allowed),
    ("server_that_does_not", not_allowed),
    ("server_that_decides_itself", decides_itself),
];

/// A filesystem of directories, one of which belongs to the owner. The size of a directory is the
/// user id in the request.
struct Server {
    /// By node, less one.
    owners: Vec<(u32, u32)>,
}

impl Server {
    fn answer(&mut self, request: &Request<'_>) -> Result<Reply, Errno> {
        match request.operation {
            fuse::GETATTR => {
                let attributes = self.attributes(request.node, request.user);
                Ok(Reply::attributes(&attributes))
            }
            fuse::MKDIR => {
                self.owners.push((request.user, request.group));
                let attributes = self.attributes(self.owners.len() as u64, request.user);
                Ok(Reply::entry(&attributes, 3600))
            }
            fuse::LOOKUP => Err(Errno::NOENT),
            _ => Err(Errno::NOSYS),
        }
    }

    fn attributes(&self, node: u64, asked_by: u32) -> Attributes {
        let at = (node as usize).saturating_sub(1);
        let (user, group) = self.owners.get(at).copied().unwrap_or_default();
        Attributes {
            node,
            size: asked_by.into(),
            mode: libc::S_IFDIR | 0o755,
            user,
            group,
        }
    }
}

/// Has a server started, and mounts its filesystem.
fn mounted(dir: &Path, allows: bool, options: &str) -> Result<PathBuf, Failure> {
    let device = fuse::open().map_err(|error| skipped(format_args!("/dev/fuse: {error}")))?;
    let target = dir.join("plain");
    std::fs::create_dir(&target).context("making a directory")?;
    let (ready, say_ready) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    let (begin, say_begin) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    let [mut ready, mut say_ready, mut begin, mut say_begin] =
        [ready, say_ready, begin, say_begin].map(File::from);
    process::fork(|| {
        let mut serve = || -> std::io::Result<()> {
            // Its own mounts, so that it does not keep those of the test, of which this is one.
            process::unshare(UnshareFlags::NEWNS)?;
            say_ready.write_all(b"1")?;
            begin.read_exact(&mut [0])?;
            let owners = vec![(DISK, DISK)];
            let mut server = Server { owners };
            fuse::serve(&device, allows, |request| server.answer(request))
        };
        i32::from(serve().is_err())
    })
    .context("starting the server")?;
    drop(say_ready);
    ready
        .read_exact(&mut [0])
        .context("waiting for the server")?;
    let options = format!(",allow_other{options}");
    fuse::mounted(&device, &target, &options).context("mounting")?;
    say_begin.write_all(b"1").context("starting the server")?;
    // The server has declared its features once it replies. This waits for the reply. The ids in
    // this request do not matter.
    let _ = lstat(&target);
    Ok(target)
}

/// Returns the owner, and the user id in the request.
fn seen(path: &Path) -> Result<(u32, i64), Errno> {
    lstat(path).map(|status| (status.st_uid, status.st_size))
}

fn allowed(dir: &Path) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let plain = mounted(dir, true, ",default_permissions")?;
    check_eq("plain", seen(&plain), Ok((DISK, i64::from(INVALID_UIDGID))))?;
    let target = dir.join("mapped");
    std::fs::create_dir(&target).context("making a directory")?;
    attr::idmap(&plain, &target, namespaces.mounts.as_fd()).context("mounting with a map")?;
    check_eq(
        "through the map",
        seen(&target),
        Ok((SEEN, i64::from(INVALID_UIDGID))),
    )?;
    for (who, ns) in everybody() {
        let expected = match who {
            Who::Owner | Who::Admin => Ok(u64::from(ns.shown(who.id()))),
            Who::Member | Who::Stranger => EACCES,
            Who::Unmapped => EOVERFLOW,
        };
        let name = format!("{who:?}-{ns:?}");
        let answer = namespaces.run_as(who, ns, || {
            rustix::process::chdir(&target)?;
            calls::mkdir(&name, 0o755)?;
            calls::owner(&name)
        });
        check_eq(&format!("a directory of {name}"), answer, expected)?;
        if answer.is_ok() {
            let owner = who
                .on_disk()
                .map(|owner| (owner, i64::from(INVALID_UIDGID)));
            check_eq("for the server", seen(&plain.join(&name)).ok(), owner)?;
        }
    }
    Ok(())
}

fn not_allowed(dir: &Path) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let plain = mounted(dir, false, ",default_permissions")?;
    // Without idmapped mounts, requests carry the caller's ids.
    check_eq("plain", seen(&plain), Ok((DISK, 0)))?;
    let answer = attr::idmap(&plain, dir, namespaces.mounts.as_fd());
    check_eq("mounting with a map", answer, Err(Errno::INVAL))
}

fn decides_itself(dir: &Path) -> Outcome {
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let plain = mounted(dir, true, "")?;
    // Without `default_permissions` the server checks permissions, for which it needs the caller's
    // ids.
    check_eq("plain", seen(&plain), Err(Errno::CONNREFUSED))?;
    let answer = attr::idmap(&plain, dir, namespaces.mounts.as_fd());
    check_eq("mounting with a map", answer, Err(Errno::INVAL))
}
