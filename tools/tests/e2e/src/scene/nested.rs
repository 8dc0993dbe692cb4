// SPDX-License-Identifier: GPL-2.0

//! Nested idmaps: root of a container, and a plain user, idmap directories of a filesystem that
//! they do not control.

mod refused;
mod rootless;

use std::{fs, path::Path};

use crate::{
    container::Container,
    fixture::{Fixture, Ran},
    inspect,
    report::{Context, Failure},
    show::{Owner, Show},
    tree::{Entry, make},
};

/// The first id of the outer container on the host, and the number of its ids.
const OUTER: u32 = 100_000;
const COUNT: u32 = 65536;
/// The owner of the image on disk.
const DISK: u32 = 20_000;
/// The ids that a container inside has, by those of the container around it.
const INNER: &str = "b:0:5000:50000";

/// The sysctl at some value.
pub(crate) struct Sysctl(String);

impl Sysctl {
    const PATH: &'static str = "/proc/sys/fs/mount_idmap_nested";

    /// Whether the kernel has it.
    pub(crate) fn exists() -> bool {
        Path::new(Self::PATH).exists()
    }

    pub(crate) fn set(value: &str) -> Result<Self, Failure> {
        let before = fs::read_to_string(Self::PATH).context(Self::PATH)?;
        fs::write(Self::PATH, value).context(Self::PATH)?;
        Ok(Self(before))
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        if let Err(error) = fs::write(Self::PATH, &self.0) {
            eprintln!("{} is not as it was: {error}", Self::PATH);
        }
    }
}

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The root filesystem of a container, owned by 20000 on disk:");
    let disk = fixture.disk(|root| {
        for name in ["root", "root/srv", "root/upper", "root/work"] {
            make(root, name, &Entry::Directory, DISK, 0o755)?;
        }
        make(root, "root/srv/root", &Entry::File(b""), DISK, 0o644)?;
        make(root, "root/srv/user", &Entry::File(b""), DISK + 1000, 0o644)
    })?;
    let map = format!("b:{DISK}:{OUTER}:{COUNT}");
    let rootfs = fixture.idmap(&map, &disk.join("root"), "rootfs")?;
    let container = Container::start(OUTER, COUNT)?;
    if !Sysctl::exists() {
        fixture.say("This kernel has no nested idmaps:");
        let words = "this kernel does not have it (CONFIG_RUST_MNT_IDMAPPING_NESTED)";
        refused::idmap(fixture, &container, &rootfs, words)?;
        return rootless::refused(fixture, words);
    }
    refused::run(fixture, &container, &rootfs)?;
    let _offered = Sysctl::set("1")?;
    let inner = fixture.directory("inner")?;
    container_inside(fixture, &container, &rootfs, &inner)?;
    three_deep(fixture, &container, &rootfs, &inner)?;
    overlay(fixture, &container, &rootfs, &inner)?;
    fixture.say("On disk, the ids are those of the image:");
    for (name, id) in [
        ("srv/user", 1000),
        ("srv/new", 0),
        ("srv/another", 1000),
        ("upper/new", 0),
    ] {
        let path = disk.join("root").join(name);
        let owner = Owner(DISK + id, DISK + id);
        fixture.check(
            &path.display().to_string(),
            inspect::owner(&path),
            Ok(owner),
        );
    }
    rootless::run(fixture)
}

/// Gives a directory an idmap as root of a container, and runs lines as root of a container inside
/// that has the same ids, in a mount namespace of it.
fn in_inner(
    fixture: &mut Fixture,
    container: &Container,
    [from, at]: [&Path; 2],
    lines: &str,
) -> Result<Ran, Failure> {
    let (from, at) = (from.display(), at.display());
    let lines = format!(
        "mount-idmapped mount --replace --map={INNER} {from} {at}\n\
         mount-idmapped --map-caller={INNER} {at} {at} unshare --mount sh -e -c '{lines}'"
    );
    container.script(fixture, &lines)
}

