// SPDX-License-Identifier: GPL-2.0

//! A USB stick with a filesystem that stores no owners, for users 1001 and 5000 at once.

use std::{fs, path::Path};

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Census, Owner},
    syscalls::{self, as_user},
};

const USERS: [u32; 2] = [1001, 5000];
/// With the root.
const ENTRIES: usize = 3;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A stick; all on it belongs to root:");
    let disk = fixture.disk(|root| {
        fs::write(root.join("aaa"), "aaa\n").context("writing to the stick")?;
        fs::write(root.join("bbb"), "").context("writing to the stick")
    })?;
    fixture.run(0, &format!("ls -ln {}", disk.display()))?;
    let of = |owner| Census::from([(Owner(owner, owner), ENTRIES)]);
    fixture.check("the stick on disk", inspect::census(&disk), Ok(of(0)));

    let mut mounts = Vec::new();
    for user in USERS {
        let mount = fixture.idmap(&format!("b:0:{user}:1"), &disk, &user.to_string())?;
        fixture.run(0, &format!("ls -ln {}", mount.display()))?;
        mounts.push(mount);
    }
    for (user, mount) in USERS.iter().zip(&mounts) {
        let what = format!("the stick through {}", mount.display());
        fixture.check(&what, inspect::census(mount), Ok(of(*user)));
    }
    fixture.check(
        "the stick on disk, still",
        inspect::census(&disk),
        Ok(of(0)),
    );

    let [first, second] = USERS;
    writes(fixture, &disk, first, &mounts[0], &mounts[1])?;
    writes(fixture, &disk, second, &mounts[1], &mounts[0])
}

/// A user writes through the one mount, and tries to through the other.
fn writes(
    fixture: &mut Fixture,
    disk: &Path,
    user: u32,
    own: &Path,
    other: &Path,
) -> Result<(), Failure> {
    let name = format!("of{user}");
    let line = format!("touch {}", own.join(&name).display());
    fixture.succeeds(&format!("user {user} makes a file"), user, &line)?;
    fixture.check(
        &format!("user {user}'s file through the mount"),
        inspect::owner(own.join(&name)),
        Ok(Owner(user, user)),
    );
    fixture.check(
        &format!("user {user}'s file on disk"),
        inspect::owner(disk.join(&name)),
        Ok(Owner(0, 0)),
    );
    let before = inspect::size(disk.join("aaa")).context("looking at the stick")?;
    let append = |mount: &Path| as_user(user, || syscalls::append(mount.join("aaa"), "more\n"));
    fixture.check(&format!("user {user} writes to aaa"), append(own), Ok(()));
    fixture.check(
        &format!("bytes in aaa on disk after user {user} wrote"),
        inspect::size(disk.join("aaa")),
        Ok(before + 5),
    );

    let line = format!("touch {}", other.join("aaa").display());
    let what = format!("user {user} touches a file through the other mount");
    fixture.refused(&what, user, &line, "Permission denied")?;
    fixture.check(
        &format!("user {user} writes through it"),
        append(other),
        Err(Errno::ACCESS),
    );
    let create = as_user(user, || syscalls::create(other.join("not")));
    fixture.check(
        &format!("user {user} makes a file through it"),
        create,
        Err(Errno::OVERFLOW),
    );
    let unlink = as_user(user, || syscalls::unlink(other.join("bbb")));
    fixture.check(
        &format!("user {user} removes a file through it"),
        unlink,
        Err(Errno::ACCESS),
    );
    fixture.check(
        &format!("bytes in aaa on disk after user {user} could not"),
        inspect::size(disk.join("aaa")),
        Ok(before + 5),
    );
    Ok(())
}
