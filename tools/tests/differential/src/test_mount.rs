// SPDX-License-Identifier: GPL-2.0

//! The filesystems that worlds are on.

use std::{
    ffi::CString,
    fs, io,
    os::{fd::OwnedFd, unix::fs::chown},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use mount_idmapped::{IdmappedMount, UserNs};
use rustix::{
    fs::CWD,
    mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount},
};

use crate::{map::IDS, mutate::remove, rng::Rng, shape::Namespace, syscalls::STAGE, userns};

/// A filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Filesystem {
    Tmpfs,
    Ext4,
    Vfat,
    /// The layers are on ext4 if there is one, or else on tmpfs.
    Overlay,
}

/// What the machine has.
pub(crate) struct Disks {
    /// Where an ext4 filesystem is mounted.
    pub(crate) ext4: Option<PathBuf>,
    /// The device of a FAT filesystem that is mounted nowhere.
    pub(crate) vfat: Option<PathBuf>,
}

/// Where the files of one world are.
pub(crate) struct Place {
    /// Where root sees them.
    pub(crate) files: PathBuf,
    /// The layer of overlayfs that changes go to.
    pub(crate) upper: Option<PathBuf>,
    /// The folder on a filesystem that stays.
    made: Option<PathBuf>,
}

/// The maps of the mounts that overlayfs takes its layers from.
pub(crate) struct Layers<'a> {
    pub(crate) lower: Option<&'a UserNs>,
    pub(crate) upper: Option<&'a UserNs>,
    /// Who is root on the disk of the upper one.
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
pub(crate) fn clear_stage() -> io::Result<()> {
    Ok(unmount(STAGE, UnmountFlags::DETACH)?)
}

impl Place {
    /// Makes the place of a world, a tmpfs in a user namespace if one is given. `fill` gets the folder for what a lower layer has.
    pub(crate) fn make(
        on: Filesystem,
        disks: &Disks,
        layers: &Layers<'_>,
        inside: Option<(&OwnedFd, &Namespace)>,
        rng: &mut Rng,
        fill: impl FnOnce(&Path, &mut Rng) -> io::Result<()>,
    ) -> io::Result<Self> {
        mount_new("tmpfs", Path::new("stage"), Path::new(STAGE), "mode=755")?;
        let files = Path::new(STAGE).join("files");
        let no_disk = |what| io::Error::other(format!("which {what}? say --{what}"));
        let mut place = Self {
            files: files.clone(),
            upper: None,
            made: None,
        };
        match on {
            Filesystem::Tmpfs => match inside {
                None => mount_new("tmpfs", Path::new("files"), &files, "mode=755")?,
                Some((namespace, shape)) => {
                    fs::create_dir(&files)?;
                    let made = userns::tmpfs(namespace, shape)?;
                    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                    move_mount(made, "", CWD, &files, flags)?;
                }
            },
            Filesystem::Ext4 => {
                let ext4 = disks.ext4.as_ref().ok_or_else(|| no_disk("ext4"))?;
                place.files = place.folder(ext4)?;
            }
            Filesystem::Vfat => {
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
            Filesystem::Overlay => {
                let base = match &disks.ext4 {
                    Some(ext4) => place.folder(ext4)?,
                    None => {
                        let base = Path::new(STAGE).join("layers");
                        mount_new("tmpfs", Path::new("layers"), &base, "mode=755")?;
                        base
                    }
                };
                place.upper = Some(base.join("changes/upper"));
                for folder in ["lower", "changes/upper", "changes/work"] {
                    fs::create_dir_all(base.join(folder))?;
                }
                if layers.upper.is_some() {
                    // Otherwise root could make nothing there: overlayfs would be read-only.
                    let (user, group) = layers.root;
                    for folder in ["changes/upper", "changes/work"] {
                        chown(base.join(folder), Some(user), Some(group))?;
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
        }
        Ok(place)
    }

    /// A new folder for this world on a filesystem that stays.
    fn folder(&mut self, disk: &Path) -> io::Result<PathBuf> {
        let folder = disk.join("differential");
        let _ = remove(&folder);
        fs::create_dir(&folder)?;
        self.made = Some(folder.clone());
        Ok(folder)
    }

    /// Removes it.
    pub(crate) fn remove(self) -> io::Result<()> {
        clear_stage()?;
        self.made.map_or(Ok(()), |folder| remove(&folder))
    }
}

/// Mounts a layer of overlayfs on its own, with its map.
fn layer(folder: &Path, map: Option<&UserNs>, name: &str) -> io::Result<String> {
    let target = format!("{STAGE}/{name}");
    fs::create_dir(&target)?;
    let mut mount = IdmappedMount::of(folder);
    if let Some(map) = map {
        mount = mount.map(map);
    }
    mount.attach(&target).map_err(io::Error::other)?;
    Ok(target)
}
