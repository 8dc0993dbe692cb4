// SPDX-License-Identifier: GPL-2.0

//! A random tree, its mounts, and the processes that see it.

use std::{
    fs,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::symlink, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use idmap::{
    IdMaps, IdmappedMount, UserNs,
    explain::{AclEntry, OpenMode, Operation},
    unmount,
};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, IFlags, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
        chmodat, chownat, ioctl_getflags, ioctl_setflags, mknodat, open, setxattr, utimensat,
    },
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::random::Random;

const DIRECTORIES: [&str; 8] = ["", "d", "d/e", "d/full", "d/full/x", "s", "t", "b"];
const FILES: [&str; 8] = ["d/f", "d/g", "d/full/h", "s/f", "s/g", "t/f", "f", "b/f"];
const LINKS: [(&str, &str); 5] = [
    ("d/l", "f"),
    ("d/up", "../s/g"),
    ("d/lost", "missing"),
    ("s/l", "../d"),
    ("d/round", "round"),
];
const SPECIAL: [&str; 3] = ["d/p", "s/p", "d/dev"];
const ODD: [&str; 14] = [
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
    "s/l/f",
    "new",
];
const IDS: [u32; 5] = [0, 1, 2, 1000, 1001];

/// The caller.
pub(crate) enum Who {
    Us,
    User(u32, u32),
    Process(u32),
}

/// A way to name the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// From the working directory of this program.
    Relative,
    Absolute,
    /// Through an idmapped mount.
    Mapped,
    /// Through magic links of this program.
    OwnCwd,
    Descriptor,
    /// Through magic links of a process in another mount namespace.
    Root,
    Cwd,
    /// As such a process has it.
    ProcessRelative,
    ProcessAbsolute,
}

/// The tree.
pub(crate) struct World {
    /// The filesystem that all is on, and another one that a mount covers.
    roots: Vec<PathBuf>,
    tree: PathBuf,
    mapped: PathBuf,
    descriptor: OwnedFd,
    other: Child,
    top: PathBuf,
}

fn run<T, E: std::fmt::Debug>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:?}"))
}

