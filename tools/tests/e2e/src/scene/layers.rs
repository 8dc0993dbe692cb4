// SPDX-License-Identifier: GPL-2.0

//! Overlayfs on two idmapped layers, which are unmounted while it is in use.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

/// The owner on disk of files that the merged tree shows as 0.
const BASE: u32 = 10000;
const USER: u32 = 1000;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("Two trees in which all ids begin with 10000:");
    let disk = fixture.plain("disk")?;
    fill(&disk)?;
    let (raw_lower, raw_upper) = (disk.join("rootfs"), disk.join("changes"));
    fixture.run(0, &format!("ls -ln {}", raw_lower.display()))?;

    let lower = fixture.idmap("b:10000:0:10000", &raw_lower, "lower")?;
    let upper = fixture.idmap("b:10000:0:10000", &raw_upper, "upper")?;
    for name in ["upper", "work"] {
        fixture.prepare(&format!("mkdir {}", upper.join(name).display()))?;
    }
    let merged = fixture.directory("merged")?;
    fixture.overlay(
        &lower,
        &upper.join("upper"),
        &upper.join("work"),
        "",
        &merged,
    )?;
    fixture.say("Overlayfs has mounts of its own by now:");
    for mount in [&lower, &upper] {
        fixture.prepare(&format!("umount {}", mount.display()))?;
    }

    fixture.run(0, &format!("ls -ln {}", merged.display()))?;
    for (name, owner) in [("", 0), ("asdf", 0), ("bin", 0), ("ddd", USER)] {
        let what = format!(
            "merged: {}",
            if name.is_empty() { "the root" } else { name }
        );
        fixture.check(
            &what,
            inspect::owner(merged.join(name)),
            Ok(Owner(owner, owner)),
        );
    }
    change(fixture, &merged)?;
    compare(fixture, &merged, &raw_lower, &raw_upper.join("upper"))
}

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, entry, owner, mode) in [
        ("rootfs", Entry::Directory, BASE, 0o755),
        ("rootfs/asdf", Entry::File(b"asdf\n"), BASE, 0o644),
        ("rootfs/usr", Entry::Directory, BASE, 0o755),
        ("rootfs/bin", Entry::Link("usr"), BASE, 0o777),
        ("rootfs/ddd", Entry::Directory, BASE + USER, 0o755),
        ("rootfs/ddd/file", Entry::File(b"ddd\n"), BASE + USER, 0o644),
        ("changes", Entry::Directory, BASE, 0o755),
    ] {
        make(root, name, &entry, owner, mode)?;
    }
    Ok(())
}

fn change(fixture: &mut Fixture, merged: &Path) -> Result<(), Failure> {
    let m = merged.display();
    fixture.succeeds("root makes a file", 0, &format!("touch {m}/A-FILE"))?;
    fixture.check(
        "merged: A-FILE when made",
        inspect::owner(merged.join("A-FILE")),
        Ok(Owner(0, 0)),
    );
    fixture.succeeds(
        "root gives the file away",
        0,
        &format!("chown 1000:1000 {m}/A-FILE"),
    )?;
    fixture.check(
        "merged: A-FILE given away",
        inspect::owner(merged.join("A-FILE")),
        Ok(Owner(USER, USER)),
    );
    fixture.succeeds("root makes a directory", 0, &format!("mkdir {m}/A-DIR"))?;
    fixture.succeeds(
        "root gives the directory away",
        0,
        &format!("chown 1000:1000 {m}/A-DIR"),
    )?;
    let line = format!("touch {m}/A-DIR/A-USER-FILE");
    fixture.succeeds("user 1000 makes a file there", USER, &line)?;
    let path = merged.join("A-DIR/A-USER-FILE");
    fixture.check(
        "merged: A-USER-FILE",
        inspect::owner(path),
        Ok(Owner(USER, USER)),
    );
    let line = format!("setfacl -m u:1000:rwx {m}/asdf");
    fixture.succeeds("root adds to the ACL of a lower file", 0, &line)?;
    fixture.succeeds(
        "user 1000 writes to that file",
        USER,
        &format!("cp /proc/self/comm {m}/asdf"),
    )?;
    let append = as_user(USER, || syscalls::append(merged.join("ddd/file"), "more\n"));
    fixture.check(
        "user 1000 writes to a lower file of its own",
        append,
        Ok(()),
    );
    let beyond = syscalls::chown(merged.join("A-FILE"), 20000);
    fixture.check(
        "root gives A-FILE to an id beyond the map",
        beyond,
        Err(Errno::OVERFLOW),
    );
    let outsider = as_user(12000, || syscalls::create(merged.join("A-DIR/not")));
    fixture.check(
        "a user beyond the map makes a file",
        outsider,
        Err(Errno::ACCESS),
    );
    Ok(())
}

fn compare(
    fixture: &mut Fixture,
    merged: &Path,
    lower: &Path,
    upper: &Path,
) -> Result<(), Failure> {
    fixture.say("The layers, without any map:");
    fixture.run(0, &format!("ls -lnR {}", upper.display()))?;
    for (name, id) in [
        ("A-FILE", USER),
        ("A-DIR", USER),
        ("A-DIR/A-USER-FILE", USER),
        ("asdf", 0),
        ("ddd", USER),
        ("ddd/file", USER),
    ] {
        let owner = Owner(BASE + id, BASE + id);
        fixture.check(
            &format!("upper layer: {name}"),
            inspect::owner(upper.join(name)),
            Ok(owner),
        );
    }
    let acl = |user| {
        Ok(vec![AclUser {
            user,
            permissions: 7,
        }])
    };
    fixture.check(
        "merged: the ACL of asdf",
        inspect::acl_users(merged.join("asdf")),
        acl(USER),
    );
    fixture.check(
        "upper layer: the ACL of asdf",
        inspect::acl_users(upper.join("asdf")),
        acl(BASE + USER),
    );
    let none = inspect::acl_users(lower.join("asdf"));
    fixture.check("lower layer: the ACL of asdf", none, Err(Errno::NODATA));
    let owner = inspect::owner(lower.join("asdf"));
    fixture.check("lower layer: asdf", owner, Ok(Owner(BASE, BASE)));
    fixture.check(
        "lower layer: asdf has",
        inspect::size(lower.join("asdf")),
        Ok(5),
    );
    Ok(())
}
