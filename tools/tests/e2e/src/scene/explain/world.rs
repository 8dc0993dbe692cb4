// SPDX-License-Identifier: GPL-2.0

//! A random tree of files, and the mount that it is seen through.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use idmap::{
    Attributes, IdMaps, IdmappedMount, UserNs,
    explain::{AclEntry, OpenMode, Operation},
};
use kselftest::{acl, rng::Rng, syscalls::set_xattr};
use rustix::fs::{
    AtFlags, CWD, FileType, FsWord, Gid, IFlags, Mode, OFlags, Uid, chmodat, chownat,
    ioctl_getflags, ioctl_setflags, mknodat, openat, statfs,
};
use rustix::io::Errno;

use super::IDS;
use crate::report::{Context, Failure};

/// Directories, each before its entries.
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

/// Paths of questions, beside the names above.
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
    attributes: Vec<Attributes>,
    is_btrfs: bool,
}

impl World {
    /// Makes the tree of a number at a path where nothing is.
    pub(super) fn new(rng: &mut Rng, number: u32, root: &Path) -> Result<Self, Failure> {
        let above = root.parent().unwrap_or(root);
        let is_btrfs = statfs(above).context(above.display())?.f_type == BTRFS;
        for name in DIRECTORIES {
            let path = root.join(name);
            match is_btrfs && rng.once_in(3) {
                true => subvolume(&format!("create {}", path.display()))?,
                false => fs::create_dir(&path).context(path.display())?,
            }
        }
        for name in FILES {
            let path = root.join(name);
            fs::write(&path, "text").context(path.display())?;
        }
        for (name, text) in LINKS {
            let path = root.join(name);
            std::os::unix::fs::symlink(text, &path).context(path.display())?;
        }
        for name in FIFOS {
            let path = root.join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::empty(), 0).context(path.display())?;
        }
        let map = maps(rng, false);
        // Most owners are mapped.
        let links = LINKS.map(|(name, _)| name);
        for name in DIRECTORIES.iter().chain(&FILES).chain(&links).chain(&FIFOS) {
            let path = root.join(name);
            let (user, group) = (rng.pick(&IDS), rng.pick(&IDS));
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            chownat(CWD, &path, Some(user), Some(group), flags).context(path.display())?;
            if links.contains(name) {
                continue;
            }
            let mode = if DIRECTORIES.contains(name) {
                rng.pick(&DIRECTORY_MODES)
            } else {
                rng.pick(&FILE_MODES)
            };
            let mode = Mode::from_raw_mode(mode);
            chmodat(CWD, &path, mode, AtFlags::empty()).context(path.display())?;
            if rng.once_in(if DIRECTORIES.contains(name) { 8 } else { 3 }) {
                set_acl(rng, &path)?;
            }
        }
        if is_btrfs && rng.once_in(3) {
            let name = rng.pick(&DIRECTORIES);
            // Most are no subvolumes.
            let line = format!("property set {} ro true", root.join(name).display());
            let _ = btrfs(&line);
        }
        for name in DIRECTORIES.iter().chain(&FILES) {
            if rng.once_in(14) {
                let flag = rng.pick(&[IFlags::IMMUTABLE, IFlags::APPEND]);
                let path = root.join(name);
                let file = openat(CWD, &path, OFlags::RDONLY, Mode::empty());
                let file = file.context(path.display())?;
                let flags = match ioctl_getflags(&file) {
                    // The filesystem has no such flags.
                    Err(Errno::NOTTY) => continue,
                    flags => flags.context(path.display())?,
                };
                match ioctl_setflags(&file, flags | flag) {
                    // The subvolume is read-only.
                    Err(Errno::ROFS) => continue,
                    set => set.context(path.display())?,
                }
            }
        }
        let mut attributes = Vec::new();
        for (place, attribute) in [
            Attributes::READ_ONLY,
            Attributes::NO_EXEC,
            Attributes::NO_SYMFOLLOW,
        ]
        .into_iter()
        .enumerate()
        {
            // Each attribute is in a run of ten worlds at least once.
            if number as usize % 10 == place || rng.once_in(20) {
                attributes.push(attribute);
            }
        }
        Ok(Self {
            root: root.to_owned(),
            map,
            attributes,
            is_btrfs,
        })
    }

    pub(super) fn is_btrfs(&self) -> bool {
        self.is_btrfs
    }

    /// The map that it is seen through.
    pub(super) fn map(&self) -> &str {
        &self.map
    }

    /// A name of the world, and something to do with it.
    pub(super) fn question(&self, rng: &mut Rng, target: &Path) -> (&'static str, Operation) {
        if !self.is_btrfs || !rng.once_in(4) {
            return question(rng, target);
        }
        let directory = |rng: &mut Rng| match rng.below(6) {
            0 => rng.pick(&ODD),
            1 => rng.pick(&FILES),
            _ => rng.pick(&DIRECTORIES),
        };
        let name = directory(rng);
        let operation = match rng.below(5) {
            0 => Operation::SubvolCreate,
            1 => Operation::SubvolSnapshot(target.join(directory(rng))),
            2 => Operation::SubvolSnapshot(target.join("d/snapshot")),
            _ => Operation::SubvolDelete,
        };
        (name, operation)
    }

    /// Mounts it.
    pub(super) fn mount(&self, target: &Path) -> Result<(), Failure> {
        let maps: IdMaps = self.map.parse().context(&self.map)?;
        let userns = UserNs::new(&maps).context(&self.map)?;
        let mut mount = IdmappedMount::of(&self.root).map(&userns);
        for attribute in &self.attributes {
            mount = mount.set(*attribute);
        }
        mount.attach(target).context(&self.map)
    }
}

