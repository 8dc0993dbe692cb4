// SPDX-License-Identifier: GPL-2.0

//! The scenes.

mod container;
mod explain;
mod home;
mod images;
mod layers;
mod maps;
mod matrix;
mod nested;
mod portable;
mod reports;
mod rootfs;
mod service;
mod shifting;
mod stick;
mod tool;

pub(crate) use container::inside as inside_container;
pub(crate) use nested::Sysctl;
pub(crate) use tool::in_namespace;

use kselftest::filesystem::{
    BTRFS, EXT4, Feature, Filesystem, MSDOS, OVERLAY, RUST_IDMAPFS, TMPFS, VFAT, XFS,
};
use kselftest::target::Place;

use crate::{
    client::CLIENTS,
    filesystem::{ROOT, missing},
    fixture::{Effort, Fixture},
    report::{Failure, Report},
};

/// A scene.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// A letter that selects the scene as well; empty if there is none.
    pub(crate) alias: &'static str,
    pub(crate) title: &'static str,
    /// Where it is run; the tour shows the first in full.
    pub(crate) filesystems: &'static [Filesystem],
    /// Of these, where the tour runs it.
    pub(crate) tour: &'static [Filesystem],
    pub(crate) run: fn(&mut Fixture) -> Result<(), Failure>,
}

/// All of them.
pub(crate) const SCENES: [Scene; 21] = [
    Scene {
        name: "home-dir",
        alias: "A",
        title: "The home directory of another user",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[EXT4, TMPFS, OVERLAY],
        run: home::run,
    },
    Scene {
        name: "rootfs-without-root",
        alias: "B",
        title: "A root filesystem in which nothing can be made as root",
        filesystems: &[ROOT, EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[ROOT, EXT4, TMPFS, OVERLAY],
        run: rootfs::run,
    },
    Scene {
        name: "usb-stick",
        alias: "C",
        title: "A USB stick for two users at once",
        filesystems: &[VFAT, MSDOS],
        tour: &[VFAT, MSDOS],
        run: stick::run,
    },
    Scene {
        name: "container-rootfs",
        alias: "D",
        title: "The root filesystem of a container",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[EXT4, TMPFS, OVERLAY],
        run: container::run,
    },
    Scene {
        name: "idmapped-layers",
        alias: "E",
        title: "Overlayfs on idmapped layers",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS],
        tour: &[EXT4, TMPFS],
        run: layers::run,
    },
    Scene {
        name: "shared-image",
        alias: "F",
        title: "One image for many containers",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: images::run,
    },
    Scene {
        name: "writable-image",
        alias: "G",
        title: "An image that fake root may write to",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: shifting::run,
    },
    Scene {
        name: "overlay-matrix",
        alias: "H",
        title: "Overlayfs with and without metacopy and maps",
        filesystems: &[EXT4, XFS, BTRFS],
        tour: &[],
        run: matrix::run,
    },
    Scene {
        name: "portable-home",
        alias: "I",
        title: "A home directory that belongs to whoever logs in",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: portable::run,
    },
    Scene {
        name: "service-files",
        alias: "J",
        title: "The files of a service, without root or without the service",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: service::run,
    },
    Scene {
        name: "overlay-acl",
        alias: "K",
        title: "An ACL of a lower layer, seen by a container",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS],
        tour: &[],
        run: reports::acl::run,
    },
    Scene {
        name: "submount",
        alias: "L",
        title: "A map for a part of what has a map",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS],
        tour: &[],
        run: reports::nested::run,
    },
    Scene {
        name: "unmapped-mountpoint",
        alias: "M",
        title: "A place to mount on, made by those whom the map leaves out",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: reports::target::run,
    },
    Scene {
        name: "foreign-capabilities",
        alias: "N",
        title: "Capabilities of a file that are for unknown namespaces",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS, RUST_IDMAPFS, OVERLAY],
        tour: &[],
        run: reports::capability::run,
    },
    Scene {
        name: "nested",
        alias: "O",
        title: "Nested idmaps: a container in a container, and a plain user",
        filesystems: &[EXT4, XFS, BTRFS, TMPFS],
        tour: &[],
        run: nested::run,
    },
    Scene {
        name: "random-maps",
        alias: "R",
        title: "Random maps",
        filesystems: &[TMPFS, RUST_IDMAPFS],
        tour: &[],
        run: maps::run,
    },
    Scene {
        name: "tool",
        alias: "T",
        title: "The tool: what it refuses, and its options",
        filesystems: &[EXT4, TMPFS, RUST_IDMAPFS],
        tour: &[],
        run: tool::run,
    },
    Scene {
        name: "tool-options",
        alias: "P",
        title: "The tool: names, additions to maps, mount namespaces and images",
        filesystems: &[EXT4, TMPFS],
        tour: &[],
        run: tool::options::run,
    },
    Scene {
        name: "explain",
        alias: "X",
        title: "Explanations against reality, at random",
        filesystems: &[EXT4, BTRFS, TMPFS, RUST_IDMAPFS],
        tour: &[],
        run: explain::run,
    },
    Scene {
        name: "fuse-server",
        alias: "",
        title: "The tool on FUSE, with servers that allow idmaps and others",
        filesystems: &[TMPFS],
        tour: &[],
        run: tool::fuse::run,
    },
    Scene {
        name: "subvolumes",
        alias: "",
        title: "Explanations of operations on subvolumes",
        filesystems: &[BTRFS],
        tour: &[],
        run: tool::subvolumes::run,
    },
];

