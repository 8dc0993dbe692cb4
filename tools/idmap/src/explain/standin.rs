// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Stand-ins: new objects that an operation is tried on in place of those that a user has.
//!
//! A stand-in is on the same mount as its original and has the same kind, owner, group, mode, ACLs,
//! capabilities and inode flags, which are all that permission checks look at. It is made in a new
//! directory that nobody else can write to, through a copy of the mount without a map where there
//! is one, and is compared with the original before it is used.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use kernel::fs::{mode::InodeFlags, permission::InodeAttrs};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, IFlags, Mode as Bits, OFlags, RenameFlags, Stat, Uid,
        XattrFlags, chmodat, chownat, fstat, ioctl_getflags, ioctl_setflags, linkat, mkdirat,
        mknodat, openat, readlinkat, removexattr, renameat_with, setxattr, statat, symlinkat,
    },
    io::Errno,
};

use super::{
    lookup::{Route, Step},
    names::is_filled,
    node::{Node, place, xattr},
};
use crate::{
    error::{self, Error},
    sys::{Made, Sweep, Sweeper, with_owner},
};

/// Attributes that permission checks look at.
const XATTRS: [&str; 3] = [
    "system.posix_acl_access",
    "system.posix_acl_default",
    "security.capability",
];

/// How objects are opened that are only looked at.
const OPEN: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why an operation is not tried.
pub(super) fn untried(why: impl Into<String>) -> Error {
    Error::new(error::Step::Try, "", Errno::OPNOTSUPP).because(Some(why.into()))
}

fn failed(what: &str, errno: Errno) -> Error {
    let cause = match errno {
        Errno::NOSPC | Errno::DQUOT => Some(
            "there is no room for the new object that the operation is tried on in place of the \
             real one"
                .to_owned(),
        ),
        _ => None,
    };
    Error::new(error::Step::Try, what, errno).because(cause)
}

/// The names that a trial may make in a directory; nobody else has them.
pub(super) struct Names {
    /// The directory that stand-ins are made in.
    pub(super) room: CString,
    /// A name in that, and in stand-ins for directories that are not empty.
    inner: CString,
    /// Names for stand-ins, and for what an operation makes.
    pub(super) spare: [CString; 2],
}

impl Names {
    fn new() -> Result<Self, Error> {
        let mut token = [0; 8];
        let count = rustix::rand::getrandom(&mut token, rustix::rand::GetRandomFlags::empty());
        if count != Ok(token.len()) {
            return Err(failed("finding a random number", Errno::AGAIN));
        }
        let token = format!(".mount-idmapped-try.{:016x}", u64::from_ne_bytes(token));
        let name = |rest: &str| {
            CString::new(format!("{token}{rest}")).map_err(|_| failed("", Errno::INVAL))
        };
        Ok(Self {
            room: name("")?,
            inner: name(".x")?,
            spare: [name(".1")?, name(".2")?],
        })
    }

    /// All of them, in the order in which they can be removed.
    fn all(&self) -> Vec<Made> {
        let [first, second] = &self.spare;
        let mut all = Vec::new();
        for name in [&self.room, first, second] {
            all.push(Made {
                within: Some(name.clone()),
                name: self.inner.clone(),
            });
            all.push(Made {
                within: None,
                name: name.clone(),
            });
        }
        all
    }
}

/// Directories in which a trial makes objects, which are removed with this value or by the end of
/// this program.
pub(super) struct Workshop {
    directories: Vec<Rc<Node>>,
    pub(super) names: Names,
    sweeper: Sweeper,
}

impl Workshop {
    pub(super) fn open(directories: Vec<Rc<Node>>) -> Result<Self, Error> {
        if directories.iter().any(|directory| is_copied(directory)) {
            return Err(untried(COPIED));
        }
        let names = Names::new()?;
        let all = names.all();
        let status = |node: &Rc<Node>| fstat(node.best());
        let times = |status: &Stat| {
            [
                (status.st_atime as _, status.st_atime_nsec as _),
                (status.st_mtime as _, status.st_mtime_nsec as _),
            ]
        };
        let sweep = |node| {
            let status = status(node).map_err(|errno| failed("looking at a directory", errno))?;
            Ok(Sweep {
                directory: node.best(),
                names: &all,
                times: times(&status),
            })
        };
        let sweeps: Vec<Sweep<'_>> = directories
            .iter()
            .map(sweep)
            .collect::<Result<_, Error>>()?;
        let sweeper = Sweeper::start(&sweeps)
            .map_err(|errno| failed("starting the process that cleans up", errno))?;
        drop(sweeps);
        Ok(Self {
            directories,
            names,
            sweeper,
        })
    }

