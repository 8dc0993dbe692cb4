// SPDX-License-Identifier: GPL-2.0

//! An idmapped mount of a directory on an idmapped mount, as for a volume of a service in
//! a container whose root has a map.
//!
//! mount(8) cannot make one: it copies the mount and then sets the map of the copy, which has one.
//! `open_tree_attr()` does both at once. Maps are not stacked: that of the new mount is from the
//! ids on disk.

use std::path::Path;

use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::Failure,
    show::{Owner, Show},
    tree::{Entry, make},
};

const DISK: u32 = 20000;
const HOST: u32 = 100_000;
const SERVICE: u32 = 1000;
const REFUSED: &str = "Operation not permitted";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The root of a container, owned by 20000 on disk:");
    let disk = fixture.disk(|root| {
        for (name, id) in [("root", 0), ("root/volume", 0), ("root/volume/data", 0)] {
            make(root, name, &Entry::Directory, DISK + id, 0o755)?;
        }
        Ok(())
    })?;
    let rootfs = fixture.idmap("b:20000:100000:65536", &disk.join("root"), "rootfs")?;
    let volume = rootfs.join("volume");
    let owner = inspect::owner(volume.join("data"));
    fixture.check("its volume's data", owner, Ok(Owner(HOST, HOST)));

    fixture.say("The volume is to be user 1000's of the container, in another place:");
    let target = fixture.directory("for-the-service")?;
    let (from, to) = (volume.display(), target.display());
    let line = format!("mount --bind -o X-mount.idmap=b:20000:101000:1 {from} {to}");
    fixture.refused("mount(8) makes it", 0, &line, REFUSED)?;
    let line = format!("mount-idmapped --map-mount=b:20000:101000:1 {from} {to}");
    fixture.refused("so does our tool", 0, &line, REFUSED)?;
    let line = format!("mount-idmapped mount --replace --map=b:20000:101000:1 {from} {to}");
    fixture.succeeds("with open_tree_attr() it does", 0, &line)?;
    let mapped = HOST + SERVICE;
    let data = target.join("data");
    fixture.check(
        "the data there",
        inspect::owner(&data),
        Ok(Owner(mapped, mapped)),
    );
    let owner = inspect::owner(volume.join("data"));
    fixture.check("the volume as before", owner, Ok(Owner(HOST, HOST)));

    let container = Container::start(HOST, 65536)?;
    in_container(fixture, &container, &disk, &target)?;
    plain_again(fixture, &volume)?;
    own_filesystem(fixture, &container, &rootfs)
}

fn in_container(
    fixture: &mut Fixture,
    container: &Container,
    disk: &Path,
    target: &Path,
) -> Result<(), Failure> {
    fixture.say("In the container, user namespace \"0 100000 65536\":");
    let seen = container.ask("owner", &target.join("data"))?;
    let service = Owner(SERVICE, SERVICE);
    fixture.check("it sees the data as", Ok(seen), Ok(service.show()));
    let made = container.ask_as(SERVICE, "create", &target.join("data/new"))?;
    fixture.check("user 1000 makes a file there", Ok(made), Ok(().show()));
    fixture.check(
        "the file on disk",
        inspect::owner(disk.join("root/volume/data/new")),
        Ok(Owner(DISK, DISK)),
    );
    let made = container.ask("create", &target.join("data/not"))?;
    let what = "root, whom this map leaves out, makes one";
    fixture.check(what, Ok(made), Ok("EOVERFLOW".to_owned()));
    Ok(())
}

fn plain_again(fixture: &mut Fixture, volume: &Path) -> Result<(), Failure> {
    fixture.say("Without any map, which undoes that of the root:");
    let target = fixture.directory("plain")?;
    let line = format!(
        "mount-idmapped mount --replace {} {}",
        volume.display(),
        target.display()
    );
    fixture.prepare(&line)?;
    fixture.check("it has a map", inspect::is_idmapped(&target), Ok(false));
    let owner = inspect::owner(target.join("data"));
    fixture.check("the data as on disk", owner, Ok(Owner(DISK, DISK)));
    Ok(())
}

/// The container's root may do as much on a filesystem that it mounted itself, and no more.
fn own_filesystem(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
) -> Result<(), Failure> {
    fixture.say("The container's root tries that itself, on the host's filesystem and on its own:");
    let at = fixture.directory("own")?;
    let (from, at) = (rootfs.join("volume"), at.display());
    let line = format!(
        "unshare --mount mount-idmapped mount --replace --map=b:0:5:1 {} {at}",
        from.display()
    );
    container.refused(fixture, "of the host's", &line, REFUSED)?;
    let lines = format!(
        "mount -t tmpfs own {at}\n\
         mkdir {at}/a {at}/b {at}/c\n\
         mount-idmapped --map-mount=b:0:5:1 {at}/a {at}/b\n\
         stat -c %u:%g {at}/b\n\
         mount-idmapped mount --replace --map=b:0:6:1 {at}/b {at}/c\n\
         stat -c %u:%g {at}/c"
    );
    let ran = container.script(fixture, &lines)?;
    let shown = "5:5\n6:6".to_owned();
    fixture.check("of its own: first 5, then 6", Ok(ran.output), Ok(shown));
    Ok(())
}
