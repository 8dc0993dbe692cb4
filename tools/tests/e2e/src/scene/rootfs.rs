// SPDX-License-Identifier: GPL-2.0

//! A root filesystem with a map that leaves user and group 0 out.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    filesystem::ROOT,
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const USER: u32 = 1000;
const HOME: &str = "home/ubuntu-of-the-scene";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("A root filesystem, and in it the home directory of user 1000:");
    let disk = fixture.disk(fill)?;
    if fixture.filesystem == ROOT {
        fixture.remove_later(&disk.join(HOME));
        make(&disk, HOME, &Entry::Directory, USER, 0o755)?;
    }
    let mount = fixture.idmap("b:1:1:65536", &disk, "no-root")?;
    fixture.run(
        0,
        &format!("ls -ldn {0} {0}/etc {0}/{HOME}", mount.display()),
    )?;
    for name in ["", "etc"] {
        let path = mount.join(name);
        fixture.check(
            &format!("{}, which is root's", path.display()),
            inspect::owner(&path),
            Ok(inspect::overflow_owner()),
        );
    }
    fixture.check(
        "the home directory through the mount",
        inspect::owner(mount.join(HOME)),
        Ok(Owner(USER, USER)),
    );

    as_root(fixture, &disk, &mount)?;
    as_user_1000(fixture, &disk, &mount)
}

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, owner, mode) in [
        (".", 0, 0o755),
        ("etc", 0, 0o755),
        ("home", 0, 0o755),
        (HOME, USER, 0o755),
    ] {
        make(root, name, &Entry::Directory, owner, mode)?;
    }
    Ok(())
}

fn as_root(fixture: &mut Fixture, disk: &Path, mount: &Path) -> Result<(), Failure> {
    let outside = disk.join("AS-ROOT-CAN-CREATE");
    fixture.remove_later(&outside);
    let line = format!("mkdir {}", outside.display());
    fixture.succeeds("root makes a directory, not through the mount", 0, &line)?;
    fixture.check("that directory", inspect::owner(&outside), Ok(Owner(0, 0)));

    let before = inspect::names(disk).context("listing the disk")?;
    let through = mount.join("AS-ROOT-CANT-CREATE");
    // Should it be made all the same.
    fixture.remove_later(&disk.join("AS-ROOT-CANT-CREATE"));
    let line = format!("mkdir {}", through.display());
    let words = "Value too large for defined data type";
    fixture.refused("root makes one through the mount", 0, &line, words)?;
    for (call, make) in syscalls::MAKERS {
        fixture.check(
            &format!("root's {call}"),
            make(&through),
            Err(Errno::OVERFLOW),
        );
    }
    let after = inspect::names(disk).context("listing the disk")?;
    fixture.check(
        "the disk has the same names as before",
        Ok(after == before),
        Ok(true),
    );
    let below = mount.join(HOME).join("of-root");
    fixture.check(
        "root's mkdir() in the home directory",
        syscalls::mkdir(&below),
        Err(Errno::OVERFLOW),
    );
    fixture.check(
        "root's directory in the home directory, on disk",
        inspect::owner(disk.join(HOME).join("of-root")),
        Err(Errno::NOENT),
    );
    Ok(())
}

fn as_user_1000(fixture: &mut Fixture, disk: &Path, mount: &Path) -> Result<(), Failure> {
    let name = format!("{HOME}/AS-USER-1000-CAN-CREATE");
    fixture.remove_later(&disk.join(&name));
    let line = format!("mkdir {}", mount.join(&name).display());
    fixture.succeeds(
        "user 1000 makes a directory at home, through the mount",
        USER,
        &line,
    )?;
    fixture.check(
        "user 1000's directory through the mount",
        inspect::owner(mount.join(&name)),
        Ok(Owner(USER, USER)),
    );
    fixture.check(
        "user 1000's directory on disk",
        inspect::owner(disk.join(&name)),
        Ok(Owner(USER, USER)),
    );
    let elsewhere = mount.join("of-user-1000");
    let mkdir = as_user(USER, || syscalls::mkdir(&elsewhere));
    fixture.check(
        "user 1000's mkdir() in root's directory",
        mkdir,
        Err(Errno::ACCESS),
    );
    Ok(())
}
