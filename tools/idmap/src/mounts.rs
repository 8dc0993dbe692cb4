// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The mounts that there are, and their maps.

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx},
    io::Errno,
};

use crate::{
    diagnosis,
    error::{Error, Step},
    maps::IdMaps,
    mountinfo, statmount, sys,
};

/// A mount.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mount {
    /// Its id, which is never given to another one; from a kernel before 6.8 the one in
    /// `/proc/self/mountinfo`, which may be.
    pub id: u64,
    /// Where it is mounted.
    pub target: PathBuf,
    /// Which part of the filesystem it shows.
    pub root: PathBuf,
    /// The type of the filesystem.
    pub filesystem: String,
    /// What the filesystem was mounted from.
    pub source: String,
    /// Its map.
    pub map: MountMap,
}

/// The map of a [`Mount`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MountMap {
    /// It has none: owners are seen as they are on disk.
    None,
    /// These, as this process's user namespace counts ids; a range in which it has not all ids is
    /// left out.
    Maps(IdMaps),
    /// It has one that the kernel does not show: it is older than 6.15, or the map has no range
    /// in this process's user namespace.
    Hidden,
}

impl MountMap {
    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// All mounts of this process's mount namespace below its root.
pub fn mounts() -> Result<Vec<Mount>, Error> {
    let fail = |errno| Error::new(Step::ListMounts, "", errno).because(diagnosis::look(errno));
    let ids = match statmount::list() {
        // Forbidden by a filter of system calls amounts to the same.
        Err(Errno::NOSYS | Errno::PERM) => return mounts_of_old().map_err(fail),
        ids => ids.map_err(fail)?,
    };
    let mut mounts = Vec::with_capacity(ids.len());
    for id in ids {
        match mount_by_id(id) {
            Ok(mount) => mounts.push(mount),
            // It was unmounted meanwhile.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(fail(errno)),
        }
    }
    Ok(mounts)
}

/// The mount that a path is on.
pub fn mount_of(path: impl AsRef<Path>) -> Result<Mount, Error> {
    let path = path.as_ref();
    let fail = |errno| {
        let cause = diagnosis::look(errno);
        Error::new(Step::LookAtMount, path.display().to_string(), errno).because(cause)
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(fail)?;
    facts(file.as_fd()).map(|facts| facts.mount).map_err(fail)
}

impl IdMaps {
    /// The maps of the mount that a path is on.
    ///
    /// `ENODATA` says that it has none, or none that the kernel shows.
    pub fn of_mount(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let fail = |cause: &str| {
            let path = path.display().to_string();
            let error = Error::new(Step::LookAtMount, path, Errno::NODATA);
            Err(error.because(Some(cause.to_owned())))
        };
        match mount_of(path)?.map {
            MountMap::Maps(maps) => Ok(maps),
            MountMap::None => fail("it has no map"),
            MountMap::Hidden => fail(
                "its map is not shown: that came with Linux 6.15, and only ranges that this user \
                 namespace has are",
            ),
        }
    }
}

/// A mount, and what else of it decisions ask for.
#[cfg_attr(not(feature = "explain"), allow(dead_code))]
pub(crate) struct Facts {
    pub(crate) mount: Mount,
    /// The number of the device that stands for the filesystem.
    pub(crate) device: (u32, u32),
    /// As bits of `MOUNT_ATTR_...`.
    pub(crate) attributes: u64,
    /// Whether the filesystem is read-only, and not just the mount.
    pub(crate) sb_read_only: bool,
}

/// The mount that an open object is on.
#[cfg(feature = "explain")]
pub(crate) fn facts_of(file: BorrowedFd<'_>) -> Result<Facts, Error> {
    facts(file)
        .map_err(|errno| Error::new(Step::LookAtMount, "", errno).because(diagnosis::look(errno)))
}

/// `STATX_MNT_ID_UNIQUE`, since Linux 6.8.
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// The id of the mount that an open object is on, a unique one if the kernel has such.
#[cfg(feature = "explain")]
pub(crate) fn mount_id(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let wanted = StatxFlags::MNT_ID | MNT_ID_UNIQUE;
    Ok(statx(file, "", AtFlags::EMPTY_PATH, wanted)?.stx_mnt_id)
}

fn facts(file: BorrowedFd<'_>) -> Result<Facts, Errno> {
    let status = statx(file, "", AtFlags::EMPTY_PATH, MNT_ID_UNIQUE)?;
    let answer = match status.stx_mask & MNT_ID_UNIQUE.bits() {
        0 => Err(Errno::NOSYS),
        _ => match statmount::Answer::about(status.stx_mnt_id) {
            // It is a mount of another mount namespace.
            Err(Errno::NOENT) => elsewhere(status.stx_mnt_id),
            answer => answer,
        },
    };
    match answer {
        Ok(answer) => Ok(Facts {
            device: answer.device(),
            attributes: answer.attributes(),
            sb_read_only: answer.is_sb_read_only(),
            mount: mount(status.stx_mnt_id, &answer),
        }),
        // Forbidden by a filter of system calls amounts to the same.
        Err(Errno::NOSYS | Errno::PERM) => {
            let line = mountinfo::of_file(file)
                .or_else(|| namespaces().find_map(|pid| mountinfo::of_file_in(pid, file)))
                .ok_or(Errno::NOENT)?;
            Ok(Facts {
                device: line.device,
                attributes: line.attributes(),
                sb_read_only: line.is_sb_read_only(),
                mount: line.into(),
            })
        }
        Err(errno) => Err(errno),
    }
}

/// The answer about a mount of another mount namespace that a process is in.
fn elsewhere(mount: u64) -> Result<statmount::Answer, Errno> {
    let mut last = Errno::NOENT;
    for pid in namespaces() {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = openat(CWD, format!("/proc/{pid}/ns/mnt"), flags, Mode::empty()) else {
            continue;
        };
        let answer = sys::mount_namespace_id(file.as_fd())
            .and_then(|namespace| statmount::Answer::in_namespace(mount, namespace));
        match answer {
            Err(Errno::NOENT) => {}
            // The kernel is too old to look into other namespaces, so the text is read.
            Err(Errno::INVAL | Errno::NOTTY) => last = Errno::NOSYS,
            Err(errno) => last = errno,
            answer => return answer,
        }
    }
    Err(last)
}

/// A process in each mount namespace that can be looked into but that of this program.
pub(crate) fn namespaces() -> impl Iterator<Item = u32> {
    let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let mut known: Vec<PathBuf> = link("thread-self").into_iter().collect();
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(move |entry| {
        let name = entry.ok()?.file_name();
        let pid = name.to_str()?.parse().ok()?;
        let namespace = link(name.to_str()?)?;
        if known.contains(&namespace) {
            return None;
        }
        known.push(namespace);
        Some(pid)
    })
}

fn mount_by_id(id: u64) -> Result<Mount, Errno> {
    Ok(mount(id, &statmount::Answer::about(id)?))
}

fn mount(id: u64, answer: &statmount::Answer) -> Mount {
    let [target, root, filesystem, source] = answer.names();
    let map = if !answer.is_idmapped() {
        MountMap::None
    } else {
        let maps = answer
            .maps()
            .and_then(|(users, groups)| IdMaps::from_proc(&users, &groups).ok());
        maps.map_or(MountMap::Hidden, MountMap::Maps)
    };
    Mount {
        id,
        target: OsString::from_vec(target).into(),
        root: OsString::from_vec(root).into(),
        filesystem: String::from_utf8_lossy(&filesystem).into_owned(),
        source: String::from_utf8_lossy(&source).into_owned(),
        map,
    }
}

/// From `/proc/self/mountinfo`, for kernels without `listmount()`.
fn mounts_of_old() -> Result<Vec<Mount>, Errno> {
    let table = fs::read("/proc/thread-self/mountinfo")
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(mountinfo::lines(&table).map(Mount::from).collect())
}

impl From<mountinfo::Line> for Mount {
    fn from(line: mountinfo::Line) -> Self {
        Self {
            map: if line.is_idmapped() {
                MountMap::Hidden
            } else {
                MountMap::None
            },
            id: line.id,
            target: line.target,
            root: line.root,
            filesystem: line.filesystem,
            source: line.source,
        }
    }
}
