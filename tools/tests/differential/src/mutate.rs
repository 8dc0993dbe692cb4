// SPDX-License-Identifier: GPL-2.0

//! Root's changes to the world between those of callers, without which there would soon be nothing
//! left to try.

use std::{
    fs,
    io::Write,
    os::unix::{fs::symlink, net::UnixDatagram},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Uid, XattrFlags, chmodat, chownat,
        ioctl_getflags, ioctl_setflags, lsetxattr, makedev, mknodat, openat,
    },
    io::Errno,
};

use crate::{
    acl,
    map::IDS,
    op::{MODES, TARGETS, folder, path},
    program,
    rng::Rng,
    shape::Shape,
};

/// Who shakes a world, and what must stay as long as the world.
pub(crate) struct Shaker {
    folder: PathBuf,
    /// A program that says who it is.
    program: Vec<u8>,
    sockets: Vec<UnixDatagram>,
}

/// Permission bits of folders: mostly such that something can happen in them.
const FOLDER_MODES: [u32; 12] = [
    0o777, 0o777, 0o1777, 0o1777, 0o2777, 0o3777, 0o2775, 0o1775, 0o755, 0o711, 0o750, 0o1770,
];

impl Shaker {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            program: program::file(),
            sockets: Vec::new(),
        }
    }

    /// From now on the world is seen at another folder.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
    }

    /// Makes or changes something, as far as this filesystem can. The answer is its path.
    pub(crate) fn shake(&mut self, rng: &mut Rng, shape: &Shape) -> String {
        let chosen = if rng.chance(25) {
            folder(rng)
        } else {
            path(rng)
        };
        // What does not work here is seen on disk, and the same with every engine.
        let _ = self.change(rng, shape, &chosen);
        chosen
    }

    /// A system setting; the answer is its name and its value.
    pub(crate) fn set(rng: &mut Rng) -> std::io::Result<String> {
        let (name, most) = rng.pick(&[
            ("protected_symlinks", 2),
            ("protected_hardlinks", 2),
            ("protected_regular", 3),
            ("protected_fifos", 3),
        ]);
        let value = rng.below(most);
        fs::write(format!("/proc/sys/fs/{name}"), value.to_string())?;
        Ok(format!("{name}={value}"))
    }

    fn change(&mut self, rng: &mut Rng, shape: &Shape, chosen: &str) -> std::io::Result<()> {
        let place = self.folder.join(chosen);
        self.make_folders_above(chosen);
        forget_flags(&place);
        let is_folder = matches!(chosen.rsplit('/').next(), Some("" | "d" | "e" | "g" | "n"));
        if !is_folder && rng.chance(60) {
            let _ = remove(&place);
            self.make(rng, &place)?;
        } else if is_folder && !chosen.is_empty() && !is_real_folder(&place) {
            let _ = remove(&place);
            fs::create_dir(&place)?;
        }
        let (user, group) = shape.any_owner(rng);
        let owners = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        let _ = chownat(CWD, &place, owners.0, owners.1, AtFlags::SYMLINK_NOFOLLOW);
        if place.is_symlink() {
            return Ok(());
        }
        let bits = if is_real_folder(&place) {
            rng.pick(&FOLDER_MODES)
        } else {
            rng.pick(&MODES)
        };
        let _ = chmodat(CWD, &place, Mode::from_raw_mode(bits), AtFlags::empty());
        for (name, percent) in [
            (acl::ACCESS, 30),
            (acl::DEFAULT, 20),
            (acl::CAPABILITY, 15),
            ("user.a", 15),
            ("trusted.a", 10),
        ] {
            if !rng.chance(percent) {
                continue;
            }
            let value = match name {
                acl::ACCESS | acl::DEFAULT if is_folder => acl::wide(rng, &IDS, &IDS),
                acl::ACCESS | acl::DEFAULT => acl::random(rng, &IDS, &IDS),
                acl::CAPABILITY => acl::capability(rng, &IDS),
                _ => vec![rng.below(4) as u8],
            };
            let _ = lsetxattr(&place, name, &value, XattrFlags::empty());
        }
        if rng.chance(3) {
            let _ = set_flags(&place, rng.pick(&[IFlags::IMMUTABLE, IFlags::APPEND]));
        }
        Ok(())
    }

    fn make_folders_above(&self, chosen: &str) {
        for (end, _) in chosen.match_indices('/') {
            let folder = self.folder.join(&chosen[..end]);
            forget_flags(&folder);
            if !is_real_folder(&folder) {
                let _ = remove(&folder);
                let _ = fs::create_dir(&folder);
            }
        }
        forget_flags(&self.folder);
    }

    /// Makes something where nothing is.
    fn make(&mut self, rng: &mut Rng, place: &Path) -> std::io::Result<()> {
        let node = |kind, device| mknodat(CWD, place, kind, Mode::from_raw_mode(0o600), device);
        match rng.below(20) {
            0..3 => symlink(rng.pick(&TARGETS), place)?,
            3 | 4 => node(FileType::Fifo, 0)?,
            5 | 6 => self.sockets.push(UnixDatagram::bind(place)?),
            7 => node(FileType::CharacterDevice, makedev(1, 3))?,
            8 => fs::create_dir(place)?,
            9..13 => write_new(place, &self.program)?,
            _ => write_new(place, b"something\n")?,
        }
        Ok(())
    }
}

/// Makes a file. Should a pipe be there still, nobody is waited for.
fn write_new(place: &Path, contents: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(CWD, place, flags, Mode::from_raw_mode(0o600))?;
    std::fs::File::from(file).write_all(contents)
}

fn is_real_folder(place: &Path) -> bool {
    place
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

fn set_flags(place: &Path, flag: IFlags) -> Result<(), Errno> {
    const NO_FLAGS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, place, flags, Mode::empty())?;
    let before = ioctl_getflags(&file)?;
    let after = before.difference(NO_FLAGS) | flag;
    if before == after {
        return Ok(());
    }
    ioctl_setflags(&file, after)
}

/// Lets what is at a place be changed.
fn forget_flags(place: &Path) {
    let is_sealed = place
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir() || metadata.is_file());
    if is_sealed {
        let _ = set_flags(place, IFlags::empty());
    }
}

/// Removes whatever is at a place, and below it.
pub(crate) fn remove(place: &Path) -> std::io::Result<()> {
    forget_flags(place);
    if !is_real_folder(place) {
        return fs::remove_file(place);
    }
    for entry in fs::read_dir(place)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(place)
}
