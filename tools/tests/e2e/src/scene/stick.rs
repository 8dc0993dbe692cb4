// SPDX-License-Identifier: GPL-2.0

//! Scene C: a USB stick, whose filesystem knows no owners, for users 1001 and 5000 at once.

use std::{fs, path::Path};

use rustix::io::Errno;

use crate::{
    fixture::Stage,
    inspect,
    report::{Doing, Failure},
    show::{Census, Owner},
    syscalls::{self, as_user},
};

const USERS: [u32; 2] = [1001, 5000];
/// With the root.
const ENTRIES: usize = 3;

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("A stick; all on it belongs to root:");
    let disk = stage.disk(|root| {
        fs::write(root.join("aaa"), "aaa\n").doing("writing to the stick")?;
        fs::write(root.join("bbb"), "").doing("writing to the stick")
    })?;
    stage.run(0, &format!("ls -ln {}", disk.display()))?;
    let of = |owner| Census::from([(Owner(owner, owner), ENTRIES)]);
    stage.check("the stick on disk", inspect::census(&disk), Ok(of(0)));

    let mut mounts = Vec::new();
    for user in USERS {
        let mount = stage.idmap(&format!("b:0:{user}:1"), &disk, &user.to_string())?;
        stage.run(0, &format!("ls -ln {}", mount.display()))?;
        mounts.push(mount);
    }
    for (user, mount) in USERS.iter().zip(&mounts) {
        let what = format!("the stick through {}", mount.display());
        stage.check(&what, inspect::census(mount), Ok(of(*user)));
    }
    stage.check(
        "the stick on disk, still",
        inspect::census(&disk),
        Ok(of(0)),
    );

    let [first, second] = USERS;
    writes(stage, &disk, first, &mounts[0], &mounts[1])?;
    writes(stage, &disk, second, &mounts[1], &mounts[0])
}

/// A user writes through the one mount, and tries to through the other.
fn writes(
    stage: &mut Stage,
    disk: &Path,
    user: u32,
    own: &Path,
    other: &Path,
) -> Result<(), Failure> {
    let name = format!("of{user}");
    let line = format!("touch {}", own.join(&name).display());
    stage.succeeds(&format!("user {user} makes a file"), user, &line)?;
    stage.check(
        &format!("user {user}'s file through the mount"),
        inspect::owner(own.join(&name)),
        Ok(Owner(user, user)),
    );
    stage.check(
        &format!("user {user}'s file on disk"),
        inspect::owner(disk.join(&name)),
        Ok(Owner(0, 0)),
    );
    let before = inspect::size(disk.join("aaa")).doing("looking at the stick")?;
    let append = |mount: &Path| as_user(user, || syscalls::append(mount.join("aaa"), "more\n"));
    stage.check(&format!("user {user} writes to aaa"), append(own), Ok(()));
    stage.check(
        &format!("bytes in aaa on disk after user {user} wrote"),
        inspect::size(disk.join("aaa")),
        Ok(before + 5),
    );

    let line = format!("touch {}", other.join("aaa").display());
    let what = format!("user {user} touches a file through the other mount");
    stage.refused(&what, user, &line, "Permission denied")?;
    stage.check(
        &format!("user {user} writes through it"),
        append(other),
        Err(Errno::ACCESS),
    );
    let create = as_user(user, || syscalls::create(other.join("not")));
    stage.check(
        &format!("user {user} makes a file through it"),
        create,
        Err(Errno::OVERFLOW),
    );
    let unlink = as_user(user, || syscalls::unlink(other.join("bbb")));
    stage.check(
        &format!("user {user} removes a file through it"),
        unlink,
        Err(Errno::ACCESS),
    );
    stage.check(
        &format!("bytes in aaa on disk after user {user} could not"),
        inspect::size(disk.join("aaa")),
        Ok(before + 5),
    );
    Ok(())
}
