// SPDX-License-Identifier: GPL-2.0

//! The filesystems that scenes are run on.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use crate::{
    fixture::Fixture,
    report::{Doing, Failure},
};

/// A filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Filesystem {
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
    /// The sample among the kernel's that is written in Rust.
    #[value(name = "rust_idmapfs")]
    Idmapfs,
    /// Both layers are on ext4, and the scene's files in the lower one.
    Overlay,
    Vfat,
    Msdos,
    /// The root of the machine, whatever it is.
    Root,
}

const MIB: u64 = 1 << 20;

impl Filesystem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Tmpfs => "tmpfs",
            Self::Idmapfs => "rust_idmapfs",
            Self::Overlay => "overlay",
            Self::Vfat => "vfat",
            Self::Msdos => "msdos",
            Self::Root => "root",
        }
    }

    /// The program that makes one in an image, with its options, and the least size of an image.
    fn maker(self) -> Option<(&'static str, u64)> {
        match self {
            Self::Ext4 | Self::Overlay => Some(("mkfs.ext4 -q -F", 64 * MIB)),
            Self::Xfs => Some(("mkfs.xfs -q -f", 300 * MIB)),
            Self::Btrfs => Some(("mkfs.btrfs -q -f", 128 * MIB)),
            Self::Vfat | Self::Msdos => Some(("mkfs.vfat", 16 * MIB)),
            Self::Tmpfs | Self::Idmapfs | Self::Root => None,
        }
    }

    /// Why this machine cannot have one, if so.
    pub(crate) fn missing(self) -> Option<String> {
        let needed = match self {
            Self::Root => return None,
            Self::Overlay => &[Self::Ext4, Self::Overlay][..],
            _ => &[self],
        };
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let known: Vec<&str> = known
            .lines()
            .filter_map(|line| line.split('\t').nth(1))
            .collect();
        if let Some(other) = needed.iter().find(|it| !known.contains(&it.name())) {
            return Some(format!("this kernel has no {}", other.name()));
        }
        let program = self.maker()?.0.split(' ').next()?;
        let directories = env::var_os("PATH").unwrap_or_default();
        let found =
            env::split_paths(&directories).any(|directory| directory.join(program).is_file());
        (!found).then(|| format!("{program} is not there"))
    }
}

impl Fixture {
    /// Makes the scene's filesystem and mounts it; `fill` gets the place for the scene's files.
    ///
    /// On overlayfs these are the lower layer, so that each is copied up when it is changed. The
    /// root of the machine is left as it is.
    pub(crate) fn disk(
        &mut self,
        fill: impl FnOnce(&Path) -> Result<(), Failure>,
    ) -> Result<PathBuf, Failure> {
        match self.filesystem {
            Filesystem::Root => Ok(PathBuf::from("/")),
            Filesystem::Overlay => {
                let base = self.plain("layers")?;
                let [lower, upper, work] = ["lower", "upper", "work"].map(|name| base.join(name));
                for directory in [&lower, &upper, &work] {
                    fs::create_dir(directory).doing("making the layers")?;
                }
                fill(&lower)?;
                let disk = self.directory("disk")?;
                self.overlay(&lower, &upper, &work, "", &disk)?;
                Ok(disk)
            }
            _ => {
                let disk = self.plain("disk")?;
                fill(&disk)?;
                Ok(disk)
            }
        }
    }

    /// Mounts overlayfs on `target`; further options begin with a comma.
    pub(crate) fn overlay(
        &mut self,
        lower: &Path,
        upper: &Path,
        work: &Path,
        options: &str,
        target: &Path,
    ) -> Result<(), Failure> {
        self.prepare(&format!(
            "mount -t overlay -o lowerdir={},upperdir={},workdir={}{options} overlay {}",
            lower.display(),
            upper.display(),
            work.display(),
            target.display()
        ))
    }

    /// Makes the scene's filesystem, or that of its layers, and mounts it on a new directory.
    pub(crate) fn plain(&mut self, name: &str) -> Result<PathBuf, Failure> {
        self.plain_with(name, "")
    }

    /// Likewise, with options each of which ends in a comma.
    pub(crate) fn plain_with(&mut self, name: &str, options: &str) -> Result<PathBuf, Failure> {
        let target = self.directory(name)?;
        let kind = match self.filesystem {
            Filesystem::Overlay => "ext4",
            other => other.name(),
        };
        let Some((maker, size)) = self.filesystem.maker() else {
            self.prepare(&format!("mount -t {kind} {kind} {}", target.display()))?;
            return Ok(target);
        };
        let image = self.path("image");
        File::create(&image)
            .and_then(|file| file.set_len(size))
            .doing("making the image of a disk")?;
        let image = image.display();
        self.prepare(&format!("{maker} {image}"))?;
        self.prepare(&format!(
            "mount -t {kind} -o {options}loop {image} {}",
            target.display()
        ))?;
        Ok(target)
    }

    /// Makes a directory on the fixture.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        fs::create_dir_all(&path).doing(format_args!("making {}", path.display()))?;
        Ok(path)
    }
}
