// SPDX-License-Identifier: GPL-2.0

//! Operations of callers: one random system call, or a short sequence.

use std::fmt;

use kselftest::acl;
use kselftest::fscaps;
use kselftest::rng::Rng;
use rustix::fs::{Access, OFlags, RenameFlags};

use crate::{
    map::IDS,
    shape::{Namespace, Shape, names},
    xattr,
};

/// The directories of a world; the first is its root.
const DIRECTORIES: [&str; 6] = ["", "d", "e", "d/n", "e/n", "g"];
/// The names of files in the directories.
const NAMES: [&str; 8] = ["a", "b", "c", "p", "s", "x", "y", "n"];
/// Permission bits for files and directories.
pub(crate) const MODES: [u32; 20] = [
    0o644, 0o600, 0o666, 0o755, 0o700, 0o777, 0o750, 0o640, 0o440, 0o000, 0o4755, 0o2755, 0o6755,
    0o2745, 0o1777, 0o2777, 0o3777, 0o2644, 0o7777, 0o1755,
];

/// A path in the world.
pub(crate) fn path(rng: &mut Rng) -> String {
    if rng.chance(15) {
        return rng.pick(&DIRECTORIES).to_owned();
    }
    let (directory, name) = (rng.pick(&DIRECTORIES), rng.pick(&NAMES));
    if directory.is_empty() {
        return name.to_owned();
    }
    format!("{directory}/{name}")
}

/// The path of a directory of the world.
pub(crate) fn directory(rng: &mut Rng) -> String {
    rng.pick(&DIRECTORIES).to_owned()
}

/// The special file that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Fifo,
    Socket,
    /// The file in which everything vanishes.
    Null,
    /// A whiteout of overlayfs: the device that needs no capability.
    Whiteout,
    File,
}

/// Times to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Now,
    /// Only one of the two now, which is not the same permission.
    OneNow,
    /// Fixed ones.
    Some,
    /// Neither.
    Omitted,
}

