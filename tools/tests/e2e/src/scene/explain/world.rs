// SPDX-License-Identifier: GPL-2.0

//! A random tree of files, and the mount that it is seen through.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mount_idmapped::{
    Attribute, IdMaps, IdmappedMount, UserNs,
    explain::{AclEntry, OpenMode, Operation},
};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Uid, XattrFlags, chmodat, chownat,
    ioctl_getflags, ioctl_setflags, mknodat, openat, setxattr,
};
use rustix::io::Errno;

use super::{super::random::Random, IDS};
use crate::report::{Doing, Failure};

/// Directories, each before what is in it.
const DIRECTORIES: [&str; 7] = ["", "d", "d/e", "d/full", "d/full/x", "s", "t"];
const FILES: [&str; 7] = ["d/f", "d/g", "d/full/h", "s/f", "s/g", "t/f", "f"];
const LINKS: [(&str, &str); 5] = [
    ("d/l", "f"),
    ("d/up", "../s/g"),
    ("d/lost", "missing"),
    ("s/l", "f"),
    ("d/round", "round"),
];
const FIFOS: [&str; 2] = ["d/p", "s/p"];

/// What questions are about, beside the above.
const ODD: [&str; 12] = [
    "d/new",
    "s/new",
    "t/new",
    "nothing/x",
    "d/f/",
    "d/e/",
    "d/new/",
    "d/.",
    "d/..",
    "d/f/x",
    "d/l/",
    "./d//g",
];

const FILE_MODES: [u32; 16] = [
    0o644, 0o600, 0o640, 0o755, 0o700, 0o666, 0o664, 0o444, 0o4755, 0o2755, 0o2644, 0o6777, 0o000,
    0o040, 0o604, 0o070,
];
const DIRECTORY_MODES: [u32; 16] = [
    0o755, 0o755, 0o777, 0o777, 0o777, 0o777, 0o1777, 0o1777, 0o1775, 0o3777, 0o2777, 0o2775,
    0o775, 0o770, 0o711, 0o700,
];

/// The world.
pub(super) struct World {
    root: PathBuf,
    map: String,
    attributes: Vec<Attribute>,
}

impl World {
    /// Makes a tree at a path where nothing is.
    pub(super) fn new(random: &mut Random, root: &Path) -> Result<Self, Failure> {
        for name in DIRECTORIES {
            let path = root.join(name);
            fs::create_dir(&path).doing(path.display())?;
        }
        for name in FILES {
            let path = root.join(name);
            fs::write(&path, "text").doing(path.display())?;
        }
        for (name, text) in LINKS {
            let path = root.join(name);
            std::os::unix::fs::symlink(text, &path).doing(path.display())?;
        }
        for name in FIFOS {
            let path = root.join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::empty(), 0).doing(path.display())?;
        }
        let map = maps(random, false);
        // Files are mostly of those whom the mount knows.
        let links = LINKS.map(|(name, _)| name);
        for name in DIRECTORIES.iter().chain(&FILES).chain(&links).chain(&FIFOS) {
            let path = root.join(name);
            let (user, group) = (random.pick(&IDS), random.pick(&IDS));
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            chownat(CWD, &path, Some(user), Some(group), flags).doing(path.display())?;
            if links.contains(name) {
                continue;
            }
            let mode = if DIRECTORIES.contains(name) {
                random.pick(&DIRECTORY_MODES)
            } else {
                random.pick(&FILE_MODES)
            };
            let mode = Mode::from_raw_mode(mode);
            chmodat(CWD, &path, mode, AtFlags::empty()).doing(path.display())?;
            if random.once_in(if DIRECTORIES.contains(name) { 8 } else { 3 }) {
                acl(random, &path)?;
            }
        }
        for name in DIRECTORIES.iter().chain(&FILES) {
            if random.once_in(14) {
                let flag = random.pick(&[IFlags::IMMUTABLE, IFlags::APPEND]);
                let path = root.join(name);
                let file = openat(CWD, &path, OFlags::RDONLY, Mode::empty());
                let file = file.doing(path.display())?;
                let flags = match ioctl_getflags(&file) {
                    // The filesystem has no such flags.
                    Err(Errno::NOTTY) => continue,
                    flags => flags.doing(path.display())?,
                };
                ioctl_setflags(&file, flags | flag).doing(path.display())?;
            }
        }
        let mut attributes = Vec::new();
        for attribute in [
            Attribute::ReadOnly,
            Attribute::NoExec,
            Attribute::NoSymfollow,
        ] {
            if random.once_in(10) {
                attributes.push(attribute);
            }
        }
        Ok(Self {
            root: root.to_owned(),
            map,
            attributes,
        })
    }

    /// The map that it is seen through.
    pub(super) fn map(&self) -> &str {
        &self.map
    }

    /// Mounts it.
    pub(super) fn mount(&self, target: &Path) -> Result<(), Failure> {
        let maps: IdMaps = self.map.parse().doing(&self.map)?;
        let userns = UserNs::new(&maps).doing(&self.map)?;
        let mut mount = IdmappedMount::of(&self.root).map(&userns);
        for attribute in &self.attributes {
            mount = mount.set(*attribute);
        }
        mount.attach(target).doing(&self.map)
    }
}

