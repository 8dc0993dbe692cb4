// SPDX-License-Identifier: GPL-2.0

//! Scene C: a USB stick, whose filesystem knows no owners, for users 1001 and 5000 at once.

use std::{fs, path::Path};

use rustix::io::Errno;

use crate::{
    act::{self, as_user},
    report::{Doing, Failure},
    see,
    show::{Census, Owner},
    stage::Stage,
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
    stage.check("the stick on disk", see::census(&disk), Ok(of(0)));

    let mut mounts = Vec::new();
    for user in USERS {
        let mount = stage.idmap(&format!("b:0:{user}:1"), &disk, &user.to_string())?;
        stage.run(0, &format!("ls -ln {}", mount.display()))?;
        mounts.push(mount);
    }
    for (user, mount) in USERS.iter().zip(&mounts) {
        let what = format!("the stick through {}", mount.display());
        stage.check(&what, see::census(mount), Ok(of(*user)));
    }
    stage.check("the stick on disk, still", see::census(&disk), Ok(of(0)));

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
        see::owner(own.join(&name)),
        Ok(Owner(user, user)),
    );
    stage.check(
        &format!("user {user}'s file on disk"),
        see::owner(disk.join(&name)),
        Ok(Owner(0, 0)),
    );
    let before = see::size(disk.join("aaa")).doing("looking at the stick")?;
    let append = |mount: &Path| as_user(user, || act::append(mount.join("aaa"), "more\n"));
    stage.check(&format!("user {user} writes to aaa"), append(own), Ok(()));
    stage.check(
        &format!("bytes in aaa on disk after user {user} wrote"),
        see::size(disk.join("aaa")),
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
    let create = as_user(user, || act::create(other.join("not")));
    stage.check(
        &format!("user {user} makes a file through it"),
        create,
        Err(Errno::OVERFLOW),
    );
    let unlink = as_user(user, || act::unlink(other.join("bbb")));
    stage.check(
        &format!("user {user} removes a file through it"),
        unlink,
        Err(Errno::ACCESS),
    );
    stage.check(
        &format!("bytes in aaa on disk after user {user} could not"),
        see::size(disk.join("aaa")),
        Ok(before + 5),
    );
    Ok(())
}
