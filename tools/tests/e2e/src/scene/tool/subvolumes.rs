// SPDX-License-Identifier: GPL-2.0

//! Explanations of operations on subvolumes of btrfs, each of which is also tried.

use std::{fs::File, path::Path};

use kselftest::errno::from_io;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::explaining::says;
use crate::{
    fixture::Fixture,
    report::{Context, Failure},
    syscalls,
};

/// The subvolumes, and their owner. Subvolumes that end with `-ro` are read-only snapshots of the
/// one before.
const SUBVOLUMES: [(&str, u32); 8] = [
    ("plain", 1000),
    ("plain-ro", 1000),
    ("outer", 1000),
    ("outer/inner", 1000),
    ("public", 0),
    ("public/own", 1000),
    ("public/foreign", 1001),
    ("shut", 1000),
];

// A line has the caller, an operation, a path, the answer, and words of its reason. The caller sees
// 1000 as 2000, as the mount maps it, and 1001 not at all.

/// With `user_subvol_rm_allowed` or without it.
const ALWAYS: &str = "\
0 | subvol-delete | plain | it works | whoever owns it
0 | subvol-delete | plain-ro | it works | whoever owns it
0 | subvol-delete | outer | ENOTEMPTY | there are subvolumes in it
0 | subvol-delete | directory | EINVAL | not the root directory of a subvolume
0 | subvol-delete | plain/file | ENOTDIR | it is no directory
0 | subvol-delete | missing | ENOENT | there is no missing
0 | subvol-delete | public/foreign | EOVERFLOW | has no entry in the mount's map
0 | subvol-delete | public/. | EACCES | the path does not end with its name
0 | subvol-delete | public/.. | EINVAL | the path does not end with its name
2000 | subvol-create | public/new | it works | stored is then 1000:1000
2000 | subvol-create | set-group-id/new | it works | stored is then 1000:1000 with mode 0
2000 | mkdir | set-group-id/new | it works | stored is then 1000:0 with mode 2
2000 | subvol-create | plain/file | EEXIST | something of that name is there
2000 | subvol-create | new | EACCES | may not write and search
2000 | subvol-create | drop/new | EACCES | may not read
1001 | subvol-create | public/new | EOVERFLOW | 1001 has no entry in the mount's map
2000 | subvol-snapshot:M/public/new | plain | it works | ok
2000 | subvol-snapshot:M/public/new | plain-ro | it works | ok
2000 | subvol-snapshot:M/public/new | plain/directory | EINVAL | not the root directory of a subvolume
2000 | subvol-snapshot:M/public/own | plain | EEXIST | something of that name is there
2000 | subvol-snapshot:M/public/. | plain | EEXIST | the path does not end with a name
2000 | subvol-snapshot:M/public/new | shut | EACCES | may not read
2000 | subvol-snapshot:M/new | plain | EACCES | may not write and search
3000 | subvol-snapshot:M/public/new | plain | EPERM | 2000 owns it as seen through the mount
2000 | subvol-snapshot:/tmp/new | plain | ENOTTY | only btrfs has subvolumes
0 | rename:M/plain/new | directory/file | EXDEV | in two subvolumes
0 | rename:M/directory/new | plain | it works | ok
0 | rename:M/plain/new | public/own | it works | ok
0 | rename:M/outer | directory | ENOTEMPTY | a subvolume has the new name
0 | link:M/plain/new | directory/file | EXDEV | in two subvolumes
0 | rmdir | plain | ENOTEMPTY | it is not empty
0 | rmdir | public/own | it works | ok
0 | unlink | public/own | EISDIR | it is a directory
0 | create | plain-ro/new | EROFS | its subvolume is read-only
0 | unlink | plain-ro/file | EROFS | its subvolume is read-only
0 | open:w | plain-ro/file | EROFS | its subvolume is read-only
0 | chmod:700 | plain-ro | EROFS | its subvolume is read-only
0 | settimes | plain-ro | EROFS | its subvolume is read-only
0 | setxattr:user.a | plain-ro | EROFS | its subvolume is read-only
0 | setxattr:trusted.a | plain-ro | EROFS | its subvolume is read-only
0 | setfacl:u:0 | plain-ro | EROFS | its subvolume is read-only";

const WITHOUT: &str = "\
2000 | subvol-delete | public/own | EPERM | user_subvol_rm_allowed";

