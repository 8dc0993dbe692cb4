// SPDX-License-Identifier: GPL-2.0

//! Programs of others that make idmapped mounts, or copy what is seen through them; each is a
//! scene of its own. What they say on the stock kernel is what they have to say on any.

mod calls;
mod copies;
mod crun;
mod homed;
mod mount;
mod nspawn;
mod overlay;
mod podman;
mod rootfs;

use std::path::Path;

use crate::{
    filesystem::Filesystem::{Btrfs, Ext4, Tmpfs, Vfat, Xfs},
    fixture::Stage,
    inspect,
    report::Failure,
    scene::Scene,
    show::Owner,
};

/// All of them.
pub(crate) const CLIENTS: [Scene; 7] = [
    Scene {
        name: "mount",
        title: "mount(8), X-mount.idmap=",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Vfat],
        tour: &[],
        play: mount::play,
    },
    Scene {
        name: "overlay",
        title: "Overlayfs on layers that mount(8) has idmapped",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Vfat],
        tour: &[],
        play: overlay::play,
    },
    Scene {
        name: "crun",
        title: "crun, idmapped mounts of a container",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Vfat],
        tour: &[],
        play: crun::play,
    },
    Scene {
        name: "podman",
        title: "podman, idmapped volumes and user namespaces",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs],
        tour: &[],
        play: podman::play,
    },
    Scene {
        name: "nspawn",
        title: "systemd-nspawn --private-users-ownership=map",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs],
        tour: &[],
        play: nspawn::play,
    },
    Scene {
        name: "homed",
        title: "systemd-homed, a home directory",
        filesystems: &[Ext4, Xfs, Btrfs],
        tour: &[],
        play: homed::play,
    },
    Scene {
        name: "copies",
        title: "rsync, tar and cp -a through mounts",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs],
        tour: &[],
        play: copies::play,
    },
];

/// What has to come of a line.
enum Must {
    /// It succeeds.
    Do,
    /// It succeeds and prints this.
    Say(&'static str),
    /// It fails and says this among other things.
    Refuse(&'static str),
}

/// A user, what is typed, and what has to come of it.
type Line = (u32, &'static str, Must);

/// Runs lines; `@` stands for the first folder and `%` for the second.
fn run(stage: &mut Stage, folders: [&Path; 2], lines: &[Line]) -> Result<(), Failure> {
    let full = |text: &str| {
        let text = text.replace('@', &folders[0].display().to_string());
        text.replace('%', &folders[1].display().to_string())
    };
    for (user, line, must) in lines {
        let (line, what) = (full(line), format!("{user}: {line}"));
        match must {
            Must::Do => {
                stage.succeeds(&what, *user, &line)?;
            }
            Must::Say(words) => {
                let ran = stage.run(*user, &line)?;
                stage.check(&what, Ok(ran.output), Ok(full(words)));
            }
            Must::Refuse(words) => stage.refused(&what, *user, &line, words)?,
        }
    }
    Ok(())
}

/// Checks the owners of some files in a folder.
fn owners(stage: &mut Stage, folder: &Path, files: &[(&str, u32)]) {
    for (name, owner) in files {
        let path = folder.join(name);
        let what = path.display().to_string();
        stage.check(&what, inspect::owner(&path), Ok(Owner(*owner, *owner)));
    }
}
