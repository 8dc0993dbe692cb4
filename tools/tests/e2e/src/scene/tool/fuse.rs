// SPDX-License-Identifier: GPL-2.0

//! A FUSE server that allows idmapped mounts, and some that do not: what the tool makes of them.

use std::{path::Path, thread};

use kselftest::fuse::{self, Attributes, Reply, Request};
use rustix::{
    io::Errno,
    mount::{UnmountFlags, unmount},
};

use super::explaining::says;
use crate::{
    fixture::Fixture,
    report::{Context, Failure},
};

/// The number of the file.
const FILE: u64 = 2;
/// The owner of all that the server has.
const OWNER: u32 = 1000;

/// Replies to a request for a directory with a file.
fn answer(request: &Request<'_>) -> Result<Reply, Errno> {
    match request.operation {
        fuse::LOOKUP if request.arguments == b"file\0" => Ok(Reply::entry(&attributes(FILE), 0)),
        fuse::LOOKUP => Err(Errno::NOENT),
        fuse::GETATTR => Ok(Reply::attributes(&attributes(request.node))),
        fuse::OPEN | fuse::OPENDIR => Ok(Reply::open()),
        fuse::RELEASE | fuse::RELEASEDIR => Ok(Reply::default()),
        _ => Err(Errno::NOSYS),
    }
}

fn attributes(node: u64) -> Attributes {
    let mode = match node {
        fuse::ROOT => 0o040755,
        _ => 0o100600,
    };
    Attributes {
        node,
        size: 0,
        mode,
        user: OWNER,
        group: OWNER,
    }
}

/// Mounts a filesystem with a server of its own.
fn start(place: &Path, options: &str, allows_idmaps: bool) -> Result<(), Failure> {
    let device = fuse::open().context("opening /dev/fuse")?;
    fuse::mounted(&device, place, options).context("mounting FUSE")?;
    thread::spawn(move || fuse::serve(&device, allows_idmaps, answer));
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
    let line = format!("mount-idmapped explain {at}/file --as 7 --op chmod:600");
    says(fixture, "a change there", &line, 0, &["it works"])?;
    let line = format!("mount-idmapped explain --try {at}/file --as 7 --op exec");
    let words = ["EACCES, as explained"];
    says(fixture, "no program there", &line, 0, &words)?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")?;

    start(&place, "", false)?;
    let line = format!("{explain} --as 1000");
    let words = [
        "without the option allow_other, for user 0 with group 0 only",
        "EACCES, as explained",
    ];
    says(fixture, "a server for one user", &line, 0, &words)?;
    let line = format!("mount-idmapped explain --try {at} --as 1000 --op stat");
    let attributes = [
        "reading its attributes (fuse_getattr)",
        "it fails: EACCES",
        "or the caller cannot look at it",
    ];
    says(fixture, "its root directory", &line, 4, &attributes)?;
    let line = format!("{explain} --as 0:5");
    says(fixture, "another group of that user", &line, 0, &words)?;
    says(
        fixture,
        "that user",
        &explain,
        0,
        &["it worked, as explained"],
    )?;
    unmount(&place, UnmountFlags::empty()).context("unmounting")
}
