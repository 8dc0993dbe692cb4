// SPDX-License-Identifier: GPL-2.0

//! Root's changes to the world between those of callers, without which there would soon be nothing
//! left to try.

use std::{
    fs,
    io::Write,
    os::unix::{fs::symlink, net::UnixDatagram},
    path::{Path, PathBuf},
};

use kselftest::acl;
use kselftest::fscaps;
use kselftest::rng::Rng;
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Uid, XattrFlags, chmodat, chownat,
        ioctl_getflags, ioctl_setflags, lsetxattr, makedev, mknodat, openat,
    },
    io::Errno,
};

use crate::{
    map::IDS,
    op::{MODES, TARGETS, directory, path},
    program,
    shape::Shape,
    xattr,
};

/// Mutates a fixture, and owns the sockets in it.
pub(crate) struct Mutator {
    directory: PathBuf,
    /// The program that prints its credentials.
    program: Vec<u8>,
    sockets: Vec<UnixDatagram>,
}

/// Permission bits of directories: mostly such that something can happen in them.
const DIRECTORY_MODES: [u32; 12] = [
    0o777, 0o777, 0o1777, 0o1777, 0o2777, 0o3777, 0o2775, 0o1775, 0o755, 0o711, 0o750, 0o1770,
];

impl Mutator {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            program: program::file(),
            sockets: Vec::new(),
        }
    }

    /// From now on the world is seen at another directory.
    pub(crate) fn move_to(&mut self, directory: &Path) {
        self.directory = directory.to_owned();
    }

    /// Makes or changes something, as far as this filesystem can. The answer is its path.
    pub(crate) fn mutate(&mut self, rng: &mut Rng, shape: &Shape) -> String {
        let chosen = if rng.chance(25) {
            directory(rng)
        } else {
            path(rng)
        };
        // A failure is seen on disk, and is the same on all kernels.
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
        let target = self.directory.join(chosen);
        self.make_directories_above(chosen);
        forget_flags(&target);
        let is_directory = matches!(chosen.rsplit('/').next(), Some("" | "d" | "e" | "g" | "n"));
        if !is_directory && rng.chance(60) {
            let _ = remove(&target);
            self.make(rng, &target)?;
        } else if is_directory && !chosen.is_empty() && !is_real_directory(&target) {
            let _ = remove(&target);
            fs::create_dir(&target)?;
        }
        let (user, group) = shape.any_owner(rng);
        let owners = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        let _ = chownat(CWD, &target, owners.0, owners.1, AtFlags::SYMLINK_NOFOLLOW);
        if target.is_symlink() {
            return Ok(());
        }
        let bits = if is_real_directory(&target) {
            rng.pick(&DIRECTORY_MODES)
        } else {
            rng.pick(&MODES)
        };
        let _ = chmodat(CWD, &target, Mode::from_raw_mode(bits), AtFlags::empty());
        for (name, percent) in [
            (acl::ACCESS, 30),
            (acl::DEFAULT, 20),
            (fscaps::NAME, 15),
            ("user.a", 15),
            ("trusted.a", 10),
        ] {
            if !rng.chance(percent) {
                continue;
            }
            let value = match name {
                acl::ACCESS | acl::DEFAULT if is_directory => xattr::wide(rng, &IDS, &IDS),
                acl::ACCESS | acl::DEFAULT => xattr::random(rng, &IDS, &IDS),
                fscaps::NAME => xattr::capability(rng, &IDS),
                _ => vec![rng.below(4) as u8],
            };
            let _ = lsetxattr(&target, name, &value, XattrFlags::empty());
        }
        if rng.chance(3) {
            let _ = set_flags(&target, rng.pick(&[IFlags::IMMUTABLE, IFlags::APPEND]));
        }
        Ok(())
    }

    fn make_directories_above(&self, chosen: &str) {
        for (end, _) in chosen.match_indices('/') {
            let directory = self.directory.join(&chosen[..end]);
            forget_flags(&directory);
            if !is_real_directory(&directory) {
                let _ = remove(&directory);
                let _ = fs::create_dir(&directory);
            }
        }
        forget_flags(&self.directory);
    }

    /// Makes something where nothing is.
    fn make(&mut self, rng: &mut Rng, target: &Path) -> std::io::Result<()> {
        let node = |kind, device| mknodat(CWD, target, kind, Mode::from_raw_mode(0o600), device);
        match rng.below(20) {
            0..3 => symlink(rng.pick(&TARGETS), target)?,
            3 | 4 => node(FileType::Fifo, 0)?,
            5 | 6 => self.sockets.push(UnixDatagram::bind(target)?),
            7 => node(FileType::CharacterDevice, makedev(1, 3))?,
            8 => fs::create_dir(target)?,
            9..13 => write_new(target, &self.program)?,
            _ => write_new(target, b"something\n")?,
        }
        Ok(())
    }
}

/// Creates a file. Does not block if a FIFO exists at the path.
fn write_new(target: &Path, contents: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(CWD, target, flags, Mode::from_raw_mode(0o600))?;
    std::fs::File::from(file).write_all(contents)
}

fn is_real_directory(target: &Path) -> bool {
    target
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

fn set_flags(target: &Path, flag: IFlags) -> Result<(), Errno> {
    const NO_FLAGS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, target, flags, Mode::empty())?;
    let before = ioctl_getflags(&file)?;
    let after = before.difference(NO_FLAGS) | flag;
    if before == after {
        return Ok(());
    }
    ioctl_setflags(&file, after)
}

/// Clears the flags that prevent changes.
fn forget_flags(target: &Path) {
    let is_sealed = target
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir() || metadata.is_file());
    if is_sealed {
        let _ = set_flags(target, IFlags::empty());
    }
}

/// Removes whatever is at a target, and below it.
pub(crate) fn remove(target: &Path) -> std::io::Result<()> {
    forget_flags(target);
    if !is_real_directory(target) {
        return fs::remove_file(target);
    }
    for entry in fs::read_dir(target)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(target)
}
