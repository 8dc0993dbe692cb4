// SPDX-License-Identifier: GPL-2.0

//! Programs that make idmapped mounts, or copy files through them. Each is a scene. Their results
//! on the stock kernel are the expected ones.

mod calls;
mod copies;
mod crun;
mod homed;
mod mount;
mod nested;
mod nspawn;
mod overlay;
mod podman;
mod rootfs;

use std::path::Path;

use kselftest::filesystem::{BTRFS, EXT4, TMPFS, VFAT, XFS};

use crate::{fixture::Fixture, inspect, report::Failure, scene::Scene, show::Owner};

/// All of them.
pub(crate) const CLIENTS: [Scene; 10] = [
    Scene {
        name: "mount",
        alias: "",
        title: "mount(8), X-mount.idmap=",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, VFAT],
        tour: &[],
        run: mount::run,
    },
    Scene {
        name: "overlay",
        alias: "",
        title: "Overlayfs on layers that mount(8) has idmapped",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, VFAT],
        tour: &[],
        run: overlay::run,
    },
    Scene {
        name: "crun",
        alias: "",
        title: "crun, idmapped mounts of a container",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, VFAT],
        tour: &[],
        run: crun::run,
    },
    Scene {
        name: "podman",
        alias: "",
        title: "podman, idmapped volumes and user namespaces",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: podman::run,
    },
    Scene {
        name: "nspawn",
        alias: "",
        title: "systemd-nspawn --private-users-ownership=map",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: nspawn::run,
    },
    Scene {
        name: "homed",
        alias: "",
        title: "systemd-homed, a home directory",
        filesystems: &[EXT4, XFS, BTRFS],
        tour: &[],
        run: homed::run,
    },
    Scene {
        name: "copies",
        alias: "",
        title: "rsync, tar and cp -a through mounts",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: copies::run,
    },
    Scene {
        name: "nested-podman",
        alias: "",
        title: "podman without root, nested idmaps",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: nested::podman::run,
    },
    Scene {
        name: "nested-crun",
        alias: "",
        title: "crun without root, nested idmaps",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: nested::crun::run,
    },
    Scene {
        name: "nested-nspawn",
        alias: "",
        title: "systemd-nspawn in systemd-nspawn, nested idmaps",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: nested::nspawn::run,
    },
];

/// The expected result of a command line.
enum Must {
    /// It succeeds.
    Do,
    /// It succeeds and prints this.
    Say(&'static str),
    /// It fails, and its error output contains this.
    Refuse(&'static str),
}

/// A user, a command line, and the expected result.
type Line = (u32, &'static str, Must);

/// Runs lines; `@` stands for the first directory and `%` for the second.
fn run_lines(
    fixture: &mut Fixture,
    directories: [&Path; 2],
    lines: &[Line],
) -> Result<(), Failure> {
    let full = |text: &str| {
        let text = text.replace('@', &directories[0].display().to_string());
        text.replace('%', &directories[1].display().to_string())
    };
    for (user, line, must) in lines {
        let (line, what) = (full(line), format!("{user}: {line}"));
        match must {
            Must::Do => {
                fixture.succeeds(&what, *user, &line)?;
            }
            Must::Say(words) => {
                let ran = fixture.run(*user, &line)?;
                fixture.check(&what, Ok(ran.output), Ok(full(words)));
            }
            Must::Refuse(words) => fixture.refused(&what, *user, &line, words)?,
        }
    }
    Ok(())
}

/// Checks the owners of some files in a directory.
fn owners(fixture: &mut Fixture, directory: &Path, files: &[(&str, u32)]) {
    for (name, owner) in files {
        let path = directory.join(name);
        let what = path.display().to_string();
        fixture.check(&what, inspect::owner(&path), Ok(Owner(*owner, *owner)));
    }
}