/// Maps that have most of the ids, mostly mixed up; for a caller's namespace always 0.
pub(super) fn maps(random: &mut Random, with_root: bool) -> String {
    let mut map = |kind: char| {
        let mut to = IDS;
        for index in (1..to.len()).rev() {
            let other = random.below(u32::try_from(index + 1).unwrap_or(1)) as usize;
            to.swap(index, other);
        }
        let same = random.once_in(4);
        let mut ranges = String::new();
        for (from, to) in IDS.iter().zip(to) {
            if !random.once_in(7) || *from == 0 && with_root {
                let to = if same { *from } else { to };
                ranges += &format!("{kind}:{from}:{to}:1 ");
            }
        }
        if ranges.is_empty() {
            ranges += &format!("{kind}:0:0:1 ");
        }
        ranges
    };
    let users = map('u');
    format!("{users}{}", map('g').trim_end())
}

/// Gives a file an ACL.
fn acl(random: &mut Random, path: &Path) -> Result<(), Failure> {
    const NONE: u32 = u32::MAX;
    let mut value = 2u32.to_le_bytes().to_vec();
    let mut entry = |random: &mut Random, tag: u16, id: u32| {
        let permissions = u16::try_from(random.below(8)).unwrap_or_default();
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    };
    entry(random, 0x01, NONE);
    for _ in 0..random.below(3) {
        let id = random.pick(&IDS);
        entry(random, 0x02, id);
    }
    entry(random, 0x04, NONE);
    for _ in 0..random.below(3) {
        let id = random.pick(&IDS);
        entry(random, 0x08, id);
    }
    entry(random, 0x10, NONE);
    entry(random, 0x20, NONE);
    let name = "system.posix_acl_access";
    setxattr(path, name, &value, XattrFlags::empty()).doing(path.display())
}

/// A name of the world, and something to do with it.
pub(super) fn question(random: &mut Random, target: &Path) -> (&'static str, Operation) {
    let some = |random: &mut Random| match random.below(8) {
        0 => random.pick(&DIRECTORIES),
        1 => random.pick(&LINKS).0,
        2 => random.pick(&FIFOS),
        3 => random.pick(&ODD),
        _ => random.pick(&FILES),
    };
    let directory = |random: &mut Random| match random.below(3) {
        0 => random.pick(&ODD),
        _ => random.pick(&DIRECTORIES),
    };
    let open = [
        OpenMode::Read,
        OpenMode::Write,
        OpenMode::ReadWrite,
        OpenMode::Append,
        OpenMode::Create,
    ];
    const MORE_IDS: [u32; 9] = [0, 1, 2, 5, 1000, 1001, 5000, 65534, 77];
    let id = |random: &mut Random| random.pick(&MORE_IDS);
    match random.below(22) {
        0 => (some(random), Operation::Stat),
        1..=3 => {
            let name = some(random);
            (name, Operation::Open(random.pick(&open)))
        }
        4 => (some(random), Operation::Exec),
        5 => (directory(random), Operation::Create),
        6 => (directory(random), Operation::Mkdir),
        7 => (directory(random), Operation::Mkfifo),
        8 => (directory(random), Operation::Symlink),
        9 => (directory(random), Operation::Tmpfile),
        10 => (some(random), Operation::Unlink),
        11 => (directory(random), Operation::Rmdir),
        12 => {
            let (name, to) = (some(random), some(random));
            (name, Operation::Rename(target.join(to)))
        }
        13 => {
            let (name, to) = (some(random), directory(random));
            (name, Operation::Link(target.join(to)))
        }
        14 => {
            let mode = random.pick(&FILE_MODES) | random.pick(&[0, 0o2000]);
            (some(random), Operation::Chmod(mode))
        }
        15 => {
            let (user, group) = (id(random), id(random));
            let both = random.once_in(2).then_some(group);
            (some(random), Operation::Chown(Some(user), both))
        }
        16 => {
            let group = id(random);
            (some(random), Operation::Chown(None, Some(group)))
        }
        17 => {
            let touch = random.pick(&[true, false]);
            let operation = if touch {
                Operation::Touch
            } else {
                Operation::SetTimes
            };
            (some(random), operation)
        }
        18 => (some(random), Operation::Truncate),
        19 => {
            let name = random.pick(&["user.a", "trusted.a", "security.a"]);
            (some(random), Operation::SetXattr(name.to_owned()))
        }
        20 => {
            let root = random.once_in(2).then_some(id(random));
            (random.pick(&FILES), Operation::SetCap(root))
        }
        _ => {
            let id = id(random);
            let entry = random.pick(&[AclEntry::User(id), AclEntry::Group(id)]);
            (some(random), Operation::SetFacl(entry))
        }
    }
}
