// SPDX-License-Identifier: GPL-2.0

//! The filesystems that scenes are run on.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
};

use kselftest::filesystem::{ALL, Filesystem, OVERLAY, TMPFS};
use kselftest::target::Place;

use crate::{
    fixture::Fixture,
    report::{Context, Failure},
};

/// The root filesystem of the machine, whatever its type is.
pub(crate) const ROOT: Filesystem = Filesystem {
    name: "root",
    ..TMPFS
};

/// Parses the name of a filesystem of the scenes, or `TYPE[:DEVICE|:OPTIONS]`.
pub(crate) fn parse(text: &str) -> Result<Place, String> {
    let known: Vec<Filesystem> = ALL.into_iter().chain([ROOT]).collect();
    Place::parse(text, &known).map_err(|failure| failure.to_string())
}

/// Returns the reason why this machine cannot mount one, if there is one.
pub(crate) fn missing(kind: Filesystem) -> Option<String> {
    (kind != ROOT).then(|| kind.missing())?
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
            ROOT => Ok(PathBuf::from("/")),
            OVERLAY => {
                let base = self.plain("layers")?;
                let [lower, upper, work] = ["lower", "upper", "work"].map(|name| base.join(name));
                for directory in [&lower, &upper, &work] {
                    fs::create_dir(directory).context("making the layers")?;
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
        if let Some(mounted) = &self.mounted {
            let directory = mounted.directory.display();
            self.prepare(&format!("mount --bind {directory} {}", target.display()))?;
            return Ok(target);
        }
        let kind = self.filesystem.base();
        let name = kind.name;
        let Some((mkfs, size)) = kind.mkfs else {
            self.prepare(&format!("mount -t {name} {name} {}", target.display()))?;
            return Ok(target);
        };
        let image = self.path("image");
        File::create(&image)
            .and_then(|file| file.set_len(size))
            .context("making the image of a disk")?;
        let image = image.display();
        self.prepare(&format!("{mkfs} {image}"))?;
        self.prepare(&format!(
            "mount -t {name} -o {options}loop {image} {}",
            target.display()
        ))?;
        Ok(target)
    }

    /// Makes a directory on the fixture.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        fs::create_dir_all(&path).context(format_args!("making {}", path.display()))?;
        Ok(path)
    }
}