    /// Removes all that was made, and sets the times of the directories back.
    pub(super) fn close(self) -> Result<(), Error> {
        let times = self.directories.iter().map(|node| {
            let status = fstat(node.best())?;
            Ok((status.st_mtime as _, status.st_mtime_nsec as _))
        });
        let times: Result<Vec<_>, Errno> = times.collect();
        let done = times.and_then(|times| self.sweeper.sweep(&times));
        done.map_err(|errno| {
            let directories: Vec<String> = self
                .directories
                .iter()
                .map(|node| super::lookup::shown(node))
                .collect();
            let cause = format!(
                "names that begin with .mount-idmapped-try. may be left in {}; they are empty and \
                 can be removed",
                directories.join(" and ")
            );
            Error::new(error::Step::CleanUp, "", errno).because(Some(cause))
        })
    }

    /// Makes a stand-in in the room of a directory.
    pub(super) fn make(&self, original: &Node, directory: &Node) -> Result<StandIn, Error> {
        let room = self.room(directory)?;
        let made = New::make(
            original,
            room.as_fd(),
            &self.names.inner,
            directory.has_plain(),
        )?;
        let seen = openat(directory.file(), &*self.names.room, OPEN, Bits::empty())
            .and_then(|room| openat(room, &*self.names.inner, OPEN, Bits::empty()));
        let seen = seen.map_err(|errno| failed("opening it through the mount", errno))?;
        made.finish(original)?;
        let status = |file: BorrowedFd<'_>| fstat(file).map_err(|errno| failed("", errno));
        if inode(&status(seen.as_fd())?) != inode(&status(made.file.as_fd())?) {
            return Err(untried(MOVED));
        }
        if !original.is_only_plain() {
            let (one, other) = (status(seen.as_fd())?, status(original.file())?);
            same(&one, &other)?;
        }
        Ok(StandIn {
            file: made.file,
            seen: Some(seen),
        })
    }

    /// Makes a stand-in with a spare name in the directory of the original.
    pub(super) fn make_name(
        &self,
        original: &Node,
        directory: &Node,
        name: &CStr,
    ) -> Result<StandIn, Error> {
        let room = self.room(directory)?;
        let made = New::make(
            original,
            room.as_fd(),
            &self.names.inner,
            directory.has_plain(),
        )?;
        if original.is_directory() && is_filled(original) {
            let inner = mkdirat(&made.file, &*self.names.inner, Bits::from_raw_mode(0o700));
            inner.map_err(|errno| failed("making a directory in it", errno))?;
        }
        made.dress(original)?;
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&room, &*self.names.inner, directory.best(), name, flags)
            .map_err(|errno| failed("giving it a name", errno))?;
        made.lock(original)?;
        made.compare(original)?;
        Ok(StandIn {
            file: made.file,
            seen: None,
        })
    }

    /// Gives a stand-in another name.
    pub(super) fn link(
        &self,
        from: &Node,
        name: &CStr,
        to: &Node,
        new: &CStr,
    ) -> Result<(), Error> {
        let flags = AtFlags::empty();
        linkat(from.best(), name, to.best(), new, flags)
            .map_err(|errno| failed("giving it a second name", errno))
    }

    /// The directory that stand-ins are made in.
    pub(super) fn room(&self, directory: &Node) -> Result<OwnedFd, Error> {
        let place = directory.best();
        let name = &*self.names.room;
        let make = || mkdirat(place, name, Bits::from_raw_mode(0o711));
        let made = match make() {
            // Where root has no name, the owner of the directory has.
            Err(Errno::OVERFLOW) => match directory.ids(directory.has_plain()) {
                Some((user, group)) => with_owner(user, group, make),
                None => Err(Errno::OVERFLOW),
            },
            made => made,
        };
        match made {
            // It was made for another stand-in of this workshop.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed("making a directory beside it", errno)),
        }
        let flags = OPEN.union(OFlags::DIRECTORY);
        let room = openat(place, name, flags, Bits::empty())
            .map_err(|errno| failed("opening the directory beside it", errno))?;
        let status = fstat(&room).map_err(|errno| failed("", errno))?;
        let owner = directory.ids(directory.has_plain()).map(|(user, _)| user);
        // In a directory that others write to, they may have put another one in its place.
        if !is_own(&status) && Some(status.st_uid) != owner {
            return Err(untried(MOVED));
        }
        // The caller searches the directory, whatever this program's umask is.
        let path = self::place(room.as_fd());
        chmodat(CWD, &*path, Bits::from_raw_mode(0o711), AtFlags::empty())
            .map_err(|errno| failed("opening the directory beside it", errno))?;
        Ok(room)
    }
}

