// SPDX-License-Identifier: GPL-2.0

//! The capabilities of a file are for user namespaces with one root user. In a namespace that does
//! not map this user, reading them fails with `EOVERFLOW` and does not show another user.
//!
//! Programs that copy files failed because of that.

use std::{env, fs};

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Show, SyscallResult},
    tree::{Entry, make},
};

/// The root on disk, and through the mount.
const DISK: u32 = 20000;
const SEEN: u32 = 100_000;
const NET_RAW: &str = "0000000000002000";
const NOTHING: &str = "0000000000000000";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A program whose capability is for the namespaces of 20000:");
    let program = env::current_exe()
        .and_then(fs::read)
        .context("reading this program")?;
    let disk = fixture.disk(|root| {
        make(root, "bin", &Entry::Directory, DISK, 0o755)?;
        make(root, "bin/able", &Entry::File(&program), DISK, 0o755)
    })?;
    let raw = disk.join("bin/able");
    fixture.prepare(&format!("setcap -n 20000 cap_net_raw+ep {}", raw.display()))?;
    let mount = fixture.idmap("b:20000:100000:65536", &disk.join("bin"), "bin")?;
    let without = fixture.idmap("b:30000:100000:65536", &disk.join("bin"), "without")?;
    let (able, hidden) = (mount.join("able"), without.join("able"));

    fixture.say("On the host:");
    fixture.run(
        0,
        &format!("getcap -n {} {}", raw.display(), able.display()),
    )?;
    for (place, path, root) in [
        ("on disk", &raw, Ok(DISK)),
        ("through the mount", &able, Ok(SEEN)),
        (
            "through a mount that leaves it out",
            &hidden,
            Err(Errno::OVERFLOW),
        ),
    ] {
        let what = format!("the root {place}");
        fixture.check(&what, inspect::capability_root(path), root);
    }

    let overflow = SyscallResult::<u32>::Err(Errno::OVERFLOW).show();
    for (first, seen, says, able_to) in [
        // The root user is that of this container, so its id is left out.
        (SEEN, "0", "cap_net_raw=ep", NET_RAW),
        // Here it is user 1000.
        (SEEN - 1000, "1000", "[rootid=1000]", NOTHING),
        // This one has no name for it.
        (500_000, &*overflow, "", NOTHING),
    ] {
        fixture.say(&format!(
            "In a container with the user namespace \"0 {first} 65536\":"
        ));
        let container = Container::start(first, 65536)?;
        let root = container.ask("capability", &able)?;
        fixture.check("the root is", Ok(root), Ok(seen.to_owned()));
        let ran = container.run(fixture, &format!("getcap -n {}", able.display()))?;
        let good = ran.output.ends_with(says);
        let what = format!("getcap says '{says}'");
        fixture.check(&what, Ok(good), Ok(true));
        let root = container.ask("capability", &hidden)?;
        let what = "through a mount that leaves it out";
        fixture.check(what, Ok(root), Ok(overflow.clone()));
        let line = format!(
            "setpriv --reuid=1 --regid=1 --clear-groups --bounding-set=+all {} capabilities",
            able.display()
        );
        let ran = container.run(fixture, &line)?;
        let what = "user 1 runs it, with capabilities";
        fixture.check(what, Ok(ran.output), Ok(able_to.to_owned()));
    }
    Ok(())
}