/// `BTRFS_SUPER_MAGIC` of `linux/magic.h`.
const BTRFS: FsWord = 0x9123_683e;

/// Runs `btrfs`.
fn btrfs(line: &str) -> Result<(), Failure> {
    let run = Command::new("btrfs").args(line.split(' ')).output();
    let output = run.context("running btrfs")?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "btrfs {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

fn subvolume(line: &str) -> Result<(), Failure> {
    btrfs(&format!("subvolume {line}"))
}

/// Maps that have most of the ids, mostly mixed up; for a caller's namespace always 0.
pub(super) fn maps(rng: &mut Rng, with_root: bool) -> String {
    let mut map = |kind: char| {
        let to = rng.shuffled(&IDS);
        let same = rng.once_in(4);
        let mut ranges = String::new();
        for (from, to) in IDS.iter().zip(to) {
            if !rng.once_in(7) || *from == 0 && with_root {
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
fn set_acl(rng: &mut Rng, path: &Path) -> Result<(), Failure> {
    let entry = |rng: &mut Rng, tag: u16, id: u32| (tag, rng.below(8) as u16, id);
    let mut entries = vec![entry(rng, acl::USER_OBJ, acl::NO_ID)];
    for _ in 0..rng.below(3) {
        let id = rng.pick(&IDS);
        entries.push(entry(rng, acl::USER, id));
    }
    entries.push(entry(rng, acl::GROUP_OBJ, acl::NO_ID));
    for _ in 0..rng.below(3) {
        let id = rng.pick(&IDS);
        entries.push(entry(rng, acl::GROUP, id));
    }
    entries.push(entry(rng, acl::MASK, acl::NO_ID));
    entries.push(entry(rng, acl::OTHER, acl::NO_ID));
    let value = acl::encode(&entries);
    set_xattr(path, acl::ACCESS, &value).context(path.display())
}

/// A name of the world, and something to do with it.
fn question(rng: &mut Rng, target: &Path) -> (&'static str, Operation) {
    let some = |rng: &mut Rng| match rng.below(8) {
        0 => rng.pick(&DIRECTORIES),
        1 => rng.pick(&LINKS).0,
        2 => rng.pick(&FIFOS),
        3 => rng.pick(&ODD),
        _ => rng.pick(&FILES),
    };
    let directory = |rng: &mut Rng| match rng.below(3) {
        0 => rng.pick(&ODD),
        _ => rng.pick(&DIRECTORIES),
    };
    let open = [
        OpenMode::Read,
        OpenMode::Write,
        OpenMode::ReadWrite,
        OpenMode::Append,
        OpenMode::Create,
    ];
    const MORE_IDS: [u32; 9] = [0, 1, 2, 5, 1000, 1001, 5000, 65534, 77];
    let id = |rng: &mut Rng| rng.pick(&MORE_IDS);
    match rng.below(22) {
        0 => (some(rng), Operation::Stat),
        1..=3 => {
            let name = some(rng);
            (name, Operation::Open(rng.pick(&open)))
        }
        4 => (some(rng), Operation::Exec),
        5 => (directory(rng), Operation::Create),
        6 => (directory(rng), Operation::Mkdir),
        7 => (directory(rng), Operation::Mkfifo),
        8 => (directory(rng), Operation::Symlink),
        9 => (directory(rng), Operation::Tmpfile),
        10 => (some(rng), Operation::Unlink),
        11 => (directory(rng), Operation::Rmdir),
        12 => {
            let (name, to) = (some(rng), some(rng));
            (name, Operation::Rename(target.join(to)))
        }
        13 => {
            let (name, to) = (some(rng), directory(rng));
            (name, Operation::Link(target.join(to)))
        }
        14 => {
            let mode = rng.pick(&FILE_MODES) | rng.pick(&[0, 0o2000]);
            (some(rng), Operation::Chmod(mode))
        }
        15 => {
            let (user, group) = (id(rng), id(rng));
            let both = rng.once_in(2).then_some(group);
            (some(rng), Operation::Chown(Some(user), both))
        }
        16 => {
            let group = id(rng);
            (some(rng), Operation::Chown(None, Some(group)))
        }
        17 => {
            let touch = rng.pick(&[true, false]);
            let operation = if touch {
                Operation::Touch
            } else {
                Operation::SetTimes
            };
            (some(rng), operation)
        }
        18 => (some(rng), Operation::Truncate),
        19 => {
            let name = rng.pick(&["user.a", "trusted.a", "security.a"]);
            (some(rng), Operation::SetXattr(name.to_owned()))
        }
        20 => {
            let root = rng.once_in(2).then_some(id(rng));
            (rng.pick(&FILES), Operation::SetCap(root))
        }
        _ => {
            let id = id(rng);
            let entry = rng.pick(&[AclEntry::User(id), AclEntry::Group(id)]);
            (some(rng), Operation::SetFacl(entry))
        }
    }
}
