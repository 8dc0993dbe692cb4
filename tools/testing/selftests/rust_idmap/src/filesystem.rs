// SPDX-License-Identifier: GPL-2.0

//! The filesystems that tests run on: how to make and mount each, and the features that it lacks.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ktap::{Context, Failure, Outcome};

/// A filesystem type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// The name in `/proc/filesystems`.
    pub name: &'static str,
    /// The program that makes one on an image, with its options, and the size of the image.
    pub mkfs: Option<(&'static str, u64)>,
    /// The options of the mount.
    pub options: &'static str,
    /// The features that it does not have.
    pub lacks: &'static [Feature],
}

/// A feature that some filesystems do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Owners, mode bits and all types of files are stored.
    Owners,
    /// Extended attributes `user.*` and `security.*`.
    Xattr,
    /// POSIX ACLs.
    Acl,
    /// `O_TMPFILE`.
    Tmpfile,
    /// `FS_IOC_SETFLAGS` and `FS_IOC_FSSETXATTR`.
    Flags,
    /// The page cache holds data of a disk.
    Cache,
    /// File handles.
    Handles,
    /// `RENAME_EXCHANGE`.
    Exchange,
    /// The filesystem can hold the upper layer of overlayfs.
    UpperLayer,
}

const MIB: u64 = 1 << 20;

impl Filesystem {
    const fn in_memory(name: &'static str) -> Self {
        Self {
            name,
            mkfs: None,
            options: "",
            lacks: &[Feature::Cache],
        }
    }

    const fn on_image(name: &'static str, mkfs: &'static str, mib: u64) -> Self {
        Self {
            name,
            mkfs: Some((mkfs, mib * MIB)),
            options: "",
            lacks: &[],
        }
    }

    const fn fat(name: &'static str) -> Self {
        Self {
            options: ",uid=1000,gid=1000,umask=022",
            lacks: &[
                Feature::Owners,
                Feature::Xattr,
                Feature::Acl,
                Feature::Tmpfile,
                Feature::Flags,
                Feature::UpperLayer,
            ],
            ..Self::on_image(name, "mkfs.vfat", 16)
        }
    }
}

/// tmpfs
pub const TMPFS: Filesystem = Filesystem::in_memory("tmpfs");
/// The sample filesystem in Rust.
pub const RUST_IDMAPFS: Filesystem = Filesystem::in_memory("rust_idmapfs");
/// ext4
pub const EXT4: Filesystem = Filesystem::on_image("ext4", "mkfs.ext4 -q -F -O encrypt", 64);
/// XFS
pub const XFS: Filesystem = Filesystem::on_image("xfs", "mkfs.xfs -q -f", 300);
/// btrfs
pub const BTRFS: Filesystem = Filesystem::on_image("btrfs", "mkfs.btrfs -q -f", 128);
/// FAT with long names
pub const VFAT: Filesystem = Filesystem::fat("vfat");
/// FAT with short names
pub const MSDOS: Filesystem = Filesystem::fat("msdos");
/// overlayfs with its layers on ext4
pub const OVERLAY: Filesystem = Filesystem {
    mkfs: EXT4.mkfs,
    lacks: &[Feature::Handles, Feature::UpperLayer],
    ..Filesystem::in_memory("overlay")
};

/// All of them.
pub const ALL: [Filesystem; 8] = [TMPFS, EXT4, XFS, BTRFS, VFAT, MSDOS, OVERLAY, RUST_IDMAPFS];

/// Looks a filesystem type up by its name.
pub fn find(name: &str) -> Result<Filesystem, String> {
    let found = ALL.into_iter().find(|known| known.name == name);
    found.ok_or_else(|| {
        let names = ALL.map(|known| known.name).join(" ");
        format!("no filesystem '{name}' in the table; there are {names}")
    })
}

/// Returns whether the running kernel has a filesystem type, built in or as a loaded module.
pub fn is_registered(name: &str) -> bool {
    let table = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let mut names = table.lines().filter_map(|line| line.split('\t').nth(1));
    names.any(|registered| registered == name)
}

/// Returns whether a registered filesystem type needs no device.
pub(crate) fn needs_no_device(name: &str) -> bool {
    let table = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let mut lines = table.lines();
    lines.any(|line| line.strip_prefix("nodev\t") == Some(name))
}