/// An object that a trial acts on.
pub(super) struct StandIn {
    /// Through a copy of the mount without a map, where there is one.
    pub(super) file: OwnedFd,
    /// Through the mount.
    seen: Option<OwnedFd>,
}

impl StandIn {
    pub(super) fn seen(&self) -> BorrowedFd<'_> {
        self.seen.as_ref().unwrap_or(&self.file).as_fd()
    }
}

/// A new object.
struct New {
    file: OwnedFd,
}

impl New {
    /// Makes an object of the kind and with the owner of another one.
    fn make(
        original: &Node,
        room: BorrowedFd<'_>,
        name: &CStr,
        is_plain: bool,
    ) -> Result<Self, Error> {
        let Some((user, group)) = original.ids(is_plain) else {
            return Err(untried("its owner or its group is not known"));
        };
        let bits = Bits::from_raw_mode(0o600);
        let kind = FileType::from_raw_mode(original.mode().bits().into());
        let make = || match kind {
            FileType::Directory => mkdirat(room, name, Bits::from_raw_mode(0o700)),
            FileType::Symlink => {
                let text = readlinkat(original.best(), "", Vec::new())?;
                symlinkat(&*text, room, name)
            }
            // Whichever device it is, the stand-in is the one that does nothing.
            FileType::CharacterDevice => mknodat(room, name, kind, bits, rustix::fs::makedev(1, 3)),
            kind => mknodat(room, name, kind, bits, 0),
        };
        let made = with_owner(user, group, make);
        made.map_err(|errno| failed("making one like it", errno))?;
        let file = openat(room, name, OPEN, Bits::empty())
            .map_err(|errno| failed("opening one like it", errno))?;
        let made = Self { file };
        let status = fstat(&made.file).map_err(|errno| failed("", errno))?;
        // An object with other names, or of somebody else, was put in the place of the new one.
        let links = if kind == FileType::Directory { 2 } else { 1 };
        let is_new = status.st_nlink <= links && (is_own(&status) || status.st_uid == user);
        if !is_new || FileType::from_raw_mode(status.st_mode) != kind {
            return Err(untried(MOVED));
        }
        made.own(original, is_plain)?;
        Ok(made)
    }

    /// Gives the object the owner and the group of the original.
    fn own(&self, original: &Node, is_plain: bool) -> Result<(), Error> {
        let Some((user, group)) = original.ids(is_plain) else {
            return Ok(());
        };
        let now = fstat(&self.file).map_err(|errno| failed("", errno))?;
        if (now.st_uid, now.st_gid) == (user, group) {
            return Ok(());
        }
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        chownat(&self.file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)
            .map_err(|errno| failed("giving it the owner", errno))
    }

    fn finish(&self, original: &Node) -> Result<(), Error> {
        self.dress(original)?;
        self.lock(original)?;
        self.compare(original)
    }

    /// Gives the object the mode and the attributes of the original.
    fn dress(&self, original: &Node) -> Result<(), Error> {
        let path = place(self.file.as_fd());
        if original.is_link() {
            return Ok(());
        }
        for name in XATTRS {
            let fail = |errno| failed(name, errno);
            match (xattr(&original.best_path(), name), xattr(&path, name)) {
                (Ok(value), now) if now.as_ref() != Ok(&value) => {
                    setxattr(&*path, name, &value, XattrFlags::empty()).map_err(fail)?;
                }
                (Err(_), Ok(_)) => removexattr(&*path, name).map_err(fail)?,
                _ => {}
            }
        }
        let mode = Bits::from_raw_mode(original.mode().bits().into());
        let now = fstat(&self.file)
            .map_err(|errno| failed("", errno))?
            .st_mode;
        if Bits::from_raw_mode(now) == mode {
            return Ok(());
        }
        chmodat(CWD, &*path, mode, AtFlags::empty())
            .map_err(|errno| failed("giving it the mode", errno))
    }

