// SPDX-License-Identifier: GPL-2.0

//! One image on disk, shown to two containers with different ids at once.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Owner, Show, SyscallResult},
    syscalls,
    tree::{Entry, make},
};

const DISK: u32 = 300_000;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("An image in which all ids begin with 300000:");
    let disk = fixture.disk(fill)?.join("image");
    fixture.run(0, &format!("ls -ln {}", disk.display()))?;
    let start = |first| Container::start(first, 100_000);
    let containers = [start(100_000)?, start(500_000)?];

    let mut mounts = Vec::new();
    for container in &containers {
        let Container { first, .. } = container;
        fixture.say(&format!(
            "A container with the user namespace \"0 {first} 100000\":"
        ));
        let raw = container.ask("owner", &disk.join("file"))?;
        let what = format!("container {first} sees the image itself as");
        fixture.check(&what, Ok(raw), Ok(inspect::overflow_owner().show()));

        let target = fixture.directory(&first.to_string())?;
        let shift = format!(
            "mount-idmapped shift --for {} {}",
            container.pid(),
            disk.display()
        );
        let printed = fixture.run(0, &shift)?;
        let what = format!("the map for container {first}, found by the tool");
        fixture.check(
            &what,
            Ok(printed.output),
            Ok(format!("b:300000:{first}:100000")),
        );
        fixture.prepare(&format!("{shift} {}", target.display()))?;
        mounts.push(target);
    }
    for (container, mount) in containers.iter().zip(&mounts) {
        let first = container.first;
        for (name, id) in [("file", "0:0"), ("home", "1000:1000")] {
            let seen = container.ask("owner", &mount.join(name))?;
            let what = format!("container {first} sees {name} through its mount as");
            fixture.check(&what, Ok(seen), Ok(id.to_owned()));
        }
        let made = container.ask("create", &mount.join(format!("of{first}")))?;
        fixture.check(
            &format!("container {first} makes a file"),
            Ok(made),
            Ok(().show()),
        );
        let owner = inspect::owner(disk.join(format!("of{first}")));
        fixture.check(
            &format!("that of container {first} on disk"),
            owner,
            Ok(Owner(DISK, DISK)),
        );
    }
    let [a, b] = &containers;
    for (container, mount, other, foreign) in [
        (a, &mounts[0], b, &mounts[1]),
        (b, &mounts[1], a, &mounts[0]),
    ] {
        let (first, other) = (container.first, other.first);
        let seen = container.ask("owner", &mount.join(format!("of{other}")))?;
        let what = format!("container {first} sees the file of container {other} as");
        fixture.check(&what, Ok(seen), Ok("0:0".to_owned()));
        let made = container.ask("create", &foreign.join("not"))?;
        let what = format!("container {first} makes a file through the other's mount");
        fixture.check(
            &what,
            Ok(made),
            Ok(SyscallResult::<()>::Err(Errno::OVERFLOW).show()),
        );
    }
    fixture.say("An image that has more ids than the container:");
    syscalls::chown(disk.join("file"), DISK + 100_000).context("giving a file away")?;
    let shift = format!("mount-idmapped shift --for {} {}", a.pid(), disk.display());
    let words = "which would be 100000 in the container, and the container has no such id";
    fixture.refused("the tool finds a map", 0, &shift, words)
}

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, entry, id, mode) in [
        ("image", Entry::Directory, 0, 0o755),
        ("image/file", Entry::File(b"file\n"), 0, 0o644),
        ("image/home", Entry::Directory, 1000, 0o700),
    ] {
        make(root, name, &entry, DISK + id, mode)?;
    }
    Ok(())
}
