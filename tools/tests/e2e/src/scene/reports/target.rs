// SPDX-License-Identifier: GPL-2.0

//! A container's root filesystem has an idmap that leaves out the root user of the host, which is
//! to prepare it.
//!
//! Container managers created mount points as root of the host and failed with `EOVERFLOW`. An
//! existing directory can be mounted on by a caller that may mount. A new one must be created by
//! the container's root user.

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::Failure,
    show::{Owner, Show},
    syscalls::{self, MAKERS, as_user},
    tree::{Entry, make},
};

const DISK: u32 = 20000;
const HOST: u32 = 100_000;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The root of a container, with one directory to mount on:");
    let disk = fixture.disk(|root| {
        make(root, "root", &Entry::Directory, DISK, 0o755)?;
        make(root, "root/there", &Entry::Directory, DISK, 0o755)
    })?;
    let disk = disk.join("root");
    let rootfs = fixture.idmap("b:20000:100000:65536", &disk, "rootfs")?;
    let volume = fixture.directory("volume")?;
    make(&volume, "file", &Entry::File(b"volume\n"), 0, 0o644)?;

    fixture.say("As root of the host, whom the map leaves out:");
    let before = inspect::names(&disk);
    let place = rootfs.join("place");
    let line = format!("mkdir {}", place.display());
    let words = "Value too large for defined data type";
    fixture.refused("it makes another directory", 0, &line, words)?;
    let line = format!(
        "mount --bind -o X-mount.mkdir {} {}",
        volume.display(),
        place.display()
    );
    // Its words for whatever kept it from making the directory.
    let its = "operation permitted for root only";
    fixture.refused("mount(8) makes it and mounts", 0, &line, its)?;
    for (call, make) in MAKERS {
        let what = format!("its {call}");
        fixture.check(&what, make(&place), Err(Errno::OVERFLOW));
    }
    let same = inspect::names(&disk) == before;
    fixture.check("the disk has the same names as before", Ok(same), Ok(true));
    let there = rootfs.join("there");
    let line = format!("mount --bind {} {}", volume.display(), there.display());
    fixture.succeeds("it mounts on the directory that is there", 0, &line)?;
    fixture.check("what is mounted", inspect::size(there.join("file")), Ok(7));
    fixture.prepare(&format!("umount {}", there.display()))?;

    fixture.say("The same as a user of the host who has the id of the container's root:");
    let mkdir = as_user(HOST, || syscalls::mkdir(&place));
    fixture.check("user 100000 makes the directory", mkdir, Ok(()));
    fixture.check(
        "it on disk",
        inspect::owner(disk.join("place")),
        Ok(Owner(DISK, DISK)),
    );
    let line = format!("mount --bind {} {}", volume.display(), place.display());
    fixture.succeeds("root of the host mounts there", 0, &line)?;
    fixture.prepare(&format!("umount {}", place.display()))?;

    fixture.say("And in the container:");
    let container = Container::start(HOST, 65536)?;
    let inside = rootfs.join("inside");
    let made = container.ask("mkdir", &inside)?;
    fixture.check("its root makes a directory", Ok(made), Ok(().show()));
    let lines = format!(
        "mount --bind {} {1}\ncat {1}/file",
        volume.display(),
        inside.display()
    );
    let ran = container.script(fixture, &lines)?;
    fixture.check("and mounts there", Ok(ran.output), Ok("volume".to_owned()));
    Ok(())
}
