// SPDX-License-Identifier: GPL-2.0

//! Scene M: a container's root has a map that leaves out the host's root, who is to prepare it.
//!
//! Container managers made the folders that things are mounted on as root of the host and got
//! `EOVERFLOW`. What exists can be mounted on by anybody who may mount; what does not exist is
//! for the container's root to make.

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::Stage,
    inspect,
    report::Failure,
    show::{Owner, Show},
    syscalls::{self, MAKERS, as_user},
    tree::{Entry, make},
};

const DISK: u32 = 20000;
const HOST: u32 = 100_000;

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("The root of a container, with one folder to mount on:");
    let disk = stage.disk(|root| {
        make(root, "root", &Entry::Folder, DISK, 0o755)?;
        make(root, "root/there", &Entry::Folder, DISK, 0o755)
    })?;
    let disk = disk.join("root");
    let rootfs = stage.idmap("b:20000:100000:65536", &disk, "rootfs")?;
    let volume = stage.folder("volume")?;
    make(&volume, "file", &Entry::File(b"volume\n"), 0, 0o644)?;

    stage.say("As root of the host, whom the map leaves out:");
    let before = inspect::names(&disk);
    let place = rootfs.join("place");
    let line = format!("mkdir {}", place.display());
    let words = "Value too large for defined data type";
    stage.refused("it makes another folder", 0, &line, words)?;
    let line = format!(
        "mount --bind -o X-mount.mkdir {} {}",
        volume.display(),
        place.display()
    );
    // Its words for whatever kept it from making the folder.
    let its = "operation permitted for root only";
    stage.refused("mount(8) makes it and mounts", 0, &line, its)?;
    for (call, make) in MAKERS {
        let what = format!("its {call}");
        stage.check(&what, make(&place), Err(Errno::OVERFLOW));
    }
    let same = inspect::names(&disk) == before;
    stage.check("the disk has the same names as before", Ok(same), Ok(true));
    let there = rootfs.join("there");
    let line = format!("mount --bind {} {}", volume.display(), there.display());
    stage.succeeds("it mounts on the folder that is there", 0, &line)?;
    stage.check("what is mounted", inspect::size(there.join("file")), Ok(7));
    stage.prepare(&format!("umount {}", there.display()))?;

    stage.say("The same as a user of the host who has the id of the container's root:");
    let mkdir = as_user(HOST, || syscalls::mkdir(&place));
    stage.check("user 100000 makes the folder", mkdir, Ok(()));
    stage.check(
        "it on disk",
        inspect::owner(disk.join("place")),
        Ok(Owner(DISK, DISK)),
    );
    let line = format!("mount --bind {} {}", volume.display(), place.display());
    stage.succeeds("root of the host mounts there", 0, &line)?;
    stage.prepare(&format!("umount {}", place.display()))?;

    stage.say("And in the container:");
    let container = Container::start(HOST, 65536)?;
    let inside = rootfs.join("inside");
    let made = container.ask("mkdir", &inside)?;
    stage.check("its root makes a folder", Ok(made), Ok(().show()));
    let lines = format!(
        "mount --bind {} {1}\ncat {1}/file",
        volume.display(),
        inside.display()
    );
    let ran = container.script(stage, &lines)?;
    stage.check("and mounts there", Ok(ran.output), Ok("volume".to_owned()));
    Ok(())
}