    /// Gives the object the inode flags of the original.
    fn lock(&self, original: &Node) -> Result<(), Error> {
        let mut wanted = IFlags::empty();
        for (flag, bit) in [
            (InodeFlags::S_IMMUTABLE, IFlags::IMMUTABLE),
            (InodeFlags::S_APPEND, IFlags::APPEND),
        ] {
            if original.flags().has(flag) {
                wanted |= bit;
            }
        }
        let is_file = original.is_directory() || original.mode().is_reg();
        if !is_file {
            return match wanted.is_empty() {
                true => Ok(()),
                false => Err(untried("it is immutable or append-only")),
            };
        }
        let locks = IFlags::APPEND | IFlags::IMMUTABLE;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let set = || {
            let file = openat(CWD, place(self.file.as_fd()), flags, Bits::empty())?;
            match ioctl_getflags(&file) {
                Ok(now) if now & locks == wanted => Ok(()),
                Ok(now) => ioctl_setflags(&file, (now - locks) | wanted),
                // The filesystem has none.
                Err(_) if wanted.is_empty() => Ok(()),
                Err(errno) => Err(errno),
            }
        };
        set().map_err(|errno| failed("giving it the inode flags", errno))
    }

    /// Fails unless the object is like the original in all that permission checks look at.
    fn compare(&self, original: &Node) -> Result<(), Error> {
        let status = |file: BorrowedFd<'_>| fstat(file).map_err(|errno| failed("", errno));
        same(&status(self.file.as_fd())?, &status(original.best())?)?;
        if original.is_link() {
            return Ok(());
        }
        let path = place(self.file.as_fd());
        for name in XATTRS {
            if xattr(&original.best_path(), name) != xattr(&path, name) {
                return Err(untried(format!("another object does not get its {name}")));
            }
        }
        Ok(())
    }
}

/// Why nothing is tried where another process interferes.
const MOVED: &str = "somebody else moves names beside it";

/// Whether an object belongs to this program.
fn is_own(status: &Stat) -> bool {
    status.st_uid == rustix::process::geteuid().as_raw()
}

fn inode(status: &Stat) -> (u64, u64) {
    (status.st_dev as _, status.st_ino as _)
}

/// Fails unless owner, group and mode are the same.
fn same(one: &Stat, other: &Stat) -> Result<(), Error> {
    let facts = |status: &Stat| (status.st_uid, status.st_gid, status.st_mode);
    match facts(one) == facts(other) {
        true => Ok(()),
        false => Err(untried("another object does not get its owner and mode")),
    }
}

/// Whether names can be made and removed in a directory.
pub(super) fn is_writable(directory: &Node) -> bool {
    let locks = InodeFlags::S_APPEND.with(InodeFlags::S_IMMUTABLE);
    !directory.mount.is_read_only() && !directory.flags().has_any(locks)
}

/// Why nothing is made in some directories of overlayfs.
pub(super) const COPIED: &str = "overlayfs would copy the directory to its upper layer, where the \
                                 copy would stay";

/// Whether overlayfs copies a directory in which something is made.
pub(super) fn is_copied(directory: &Node) -> bool {
    let layers = directory.mount.layers();
    layers.is_some_and(|layers| !layers.is_upper(directory))
}

/// The directories on the way to an object in which a stand-in for it can be made, best first.
pub(super) fn workplaces(route: &Route, original: &Rc<Node>) -> Vec<Rc<Node>> {
    let mut places: Vec<Rc<Node>> = Vec::new();
    let mut add = |node: &Rc<Node>| {
        let is_fit = node.mount.key == original.mount.key
            && is_writable(node)
            && !node.is_only_plain()
            && !is_copied(node)
            && !places.iter().any(|other| other.is(node));
        if is_fit && places.len() < 8 {
            places.push(Rc::clone(node));
        }
    };
    for step in route.steps.iter().rev() {
        if let Step::Search { directory, .. } = step {
            add(directory);
        }
    }
    if original.is_directory() {
        add(original);
    }
    places
}

/// Whether a name is in a directory.
pub(super) fn status_of(directory: &Node, name: &CStr) -> Result<Stat, Errno> {
    statat(directory.best(), name, AtFlags::SYMLINK_NOFOLLOW)
}
