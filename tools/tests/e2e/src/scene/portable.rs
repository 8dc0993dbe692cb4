// SPDX-License-Identifier: GPL-2.0

//! A home directory that the user nobody owns on disk, so that any user can use it through a mount.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::{Census, Owner},
    syscalls::{self, MAKERS, as_user},
    tree::{Entry, make},
};

const NOBODY: u32 = 65534;
const LOGIN: u32 = 1000;
/// The same user's on the next machine.
const ELSEWHERE: u32 = 5000;
/// All ids but the one that the idmap has. The user nobody is among them: it has no rights to files
/// that are stored as its own.
const OTHERS: [u32; 6] = [0, 1, 999, 1001, NOBODY, u32::MAX - 1];

/// The entries of a home directory: name, type, mode bits.
const HOME: &[(&str, Entry<'static>, u32)] = &[
    ("home", Entry::Directory, 0o755),
    ("home/.bashrc", Entry::File(b"umask 002\n"), 0o644),
    ("home/.ssh", Entry::Directory, 0o700),
    ("home/.ssh/id_ed25519", Entry::File(b"secret\n"), 0o600),
    ("home/.ssh/authorized_keys", Entry::File(b"key\n"), 0o644),
    ("home/profile", Entry::Link(".bashrc"), 0o777),
    ("home/pipe", Entry::Fifo, 0o600),
    // Only the idmap can deny access here.
    ("home/Public", Entry::Directory, 0o777),
];

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A home directory; on disk all of it is nobody's:");
    let disk = fixture.disk(|root| {
        let mut entries = HOME.iter();
        entries.try_for_each(|(name, entry, mode)| make(root, name, entry, NOBODY, *mode))
    })?;
    let home = disk.join("home");
    fixture.run(0, &format!("ls -lnA {}", home.display()))?;
    fixture.check("the home on disk", inspect::census(&home), all(NOBODY));

    let mount = fixture.idmap("b:65534:1000:1", &home, "login")?;
    fixture.run(0, &format!("ls -lnA {}", mount.display()))?;
    fixture.check("the home after login", inspect::census(&mount), all(LOGIN));

    let made = login(fixture, &home, &mount)?;
    nobody_else(fixture, &home, &mount)?;
    let whole = Census::from([(Owner(NOBODY, NOBODY), HOME.len() + made)]);
    fixture.check(
        "the home on disk, after all",
        inspect::census(&home),
        Ok(whole),
    );

    fixture.say("The same home on another machine, where the user is 5000:");
    let next = fixture.idmap("b:65534:5000:1", &home, "elsewhere")?;
    let whole = Census::from([(Owner(ELSEWHERE, ELSEWHERE), HOME.len() + made)]);
    fixture.check("the home there", inspect::census(&next), Ok(whole));
    let append = |user| {
        as_user(user, || {
            syscalls::append(next.join(".ssh/id_ed25519"), "more\n")
        })
    };
    fixture.check("user 5000 writes to the key", append(ELSEWHERE), Ok(()));
    fixture.check(
        "user 1000 writes to the key there",
        append(LOGIN),
        Err(Errno::ACCESS),
    );
    Ok(())
}

fn all(owner: u32) -> Result<Census, Errno> {
    Ok(Census::from([(Owner(owner, owner), HOME.len())]))
}

/// The user owns everything; the answer is how many entries the user has made.
fn login(fixture: &mut Fixture, home: &Path, mount: &Path) -> Result<usize, Failure> {
    let path = mount.join("letter");
    let line = format!("touch {}", path.display());
    fixture.succeeds("user 1000 writes a letter", LOGIN, &line)?;
    let mine = Ok(Owner(LOGIN, LOGIN));
    fixture.check("the letter through the mount", inspect::owner(&path), mine);
    let stored = inspect::owner(home.join("letter"));
    fixture.check("the letter on disk", stored, Ok(Owner(NOBODY, NOBODY)));
    for (call, make) in MAKERS {
        let name = name_of(call);
        let answer = as_user(LOGIN, || make(&mount.join(&name)));
        fixture.check(&format!("user 1000's {call}"), answer, Ok(()));
        let stored = inspect::owner(home.join(&name));
        let what = format!("what {call} made, on disk");
        fixture.check(&what, stored, Ok(Owner(NOBODY, NOBODY)));
    }
    let key = mount.join(".ssh/id_ed25519");
    let user = |call: &(dyn Fn() -> Result<(), Errno> + Sync)| as_user(LOGIN, call);
    fixture.check(
        "user 1000 reads the key",
        user(&|| syscalls::open(&key)),
        Ok(()),
    );
    let chmod = user(&|| syscalls::chmod(&key, 0o400));
    fixture.check("user 1000 changes its mode", chmod, Ok(()));
    let times = user(&|| syscalls::set_times(&key));
    fixture.check("user 1000 changes its times", times, Ok(()));
    fixture.check(
        "user 1000 changes it back",
        user(&|| syscalls::chmod(&key, 0o600)),
        Ok(()),
    );

    let line = format!("setfacl -m u:1000:rwx {}", path.display());
    fixture.succeeds("user 1000 adds to the letter's ACL", LOGIN, &line)?;
    for (path, user, place) in [
        (&path, LOGIN, "through the mount"),
        (&home.join("letter"), NOBODY, "on disk"),
    ] {
        let entry = AclUser {
            user,
            permissions: 7,
        };
        let what = format!("the letter's ACL {place}");
        fixture.check(&what, inspect::acl_users(path), Ok(vec![entry]));
    }
    let line = format!("setfacl -m u:0:rwx {}", path.display());
    let what = "user 1000 adds root to the letter's ACL";
    fixture.refused(what, LOGIN, &line, "Invalid argument")?;
    Ok(1 + MAKERS.len())
}

/// All files that are created belong to the user nobody on disk.
fn nobody_else(fixture: &mut Fixture, home: &Path, mount: &Path) -> Result<(), Failure> {
    let public = mount.join("Public");
    let line = format!("touch {}", public.join("not").display());
    let words = "Value too large for defined data type";
    fixture.refused("root makes a file", 0, &line, words)?;
    for user in OTHERS {
        for (call, make) in MAKERS {
            let answer = as_user(user, || make(&public.join("not")));
            let what = format!("user {user}'s {call}");
            fixture.check(&what, answer, Err(Errno::OVERFLOW));
        }
    }
    for user in OTHERS {
        let what = format!("root gives the letter to {user}");
        let answer = syscalls::chown(mount.join("letter"), user);
        fixture.check(&what, answer, Err(Errno::OVERFLOW));
    }
    let key = as_user(NOBODY, || syscalls::open(home.join(".ssh/id_ed25519")));
    fixture.check("user 65534 reads the key on disk", key, Ok(()));
    let key = as_user(NOBODY, || syscalls::open(mount.join(".ssh/id_ed25519")));
    let what = "user 65534 reads the key through the mount";
    fixture.check(what, key, Err(Errno::ACCESS));
    fixture.check(
        "what is in Public",
        inspect::names(&public).map(|names| names.len() as u32),
        Ok(0),
    );
    Ok(())
}

/// Returns the name of the file that a system call creates.
fn name_of(call: &str) -> String {
    call.chars().filter(char::is_ascii_alphabetic).collect()
}
