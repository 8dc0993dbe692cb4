// SPDX-License-Identifier: GPL-2.0

//! The scenes.

mod container;
mod explain;
mod home;
mod images;
mod layers;
mod maps;
mod matrix;
mod portable;
mod random;
mod reports;
mod rootfs;
mod service;
mod shifting;
mod stick;
mod tool;

pub(crate) use container::inside as inside_container;
pub(crate) use explain::give_tmpfs;
pub(crate) use tool::in_namespace;

use crate::{
    client::CLIENTS,
    filesystem::Filesystem::{self, Btrfs, Ext4, Idmapfs, Msdos, Overlay, Root, Tmpfs, Vfat, Xfs},
    fixture::Stage,
    report::{Failure, Report},
};

/// A scene.
pub(crate) struct Scene {
    /// A letter for what users do, a word for what a program does.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Where it is played; the tour shows the first in full.
    pub(crate) filesystems: &'static [Filesystem],
    /// Of these, where the tour plays it.
    pub(crate) tour: &'static [Filesystem],
    pub(crate) play: fn(&mut Stage) -> Result<(), Failure>,
}

/// All of them.
pub(crate) const SCENES: [Scene; 17] = [
    Scene {
        name: "A",
        title: "The home directory of another user",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[Ext4, Tmpfs, Overlay],
        play: home::play,
    },
    Scene {
        name: "B",
        title: "A root filesystem in which nothing can be made as root",
        filesystems: &[Root, Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[Root, Ext4, Tmpfs, Overlay],
        play: rootfs::play,
    },
    Scene {
        name: "C",
        title: "A USB stick for two users at once",
        filesystems: &[Vfat, Msdos],
        tour: &[Vfat, Msdos],
        play: stick::play,
    },
    Scene {
        name: "D",
        title: "The root filesystem of a container",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[Ext4, Tmpfs, Overlay],
        play: container::play,
    },
    Scene {
        name: "E",
        title: "Overlayfs on idmapped layers",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs],
        tour: &[Ext4, Tmpfs],
        play: layers::play,
    },
    Scene {
        name: "F",
        title: "One image for many containers",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: images::play,
    },
    Scene {
        name: "G",
        title: "An image that fake root may write to",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: shifting::play,
    },
    Scene {
        name: "H",
        title: "Overlayfs with and without metacopy and maps",
        filesystems: &[Ext4, Xfs, Btrfs],
        tour: &[],
        play: matrix::play,
    },
    Scene {
        name: "I",
        title: "A home directory that belongs to whoever logs in",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: portable::play,
    },
    Scene {
        name: "J",
        title: "The files of a service, without root or without the service",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: service::play,
    },
    Scene {
        name: "K",
        title: "An ACL of a lower layer, seen by a container",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs],
        tour: &[],
        play: reports::acl::play,
    },
    Scene {
        name: "L",
        title: "A map for a part of what has a map",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs],
        tour: &[],
        play: reports::nested::play,
    },
    Scene {
        name: "M",
        title: "A place to mount on, made by those whom the map leaves out",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: reports::target::play,
    },
    Scene {
        name: "N",
        title: "Capabilities of a file that are for unknown namespaces",
        filesystems: &[Ext4, Xfs, Btrfs, Tmpfs, Idmapfs, Overlay],
        tour: &[],
        play: reports::capability::play,
    },
    Scene {
        name: "R",
        title: "Random maps",
        filesystems: &[Tmpfs, Idmapfs],
        tour: &[],
        play: maps::play,
    },
    Scene {
        name: "T",
        title: "The tool: what it refuses, and its options",
        filesystems: &[Ext4, Tmpfs, Idmapfs],
        tour: &[],
        play: tool::play,
    },
    Scene {
        name: "X",
        title: "Explanations against reality, at random",
        filesystems: &[Ext4, Tmpfs, Idmapfs],
        tour: &[],
        play: explain::play,
    },
];

/// A scene by its name.
pub(crate) fn find(name: &str) -> Result<&'static Scene, String> {
    let all = || SCENES.iter().chain(&CLIENTS);
    let same = |scene: &&Scene| scene.name.eq_ignore_ascii_case(name);
    all().find(same).ok_or_else(|| {
        let all: Vec<&str> = all().map(|scene| scene.name).collect();
        format!("there is no scene '{name}'; there are {}", all.join(" "))
    })
}

impl Scene {
    /// Whether the tour plays it there.
    pub(crate) fn is_on_tour(&self, filesystem: Filesystem) -> bool {
        self.tour.contains(&filesystem)
    }

    /// Plays it and tells what happened.
    pub(crate) fn play(&self, filesystem: Filesystem) -> Report {
        let mut report = Report::new(self.name, self.title, filesystem.name());
        if let Some(reason) = filesystem.missing() {
            report.skip(reason);
            return report;
        }
        match Stage::new(filesystem, report) {
            Ok(mut stage) => {
                let played = (self.play)(&mut stage);
                stage.close(played)
            }
            Err(failure) => {
                let mut report = Report::new(self.name, self.title, filesystem.name());
                report.check("set-up", false, failure.to_string(), "a stage".to_owned());
                report
            }
        }
    }
}