/// The scenes that run on any filesystem, and the features that each needs.
const ANYWHERE: [(&str, &[Feature]); 11] = [
    ("home-dir", &[Feature::Owners, Feature::Acl, Feature::Xattr]),
    ("rootfs-without-root", &[Feature::Owners, Feature::Tmpfile]),
    ("container-rootfs", &[Feature::Owners]),
    (
        "idmapped-layers",
        &[Feature::Owners, Feature::Acl, Feature::UpperLayer],
    ),
    ("shared-image", &[Feature::Owners]),
    ("writable-image", &[Feature::Owners, Feature::Xattr]),
    (
        "portable-home",
        &[Feature::Owners, Feature::Acl, Feature::Tmpfile],
    ),
    ("service-files", &[Feature::Owners, Feature::Tmpfile]),
    ("unmapped-mountpoint", &[Feature::Owners, Feature::Tmpfile]),
    ("foreign-capabilities", &[Feature::Owners, Feature::Xattr]),
    ("random-maps", &[Feature::Owners]),
];

/// Looks a scene up by its name or its letter.
pub(crate) fn find(name: &str) -> Result<&'static Scene, String> {
    if name.is_empty() {
        return Err("a scene's name is empty".to_owned());
    }
    let all = || SCENES.iter().chain(&CLIENTS);
    let same = |scene: &&Scene| {
        [scene.name, scene.alias]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    all().find(same).ok_or_else(|| {
        let all: Vec<&str> = all().map(|scene| scene.name).collect();
        format!("there is no scene '{name}'; there are {}", all.join(" "))
    })
}

impl Scene {
    /// Whether the tour runs it there.
    pub(crate) fn is_on_tour(&self, filesystem: Filesystem) -> bool {
        self.tour.contains(&filesystem)
    }

    /// Returns the features that the scene needs, or `None` if it runs on the filesystems of its
    /// table only.
    pub(crate) fn needs(&self) -> Option<&'static [Feature]> {
        let found = ANYWHERE.iter().find(|(name, _)| *name == self.name);
        found.map(|(_, needs)| *needs)
    }

    /// Runs the scene and returns the report.
    pub(crate) fn run(&self, place: &Place, effort: Effort) -> Report {
        let mut report = Report::new(self.name, self.title, place.name());
        let filesystem = match place {
            Place::Known(filesystem) => *filesystem,
            Place::Named(..) => TMPFS,
        };
        if let Some(reason) = missing(filesystem) {
            report.skip(reason);
            return report;
        }
        match Fixture::new(filesystem, effort, report) {
            Ok(mut fixture) => {
                if let Place::Named(target, text) = place {
                    let mounted = fixture.mount(target);
                    let needs = self.needs().unwrap_or_default();
                    if let (Ok(()), Some(lack)) = (&mounted, fixture.filesystem.missing_of(needs)) {
                        fixture
                            .report
                            .skip(format!("{text} has no {}", lack.name()));
                        return fixture.close(Ok(()));
                    }
                    if mounted.is_err() {
                        return fixture.close(mounted);
                    }
                }
                let run = (self.run)(&mut fixture);
                fixture.close(run)
            }
            Err(failure) => {
                let mut report = Report::new(self.name, self.title, place.name());
                report.check("set-up", false, failure.to_string(), "a fixture".to_owned());
                report
            }
        }
    }
}
