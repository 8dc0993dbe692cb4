// SPDX-License-Identifier: GPL-2.0

//! A plain user with subordinate ids, who idmaps a directory of their own.

use std::fs;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::Owner,
    tree::{Entry, make},
};

/// The user, and its temporary entries in the files of the machine.
const USER: u32 = 2000;
const FILES: [(&str, &str); 3] = [
    (
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\nplain:x:2000:2000::/:/bin/sh\nother:x:2001:2001::/:/bin/sh\n",
    ),
    ("/etc/subuid", "plain:300000:65536\n"),
    ("/etc/subgid", "plain:400000:65536\n"),
];

/// Runs `run` with the entries of the user.
fn with_user(
    fixture: &mut Fixture,
    run: impl FnOnce(&mut Fixture) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (number, (file, text)) in FILES.iter().enumerate() {
        let ours = fixture.path(&format!("etc-{number}"));
        fs::write(&ours, text).context(ours.display())?;
        mount(&ours, *file, "", MountFlags::BIND, None).context(format_args!("covering {file}"))?;
    }
    let ran = run(fixture);
    for (file, _) in FILES {
        unmount(file, UnmountFlags::empty()).context(format_args!("uncovering {file}"))?;
    }
    ran
}

/// The line of the tool for a directory, its target and a command, in which `@` is the target.
fn line(fixture: &Fixture, command: &str) -> Result<String, Failure> {
    let (from, at) = (fixture.path("own"), fixture.directory("of-the-user")?);
    let (from, at) = (from.display(), at.display());
    let command = command.replace('@', &at.to_string());
    Ok(format!(
        "mount-idmapped --rootless --map-mount=b:0:1000:1 {from} {at} {command}"
    ))
}

pub(super) fn refused(fixture: &mut Fixture, words: &str) -> Result<(), Failure> {
    fixture.directory("own")?;
    with_user(fixture, |fixture| {
        let line = line(fixture, "true")?;
        fixture.refused("a directory of a plain user", USER, &line, words)
    })
}

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A plain user shows a directory of their own to user 1000 of a namespace:");
    let own = fixture.directory("own")?;
    make(&own, ".", &Entry::Directory, USER, 0o755)?;
    make(&own, "file", &Entry::File(b""), USER, 0o600)?;
    make(&own, "roots", &Entry::File(b""), 0, 0o600)?;
    with_user(fixture, |fixture| {
        let shown = line(fixture, "stat -c %u:%g @ @/file @/roots")?;
        let ran = fixture.succeeds("it shows the files", USER, &shown)?;
        let words = ran.output.replace('\n', " ");
        let expected = "1000:1000 1000:1000 65534:65534".to_owned();
        fixture.check("the owners", Ok(words), Ok(expected));
        let as_1000 = "setpriv --reuid=1000 --regid=1000 --clear-groups";
        let made = line(fixture, &format!("{as_1000} touch @/new @/file"))?;
        fixture.succeeds("user 1000 makes a file", USER, &made)?;
        let read = line(fixture, "cat @/roots")?;
        fixture.refused("root's file", USER, &read, "Permission denied")?;
        let failed = line(fixture, "sh -c kill${IFS}$$")?;
        let ran = fixture.run(USER, &failed)?;
        fixture.check(
            "the exit status of a command that is killed",
            Ok(ran.status.to_string()),
            Ok("143".to_owned()),
        );
        let of_nobody = line(fixture, "true")?;
        let words = "/etc/subuid gives user 2001 no users; usermod(8) adds them";
        fixture.refused("a user without ids", USER + 1, &of_nobody, words)
    })?;
    for (name, owner) in [("new", USER), ("file", USER), ("roots", 0)] {
        let seen = inspect::owner(own.join(name));
        fixture.check(&format!("{name} on disk"), seen, Ok(Owner(owner, owner)));
    }
    Ok(())
}
