// SPDX-License-Identifier: GPL-2.0

//! Overlayfs on idmapped layers, and a container that looks at an ACL of the lower one.
//!
//! As with the directory of a system's journal, whose ACL names a group: the group was lost, shown
//! as
//! 4294967295.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::{Fixture, Ran},
    inspect,
    report::Failure,
    show::{Owner, Show, SyscallResult},
    tree::{Entry, make},
};

const FIRST: u32 = 1_000_000;
const COUNT: u32 = 65536;
/// On disk and in the container.
const JOURNAL: u32 = 101;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A lower layer with a directory that has an ACL for group 4:");
    let disk = fixture.plain("disk")?;
    for (name, owner) in [("lower", 0), ("lower/journal", JOURNAL), ("upper", 0)] {
        make(&disk, name, &Entry::Directory, owner, 0o755)?;
    }
    let raw = disk.join("lower/journal");
    let acl = format!("setfacl -m g:4:r-x,d:g:4:r-x {}", raw.display());
    fixture.prepare(&acl)?;
    let map = format!("b:0:{FIRST}:{COUNT}");
    let lower = fixture.idmap(&map, &disk.join("lower"), "lower")?;
    let layers = fixture.idmap(&map, &disk.join("upper"), "layers")?;
    // Root of the host has no id on disk: only the container's root has.
    let [upper, work] = ["upper", "work"].map(|name| layers.join(name));
    for name in ["upper", "work"] {
        make(&disk.join("upper"), name, &Entry::Directory, 0, 0o755)?;
    }
    let merged = fixture.directory("merged")?;
    fixture.overlay(&lower, &upper, &work, "", &merged)?;
    let journal = merged.join("journal");

    fixture.say("On the host:");
    for (path, group) in [
        (&raw, 4),
        (&lower.join("journal"), FIRST + 4),
        (&journal, FIRST + 4),
    ] {
        let ran = fixture.run(0, &format!("getfacl -n -p {}", path.display()))?;
        has(fixture, &ran, path, &format!("group:{group}:r-x"));
    }
    fixture.check(
        "the directory, merged",
        inspect::owner(&journal),
        Ok(Owner(FIRST + JOURNAL, FIRST + JOURNAL)),
    );

    fixture.say("In a container with the user namespace \"0 1000000 65536\":");
    let container = Container::start(FIRST, COUNT)?;
    let owner = container.ask("owner", &journal)?;
    let what = "the container sees the directory as";
    fixture.check(what, Ok(owner), Ok(Owner(JOURNAL, JOURNAL).show()));
    let look = format!("getfacl -n -p {}", journal.display());
    let ran = container.run(fixture, &look)?;
    for line in ["group:4:r-x", "default:group:4:r-x"] {
        has(fixture, &ran, &journal, line);
    }

    let made = container.ask("create", &journal.join("not"))?;
    let what =
        "its root makes a file there, where the host's root mounted and has no id on the layers";
    fixture.check(
        what,
        Ok(made),
        Ok(SyscallResult::<()>::Err(Errno::ROFS).show()),
    );
    fixture.prepare(&format!("umount {}", merged.display()))?;

    fixture.say("Mounted by the container's root:");
    let file = journal.join("system.journal");
    let lines = format!(
        "mount -t overlay -o userxattr,lowerdir={},upperdir={},workdir={} overlay {}\n\
         {look}\n\
         setfacl -m u:7:rwx {journal}\n\
         {look}\n\
         touch {file}\n\
         getfacl -n -p {file}",
        lower.display(),
        upper.display(),
        work.display(),
        merged.display(),
        journal = journal.display(),
        file = file.display(),
    );
    let ran = container.script(fixture, &lines)?;
    fixture.check_success("all of it", &ran);
    let mut shown = ran.output.split("# file: ").skip(1);
    for (path, line) in [
        (&journal, "group:4:r-x"),
        (&journal, "user:7:rwx"),
        (&file, "group:4:r-x"),
    ] {
        let text = shown.next().unwrap_or_default();
        check_line(fixture, text, path, line);
    }

    fixture.say("On the upper layer, without any map:");
    let raw = disk.join("upper/upper/journal");
    let ran = fixture.run(0, &format!("getfacl -n -p {}", raw.display()))?;
    for line in ["group:4:r-x", "user:7:rwx"] {
        has(fixture, &ran, &raw, line);
    }
    let owner = inspect::owner(&raw);
    fixture.check("the directory there", owner, Ok(Owner(JOURNAL, JOURNAL)));
    let owner = inspect::owner(raw.join("system.journal"));
    fixture.check("the file there", owner, Ok(Owner(0, 0)));
    Ok(())
}

/// Checks that getfacl has printed a line.
fn has(fixture: &mut Fixture, ran: &Ran, path: &Path, line: &str) {
    check_line(fixture, &ran.output, path, line);
}

fn check_line(fixture: &mut Fixture, output: &str, path: &Path, line: &str) {
    // getfacl prints the permissions within the mask as a comment.
    let mut lines = output.lines();
    let found = lines.any(|it| it.split('\t').next() == Some(line));
    let what = format!("{} has {line}", path.display());
    fixture.check(&what, Ok(found), Ok(true));
}
