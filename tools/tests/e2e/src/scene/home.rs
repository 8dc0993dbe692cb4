// SPDX-License-Identifier: GPL-2.0

//! The home directory of user 1000, given to user 1001 in another place.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::{Census, Mode, Owner},
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const ON_DISK: u32 = 1000;
const SEEN: u32 = 1001;
/// Of the home directory, itself included.
const ENTRIES: usize = 9;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The home directory of user 1000:");
    let disk = fixture.disk(fill)?;
    let home = disk.join("ubuntu");
    fixture.run(0, &format!("ls -lnA {}", home.display()))?;
    let of = |owner| Census::from([(Owner(owner, owner), ENTRIES)]);
    fixture.check(
        "the home directory on disk",
        inspect::census(&home),
        Ok(of(ON_DISK)),
    );

    let mount = fixture.idmap("b:1000:1001:1", &home, "1001")?;
    fixture.run(0, &format!("ls -lnA {}", mount.display()))?;
    fixture.check(
        "the home directory through the mount",
        inspect::census(&mount),
        Ok(of(SEEN)),
    );
    fixture.check(
        "the home directory on disk, still",
        inspect::census(&home),
        Ok(of(ON_DISK)),
    );

    let (file, raw) = (mount.join("my-file"), home.join("my-file"));
    create(fixture, &file, &raw)?;
    set_acl(fixture, &file, &raw)?;
    set_capability(fixture, &file, &raw)?;
    only_the_owner(fixture, &file)
}

fn fill(root: &Path) -> Result<(), Failure> {
    make(root, "ubuntu", &Entry::Directory, ON_DISK, 0o755)?;
    for (name, entry, mode) in [
        (".bash_history", Entry::File(b"ls\n"), 0o600),
        (".bash_logout", Entry::File(b""), 0o644),
        (".bashrc", Entry::File(b"umask 002\n"), 0o644),
        (".profile", Entry::File(b""), 0o644),
        (".viminfo", Entry::File(b""), 0o600),
        ("work", Entry::Directory, 0o750),
        ("work/notes", Entry::File(b"notes\n"), 0o640),
        ("profile", Entry::Link(".profile"), 0o777),
    ] {
        make(root, &format!("ubuntu/{name}"), &entry, ON_DISK, mode)?;
    }
    Ok(())
}

fn create(fixture: &mut Fixture, file: &Path, raw: &Path) -> Result<(), Failure> {
    fixture.succeeds(
        "user 1001 makes a file",
        SEEN,
        &format!("touch {}", file.display()),
    )?;
    fixture.check(
        "my-file through the mount",
        inspect::owner(file),
        Ok(Owner(SEEN, SEEN)),
    );
    fixture.check(
        "my-file on disk",
        inspect::owner(raw),
        Ok(Owner(ON_DISK, ON_DISK)),
    );
    let mkdir = |user, name: &str| as_user(user, || syscalls::mkdir(file.with_file_name(name)));
    fixture.check(
        "root, whom the map leaves out, makes a directory",
        mkdir(0, "r"),
        Err(Errno::OVERFLOW),
    );
    fixture.check(
        "user 1000, whom it leaves out too, makes a directory",
        mkdir(ON_DISK, "u"),
        Err(Errno::OVERFLOW),
    );
    Ok(())
}

fn set_acl(fixture: &mut Fixture, file: &Path, raw: &Path) -> Result<(), Failure> {
    let (seen, on_disk) = (file.display(), raw.display());
    fixture.succeeds(
        "user 1001 adds to the ACL",
        SEEN,
        &format!("setfacl -m u:1001:rwx {seen}"),
    )?;
    for (path, user, place) in [(file, SEEN, "through the mount"), (raw, ON_DISK, "on disk")] {
        let shown = fixture.run(0, &format!("getfacl -n -p {}", path.display()))?;
        let line = format!("user:{user}:rwx");
        fixture.check(
            &format!("getfacl shows {line} {place}"),
            Ok(shown.has_line(&line)),
            Ok(true),
        );
        fixture.check(
            &format!("getfacl shows mask::rwx {place}"),
            Ok(shown.has_line("mask::rwx")),
            Ok(true),
        );
        let entry = AclUser {
            user,
            permissions: 7,
        };
        fixture.check(
            &format!("the ACL {place}"),
            inspect::acl_users(path),
            Ok(vec![entry]),
        );
        fixture.check(
            &format!("the mode {place}"),
            inspect::mode(path),
            Ok(Mode(0o674)),
        );
    }
    fixture.run(0, &format!("ls -ln {seen} {on_disk}"))?;
    let line = format!("setfacl -m u:5000:rwx {seen}");
    let what = "user 1001 adds a user whom the map leaves out";
    fixture.refused(what, SEEN, &line, "Invalid argument")?;
    Ok(())
}

fn set_capability(fixture: &mut Fixture, file: &Path, raw: &Path) -> Result<(), Failure> {
    let line = format!("setcap -n 1001 cap_net_raw+ep {}", file.display());
    fixture.succeeds(
        "root adds a capability for user 1001's namespaces",
        0,
        &line,
    )?;
    for (path, root, place) in [(file, SEEN, "through the mount"), (raw, ON_DISK, "on disk")] {
        let shown = fixture.run(0, &format!("getcap -n {}", path.display()))?;
        let text = format!("cap_net_raw=ep [rootid={root}]");
        let has = shown.output.ends_with(&text);
        fixture.check(&format!("getcap shows {text} {place}"), Ok(has), Ok(true));
        fixture.check(
            &format!("the rootid {place}"),
            inspect::capability_root(path),
            Ok(root),
        );
    }
    Ok(())
}

fn only_the_owner(fixture: &mut Fixture, file: &Path) -> Result<(), Failure> {
    let refused = "Operation not permitted";
    let path = file.display();
    fixture.refused(
        "user 1000 changes the mode",
        ON_DISK,
        &format!("chmod 600 {path}"),
        refused,
    )?;
    let acl = format!("setfacl -m u:1000:rwx {path}");
    fixture.refused("user 1000 changes the ACL", ON_DISK, &acl, refused)?;
    let chmod = |user| as_user(user, || syscalls::chmod(file, 0o600));
    let set_times = |user| as_user(user, || syscalls::set_times(file));
    fixture.check("user 1000's chmod()", chmod(ON_DISK), Err(Errno::PERM));
    fixture.check(
        "user 1000's utimensat()",
        set_times(ON_DISK),
        Err(Errno::PERM),
    );
    fixture.check("user 1001's utimensat()", set_times(SEEN), Ok(()));
    fixture.check("user 1001's chmod()", chmod(SEEN), Ok(()));
    let append = |user| as_user(user, || syscalls::append(file, "line\n"));
    fixture.check(
        "user 1000 writes to the file",
        append(ON_DISK),
        Err(Errno::ACCESS),
    );
    fixture.check("user 1001 writes to the file", append(SEEN), Ok(()));
    Ok(())
}