fn container_inside(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
    inner: &Path,
) -> Result<(), Failure> {
    fixture.say("Root of the container makes a container inside, on an idmapped mount:");
    let at = inner.display();
    let lines = format!(
        "cat /proc/self/uid_map\n\
         stat -c %u:%g {at}/root {at}/user\n\
         touch {at}/new\n\
         setpriv --reuid=1000 --regid=1000 --clear-groups touch {at}/user\n\
         install -o 1000 -g 1000 /dev/null {at}/another\n\
         stat -c %u:%g {at}/new {at}/another"
    );
    let ran = in_inner(fixture, container, [&rootfs.join("srv"), inner], &lines)?;
    let words: Vec<&str> = ran.output.split_whitespace().collect();
    let shown = "0 5000 50000 0:0 1000:1000 0:0 1000:1000".to_owned();
    fixture.check("the inner root sees", Ok(words.join(" ")), Ok(shown));
    let what = "the outer root sees the new files as";
    for (name, id) in [("new", 0), ("another", 1000)] {
        let seen = container.ask("owner", &rootfs.join("srv").join(name))?;
        fixture.check(what, Ok(seen), Ok(Owner(id, id).show()));
    }
    Ok(())
}

fn three_deep(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
    inner: &Path,
) -> Result<(), Failure> {
    fixture.say("Root of the container inside does the same once more:");
    let third = fixture.directory("third")?;
    let (at, third) = (inner.display(), third.display());
    let map = "b:0:5000:40000";
    let lines = format!(
        "stat -c %u:%g {at}/user\n\
         mount-idmapped mount --replace --map={map} {at} {third}\n\
         stat -c %u:%g {third}/user\n\
         mount-idmapped --map-caller={map} {third} {third} stat -c %u:%g {third}/user\n\
         mount-idmapped list {third}"
    );
    let ran = in_inner(fixture, container, [&rootfs.join("srv"), inner], &lines)?;
    let mut printed = ran.output.lines().map(str::to_owned);
    for (what, owner) in [
        ("the second root sees", "1000:1000"),
        ("the mount for the third shows it", "6000:6000"),
        ("the third root sees", "1000:1000"),
    ] {
        let seen = printed.next().unwrap_or_default();
        fixture.check(what, Ok(seen), Ok(owner.to_owned()));
    }
    // From ids on disk to ids of the container that asks, by way of the map of each container.
    let composed = "20000:5000:40000";
    let listed = printed.any(|line| line.contains(composed));
    fixture.check(
        "the map in the list is the composition",
        Ok(listed),
        Ok(true),
    );
    Ok(())
}

fn overlay(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
    inner: &Path,
) -> Result<(), Failure> {
    fixture.say("Root of the container inside mounts overlayfs on nested layers:");
    let merged = fixture.directory("merged")?;
    let (at, merged) = (inner.display(), merged.display());
    let options = format!("userxattr,lowerdir={at}/srv,upperdir={at}/upper,workdir={at}/work");
    let lines = format!(
        "mount -t overlay -o {options} overlay {merged}\n\
         touch {merged}/new\n\
         chown 5:5 {merged}/root\n\
         stat -c %u:%g {merged} {merged}/new {merged}/user {merged}/root"
    );
    let ran = in_inner(fixture, container, [rootfs, inner], &lines)?;
    let shown = "0:0 0:0 1000:1000 5:5".to_owned();
    fixture.check("it sees", Ok(ran.output.replace('\n', " ")), Ok(shown));
    let copied = container.ask("owner", &rootfs.join("upper/root"))?;
    fixture.check(
        "the file that was copied up",
        Ok(copied),
        Ok(Owner(5, 5).show()),
    );
    let below = container.ask("owner", &rootfs.join("srv/root"))?;
    fixture.check(
        "the file in the lower layer",
        Ok(below),
        Ok(Owner(0, 0).show()),
    );
    Ok(())
}