const WITH: &str = "\
2000 | subvol-delete | public/own | it works | whoever owns it
2000 | subvol-delete | plain-ro | EROFS | its subvolume is read-only
2000 | subvol-delete | public/own/.. | EINVAL | the path does not end with its name
3000 | subvol-delete | public/own | EACCES | may not write and search
2000 | subvol-delete | directory | EINVAL | not the root directory of a subvolume
2000 | subvol-delete | plain | EACCES | writing to the directory
0 | subvol-delete | plain | it works | whoever owns it";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|_| Ok(()))?;
    let place = disk.display();
    for (name, owner) in SUBVOLUMES {
        match name.strip_suffix("-ro") {
            Some(source) => fixture.prepare(&format!(
                "btrfs subvolume snapshot -r {place}/{source} {place}/{name}"
            ))?,
            None => fixture.prepare(&format!("btrfs subvolume create {place}/{name}"))?,
        }
        if !name.ends_with("-ro") {
            syscalls::chown(disk.join(name), owner).context(name)?;
        }
        if name == "plain" {
            fill(&disk.join(name))?;
        }
    }
    fill(&disk)?;
    syscalls::chmod(disk.join("public"), 0o1777).context("opening a directory")?;
    std::fs::create_dir(disk.join("set-group-id")).context("making a directory")?;
    syscalls::chmod(disk.join("set-group-id"), 0o2777).context("setting a bit")?;
    syscalls::chmod(disk.join("shut"), 0o300).context("closing a subvolume to readers")?;
    std::fs::create_dir(disk.join("drop")).context("making a directory")?;
    syscalls::chmod(disk.join("drop"), 0o733).context("closing it to readers")?;
    let before = names(fixture, &disk)?;
    let mapped = fixture.idmap("b:0:0:1 b:1000:2000:1 b:3000:3000:1", &disk, "mapped")?;

    fixture.say("without the option user_subvol_rm_allowed");
    explain(fixture, &mapped, ALWAYS)?;
    explain(fixture, &mapped, WITHOUT)?;
    fixture.say("with it");
    fixture.prepare(&format!("mount -o remount,user_subvol_rm_allowed {place}"))?;
    explain(fixture, &mapped, ALWAYS)?;
    explain(fixture, &mapped, WITH)?;

    fixture.say("what is not tried, and read-only mounts");
    fixture.prepare(&format!("btrfs subvolume set-default {place}/plain"))?;
    let tool = "mount-idmapped explain --try --op subvol-delete";
    let words = ["mounted by default", "EPERM", "not tried"];
    says(
        fixture,
        "the default subvolume",
        &format!("{tool} {place}/plain"),
        4,
        &words,
    )?;
    fixture.prepare(&format!("btrfs subvolume set-default 5 {place}"))?;
    fixture.prepare(&format!("mount -o remount,bind,ro {}", mapped.display()))?;
    let words = ["the mount is read-only", "EROFS, as explained"];
    let line = format!("{tool} --op subvol-create {}/plain", mapped.display());
    says(fixture, "a read-only mount", &line, 0, &words)?;
    let tool = "mount-idmapped explain --try --op";
    let line = format!("{tool} subvol-delete {place}/plain-ro/file");
    let words = ["its subvolume is read-only", "not tried"];
    says(fixture, "a name in a read-only subvolume", &line, 4, &words)?;
    let line = format!("{tool} subvol-create {place}/plain-ro/new");
    let words = ["its subvolume is read-only", "not tried"];
    says(fixture, "a new name there", &line, 4, &words)?;
    let fifo = disk.join("plain-ro/fifo");
    let line = format!("mount-idmapped explain --op open:rw {}", fifo.display());
    says(fixture, "a FIFO there", &line, 0, &["it works"])?;
    let opened = File::options().read(true).write(true).open(fifo);
    fixture.check("opening it", opened.map(drop).map_err(from_io), Ok(()));
    let words = [
        "the filesystem is tmpfs, and only btrfs has subvolumes",
        "not tried",
    ];
    let line = format!("{tool} subvol-delete {}", mapped.display());
    says(fixture, "another filesystem", &line, 4, &words)?;

    let after = names(fixture, &disk)?;
    fixture.check("all that was there is there", Ok(after), Ok(before));
    Ok(())
}

/// Makes a file, and a directory with a file.
fn fill(place: &Path) -> Result<(), Failure> {
    let directory = place.join("directory");
    std::fs::create_dir(&directory).context("making a directory")?;
    syscalls::chown(directory, 1000).context("giving it away")?;
    for name in ["file", "directory/file"] {
        std::fs::write(place.join(name), name).context(name)?;
    }
    let (kind, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    mknodat(CWD, place.join("fifo"), kind, mode, 0).context("making a FIFO")
}

fn names(fixture: &mut Fixture, disk: &Path) -> Result<String, Failure> {
    let line = format!("find {} -printf %P:%U:%G:%m:%s:%T@:%i\\n", disk.display());
    Ok(fixture.run(0, &line)?.output)
}

fn explain(fixture: &mut Fixture, mapped: &Path, table: &str) -> Result<(), Failure> {
    let place = mapped.display();
    for line in table.lines() {
        let words: Vec<&str> = line.split(" | ").collect();
        let &[caller, operation, path, answer, reason] = words.as_slice() else {
            return Err(Failure::Failed(format!("a line of a table is '{line}'")));
        };
        let operation = operation.replace("M/", &format!("{place}/"));
        let line =
            format!("mount-idmapped explain {place}/{path} --as {caller} --op {operation} --try");
        let what = format!("{operation} of {path} by {caller}");
        // On another filesystem the ioctl of btrfs may have another meaning.
        let (status, tried) = match answer {
            "it works" => (0, "tried: it worked, as explained"),
            "ENOTTY" => (4, "not tried"),
            _ => (0, "as explained"),
        };
        says(fixture, &what, &line, status, &[answer, reason, tried])?;
    }
    Ok(())
}
