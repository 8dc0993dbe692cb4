// SPDX-License-Identifier: GPL-2.0

//! A FUSE server that allows idmapped mounts, and some that do not: what the tool makes of them.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::fd::AsRawFd,
    path::Path,
    thread,
};

use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

use super::explaining::says;
use crate::{
    fixture::Fixture,
    report::{Context, Failure},
};

// `linux/fuse.h`.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const BATCH_FORGET: u32 = 42;
const INIT_EXT: u32 = 1 << 30;
/// `FUSE_ALLOW_IDMAP` in the second word of flags.
const ALLOW_IDMAP: u32 = 1 << 8;

/// The owner of all that the server has.
const OWNER: u32 = 1000;

/// Serves a directory with a file, until it is unmounted.
fn serve(mut device: File, allows_idmaps: bool) {
    let mut request = vec![0; 1 << 20];
    loop {
        let length = match device.read(&mut request) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Some((operation, unique, node, body)) = parts(&request[..length]) else {
            return;
        };
        let answer = match operation {
            INIT => Ok(init(allows_idmaps)),
            LOOKUP if body.starts_with(b"file\0") => Ok(entry()),
            LOOKUP => Err(Errno::NOENT),
            GETATTR => Ok([&[0; 16][..], &attributes(node)].concat()),
            OPEN | OPENDIR => Ok(vec![0; 16]),
            RELEASE | RELEASEDIR => Ok(Vec::new()),
            FORGET | BATCH_FORGET => continue,
            _ => Err(Errno::NOSYS),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno.raw_os_error(), Vec::new()),
        };
        let length = (16 + body.len()) as u32;
        let mut reply = length.to_ne_bytes().to_vec();
        reply.extend(i32::to_ne_bytes(error));
        reply.extend(u64::to_ne_bytes(unique));
        reply.extend(body);
        if device.write_all(&reply).is_err() {
            return;
        }
    }
}

/// The operation, the number and the node of a request, and what follows.
fn parts(request: &[u8]) -> Option<(u32, u64, u64, &[u8])> {
    let operation = request.get(4..)?.first_chunk()?;
    let unique = request.get(8..)?.first_chunk()?;
    let node = request.get(16..)?.first_chunk()?;
    let body = request.get(40..)?;
    Some((
        u32::from_ne_bytes(*operation),
        u64::from_ne_bytes(*unique),
        u64::from_ne_bytes(*node),
        body,
    ))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_ne_bytes).collect()
}

/// `struct fuse_init_out`.
fn init(allows_idmaps: bool) -> Vec<u8> {
    let flags = if allows_idmaps { ALLOW_IDMAP } else { 0 };
    let mut body = words(&[7, 41, 0, INIT_EXT, 0, 4096, 1, 0, flags]);
    body.resize(64, 0);
    body
}

/// `struct fuse_entry_out`, of the file.
fn entry() -> Vec<u8> {
    let mut body = words(&[2, 0]);
    body.resize(40, 0);
    body.extend(attributes(2));
    body
}

/// `struct fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mut body = u64::to_ne_bytes(node).to_vec();
    // Size, blocks and times.
    body.resize(60, 0);
    let (mode, links) = match node {
        1 => (0o040755, 2),
        _ => (0o100600, 1),
    };
    body.extend(words(&[mode, links, OWNER, OWNER, 0, 4096, 0]));
    body
}

/// Mounts a filesystem with a server of its own.
fn start(place: &Path, options: &str, allows_idmaps: bool) -> Result<(), Failure> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let device = device.context("opening /dev/fuse")?;
    let fd = device.as_raw_fd();
    let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0{options}");
    let options = std::ffi::CString::new(options).context("options")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("server", place, "fuse", flags, Some(&*options)).context("mounting FUSE")?;
    thread::spawn(move || serve(device, allows_idmaps));
    Ok(())
}

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let place = fixture.directory("server")?;
    let target = fixture.directory("mapped")?;
    let (at, to) = (place.display(), target.display());
    let mounting = format!("mount-idmapped --map-mount=b:1000:7:1 {at} {to}");
    let explain = format!("mount-idmapped explain --try {at}/file --op stat --op open:r");

    start(&place, ",allow_other,default_permissions", true)?;
    says(fixture, "a server that allows it", &mounting, 0, &[])?;
    let line = format!("mount-idmapped explain --as 7 --op open:rw --op chmod:600 {to}/file");
    let table = [
        "on disk                              ?           ?  known to the server only",
        "by the mount's map                   7           7  b:1000:7:1",
        "does not refuse it",
        "it works",
    ];
    says(fixture, "an explanation", &line, 0, &table)?;
    let line = format!("{explain} --as 7");
    let words = [
        "one of the others, and may not read",
        "EACCES, as explained",
    ];
    says(fixture, "permissions", &line, 0, &words)?;
    fixture.prepare(&format!("mount-idmapped umount {to}"))?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")?;

    let words = ["FUSE_ALLOW_IDMAP", "default_permissions", "bindfs --map"];
    start(&place, ",allow_other,default_permissions", false)?;
    says(fixture, "a server that does not", &mounting, 1, &words)?;
    let check = format!("mount-idmapped check {at}");
    says(fixture, "a check of it", &check, 1, &words)?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")?;

    start(&place, ",allow_other", false)?;
    let line = format!("{explain} --as 7");
    let words = ["it checks permissions itself", "it worked, as explained"];
    says(
        fixture,
        "a server that checks permissions",
        &line,
        0,
        &words,
    )?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")?;

    start(&place, "", false)?;
    let line = format!("{explain} --as 1000");
    let words = [
        "without the option allow_other, for user 0 with group 0 only",
        "EACCES, as explained",
    ];
    says(fixture, "a server for one user", &line, 0, &words)?;
    says(
        fixture,
        "that user",
        &explain,
        0,
        &["it worked, as explained"],
    )?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")
}
