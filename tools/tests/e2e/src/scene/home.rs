// SPDX-License-Identifier: GPL-2.0

//! Scene A: the home directory of user 1000, given to user 1001 in another place.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Stage,
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

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("The home directory of user 1000:");
    let disk = stage.disk(fill)?;
    let home = disk.join("ubuntu");
    stage.run(0, &format!("ls -lnA {}", home.display()))?;
    let of = |owner| Census::from([(Owner(owner, owner), ENTRIES)]);
    stage.check(
        "the home directory on disk",
        inspect::census(&home),
        Ok(of(ON_DISK)),
    );

    let mount = stage.idmap("b:1000:1001:1", &home, "1001")?;
    stage.run(0, &format!("ls -lnA {}", mount.display()))?;
    stage.check(
        "the home directory through the mount",
        inspect::census(&mount),
        Ok(of(SEEN)),
    );
    stage.check(
        "the home directory on disk, still",
        inspect::census(&home),
        Ok(of(ON_DISK)),
    );

    let (file, raw) = (mount.join("my-file"), home.join("my-file"));
    create(stage, &file, &raw)?;
    set_acl(stage, &file, &raw)?;
    set_capability(stage, &file, &raw)?;
    only_the_owner(stage, &file)
}

fn fill(root: &Path) -> Result<(), Failure> {
    make(root, "ubuntu", &Entry::Folder, ON_DISK, 0o755)?;
    for (name, entry, mode) in [
        (".bash_history", Entry::File(b"ls\n"), 0o600),
        (".bash_logout", Entry::File(b""), 0o644),
        (".bashrc", Entry::File(b"umask 002\n"), 0o644),
        (".profile", Entry::File(b""), 0o644),
        (".viminfo", Entry::File(b""), 0o600),
        ("work", Entry::Folder, 0o750),
        ("work/notes", Entry::File(b"notes\n"), 0o640),
        ("profile", Entry::Link(".profile"), 0o777),
    ] {
        make(root, &format!("ubuntu/{name}"), &entry, ON_DISK, mode)?;
    }
    Ok(())
}

fn create(stage: &mut Stage, file: &Path, raw: &Path) -> Result<(), Failure> {
    stage.succeeds(
        "user 1001 makes a file",
        SEEN,
        &format!("touch {}", file.display()),
    )?;
    stage.check(
        "my-file through the mount",
        inspect::owner(file),
        Ok(Owner(SEEN, SEEN)),
    );
    stage.check(
        "my-file on disk",
        inspect::owner(raw),
        Ok(Owner(ON_DISK, ON_DISK)),
    );
    let mkdir = |user, name: &str| as_user(user, || syscalls::mkdir(file.with_file_name(name)));
    stage.check(
        "root, whom the map leaves out, makes a folder",
        mkdir(0, "r"),
        Err(Errno::OVERFLOW),
    );
    stage.check(
        "user 1000, whom it leaves out too, makes a folder",
        mkdir(ON_DISK, "u"),
        Err(Errno::OVERFLOW),
    );
    Ok(())
}

fn set_acl(stage: &mut Stage, file: &Path, raw: &Path) -> Result<(), Failure> {
    let (seen, on_disk) = (file.display(), raw.display());
    stage.succeeds(
        "user 1001 adds to the ACL",
        SEEN,
        &format!("setfacl -m u:1001:rwx {seen}"),
    )?;
    for (path, user, place) in [(file, SEEN, "through the mount"), (raw, ON_DISK, "on disk")] {
        let shown = stage.run(0, &format!("getfacl -n -p {}", path.display()))?;
        let line = format!("user:{user}:rwx");
        stage.check(
            &format!("getfacl shows {line} {place}"),
            Ok(shown.has_line(&line)),
            Ok(true),
        );
        stage.check(
            &format!("getfacl shows mask::rwx {place}"),
            Ok(shown.has_line("mask::rwx")),
            Ok(true),
        );
        let entry = AclUser {
            user,
            permissions: 7,
        };
        stage.check(
            &format!("the ACL {place}"),
            inspect::acl_users(path),
            Ok(vec![entry]),
        );
        stage.check(
            &format!("the mode {place}"),
            inspect::mode(path),
            Ok(Mode(0o674)),
        );
    }
    stage.run(0, &format!("ls -ln {seen} {on_disk}"))?;
    let line = format!("setfacl -m u:5000:rwx {seen}");
    let what = "user 1001 adds a user whom the map leaves out";
    stage.refused(what, SEEN, &line, "Invalid argument")?;
    Ok(())
}

fn set_capability(stage: &mut Stage, file: &Path, raw: &Path) -> Result<(), Failure> {
    let line = format!("setcap -n 1001 cap_net_raw+ep {}", file.display());
    stage.succeeds(
        "root adds a capability for user 1001's namespaces",
        0,
        &line,
    )?;
    for (path, root, place) in [(file, SEEN, "through the mount"), (raw, ON_DISK, "on disk")] {
        let shown = stage.run(0, &format!("getcap -n {}", path.display()))?;
        let text = format!("cap_net_raw=ep [rootid={root}]");
        let has = shown.output.ends_with(&text);
        stage.check(&format!("getcap shows {text} {place}"), Ok(has), Ok(true));
        stage.check(
            &format!("the rootid {place}"),
            inspect::capability_root(path),
            Ok(root),
        );
    }
    Ok(())
}

fn only_the_owner(stage: &mut Stage, file: &Path) -> Result<(), Failure> {
    let refused = "Operation not permitted";
    let path = file.display();
    stage.refused(
        "user 1000 changes the mode",
        ON_DISK,
        &format!("chmod 600 {path}"),
        refused,
    )?;
    let acl = format!("setfacl -m u:1000:rwx {path}");
    stage.refused("user 1000 changes the ACL", ON_DISK, &acl, refused)?;
    let chmod = |user| as_user(user, || syscalls::chmod(file, 0o600));
    let set_times = |user| as_user(user, || syscalls::set_times(file));
    stage.check("user 1000's chmod()", chmod(ON_DISK), Err(Errno::PERM));
    stage.check(
        "user 1000's utimensat()",
        set_times(ON_DISK),
        Err(Errno::PERM),
    );
    stage.check("user 1001's utimensat()", set_times(SEEN), Ok(()));
    stage.check("user 1001's chmod()", chmod(SEEN), Ok(()));
    let append = |user| as_user(user, || syscalls::append(file, "line\n"));
    stage.check(
        "user 1000 writes to the file",
        append(ON_DISK),
        Err(Errno::ACCESS),
    );
    stage.check("user 1001 writes to the file", append(SEEN), Ok(()));
    Ok(())
}
