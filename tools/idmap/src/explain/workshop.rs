// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Workshops: directories in which a trial makes objects, and the removal of these.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode as Bits, OFlags, RenameFlags, Stat, chmodat, fstat, linkat,
        mkdirat, mknodat, openat, renameat_with,
    },
    io::Errno,
};

use super::{
    mount::readable,
    node::{Node, place},
    standin::{COPIED, MOVED, New, OPEN, StandIn, failed, inode, is_copied, is_own, same, untried},
    subvolume::is_parent,
    tree::is_filled,
};
use crate::{
    error::{self, Error},
    sys::{Made, Sweep, Sweeper, btrfs, with_owner},
};

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
    pub(super) fn new() -> Result<Self, Error> {
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

    pub(super) fn inner(&self) -> &CStr {
        &self.inner
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

/// What is made in a stand-in for a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    Nothing,
    Directory,
    Subvolume,
}

impl Inner {
    /// What a directory has, if it has anything.
    pub(super) fn of(original: &Node) -> Self {
        if !original.is_directory() || !is_filled(original) {
            Self::Nothing
        } else if is_parent(original) {
            Self::Subvolume
        } else {
            Self::Directory
        }
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
        inner: Inner,
    ) -> Result<StandIn, Error> {
        if inner != Inner::Nothing && original.is_subvolume() && original.is_subvolume_read_only() {
            return Err(untried(
                "a name that is made in a read-only subvolume cannot be removed again",
            ));
        }
        let room = self.room(directory)?;
        let made = New::make(
            original,
            room.as_fd(),
            &self.names.inner,
            directory.has_plain(),
        )?;
        let name_in = &*self.names.inner;
        let filled = match inner {
            Inner::Nothing => Ok(()),
            Inner::Directory => mkdirat(&made.file, name_in, Bits::from_raw_mode(0o700)),
            Inner::Subvolume => make_subvolume(made.file.as_fd(), name_in),
        };
        filled.map_err(|errno| failed("making a directory in it", errno))?;
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

    /// Makes a file with a spare name, the second one.
    pub(super) fn make_file(&self, directory: &Node) -> Result<(), Error> {
        let [_, name] = &self.names.spare;
        let bits = Bits::from_raw_mode(0o600);
        mknodat(directory.best(), name, FileType::RegularFile, bits, 0)
            .map_err(|errno| failed("making a file", errno))
    }

    /// Makes a directory in a stand-in for a directory, unless there is one.
    pub(super) fn fill(&self, directory: &Node, name: &CStr) -> Result<(), Error> {
        let made = openat(directory.best(), name, OPEN, Bits::empty())
            .and_then(|file| mkdirat(file, &*self.names.inner, Bits::from_raw_mode(0o700)));
        match made {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(failed("making a directory in it", errno)),
        }
    }

    /// Opens a stand-in through the mount.
    pub(super) fn seen(&self, directory: &Node, name: &CStr) -> Result<OwnedFd, Error> {
        openat(directory.file(), name, OPEN, Bits::empty())
            .map_err(|errno| failed("opening it through the mount", errno))
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

/// Makes a subvolume in a directory.
pub(super) fn make_subvolume(directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let directory = readable(directory).ok_or(Errno::ACCESS)?;
    btrfs::make_subvolume(directory.as_fd(), name)
}
