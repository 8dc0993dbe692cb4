// SPDX-License-Identifier: GPL-2.0

//! FUSE. A server declares whether its filesystem allows idmapped mounts. With idmapped mounts,
//! requests carry the caller's ids only when they create a file.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use kselftest::ktap::{check_eq, skipped, Context, Failure, Outcome};
use kselftest::process;
use rustix::fs::lstat;
use rustix::io::Errno;
use rustix::mount::{mount, MountFlags};
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

// `linux/fuse.h`
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const MKDIR: u32 = 9;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// `FUSE_INIT_EXT`: there is a second word of flags; and `FUSE_ALLOW_IDMAP` in that.
const MORE_FLAGS: u32 = 1 << 30;
const ALLOW_MAPS: u32 = 1 << 8;
/// `FUSE_INVALID_UIDGID`.
const NOBODY: i64 = 0xffff_ffff;
/// `struct fuse_in_header`.
const HEADER: usize = 40;

/// A filesystem of directories, one of which belongs to the owner. The size of a directory is the
/// user id in the request.
struct Server {
    allows: bool,
    /// By node, less one.
    owners: Vec<(u32, u32)>,
}

/// Numbers one after the other.
struct Reply(Vec<u8>);

impl Reply {
    fn u16(mut self, numbers: &[u16]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }

    fn u32(mut self, numbers: &[u32]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }

    fn u64(mut self, numbers: &[u64]) -> Self {
        self.0
            .extend(numbers.iter().flat_map(|it| it.to_ne_bytes()));
        self
    }
}

impl Server {
    /// Answers until the filesystem is unmounted.
    fn serve(&mut self, mut device: &File) -> std::io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let length = match device.read(&mut buffer) {
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
                // The caller no longer waits for the reply.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
                length => length?,
            };
            let request = buffer.get(..length).unwrap_or_default();
            let word = |at: usize| {
                let bytes = request.get(at..).and_then(<[u8]>::first_chunk);
                bytes.copied().map_or(0, u32::from_ne_bytes)
            };
            assert!(length >= HEADER, "a request without a header");
            let (error, answer) = match word(4) {
                FORGET | BATCH_FORGET | INTERRUPT => continue,
                INIT => (0, self.init()),
                GETATTR => (0, self.attributes(word(16), word(24))),
                MKDIR => {
                    self.owners.push((word(24), word(28)));
                    (0, self.entry(word(24)))
                }
                LOOKUP => (-libc::ENOENT, Reply(Vec::new())),
                _ => (-libc::ENOSYS, Reply(Vec::new())),
            };
            let mut all = ((16 + answer.0.len()) as u32).to_ne_bytes().to_vec();
            all.extend(error.to_ne_bytes());
            all.extend(request.get(8..16).unwrap_or_default());
            all.extend(answer.0);
            match device.write_all(&all) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                written => written?,
            }
        }
    }

    /// `struct fuse_init_out`.
    fn init(&self) -> Reply {
        let allow = if self.allows { ALLOW_MAPS } else { 0 };
        let reply = Reply(Vec::new()).u32(&[7, 40, 0, MORE_FLAGS]).u16(&[0; 2]);
        let reply = reply.u32(&[4096, 1]).u16(&[0; 2]).u32(&[allow, 0]);
        reply.u16(&[0; 12])
    }

    /// `struct fuse_attr_out`, which is good for no time.
    fn attributes(&self, node: u32, asked_by: u32) -> Reply {
        self.attr(Reply(Vec::new()).u64(&[0, 0]), node, asked_by)
    }

    /// `struct fuse_entry_out` of the last directory; the name is good for an hour.
    fn entry(&self, asked_by: u32) -> Reply {
        let node = self.owners.len() as u32;
        let reply = Reply(Vec::new()).u64(&[u64::from(node), 0, 3600, 0, 0]);
        self.attr(reply, node, asked_by)
    }

    /// `struct fuse_attr`.
    fn attr(&self, reply: Reply, node: u32, asked_by: u32) -> Reply {
        let at = (node as usize).saturating_sub(1);
        let (user, group) = self.owners.get(at).copied().unwrap_or_default();
        let reply = reply.u64(&[u64::from(node), u64::from(asked_by), 0, 0, 0, 0]);
        let mode = libc::S_IFDIR | 0o755;
        reply.u32(&[0, 0, 0, mode, 2, user, group, 0, 4096, 0])
    }
}

/// Has a server started, and mounts its filesystem.
fn mounted(dir: &Path, allows: bool, options: &str) -> Result<PathBuf, Failure> {
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let device = device.map_err(|error| skipped(format_args!("/dev/fuse: {error}")))?;
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
            Server { allows, owners }.serve(&device)
        };
        i32::from(serve().is_err())
    })
    .context("starting the server")?;
    drop(say_ready);
    ready
        .read_exact(&mut [0])
        .context("waiting for the server")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other{options}",
        device.as_raw_fd()
    );
    let options = CString::new(options).context("the options")?;
    mount("test", &target, "fuse", MountFlags::empty(), &*options).context("mounting")?;
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
    check_eq("plain", seen(&plain), Ok((DISK, NOBODY)))?;
    let target = dir.join("mapped");
    std::fs::create_dir(&target).context("making a directory")?;
    attr::idmap(&plain, &target, namespaces.mounts.as_fd()).context("mounting with a map")?;
    check_eq("through the map", seen(&target), Ok((SEEN, NOBODY)))?;
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
            let owner = who.on_disk().map(|owner| (owner, NOBODY));
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