/// Returns whether a program is in a directory of `PATH`.
pub(crate) fn find_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Owners,
        Self::Xattr,
        Self::Acl,
        Self::Tmpfile,
        Self::Flags,
        Self::Cache,
        Self::Handles,
        Self::Exchange,
        Self::UpperLayer,
    ];

    /// Returns the name, for names of tests and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::Xattr => "xattr",
            Self::Acl => "acl",
            Self::Tmpfile => "tmpfile",
            Self::Flags => "flags",
            Self::Cache => "page_cache",
            Self::Handles => "handles",
            Self::Exchange => "exchange",
            Self::UpperLayer => "upper_layer",
        }
    }
}

impl Filesystem {
    /// Returns whether the filesystem has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        !self.lacks.contains(&feature)
    }

    /// Returns the first of some features that the filesystem does not have.
    pub fn missing_of(&self, features: &[Feature]) -> Option<Feature> {
        features.iter().copied().find(|feature| !self.has(*feature))
    }

    /// Returns the type that the layers of overlayfs are on, or the type itself.
    pub fn base(self) -> Self {
        if self == OVERLAY {
            EXT4
        } else {
            self
        }
    }

    /// Returns the reason why this machine cannot mount one, if there is one.
    pub fn missing(&self) -> Option<String> {
        let mut types = [self.base(), *self].into_iter();
        if let Some(missing) = types.find(|kind| !is_registered(kind.name)) {
            return Some(format!("this kernel has no {}", missing.name));
        }
        let program = self.mkfs?.0.split(' ').next()?;
        (!find_program(program)).then(|| format!("{program} is not installed"))
    }

    /// Makes one and mounts it at `root/disk`.
    pub fn mount(self, root: &Path) -> Result<PathBuf, Failure> {
        if let Some(reason) = self.missing() {
            return Err(Failure::Skipped(reason));
        }
        let directory = |name: &str| -> Result<PathBuf, Failure> {
            let path = root.join(name);
            fs::create_dir_all(&path).context(path.display())?;
            Ok(path)
        };
        let disk = directory("disk")?;
        if self != OVERLAY {
            self.mount_at(&root.join("image"), &disk)?;
            return Ok(disk);
        }
        EXT4.mount_at(&root.join("image"), &directory("base")?)?;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            directory("base/lower")?.display(),
            directory("base/upper")?.display(),
            directory("base/work")?.display()
        );
        program(&[
            "mount",
            "-t",
            "overlay",
            "-o",
            &options,
            "overlay",
            text(&disk)?,
        ])?;
        Ok(disk)
    }

    /// Mounts a new one. Makes it on `image`, if it is not in memory.
    fn mount_at(self, image: &Path, target: &Path) -> Outcome {
        let target = text(target)?;
        let Some((mkfs, size)) = self.mkfs else {
            return program(&["mount", "-t", self.name, self.name, target]);
        };
        make_image(image, mkfs, size)?;
        let options = format!("loop{}", self.options);
        let image = text(image)?;
        program(&["mount", "-t", self.name, "-o", &options, image, target])
    }
}

/// Creates an image and makes a filesystem on it.
pub fn make_image(image: &Path, mkfs: &str, size: u64) -> Outcome {
    File::create(image)
        .and_then(|file| file.set_len(size))
        .context(image.display())?;
    let words: Vec<&str> = mkfs.split(' ').chain([text(image)?]).collect();
    program(&words)
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .ok_or_else(|| Failure::Failed(format!("{}: not UTF-8", path.display())))
}

/// Runs a program, which must exit with status 0.
pub fn program(words: &[&str]) -> Outcome {
    let line = words.join(" ");
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .context(&line)?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let errors = String::from_utf8_lossy(&output.stderr);
            let errors = errors.trim_end();
            Err(Failure::Failed(format!(
                "{line}: {}: {errors}",
                output.status
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_is_refused_with_the_known_ones() {
        assert_eq!(find("xfs"), Ok(XFS));
        let error = find("zfs").unwrap_err();
        assert!(
            error.contains("'zfs'") && error.contains("rust_idmapfs"),
            "{error}"
        );
    }

    #[test]
    fn filesystem_that_no_kernel_has_is_missing() {
        let none = Filesystem::in_memory("nofs");
        assert_eq!(none.missing(), Some("this kernel has no nofs".to_owned()));
    }
}
