// SPDX-License-Identifier: GPL-2.0

//! rsync, tar and cp -a: they copy the ids that they see.

use std::path::Path;

use super::{
    Must::{Do, Say},
    owners, run_lines,
};
use crate::{
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::Mode,
    tree::{Entry, make},
};

/// The tree that is copied: name, type, owner on disk, mode bits.
const TREE: &[(&str, Entry<'static>, u32, u32)] = &[
    (".", Entry::Directory, 1000, 0o755),
    ("file", Entry::File(b"file\n"), 1000, 0o640),
    ("other", Entry::File(b"other\n"), 1005, 0o644),
    ("suid", Entry::File(b"suid\n"), 1000, 0o4755),
    ("directory", Entry::Directory, 1005, 0o2775),
    ("directory/link", Entry::Link("../file"), 1000, 0o777),
    ("pipe", Entry::Fifo, 1005, 0o600),
];

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| {
        make(root, "from", &Entry::Directory, 1000, 0o755)?;
        make(root, "to", &Entry::Directory, 1000, 0o755)?;
        for (name, entry, owner, mode) in TREE {
            make(&root.join("from"), name, entry, *owner, *mode)?;
        }
        Ok(())
    })?;
    let from = disk.join("from");
    fixture.prepare(&format!(
        "setfacl -m u:1005:rwx {}",
        from.join("file").display()
    ))?;
    let seen = fixture.idmap("b:1000:2000:10", &from, "seen")?;
    let into = fixture.idmap("b:1000:2000:10", &disk.join("to"), "into")?;
    let plain = fixture.directory("plain")?;

    fixture.say("From the mount to a plain place, as it is seen:");
    let archive = fixture.path("archive.tar").display().to_string();
    let tar = format!("tar -C @ --acls --numeric-owner -cf {archive} .");
    for (name, lines) in [
        ("rsync", vec!["rsync -aAX --numeric-ids @/ %/".to_owned()]),
        ("cp", vec!["cp -a @/. %".to_owned()]),
        (
            "tar",
            vec![
                tar.clone(),
                format!("tar -C % --acls --numeric-owner -xpf {archive}"),
            ],
        ),
    ] {
        let target = plain.join(name);
        carry(fixture, &seen, &target, &lines)?;
        compare(fixture, &target, 1000)?;
    }

    fixture.say("And back through another mount, as it was on disk:");
    for (name, line) in [
        ("rsync", "rsync -aAX --numeric-ids @/ %/".to_owned()),
        ("cp", "cp -a @/. %".to_owned()),
        (
            "tar",
            format!("tar -C % --acls --numeric-owner -xpf {archive}"),
        ),
    ] {
        let target = into.join(name);
        // A user with a mapped id creates the directory of the copy.
        let made = crate::syscalls::as_user(2000, || crate::syscalls::mkdir(&target));
        fixture.check("2000 makes a directory for it", made, Ok(()));
        let line = line.replace('@', &plain.join("rsync").display().to_string());
        let line = line.replace('%', &target.display().to_string());
        // The ids of root are unmapped there, so its files could not have an owner.
        let ran = fixture.run(0, &line)?;
        let refused = ran.status != 0 && ran.errors.contains("Value too large");
        let what = format!("root runs {name}: it is refused");
        fixture.check(&what, Ok(refused), Ok(true));
    }
    let whole = fixture.idmap("b:1000:2000:10 b:0:0:1", &disk.join("to"), "with-root")?;
    for (name, line) in [
        ("rsync", "rsync -aAX --numeric-ids @/ %/".to_owned()),
        ("cp", "cp -a @/. %".to_owned()),
        (
            "tar",
            format!("tar -C % --acls --numeric-owner -xpf {archive}"),
        ),
    ] {
        let name = format!("{name}-2");
        carry(fixture, &plain.join("rsync"), &whole.join(&name), &[line])?;
        compare(fixture, &disk.join("to").join(&name), 0)?;
    }
    Ok(())
}

fn carry(fixture: &mut Fixture, from: &Path, to: &Path, lines: &[String]) -> Result<(), Failure> {
    fixture.prepare(&format!("mkdir {}", to.display()))?;
    for line in lines {
        let line = line.replace('@', &from.display().to_string());
        let line = line.replace('%', &to.display().to_string());
        fixture.succeeds(&line, 0, &line)?;
    }
    Ok(())
}

/// Everything is there, with owners that are shifted from those on disk.
fn compare(fixture: &mut Fixture, copy: &Path, shift: u32) -> Result<(), Failure> {
    for (name, _, owner, mode) in TREE {
        owners(fixture, copy, &[(name, owner + shift)]);
        let path = copy.join(name);
        if !name.ends_with("link") && *name != "file" {
            let what = format!("the mode of {}", path.display());
            fixture.check(&what, inspect::mode(&path), Ok(Mode(*mode)));
        }
    }
    let entry = AclUser {
        user: 1005 + shift,
        permissions: 7,
    };
    let acl = inspect::acl_users(copy.join("file"));
    fixture.check("the ACL of file", acl, Ok(vec![entry]));
    run_lines(
        fixture,
        [copy, copy],
        &[(0, "cat @/other", Say("other")), (0, "test -p @/pipe", Do)],
    )
}