/// One thing to do. All paths begin at the root of a mount.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open(String, OFlags, u32),
    Tmpfile(String, OFlags, u32, Option<String>),
    Mkdir(String, u32),
    Mknod(String, Node, u32),
    Bind(String),
    Symlink(&'static str, String),
    Link(String, String, bool),
    Rename(String, String, RenameFlags),
    Unlink(String),
    Rmdir(String),
    Chown(String, Option<u32>, Option<u32>, bool),
    Chmod(String, u32),
    Flags(String, bool, bool),
    Setxattr(String, &'static str, Vec<u8>),
    Removexattr(String, &'static str),
    Getxattr(String, &'static str),
    Listxattr(String),
    Stat(String, bool),
    Access(String, Access, bool),
    Truncate(String, u32),
    Write(String, bool),
    Utimes(String, Times),
    Exec(String),
    Connect(String),
    Lease(String),
    Readdir(String),
    Readlink(String),
}

/// The flags of open(2), and their names.
const OPEN_FLAGS: [(OFlags, &str); 10] = [
    (OFlags::WRONLY, "wronly"),
    (OFlags::RDWR, "rdwr"),
    (OFlags::CREATE, "creat"),
    (OFlags::EXCL, "excl"),
    (OFlags::TRUNC, "trunc"),
    (OFlags::APPEND, "append"),
    (OFlags::NOATIME, "noatime"),
    (OFlags::DIRECTORY, "directory"),
    (OFlags::NOFOLLOW, "nofollow"),
    (OFlags::PATH, "path"),
];
const RENAME_FLAGS: [(RenameFlags, &str); 3] = [
    (RenameFlags::NOREPLACE, "noreplace"),
    (RenameFlags::EXCHANGE, "exchange"),
    (RenameFlags::WHITEOUT, "whiteout"),
];
const ACCESSES: [(Access, &str); 3] = [
    (Access::READ_OK, "r"),
    (Access::WRITE_OK, "w"),
    (Access::EXEC_OK, "x"),
];
/// Where symbolic links lead.
pub(crate) const TARGETS: [&str; 6] = ["a", "b", "d/a", "../a", "x", "d"];
const ATTRIBUTES: [&str; 8] = [
    "user.a",
    "user.b",
    "trusted.a",
    "security.a",
    fscaps::NAME,
    fscaps::NAME,
    acl::ACCESS,
    acl::DEFAULT,
];

/// A user or group to name: mostly one of those that the namespace has, now and then none.
fn id(rng: &mut Rng, there: &[u32]) -> Option<u32> {
    match rng.below(10) {
        0 | 1 => None,
        2 => Some(rng.pick(&IDS)),
        _ => Some(rng.pick(there)),
    }
}

fn open_flags(rng: &mut Rng) -> OFlags {
    let mut flags = rng.pick(&[OFlags::RDONLY, OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR]);
    for (flag, percent) in [
        (OFlags::CREATE, 45),
        (OFlags::TRUNC, 15),
        (OFlags::APPEND, 10),
        (OFlags::NOATIME, 15),
        (OFlags::DIRECTORY, 5),
        (OFlags::NOFOLLOW, 10),
        (OFlags::PATH, 4),
    ] {
        if rng.chance(percent) {
            flags |= flag;
        }
    }
    if flags.contains(OFlags::CREATE) && rng.chance(25) {
        flags |= OFlags::EXCL;
    }
    flags
}

impl Op {
    /// Something that a caller in this namespace does.
    fn random(rng: &mut Rng, inside: &Namespace) -> Self {
        let at = path(rng);
        let (users, groups) = (inside.users.ids(), inside.groups.ids());
        match rng.below(100) {
            0..14 => Self::Open(at, open_flags(rng), rng.pick(&MODES)),
            14..18 => {
                let mut flags = rng.pick(&[OFlags::WRONLY, OFlags::RDWR]);
                let to = rng.chance(60).then(|| path(rng));
                if to.is_none() && rng.chance(30) {
                    flags |= OFlags::EXCL;
                }
                Self::Tmpfile(directory(rng), flags, rng.pick(&MODES), to)
            }
            18..22 => Self::Mkdir(at, rng.pick(&MODES)),
            22..26 => {
                let nodes = [
                    Node::Fifo,
                    Node::Socket,
                    Node::Null,
                    Node::Whiteout,
                    Node::File,
                ];
                Self::Mknod(at, rng.pick(&nodes), rng.pick(&MODES))
            }
            26 => Self::Bind(at),
            27..30 => Self::Symlink(rng.pick(&TARGETS), at),
            30..34 => Self::Link(at, path(rng), rng.chance(30)),
            34..39 => {
                let flags = match rng.below(10) {
                    0..2 => RenameFlags::NOREPLACE,
                    2..4 => RenameFlags::EXCHANGE,
                    4 => RenameFlags::WHITEOUT,
                    _ => RenameFlags::empty(),
                };
                Self::Rename(at, path(rng), flags)
            }
            39..43 => Self::Unlink(at),
            43..45 => Self::Rmdir(if rng.chance(50) { directory(rng) } else { at }),
            45..53 => Self::Chown(at, id(rng, users), id(rng, groups), rng.chance(70)),
            53..58 => Self::Chmod(at, rng.pick(&MODES)),
            58..60 => Self::Flags(at, rng.chance(20), rng.chance(20)),
            60..67 => {
                let name = rng.pick(&ATTRIBUTES);
                let mut named = |there| id(rng, there).unwrap_or(7);
                let (users, groups) = ([named(users); 1], [named(groups); 1]);
                let value = match name {
                    acl::ACCESS | acl::DEFAULT => xattr::random(rng, &users, &groups),
                    fscaps::NAME => xattr::capability(rng, &users),
                    _ => vec![rng.below(4) as u8],
                };
                Self::Setxattr(at, name, value)
            }
            67..69 => Self::Removexattr(at, rng.pick(&ATTRIBUTES)),
            69..72 => Self::Getxattr(at, rng.pick(&ATTRIBUTES)),
            72 => Self::Listxattr(at),
            73..77 => Self::Stat(at, rng.chance(50)),
            77..81 => {
                let access = Access::from_bits_retain(rng.below(8) as u32);
                Self::Access(at, access, rng.chance(50))
            }
            81..83 => Self::Truncate(at, rng.pick(&[0, 1, 100, 5000])),
            83..87 => Self::Write(at, rng.chance(50)),
            87..91 => {
                let times = [Times::Now, Times::OneNow, Times::Some, Times::Omitted];
                Self::Utimes(at, rng.pick(&times))
            }
            91..94 => Self::Exec(at),
            94..96 => Self::Connect(at),
            96 => Self::Lease(at),
            97 | 98 => Self::Readdir(directory(rng)),
            _ => Self::Readlink(at),
        }
    }

    /// Returns the name of the operation, for the counts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Open(_, flags, _) if flags.contains(OFlags::CREATE) => "create",
            Self::Open(..) => "open",
            Self::Tmpfile(..) => "tmpfile",
            Self::Mkdir(..) => "mkdir",
            Self::Mknod(..) => "mknod",
            Self::Bind(_) => "bind",
            Self::Symlink(..) => "symlink",
            Self::Link(..) => "link",
            Self::Rename(..) => "rename",
            Self::Unlink(_) => "unlink",
            Self::Rmdir(_) => "rmdir",
            Self::Chown(_, _, _, true) => "chown",
            Self::Chown(_, _, _, false) => "lchown",
            Self::Chmod(..) => "chmod",
            Self::Flags(..) => "chattr",
            Self::Setxattr(_, acl::ACCESS | acl::DEFAULT, _) => "setfacl",
            Self::Setxattr(_, fscaps::NAME, _) => "setcap",
            Self::Setxattr(..) => "setxattr",
            Self::Removexattr(..) => "removexattr",
            Self::Getxattr(_, acl::ACCESS | acl::DEFAULT) => "getfacl",
            Self::Getxattr(_, fscaps::NAME) => "getcap",
            Self::Getxattr(..) => "getxattr",
            Self::Listxattr(_) => "listxattr",
            Self::Stat(_, true) => "stat",
            Self::Stat(_, false) => "lstat",
            Self::Access(_, _, false) => "access",
            Self::Access(_, _, true) => "eaccess",
            Self::Truncate(..) => "truncate",
            Self::Write(..) => "write",
            Self::Utimes(..) => "utimes",
            Self::Exec(_) => "exec",
            Self::Connect(_) => "connect",
            Self::Lease(_) => "lease",
            Self::Readdir(_) => "readdir",
            Self::Readlink(_) => "readlink",
        }
    }

    /// The paths that it may change.
    pub(crate) fn changes(&self) -> Vec<&str> {
        match self {
            Self::Open(at, ..)
            | Self::Mkdir(at, _)
            | Self::Mknod(at, ..)
            | Self::Bind(at)
            | Self::Symlink(_, at)
            | Self::Unlink(at)
            | Self::Rmdir(at)
            | Self::Chown(at, ..)
            | Self::Chmod(at, _)
            | Self::Flags(at, ..)
            | Self::Setxattr(at, ..)
            | Self::Removexattr(at, _)
            | Self::Truncate(at, _)
            | Self::Write(at, _)
            | Self::Utimes(at, _) => vec![at],
            Self::Link(from, to, _) | Self::Rename(from, to, _) => vec![from, to],
            Self::Tmpfile(_, _, _, to) => to.as_deref().into_iter().collect(),
            Self::Getxattr(..)
            | Self::Listxattr(_)
            | Self::Stat(..)
            | Self::Access(..)
            | Self::Exec(_)
            | Self::Connect(_)
            | Self::Lease(_)
            | Self::Readdir(_)
            | Self::Readlink(_) => Vec::new(),
        }
    }
}

/// A path as the trace has it: the root of the world is not nothing.
pub(crate) fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        let number = |id: &Option<u32>| id.map_or("-".to_owned(), |id| id.to_string());
        match self {
            Self::Open(at, flags, mode) => {
                let flags = names(&OPEN_FLAGS, |flag| flags.contains(flag));
                write!(f, " {} {flags} {mode:04o}", shown(at))
            }
            Self::Tmpfile(at, flags, mode, to) => {
                let flags = names(&OPEN_FLAGS, |flag| flags.contains(flag));
                write!(f, " {} {flags} {mode:04o}", shown(at))?;
                to.as_ref()
                    .map_or(Ok(()), |to| write!(f, " to {}", shown(to)))
            }
            Self::Mkdir(at, mode) | Self::Chmod(at, mode) => write!(f, " {} {mode:04o}", shown(at)),
            Self::Mknod(at, node, mode) => write!(f, " {} {node:?} {mode:04o}", shown(at)),
            Self::Symlink(target, at) => write!(f, " {target} {}", shown(at)),
            Self::Link(from, to, follow) => {
                let follow = if *follow { " follow" } else { "" };
                write!(f, " {} {}{follow}", shown(from), shown(to))
            }
            Self::Rename(from, to, flags) => {
                let flags = names(&RENAME_FLAGS, |flag| flags.contains(flag));
                write!(f, " {} {} {flags}", shown(from), shown(to))
            }
            Self::Chown(at, user, group, _) => {
                write!(f, " {} {}:{}", shown(at), number(user), number(group))
            }
            Self::Flags(at, immutable, append) => {
                write!(f, " {} immutable={immutable} append={append}", shown(at))
            }
            Self::Setxattr(at, name, value) => {
                write!(
                    f,
                    " {} {name}={}",
                    shown(at),
                    xattr::show_attribute(name, value)
                )
            }
            Self::Removexattr(at, name) | Self::Getxattr(at, name) => {
                write!(f, " {} {name}", shown(at))
            }
            Self::Access(at, access, _) => {
                let access = names(&ACCESSES, |it| access.contains(it));
                write!(f, " {} {access}", shown(at))
            }
            Self::Truncate(at, size) => write!(f, " {} {size}", shown(at)),
            Self::Write(at, append) => {
                let how = if *append { "append" } else { "begin" };
                write!(f, " {} {how}", shown(at))
            }
            Self::Utimes(at, times) => write!(f, " {} {times:?}", shown(at)),
            Self::Bind(at)
            | Self::Unlink(at)
            | Self::Rmdir(at)
            | Self::Listxattr(at)
            | Self::Stat(at, _)
            | Self::Exec(at)
            | Self::Connect(at)
            | Self::Lease(at)
            | Self::Readdir(at)
            | Self::Readlink(at) => write!(f, " {}", shown(at)),
        }
    }
}

/// An operation of a caller through a mount.
pub(crate) struct Step {
    pub(crate) caller: usize,
    pub(crate) mount: usize,
    /// Where a link or a renamed file goes; mostly the same mount.
    pub(crate) to_mount: usize,
    pub(crate) op: Op,
}

impl Step {
    pub(crate) fn random(rng: &mut Rng, shape: &Shape) -> Self {
        let (caller, mount) = shape.pair(rng);
        let to_mount = if rng.chance(95) {
            mount
        } else {
            rng.below(shape.mounts.len())
        };
        let inside = &shape.namespaces[shape.callers[caller].namespace];
        Self {
            caller,
            mount,
            to_mount,
            op: Op::random(rng, inside),
        }
    }
}
