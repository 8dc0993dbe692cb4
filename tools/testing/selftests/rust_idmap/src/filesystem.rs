// SPDX-License-Identifier: GPL-2.0

//! The filesystems that are tested.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ktap::{skip, wrong, Doing, Failure};

/// A filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tmpfs,
    Ext4,
    Xfs,
    Btrfs,
    Vfat,
    /// Upper and lower layer on ext4.
    Overlay,
    RustIdmapfs,
}

/// What not every filesystem can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Can {
    /// Owners and permissions are stored, and with them every kind of file.
    Owners,
    /// `user.` and `security.` attributes.
    Xattr,
    Acl,
    /// `O_TMPFILE`.
    Tmpfile,
    /// `FS_IOC_SETFLAGS` and `FS_IOC_FSSETXATTR`.
    Flags,
    /// Memory of files is cached from a disk.
    Cache,
}

const MIB: u64 = 1 << 20;

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Tmpfs,
        Self::Ext4,
        Self::Xfs,
        Self::Btrfs,
        Self::Vfat,
        Self::Overlay,
        Self::RustIdmapfs,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tmpfs => "tmpfs",
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Vfat => "vfat",
            Self::Overlay => "overlay",
            Self::RustIdmapfs => "rust_idmapfs",
        }
    }

    /// Whether it can do something.
    pub(crate) fn can(self, what: Can) -> bool {
        use Can::*;
        match self {
            Self::Ext4 | Self::Xfs | Self::Btrfs | Self::Overlay => true,
            Self::Tmpfs | Self::RustIdmapfs => what != Cache,
            Self::Vfat => matches!(what, Cache),
        }
    }

    /// The program that makes one in an image, with its options, and the size of the image.
    fn maker(self) -> Option<(&'static str, u64)> {
        match self {
            Self::Ext4 | Self::Overlay => Some(("mkfs.ext4 -q -F -O encrypt", 64 * MIB)),
            Self::Xfs => Some(("mkfs.xfs -q -f", 300 * MIB)),
            Self::Btrfs => Some(("mkfs.btrfs -q -f", 128 * MIB)),
            Self::Vfat => Some(("mkfs.vfat", 16 * MIB)),
            Self::Tmpfs | Self::RustIdmapfs => None,
        }
    }

    /// Options for the mount.
    fn options(self) -> &'static str {
        match self {
            Self::Vfat => ",uid=1000,gid=1000,umask=022",
            _ => "",
        }
    }

    /// Whether the running kernel has it, and this machine the program to make one.
    pub(crate) fn check(self) -> Result<(), Failure> {
        let known = fs::read_to_string("/proc/filesystems").doing("reading /proc/filesystems")?;
        let has = |name: &str| {
            known
                .lines()
                .any(|line| line.split('\t').nth(1) == Some(name))
        };
        let needed = if self == Self::Overlay {
            &[Self::Overlay, Self::Ext4][..]
        } else {
            &[self]
        };
        if let Some(missing) = needed.iter().find(|kind| !has(kind.name())) {
            return Err(skip(format_args!("this kernel has no {}", missing.name())));
        }
        let Some((maker, _)) = self.maker() else {
            return Ok(());
        };
        let program = maker.split(' ').next().unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_default();
        match env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
            true => Ok(()),
            false => Err(skip(format_args!("{program} is not there"))),
        }
    }

    /// Makes one and mounts it at `root/disk`.
    pub(crate) fn mount(self, root: &Path) -> Result<PathBuf, Failure> {
        self.check()?;
        let directory = |name: &str| -> Result<PathBuf, Failure> {
            let path = root.join(name);
            fs::create_dir_all(&path).doing(format_args!("making {}", path.display()))?;
            Ok(path)
        };
        let disk = directory("disk")?;
        if self == Self::Overlay {
            let base = directory("base")?;
            Self::Ext4.mount_at(&root.join("image"), &base)?;
            let [lower, upper, work] = [
                directory("base/lower")?,
                directory("base/upper")?,
                directory("base/work")?,
            ];
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                lower.display(),
                upper.display(),
                work.display()
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
        } else {
            self.mount_at(&root.join("image"), &disk)?;
        }
        Ok(disk)
    }

    /// Mounts a new one, on an image if it needs one.
    fn mount_at(self, image: &Path, target: &Path) -> Result<(), Failure> {
        let name = self.name();
        let target = text(target)?;
        let Some((maker, size)) = self.maker() else {
            return program(&["mount", "-t", name, name, target]);
        };
        File::create(image)
            .and_then(|file| file.set_len(size))
            .doing("making an image")?;
        let image = text(image)?;
        let words: Vec<&str> = maker.split(' ').chain([image]).collect();
        program(&words)?;
        let options = format!("loop{}", self.options());
        program(&["mount", "-t", name, "-o", &options, image, target])
    }
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| wrong("a path that is no text"))
}

/// Runs a program that must succeed.
pub(crate) fn program(words: &[&str]) -> Result<(), Failure> {
    let line = words.join(" ");
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .doing(&line)?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(wrong(format_args!("{line}: {}: {said}", output.status)))
        }
    }
}
