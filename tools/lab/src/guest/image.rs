// SPDX-License-Identifier: GPL-2.0

//! The root filesystems of guests: small Debian systems, each built on first use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::fetch::apt;
use crate::kernel::arch::Arch;
use crate::lab::Lab;
use crate::{run, ui};

/// The release in the guest.
pub(crate) const SUITE: &str = "trixie";
/// The packages of each image, in addition to the essential ones.
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
    /// The purpose of the image, in file names and messages.
    name: &'static str,
    /// The packages of this image only.
    packages: &'static [&'static str],
    /// The size of the image file, which is sparse.
    size: &'static str,
}

/// The image of most guests.
pub(crate) const USUAL: Image = Image {
    name: "guest",
    packages: &[],
    size: "1G",
};

/// The image with the programs that test filesystems in memory.
pub(crate) const APPS: Image = Image {
    name: "apps",
    packages: &["fio", "gcc", "git", "libc6-dev", "sqlite3"],
    size: "2G",
};

/// The image with the `mkfs` programs of ported filesystems.
pub(crate) const PORTS: Image = Image {
    name: "ports",
    packages: &["jfsutils", "util-linux-extra"],
    size: "1G",
};

/// The image with an init that mounts what fstab and units name.
pub(crate) const SYSTEMD: Image = Image {
    name: "systemd",
    packages: &["systemd", "systemd-container"],
    size: "1G",
};

/// The image with programs that create idmapped mounts or copy owners.
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

/// All images, by the names on the command line.
const ALL: [(&str, &Image); 5] = [
    ("usual", &USUAL),
    ("apps", &APPS),
    ("clients", &CLIENTS),
    ("ports", &PORTS),
    ("systemd", &SYSTEMD),
];

/// An image by its name.
pub(crate) fn named(name: &str) -> Result<&'static Image, String> {
    let found = ALL.iter().find(|(other, _)| *other == name);
    found.map(|(_, image)| *image).ok_or_else(|| {
        let names = ALL.map(|(name, _)| name);
        format!("there is no such image; there are {}", names.join(" "))
    })
}

impl Image {
    /// Returns the image, and builds it if it is missing. The caller must hold the lock.
    pub(crate) fn get(&self, lab: &Lab) -> Result<PathBuf> {
        let name = self.file_name(lab.arch);
        lab.cache.make(&format!("image/{name}.ext4"), |image| {
            let tar = image.with_extension("tar");
            let made = self
                .bootstrap(lab, &tar)
                .and_then(|()| self.format(lab, &tar, image));
            let _ = fs::remove_file(&tar);
            made
        })
    }

    fn packages(&self) -> Vec<&'static str> {
        [PACKAGES, self.packages].concat()
    }

    /// Returns a file name that depends on the contents.
    fn file_name(&self, arch: Arch) -> String {
        let contents = format!("{SUITE} {:?} {}", self.packages(), self.size);
        let kind = match self.packages {
            [] => SUITE.to_owned(),
            _ => format!("{SUITE}-{}", self.name),
        };
        let (kind, contents) = match arch {
            Arch::X86 => (kind, contents),
            _ => (
                format!("{kind}-{arch}"),
                format!("{contents} {BASE_SCRIPTS:?}"),
            ),
        };
        format!("{kind}-{}", &crate::digest::text(&contents)[..8])
    }

    /// Installs the packages into an archive.
    fn bootstrap(&self, lab: &Lab, tar: &Path) -> Result<()> {
        let packages = self.packages().join(",");
        let mut command = match lab.arch {
            Arch::X86 => {
                let mut command = debian(&packages);
                command.arg("--variant=minbase");
                command
            }
            arch => {
                let mut command = extract(arch, &packages);
                // A pattern takes the rest of its option, with all commas.
                command.arg("--include=?essential").args(BASE_SCRIPTS);
                command
            }
        };
        command.arg("--format=tar").arg(SUITE).arg(tar);
        command.arg(source()?);
        let step = ui::Step {
            cache: &lab.cache,
            label: &format!("{} image: packages", self.name),
            log: &format!("image-{}", self.name),
            lines: 500,
            verbose: lab.verbose,
        };
        step.run(command)
    }

    /// Converts the archive to a filesystem. The owners of files need no capability.
    fn format(&self, lab: &Lab, tar: &Path, image: &Path) -> Result<()> {
        let dir = image.with_extension("root");
        crate::cache::remove(&dir)?;
        fs::create_dir(&dir)?;
        // The guest has a devtmpfs, and making device files needs rights.
        let script = "tar -C \"$1\" -xf \"$2\" --exclude='./dev/*' && \
                      PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -L guest -d \"$1\" \"$3\" \"$4\"";
        let mut command = run::command("fakeroot");
        command
            .args(["sh", "-c", script, "sh"])
            .args([&dir, tar, image])
            .arg(self.size);
        let step = ui::Step {
            cache: &lab.cache,
            label: &format!("{} image: filesystem", self.name),
            log: &format!("image-{}-format", self.name),
            lines: 1,
            verbose: false,
        };
        let made = step.run(command);
        crate::cache::remove(&dir)?;
        made
    }
}

/// Debian's archive, for mmdebstrap.
pub(crate) fn source() -> Result<String> {
    let mirror = apt::mirror()?;
    Ok(format!(
        "deb [signed-by={}] {mirror} {SUITE} main",
        apt::KEYRING
    ))
}

/// mmdebstrap with some packages.
fn debian(packages: &str) -> Command {
    let mut command = run::command("mmdebstrap");
    command
        .arg(format!("--include={packages}"))
        .arg("--aptopt=Acquire::Retries \"3\"");
    command
}

/// mmdebstrap for an architecture whose programs this machine cannot run: the files of the packages
/// are there, and none of their scripts has run. mmdebstrap runs extract hooks only.
pub(crate) fn extract(arch: Arch, packages: &str) -> Command {
    let mut command = debian(packages);
    command
        .arg("--variant=extract")
        .arg(format!("--architectures={}", arch.debian()));
    command
}

/// The options that do the work of the scripts of base-files, base-passwd and passwd, and select
/// the alternatives that tests use.
const BASE_SCRIPTS: [&str; 4] = [
    "--extract-hook=cd \"$1\" && mkdir -p home media mnt opt root srv && \
     touch etc/subuid etc/subgid",
    "--extract-hook=for f in passwd group; do \
     cp \"$1/usr/share/base-passwd/$f.master\" \"$1/etc/$f\"; done",
    "--extract-hook=sed 's/:.*/:*:::::::/' \"$1/etc/passwd\" >\"$1/etc/shadow\"",
    "--extract-hook=ln -sf mawk \"$1/usr/bin/awk\"",
];
