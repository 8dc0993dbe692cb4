// SPDX-License-Identifier: GPL-2.0

//! Scene E: overlayfs on two idmapped layers, which are unmounted while it is in use.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Stage,
    inspect::{self, AclUser},
    report::Failure,
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

/// What is 0 in the merged tree.
const BASE: u32 = 10000;
const USER: u32 = 1000;

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("Two trees in which all ids begin with 10000:");
    let disk = stage.plain("disk")?;
    fill(&disk)?;
    let (raw_lower, raw_upper) = (disk.join("rootfs"), disk.join("changes"));
    stage.run(0, &format!("ls -ln {}", raw_lower.display()))?;

    let lower = stage.idmap("b:10000:0:10000", &raw_lower, "lower")?;
    let upper = stage.idmap("b:10000:0:10000", &raw_upper, "upper")?;
    for name in ["upper", "work"] {
        stage.prepare(&format!("mkdir {}", upper.join(name).display()))?;
    }
    let merged = stage.folder("merged")?;
    stage.overlay(
        &lower,
        &upper.join("upper"),
        &upper.join("work"),
        "",
        &merged,
    )?;
    stage.say("Overlayfs has mounts of its own by now:");
    for mount in [&lower, &upper] {
        stage.prepare(&format!("umount {}", mount.display()))?;
    }

    stage.run(0, &format!("ls -ln {}", merged.display()))?;
    for (name, owner) in [("", 0), ("asdf", 0), ("bin", 0), ("ddd", USER)] {
        let what = format!(
            "merged: {}",
            if name.is_empty() { "the root" } else { name }
        );
        stage.check(
            &what,
            inspect::owner(merged.join(name)),
            Ok(Owner(owner, owner)),
        );
    }
    change(stage, &merged)?;
    compare(stage, &merged, &raw_lower, &raw_upper.join("upper"))
}

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, entry, owner, mode) in [
        ("rootfs", Entry::Folder, BASE, 0o755),
        ("rootfs/asdf", Entry::File(b"asdf\n"), BASE, 0o644),
        ("rootfs/usr", Entry::Folder, BASE, 0o755),
        ("rootfs/bin", Entry::Link("usr"), BASE, 0o777),
        ("rootfs/ddd", Entry::Folder, BASE + USER, 0o755),
        ("rootfs/ddd/file", Entry::File(b"ddd\n"), BASE + USER, 0o644),
        ("changes", Entry::Folder, BASE, 0o755),
    ] {
        make(root, name, &entry, owner, mode)?;
    }
    Ok(())
}

fn change(stage: &mut Stage, merged: &Path) -> Result<(), Failure> {
    let m = merged.display();
    stage.succeeds("root makes a file", 0, &format!("touch {m}/A-FILE"))?;
    stage.check(
        "merged: A-FILE when made",
        inspect::owner(merged.join("A-FILE")),
        Ok(Owner(0, 0)),
    );
    stage.succeeds(
        "root gives the file away",
        0,
        &format!("chown 1000:1000 {m}/A-FILE"),
    )?;
    stage.check(
        "merged: A-FILE given away",
        inspect::owner(merged.join("A-FILE")),
        Ok(Owner(USER, USER)),
    );
    stage.succeeds("root makes a folder", 0, &format!("mkdir {m}/A-DIR"))?;
    stage.succeeds(
        "root gives the folder away",
        0,
        &format!("chown 1000:1000 {m}/A-DIR"),
    )?;
    let line = format!("touch {m}/A-DIR/A-USER-FILE");
    stage.succeeds("user 1000 makes a file there", USER, &line)?;
    let path = merged.join("A-DIR/A-USER-FILE");
    stage.check(
        "merged: A-USER-FILE",
        inspect::owner(path),
        Ok(Owner(USER, USER)),
    );
    let line = format!("setfacl -m u:1000:rwx {m}/asdf");
    stage.succeeds("root adds to the ACL of a lower file", 0, &line)?;
    stage.succeeds(
        "user 1000 writes to that file",
        USER,
        &format!("cp /proc/self/comm {m}/asdf"),
    )?;
    let append = as_user(USER, || syscalls::append(merged.join("ddd/file"), "more\n"));
    stage.check(
        "user 1000 writes to a lower file of its own",
        append,
        Ok(()),
    );
    let beyond = syscalls::chown(merged.join("A-FILE"), 20000);
    stage.check(
        "root gives A-FILE to an id beyond the map",
        beyond,
        Err(Errno::OVERFLOW),
    );
    let outsider = as_user(12000, || syscalls::create(merged.join("A-DIR/not")));
    stage.check(
        "a user beyond the map makes a file",
        outsider,
        Err(Errno::ACCESS),
    );
    Ok(())
}

fn compare(stage: &mut Stage, merged: &Path, lower: &Path, upper: &Path) -> Result<(), Failure> {
    stage.say("The layers, without any map:");
    stage.run(0, &format!("ls -lnR {}", upper.display()))?;
    for (name, id) in [
        ("A-FILE", USER),
        ("A-DIR", USER),
        ("A-DIR/A-USER-FILE", USER),
        ("asdf", 0),
        ("ddd", USER),
        ("ddd/file", USER),
    ] {
        let owner = Owner(BASE + id, BASE + id);
        stage.check(
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
    stage.check(
        "merged: the ACL of asdf",
        inspect::acl_users(merged.join("asdf")),
        acl(USER),
    );
    stage.check(
        "upper layer: the ACL of asdf",
        inspect::acl_users(upper.join("asdf")),
        acl(BASE + USER),
    );
    let none = inspect::acl_users(lower.join("asdf"));
    stage.check("lower layer: the ACL of asdf", none, Err(Errno::NODATA));
    let owner = inspect::owner(lower.join("asdf"));
    stage.check("lower layer: asdf", owner, Ok(Owner(BASE, BASE)));
    stage.check(
        "lower layer: asdf has",
        inspect::size(lower.join("asdf")),
        Ok(5),
    );
    Ok(())
}
