// SPDX-License-Identifier: GPL-2.0

//! The guest's root filesystems: small Debians, each made once when it is first asked for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cache::Cache;
use crate::fetch::apt;
use crate::{run, ui};

/// The release in the guest.
const SUITE: &str = "trixie";
/// What is in each of them besides the essential packages.
const PACKAGES: &[&str] = &[
    "acl",
    "apparmor",
    "attr",
    "btrfs-progs",
    "dosfstools",
    "e2fsprogs",
    "kmod",
    "libcap2-bin",
    "mount",
    "procps",
    "python3-minimal",
    "strace",
    "uidmap",
    "util-linux",
    "xfsprogs",
];

/// A root filesystem.
#[derive(Debug)]
pub(crate) struct Image {
    /// What it is for, in file names and messages.
    name: &'static str,
    /// What is in it besides what is in all of them.
    packages: &'static [&'static str],
    /// Of the image, not of its contents: the file is sparse.
    size: &'static str,
}

/// What guests have unless they need more.
pub(crate) const USUAL: Image = Image {
    name: "guest",
    packages: &[],
    size: "1G",
};

/// With the programs that the tests of filesystems in memory put to work.
pub(crate) const APPS: Image = Image {
    name: "apps",
    packages: &["fio", "gcc", "git", "libc6-dev", "sqlite3"],
    size: "2G",
};

/// With the programs that make idmapped mounts themselves, and those that copy owners.
pub(crate) const CLIENTS: Image = Image {
    name: "clients",
    packages: &[
        "busybox-static",
        "crun",
        "dbus",
        "netavark",
        "passt",
        "podman",
        "python3",
        "rsync",
        "systemd",
        "systemd-container",
        "systemd-homed",
        "tar",
    ],
    size: "2G",
};

/// All of them, by the names that users know them by.
const ALL: [(&str, &Image); 3] = [("usual", &USUAL), ("apps", &APPS), ("clients", &CLIENTS)];

/// An image by its name.
pub(crate) fn named(name: &str) -> Result<&'static Image, String> {
    let found = ALL.iter().find(|(other, _)| *other == name);
    found.map(|(_, image)| *image).ok_or_else(|| {
        let names = ALL.map(|(name, _)| name);
        format!("there is no such image; there are {}", names.join(" "))
    })
}

impl Image {
    /// The image, made if it is not there. The caller holds the lock.
    pub(crate) fn get(&self, cache: &Cache, verbose: bool) -> Result<PathBuf> {
        cache.make(&format!("image/{}.ext4", self.file_name()), |image| {
            let tar = image.with_extension("tar");
            let made = self
                .bootstrap(cache, &tar, verbose)
                .and_then(|()| self.format(cache, &tar, image));
            let _ = fs::remove_file(&tar);
            made
        })
    }

    fn packages(&self) -> Vec<&'static str> {
        [PACKAGES, self.packages].concat()
    }

    /// A name that changes with the contents.
    fn file_name(&self) -> String {
        let contents = format!("{SUITE} {:?} {}", self.packages(), self.size);
        let kind = match self.packages {
            [] => SUITE.to_owned(),
            _ => format!("{SUITE}-{}", self.name),
        };
        format!("{kind}-{}", &crate::digest::text(&contents)[..8])
    }

    /// Installs the packages into an archive.
    fn bootstrap(&self, cache: &Cache, tar: &Path, verbose: bool) -> Result<()> {
        let mirror = apt::mirror()?;
        let mut command = run::command("mmdebstrap");
        command
            .args(["--variant=minbase", "--format=tar"])
            .arg(format!("--include={}", self.packages().join(",")))
            .arg("--aptopt=Acquire::Retries \"3\"")
            .arg(SUITE)
            .arg(tar)
            .arg(format!(
                "deb [signed-by={}] {mirror} {SUITE} main",
                apt::KEYRING
            ));
        let step = ui::Step {
            cache,
            label: &format!("{} image: packages", self.name),
            log: &format!("image-{}", self.name),
            lines: 500,
            verbose,
        };
        step.run(command)
    }

    /// Turns the archive into a filesystem, with owners that need no rights.
    fn format(&self, cache: &Cache, tar: &Path, image: &Path) -> Result<()> {
        let folder = image.with_extension("root");
        crate::cache::remove(&folder)?;
        fs::create_dir(&folder)?;
        // The guest has a devtmpfs, and making device files needs rights.
        let script = "tar -C \"$1\" -xf \"$2\" --exclude='./dev/*' && \
                      PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -L guest -d \"$1\" \"$3\" \"$4\"";
        let mut command = run::command("fakeroot");
        command
            .args(["sh", "-c", script, "sh"])
            .args([&folder, tar, image])
            .arg(self.size);
        let step = ui::Step {
            cache,
            label: &format!("{} image: filesystem", self.name),
            log: &format!("image-{}-format", self.name),
            lines: 1,
            verbose: false,
        };
        let made = step.run(command);
        crate::cache::remove(&folder)?;
        made
    }
}
