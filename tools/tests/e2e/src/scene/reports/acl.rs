// SPDX-License-Identifier: GPL-2.0

//! Scene K: overlayfs on idmapped layers, and a container that looks at an ACL of the lower one.
//!
//! As with the folder of a system's journal, whose ACL names a group: the group was lost, shown as
//! 4294967295.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::{Ran, Stage},
    inspect,
    report::Failure,
    show::{Answer, Owner, Show},
    tree::{Entry, make},
};

const FIRST: u32 = 1_000_000;
const COUNT: u32 = 65536;
/// On disk and in the container.
const JOURNAL: u32 = 101;

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("A lower layer with a folder that has an ACL for group 4:");
    let disk = stage.plain("disk")?;
    for (name, owner) in [("lower", 0), ("lower/journal", JOURNAL), ("upper", 0)] {
        make(&disk, name, &Entry::Folder, owner, 0o755)?;
    }
    let raw = disk.join("lower/journal");
    let acl = format!("setfacl -m g:4:r-x,d:g:4:r-x {}", raw.display());
    stage.prepare(&acl)?;
    let map = format!("b:0:{FIRST}:{COUNT}");
    let lower = stage.idmap(&map, &disk.join("lower"), "lower")?;
    let layers = stage.idmap(&map, &disk.join("upper"), "layers")?;
    // Root of the host has no id on disk: only the container's root has.
    let [upper, work] = ["upper", "work"].map(|name| layers.join(name));
    for name in ["upper", "work"] {
        make(&disk.join("upper"), name, &Entry::Folder, 0, 0o755)?;
    }
    let merged = stage.folder("merged")?;
    stage.overlay(&lower, &upper, &work, "", &merged)?;
    let journal = merged.join("journal");

    stage.say("On the host:");
    for (path, group) in [
        (&raw, 4),
        (&lower.join("journal"), FIRST + 4),
        (&journal, FIRST + 4),
    ] {
        let ran = stage.run(0, &format!("getfacl -n -p {}", path.display()))?;
        has(stage, &ran, path, &format!("group:{group}:r-x"));
    }
    stage.check(
        "the folder, merged",
        inspect::owner(&journal),
        Ok(Owner(FIRST + JOURNAL, FIRST + JOURNAL)),
    );

    stage.say("In a container with the user namespace \"0 1000000 65536\":");
    let container = Container::start(FIRST, COUNT)?;
    let owner = container.ask("owner", &journal)?;
    let what = "the container sees the folder as";
    stage.check(what, Ok(owner), Ok(Owner(JOURNAL, JOURNAL).show()));
    let look = format!("getfacl -n -p {}", journal.display());
    let ran = container.run(stage, &look)?;
    for line in ["group:4:r-x", "default:group:4:r-x"] {
        has(stage, &ran, &journal, line);
    }

    let made = container.ask("create", &journal.join("not"))?;
    let what =
        "its root makes a file there, where the host's root mounted and has no id on the layers";
    stage.check(what, Ok(made), Ok(Answer::<()>::Err(Errno::ROFS).show()));
    stage.prepare(&format!("umount {}", merged.display()))?;

    stage.say("Mounted by the container's root:");
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
    let ran = container.script(stage, &lines)?;
    stage.check_success("all of it", &ran);
    let mut shown = ran.output.split("# file: ").skip(1);
    for (path, line) in [
        (&journal, "group:4:r-x"),
        (&journal, "user:7:rwx"),
        (&file, "group:4:r-x"),
    ] {
        let text = shown.next().unwrap_or_default();
        check_line(stage, text, path, line);
    }

    stage.say("On the upper layer, without any map:");
    let raw = disk.join("upper/upper/journal");
    let ran = stage.run(0, &format!("getfacl -n -p {}", raw.display()))?;
    for line in ["group:4:r-x", "user:7:rwx"] {
        has(stage, &ran, &raw, line);
    }
    let owner = inspect::owner(&raw);
    stage.check("the folder there", owner, Ok(Owner(JOURNAL, JOURNAL)));
    let owner = inspect::owner(raw.join("system.journal"));
    stage.check("the file there", owner, Ok(Owner(0, 0)));
    Ok(())
}

/// Checks that getfacl has printed a line.
fn has(stage: &mut Stage, ran: &Ran, path: &Path, line: &str) {
    check_line(stage, &ran.output, path, line);
}

fn check_line(stage: &mut Stage, output: &str, path: &Path, line: &str) {
    // It tells in a comment what the mask leaves of it.
    let mut lines = output.lines();
    let found = lines.any(|it| it.split('\t').next() == Some(line));
    let what = format!("{} has {line}", path.display());
    stage.check(&what, Ok(found), Ok(true));
}
