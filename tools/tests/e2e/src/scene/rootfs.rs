// SPDX-License-Identifier: GPL-2.0

//! Scene B: a root filesystem with a map that leaves user and group 0 out.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    filesystem::Filesystem,
    fixture::Stage,
    inspect,
    report::{Doing, Failure},
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const USER: u32 = 1000;
const HOME: &str = "home/ubuntu-of-the-scene";

pub(crate) fn play(stage: &mut Stage) -> Result<(), Failure> {
    stage.say("A root filesystem, and in it the home directory of user 1000:");
    let disk = stage.disk(fill)?;
    if stage.filesystem == Filesystem::Root {
        stage.remove_later(&disk.join(HOME));
        make(&disk, HOME, &Entry::Folder, USER, 0o755)?;
    }
    let mount = stage.idmap("b:1:1:65536", &disk, "no-root")?;
    stage.run(
        0,
        &format!("ls -ldn {0} {0}/etc {0}/{HOME}", mount.display()),
    )?;
    for name in ["", "etc"] {
        let path = mount.join(name);
        stage.check(
            &format!("{}, which is root's", path.display()),
            inspect::owner(&path),
            Ok(inspect::overflow_owner()),
        );
    }
    stage.check(
        "the home directory through the mount",
        inspect::owner(mount.join(HOME)),
        Ok(Owner(USER, USER)),
    );

    as_root(stage, &disk, &mount)?;
    as_user_1000(stage, &disk, &mount)
}

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, owner, mode) in [
        (".", 0, 0o755),
        ("etc", 0, 0o755),
        ("home", 0, 0o755),
        (HOME, USER, 0o755),
    ] {
        make(root, name, &Entry::Folder, owner, mode)?;
    }
    Ok(())
}

fn as_root(stage: &mut Stage, disk: &Path, mount: &Path) -> Result<(), Failure> {
    let outside = disk.join("AS-ROOT-CAN-CREATE");
    stage.remove_later(&outside);
    let line = format!("mkdir {}", outside.display());
    stage.succeeds("root makes a folder, not through the mount", 0, &line)?;
    stage.check("that folder", inspect::owner(&outside), Ok(Owner(0, 0)));

    let before = inspect::names(disk).doing("listing the disk")?;
    let through = mount.join("AS-ROOT-CANT-CREATE");
    // Should it be made all the same.
    stage.remove_later(&disk.join("AS-ROOT-CANT-CREATE"));
    let line = format!("mkdir {}", through.display());
    let words = "Value too large for defined data type";
    stage.refused("root makes one through the mount", 0, &line, words)?;
    for (call, make) in syscalls::MAKERS {
        stage.check(
            &format!("root's {call}"),
            make(&through),
            Err(Errno::OVERFLOW),
        );
    }
    let after = inspect::names(disk).doing("listing the disk")?;
    stage.check(
        "the disk has the same names as before",
        Ok(after == before),
        Ok(true),
    );
    let below = mount.join(HOME).join("of-root");
    stage.check(
        "root's mkdir() in the home directory",
        syscalls::mkdir(&below),
        Err(Errno::OVERFLOW),
    );
    stage.check(
        "root's folder in the home directory, on disk",
        inspect::owner(disk.join(HOME).join("of-root")),
        Err(Errno::NOENT),
    );
    Ok(())
}

fn as_user_1000(stage: &mut Stage, disk: &Path, mount: &Path) -> Result<(), Failure> {
    let name = format!("{HOME}/AS-USER-1000-CAN-CREATE");
    stage.remove_later(&disk.join(&name));
    let line = format!("mkdir {}", mount.join(&name).display());
    stage.succeeds(
        "user 1000 makes a folder at home, through the mount",
        USER,
        &line,
    )?;
    stage.check(
        "user 1000's folder through the mount",
        inspect::owner(mount.join(&name)),
        Ok(Owner(USER, USER)),
    );
    stage.check(
        "user 1000's folder on disk",
        inspect::owner(disk.join(&name)),
        Ok(Owner(USER, USER)),
    );
    let elsewhere = mount.join("of-user-1000");
    let mkdir = as_user(USER, || syscalls::mkdir(&elsewhere));
    stage.check(
        "user 1000's mkdir() in root's folder",
        mkdir,
        Err(Errno::ACCESS),
    );
    Ok(())
}