impl World {
    /// Makes a tree and its mounts in a new mount namespace of this thread.
    pub(crate) fn new(random: &mut Random) -> Self {
        // SAFETY: No other thread shares the working directory and the mounts of this one after
        // that, which is what the call is for; descriptors stay shared.
        run("unshare", unsafe { unshare_unsafe(UnshareFlags::NEWNS) });
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        run("making mounts private", mount_change("/", private));
        let top = std::env::temp_dir().join(format!("unchanged.{}", std::process::id()));
        let _ = fs::create_dir(&top);
        let flags = MountFlags::empty();
        // Nearly full filesystems are small.
        let full = random.once_in(4);
        let options = match full {
            true => c"size=64k,nr_inodes=60,mode=755",
            false => c"size=1m,nr_inodes=200,mode=755",
        };
        run(
            "mounting a tmpfs",
            mount("none", &top, "tmpfs", flags, Some(options)),
        );
        let names = ["tree", "mapped", "covered", "other"];
        for name in names {
            run(name, fs::create_dir(top.join(name)));
        }
        let (tree, mapped) = (top.join("tree"), top.join("mapped"));
        fill(random, &tree);
        // Another mount in the tree, of a directory with the same names.
        if random.once_in(3) {
            run("binding", mount_bind(tree.join("s"), tree.join("b")));
        }
        let maps: IdMaps = "b:0:0:1 b:1:1000:2 b:1000:1:2".parse().expect("a map");
        let userns = run("a namespace", UserNs::new(&maps));
        let mapping = IdmappedMount::of(&tree).map(&userns);
        run("mounting", mapping.attach(&mapped));
        // A process in another mount namespace, where other files have the same names.
        let other = sleeper(&tree, &top.join("other"));
        if full && random.once_in(2) {
            use_up(&tree);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = run("opening the tree", open(&tree, flags, Mode::empty()));
        run("chdir", rustix::process::chdir(&tree));
        Self {
            roots: vec![tree.clone(), top.join("other")],
            tree,
            mapped,
            descriptor,
            other,
            top,
        }
    }

    /// The process in another mount namespace.
    pub(crate) fn process(&self) -> u32 {
        self.other.id()
    }

    pub(crate) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// A caller, how it names the tree, and both as options of the program.
    pub(crate) fn caller(&self, random: &mut Random) -> (Who, Place, Vec<String>) {
        let places = [
            Place::Relative,
            Place::Absolute,
            Place::Mapped,
            Place::Mapped,
            Place::OwnCwd,
            Place::Descriptor,
            Place::Root,
            Place::Cwd,
            Place::ProcessRelative,
            Place::ProcessAbsolute,
        ];
        let place = random.pick(&places);
        let pid = self.other.id();
        match place {
            Place::ProcessRelative | Place::ProcessAbsolute => {
                (Who::Process(pid), place, vec![format!("--process={pid}")])
            }
            // Others may not follow the magic links of this program.
            Place::OwnCwd | Place::Descriptor | Place::Root | Place::Cwd => {
                (Who::Us, place, Vec::new())
            }
            Place::Relative | Place::Absolute | Place::Mapped => match random.once_in(3) {
                true => (Who::Us, place, Vec::new()),
                false => {
                    let (user, group) = (random.pick(&IDS), random.pick(&IDS));
                    let option = format!("--as={user}:{group}");
                    (Who::User(user, group), place, vec![option])
                }
            },
        }
    }

    /// A path of the tree.
    pub(crate) fn path(&self, random: &mut Random, place: Place) -> PathBuf {
        let name = some(random);
        self.place(place, name)
    }

    fn place(&self, place: Place, name: &str) -> PathBuf {
        let (own, pid) = (std::process::id(), self.other.id());
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let tree = self.tree.display();
        let prefix = match place {
            Place::Relative | Place::ProcessRelative if name.is_empty() => return ".".into(),
            Place::Relative | Place::ProcessRelative => return name.into(),
            Place::Absolute | Place::ProcessAbsolute => format!("{tree}"),
            Place::Mapped => format!("{}", self.mapped.display()),
            Place::OwnCwd => format!("/proc/{own}/task/{thread}/cwd"),
            Place::Descriptor => format!("/proc/{own}/fd/{}", self.descriptor.as_raw_fd()),
            Place::Root => format!("/proc/{pid}/root{tree}"),
            Place::Cwd => format!("/proc/{pid}/cwd"),
        };
        format!("{prefix}/{name}").into()
    }

    pub(crate) fn operation(&self, random: &mut Random, place: Place) -> Operation {
        let to = |random: &mut Random| {
            let name = some(random);
            match random.once_in(6) {
                // Across mounts.
                true => self.place(Place::Absolute, name),
                false => self.place(place, name),
            }
        };
        let mode = random.pick(&[
            OpenMode::Read,
            OpenMode::Write,
            OpenMode::ReadWrite,
            OpenMode::Append,
            OpenMode::Create,
        ]);
        let id = random.pick(&IDS);
        match random.below(24) {
            0 => Operation::Stat,
            1 | 2 => Operation::Open(mode),
            3 => Operation::Create,
            4 => Operation::Mkdir,
            5 => Operation::Mkfifo,
            6 => Operation::Symlink,
            7 => Operation::Tmpfile,
            8..=10 => Operation::Unlink,
            11 => Operation::Rmdir,
            12..=14 => Operation::Rename(to(random)),
            15 | 16 => Operation::Link(to(random)),
            17 => Operation::Chmod(random.pick(&[0o600, 0o4755, 0o2755, 0o777])),
            18 => Operation::Chown(Some(id), None),
            19 => Operation::Chown(None, Some(id)),
            20 => random.pick(&[Operation::Touch, Operation::SetTimes]),
            21 => Operation::Truncate,
            22 => random.pick(&[
                Operation::SetXattr("user.a".to_owned()),
                Operation::SetXattr("trusted.a".to_owned()),
                Operation::SetCap(None),
                Operation::SetCap(Some(id)),
            ]),
            _ => Operation::SetFacl(random.pick(&[AclEntry::User(id), AclEntry::Group(id)])),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.other.kill();
        let _ = self.other.wait();
        let _ = rustix::process::chdir("/");
        let _ = unmount(&self.top, true);
        let _ = fs::remove_dir(&self.top);
    }
}

fn some(random: &mut Random) -> &'static str {
    match random.below(8) {
        0 => random.pick(&DIRECTORIES),
        1 => random.pick(&LINKS).0,
        2 => random.pick(&SPECIAL),
        3 => random.pick(&ODD),
        _ => random.pick(&FILES),
    }
}

/// Makes the objects of the tree, with random owners, modes, attributes and times.
fn fill(random: &mut Random, tree: &Path) {
    for name in DIRECTORIES.iter().filter(|name| !name.is_empty()) {
        run(name, fs::create_dir(tree.join(name)));
    }
    for name in FILES {
        run(name, fs::write(tree.join(name), name));
    }
    for (name, text) in LINKS {
        run(name, symlink(text, tree.join(name)));
    }
    for name in SPECIAL {
        let kind = match name {
            "d/dev" => FileType::CharacterDevice,
            _ => FileType::Fifo,
        };
        let made = mknodat(CWD, tree.join(name), kind, Mode::empty(), 0x103);
        run(name, made);
    }
    let links = LINKS.map(|(name, _)| name);
    let all = DIRECTORIES
        .iter()
        .chain(&FILES)
        .chain(&SPECIAL)
        .chain(&links);
    for name in all {
        let path = tree.join(name);
        let (user, group) = (random.pick(&IDS), random.pick(&IDS));
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        run(name, chownat(CWD, &path, Some(user), Some(group), flags));
        if !links.contains(name) {
            let modes = match DIRECTORIES.contains(name) {
                true => [0o755, 0o777, 0o777, 0o1777, 0o1777, 0o2775, 0o711, 0o3777],
                false => [0o644, 0o600, 0o666, 0o4755, 0o2755, 0o6777, 0o400, 0o000],
            };
            let mode = Mode::from_raw_mode(random.pick(&modes));
            run(name, chmodat(CWD, &path, mode, AtFlags::empty()));
        }
        let is_special = SPECIAL.contains(name) || links.contains(name);
        if !is_special && random.once_in(3) {
            let value = b"a value";
            let empty = XattrFlags::empty();
            run(name, setxattr(&path, "trusted.test", value, empty));
        }
        if !is_special && random.once_in(4) {
            run(name, set_acl(random, &path));
        }
    }
    for name in DIRECTORIES.iter().chain(&FILES).rev() {
        let path = tree.join(name);
        let old = Timespec {
            tv_sec: 1_000_000_000 + i64::from(random.below(1000)),
            tv_nsec: 123_456_789,
        };
        let times = Timestamps {
            last_access: old,
            last_modification: old,
        };
        run(name, utimensat(CWD, &path, &times, AtFlags::empty()));
        if random.once_in(16) && !name.is_empty() {
            let flag = random.pick(&[IFlags::IMMUTABLE, IFlags::APPEND]);
            let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::CLOEXEC;
            let file = run(name, open(&path, flags, Mode::empty()));
            if let Ok(flags) = ioctl_getflags(&file) {
                run(name, ioctl_setflags(&file, flags | flag));
            }
        }
    }
}

/// Sets an ACL with one named user.
fn set_acl(random: &mut Random, path: &Path) -> Result<(), rustix::io::Errno> {
    let mut value = 2u32.to_le_bytes().to_vec();
    let user = random.pick(&IDS);
    for (tag, id) in [
        (1u16, u32::MAX),
        (2, user),
        (4, u32::MAX),
        (16, u32::MAX),
        (32, u32::MAX),
    ] {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&(random.below(8) as u16).to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    setxattr(path, "system.posix_acl_access", &value, XattrFlags::empty())
}

/// Fills the filesystem of the tree.
fn use_up(tree: &Path) {
    let below = tree.join("../filler");
    run("a directory", fs::create_dir(&below));
    for number in 0..1000 {
        if fs::write(below.join(number.to_string()), [0; 4096]).is_err() {
            break;
        }
    }
    while fs::File::create(below.join("x".repeat(8))).is_ok() {
        let name = below.join(format!(
            "more-{}",
            fs::read_dir(&below).expect("it").count()
        ));
        if fs::File::create(name).is_err() {
            break;
        }
    }
}

/// A process in a mount namespace of its own, in which `other` is mounted over the tree.
fn sleeper(tree: &Path, other: &Path) -> Child {
    for name in ["d", "s"] {
        run(name, fs::create_dir(other.join(name)));
        for file in ["f", "g"] {
            run(file, fs::write(other.join(name).join(file), "other"));
        }
    }
    let (tree, other) = (tree.to_owned(), other.to_owned());
    let mut command = Command::new("sleep");
    command
        .arg("100000")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let enter = move || -> std::io::Result<()> {
        // SAFETY: The child of a fork has one thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_bind(&other, &tree)?;
        rustix::process::chdir(&tree)?;
        Ok(())
    };
    // SAFETY: After the fork `enter` makes system calls by rustix, with paths that need no memory
    // beyond the stack.
    unsafe { command.pre_exec(enter) };
    run("sleep", command.spawn())
}
