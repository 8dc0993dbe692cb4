// SPDX-License-Identifier: GPL-2.0

//! The filesystems that worlds are on.

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use idmap::{IdmappedMount, UserNs};
use kselftest::filesystem::{EXT4, OVERLAY, TMPFS, VFAT};
use kselftest::rng::Rng;
use kselftest::target::{Mounted, Place};
use rustix::{
    fs::CWD,
    mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount},
};

use crate::{map::IDS, mutate::remove, shape::Namespace, syscalls::ROOT, userns};

/// The disks of the machine.
pub(crate) struct Disks {
    /// Where an ext4 filesystem is mounted.
    pub(crate) ext4: Option<PathBuf>,
    /// The device of a FAT filesystem that is mounted nowhere.
    pub(crate) vfat: Option<PathBuf>,
}

/// Where the files of one world are.
pub(crate) struct TestMount {
    /// Where root sees them.
    pub(crate) files: PathBuf,
    /// The layer of overlayfs that changes go to.
    pub(crate) upper: Option<PathBuf>,
    /// The directory on a filesystem that stays.
    made: Option<PathBuf>,
    /// The filesystem that the user has named.
    named: Option<Mounted>,
}

/// The maps of the mounts that overlayfs takes its layers from.
pub(crate) struct Layers<'a> {
    pub(crate) lower: Option<&'a UserNs>,
    pub(crate) upper: Option<&'a UserNs>,
    /// The owner on disk of files that root creates in the upper layer.
    pub(crate) root: (u32, u32),
}

fn mount_new(kind: &str, source: &Path, target: &Path, data: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let options = CString::new(data)?;
    mount(source, target, kind, MountFlags::empty(), &*options).map_err(|error| {
        let target = target.display();
        io::Error::other(format!(
            "mounting {kind} at {target} with '{data}': {error}"
        ))
    })
}

/// Clears the stage: everything that is mounted there goes.
pub(crate) fn unmount_all() -> io::Result<()> {
    Ok(unmount(ROOT, UnmountFlags::DETACH)?)
}

impl TestMount {
    /// Mounts the filesystem of a fixture; a tmpfs belongs to the user namespace, if there is one.
    /// `fill` gets the directory of the lower layer.
    pub(crate) fn make(
        on: &Place,
        disks: &Disks,
        layers: &Layers<'_>,
        inside: Option<(&kselftest::userns::UserNs, &Namespace)>,
        rng: &mut Rng,
        fill: impl FnOnce(&Path, &mut Rng) -> io::Result<()>,
    ) -> io::Result<Self> {
        mount_new("tmpfs", Path::new("stage"), Path::new(ROOT), "mode=755")?;
        let files = Path::new(ROOT).join("files");
        let no_disk = |what| io::Error::other(format!("which {what}? say --{what}"));
        let mut test_mount = Self {
            files: files.clone(),
            upper: None,
            made: None,
            named: None,
        };
        let on = match on {
            Place::Known(on) => *on,
            Place::Named(target, _) => {
                let mounted = target.mount(&Path::new(ROOT).join("target"));
                let mounted = mounted.map_err(|failure| io::Error::other(failure.to_string()))?;
                test_mount.files = mounted.directory.clone();
                test_mount.named = Some(mounted);
                return Ok(test_mount);
            }
        };
        match on {
            TMPFS => match inside {
                None => mount_new("tmpfs", Path::new("files"), &files, "mode=755")?,
                Some((namespace, shape)) => {
                    fs::create_dir(&files)?;
                    let made = userns::tmpfs(namespace, shape)?;
                    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                    move_mount(made, "", CWD, &files, flags)?;
                }
            },
            EXT4 => {
                let ext4 = disks.ext4.as_ref().ok_or_else(|| no_disk("ext4"))?;
                test_mount.files = test_mount.directory(ext4)?;
            }
            VFAT => {
                let device = disks.vfat.as_ref().ok_or_else(|| no_disk("vfat"))?;
                let options = format!(
                    "uid={},gid={},umask={:03o},quiet",
                    rng.pick(&IDS),
                    rng.pick(&IDS),
                    rng.pick(&[0o022, 0o002, 0o000, 0o077, 0o027])
                );
                let options = options.trim_end_matches(if rng.chance(50) { ",quiet" } else { "" });
                mount_new("vfat", device, &files, options)?;
                for entry in fs::read_dir(&files)? {
                    remove(&entry?.path())?;
                }
            }
            OVERLAY => {
                let base = match &disks.ext4 {
                    Some(ext4) => test_mount.directory(ext4)?,
                    None => {
                        let base = Path::new(ROOT).join("layers");
                        mount_new("tmpfs", Path::new("layers"), &base, "mode=755")?;
                        base
                    }
                };
                test_mount.upper = Some(base.join("changes/upper"));
                for directory in ["lower", "changes/upper", "changes/work"] {
                    fs::create_dir_all(base.join(directory))?;
                }
                if layers.upper.is_some() {
                    // Otherwise root could make nothing there: overlayfs would be read-only.
                    let (user, group) = layers.root;
                    for directory in ["changes/upper", "changes/work"] {
                        chown(base.join(directory), Some(user), Some(group))?;
                    }
                }
                fill(&base.join("lower"), rng)?;
                let lower = layer(&base.join("lower"), layers.lower, "lower")?;
                let changes = layer(&base.join("changes"), layers.upper, "changes")?;
                let options = format!(
                    "lowerdir={},upperdir={changes}/upper,workdir={changes}/work",
                    lower
                );
                mount_new("overlay", Path::new("overlay"), &files, &options)?;
            }
            other => return Err(io::Error::other(format!("no tests on {}", other.name))),
        }
        Ok(test_mount)
    }

    /// A new directory for this world on a filesystem that stays.
    fn directory(&mut self, disk: &Path) -> io::Result<PathBuf> {
        let directory = disk.join("differential");
        let _ = remove(&directory);
        fs::create_dir(&directory)?;
        self.made = Some(directory.clone());
        Ok(directory)
    }

    /// Removes it.
    pub(crate) fn remove(self) -> io::Result<()> {
        if let Some(mounted) = self.named {
            let removed = mounted.remove();
            removed.map_err(|failure| io::Error::other(failure.to_string()))?;
        }
        unmount_all()?;
        self.made.map_or(Ok(()), |directory| remove(&directory))
    }
}

/// Mounts a layer of overlayfs on its own, with its map.
fn layer(directory: &Path, map: Option<&UserNs>, name: &str) -> io::Result<String> {
    let target = format!("{ROOT}/{name}");
    fs::create_dir(&target)?;
    let mut mount = IdmappedMount::of(directory);
    if let Some(map) = map {
        mount = mount.map(map);
    }
    mount.attach(&target).map_err(io::Error::other)?;
    Ok(target)
}
