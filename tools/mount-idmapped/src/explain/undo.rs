// SPDX-License-Identifier: GPL-2.0

//! Undoes what was tried.
//!
//! Everything is found before the attempt, through a copy of the mount that has no map where that
//! is possible, so that ids which the map leaves out are put back, too.

use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    rc::Rc,
};

use kernel::fs::{
    mode::{InodeFlags, Mode},
    permission::{InodeAttrs, Ownership},
};
use rustix::{
    fs::{
        AtFlags, CWD, Gid, IFlags, Mode as Bits, OFlags, Stat, Timespec, Timestamps, Uid,
        XattrFlags, chmodat, chownat, fstat, ioctl_getflags, ioctl_setflags, linkat, mkdirat,
        openat, removexattr, renameat, setxattr, statat, unlinkat, utimensat,
    },
    io::Errno,
};

use super::{
    Explainer, Request,
    attempt::After,
    mount::MountView,
    node::{Node, place, xattr},
    operation::{OpenMode, Operation},
    trace::{Stop, Trace},
    view::raw,
    walk::{Entry, Place, Target, Walk},
};
use crate::error::{Error, Step};

/// Attributes that are put back.
const XATTRS: [&str; 3] = [
    "system.posix_acl_access",
    "system.posix_acl_default",
    "security.capability",
];

/// What there was, and how to get back to it.
#[derive(Default)]
pub(super) struct Undo {
    /// What the attempt makes.
    makes: Option<Name>,
    /// What the attempt removes, and the other name that it has meanwhile.
    removes: Vec<(Name, Kept)>,
    /// Where the attempt moves it, to be moved back.
    moves: Option<(Name, Name)>,
    /// An object that the attempt changes.
    changes: Option<Before>,
    /// The mount whose map that is seen through.
    map: Option<Rc<MountView>>,
    size: u64,
}

/// A name in a folder.
struct Name {
    folder: OwnedFd,
    name: OsString,
}

/// How something that is removed is kept.
enum Kept {
    /// By another name in the same folder.
    Name(OsString),
    /// A folder is made again.
    Folder(Before),
}

/// An object as it was.
struct Before {
    file: OwnedFd,
    status: Stat,
    xattrs: Vec<(String, Option<Vec<u8>>)>,
}

fn fail(what: &str, errno: Errno) -> Error {
    Error::new(Step::PrepareUndo, what, errno)
}

fn copy(node: &Node) -> Result<OwnedFd, Error> {
    let copied = node.best().try_clone_to_owned();
    copied.map_err(|error| fail("", Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

impl Name {
    fn of(place: &Place) -> Result<Self, Error> {
        Ok(Self {
            folder: copy(&place.folder)?,
            name: place.name.clone(),
        })
    }

    /// A name next to it that nothing has.
    fn spare(&self) -> OsString {
        let mut number = 0u32;
        loop {
            let name = OsString::from(format!(".mount-idmapped.{}.{number}", std::process::id()));
            if !exists(&self.folder, &name) {
                return name;
            }
            number = number.wrapping_add(1);
        }
    }
}

impl Before {
    fn of(node: &Node) -> Result<Self, Error> {
        let file = copy(node)?;
        let status = fstat(&file).map_err(|errno| fail("", errno))?;
        let path = place(file.as_fd());
        let mut xattrs = Vec::new();
        if !node.mode().is_lnk() {
            xattrs.extend(XATTRS.iter().map(|name| (*name).to_owned()));
        }
        let read = |name: String| {
            let value = xattr(&path, &name).ok();
            (name, value)
        };
        Ok(Self {
            xattrs: xattrs.into_iter().map(read).collect(),
            status,
            file,
        })
    }

    /// Remembers an attribute more.
    fn with_xattr(mut self, name: &str) -> Self {
        let path = place(self.file.as_fd());
        self.xattrs.push((name.to_owned(), xattr(&path, name).ok()));
        self
    }

    /// Makes an object what this one was.
    fn restore(&self, file: &OwnedFd) -> Result<(), Errno> {
        unlocked(file, || self.restore_unlocked(file))
    }

    fn restore_unlocked(&self, file: &OwnedFd) -> Result<(), Errno> {
        let path = place(file.as_fd());
        let now = fstat(file)?;
        let before = &self.status;
        if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid) {
            let (user, group) = (Uid::from_raw(before.st_uid), Gid::from_raw(before.st_gid));
            chownat(file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
        }
        for (name, value) in &self.xattrs {
            let now = xattr(&path, name).ok();
            match value {
                None if now.is_some() => removexattr(&*path, &**name)?,
                Some(value) if now.as_ref() != Some(value) => {
                    setxattr(&*path, &**name, value, XattrFlags::empty())?;
                }
                _ => {}
            }
        }
        // Last, as both of these change it.
        if fstat(file)?.st_mode != before.st_mode {
            chmodat(
                CWD,
                &*path,
                Bits::from_raw_mode(before.st_mode),
                AtFlags::empty(),
            )?;
        }
        let time = |seconds, nanoseconds| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        };
        let times = Timestamps {
            last_access: time(before.st_atime, before.st_atime_nsec as _),
            last_modification: time(before.st_mtime, before.st_mtime_nsec as _),
        };
        if (now.st_mtime, now.st_mtime_nsec) != (before.st_mtime, before.st_mtime_nsec) {
            utimensat(CWD, &*path, &times, AtFlags::empty())?;
        }
        Ok(())
    }
}

impl Undo {
    /// Finds what it takes to undo an operation; makes second names for what may be removed.
    pub(super) fn prepare(
        explainer: &Explainer,
        request: &Request<'_>,
        path: &Path,
    ) -> Result<Self, Error> {
        let mut trace = Trace::default();
        let mut walk = Walk::new(request.caller, explainer, &mut trace).without_asking();
        match Self::find(&mut walk, &request.operation, path) {
            Ok(undo) => Ok(undo),
            // It leads nowhere, so nothing can be done there.
            Err(Stop::Refused(_)) => Ok(Self::default()),
            Err(Stop::Unknown(error)) => Err(error),
        }
    }

    fn find(walk: &mut Walk<'_>, operation: &Operation, path: &Path) -> Result<Self, Stop> {
        let mut undo = Self::default();
        match operation {
            Operation::Stat
            | Operation::Exec
            | Operation::Tmpfile
            | Operation::Open(
                OpenMode::Read | OpenMode::Write | OpenMode::ReadWrite | OpenMode::Append,
            ) => {}
            Operation::Open(OpenMode::Create) => {
                if let Target::Missing(place) = walk.target(path, true)? {
                    undo.make(&place)?;
                }
            }
            Operation::Create | Operation::Mkdir | Operation::Mkfifo | Operation::Symlink => {
                undo.make(&walk.parent(path)?)?;
            }
            Operation::Link(to) => {
                undo.make(&walk.parent(to)?)?;
            }
            Operation::Unlink | Operation::Rmdir => undo.keep(walk, path)?,
            Operation::Rename(to) => {
                undo.keep(walk, to)?;
                let (old, new) = (walk.parent(path)?, walk.parent(to)?);
                undo.moves = Some((Name::of(&old)?, Name::of(&new)?));
            }
            Operation::Chmod(_)
            | Operation::Chown(..)
            | Operation::Touch
            | Operation::SetTimes
            | Operation::Truncate
            | Operation::SetCap(_)
            | Operation::SetFacl(_) => {
                let found = walk.lookup(path, true)?;
                undo.size = found.node.size;
                undo.map = found.node.map_of_best();
                undo.changes = Some(Before::of(&found.node)?);
            }
            Operation::SetXattr(name) => {
                let found = walk.lookup(path, true)?;
                undo.map = found.node.map_of_best();
                undo.changes = Some(Before::of(&found.node)?.with_xattr(name));
            }
        }
        Ok(undo)
    }

    fn make(&mut self, place: &Place) -> Result<(), Error> {
        self.map = place.folder.map_of_best();
        self.makes = Some(Name::of(place)?);
        Ok(())
    }

    /// Keeps what is removed.
    fn keep(&mut self, walk: &mut Walk<'_>, path: &Path) -> Result<(), Stop> {
        let place = walk.parent(path)?;
        let Some(Entry { node, .. }) = walk.entry(&place)? else {
            return Ok(());
        };
        // From or of such, nobody can remove anything.
        let kept = InodeFlags::S_APPEND.with(InodeFlags::S_IMMUTABLE);
        let flags = node.flags().with(place.folder.flags());
        if flags.has_any(kept) || place.folder.mount.is_read_only() {
            return Ok(());
        }
        let name = Name::of(&place)?;
        let kept = if node.mode().is_dir() {
            Kept::Folder(Before::of(&node)?)
        } else {
            let spare = name.spare();
            let (from, to) = (&name.folder, &name.folder);
            linkat(from, &name.name, to, &spare, AtFlags::empty())
                .map_err(|errno| fail("giving it a second name", errno))?;
            Kept::Name(spare)
        };
        self.removes.push((name, kept));
        Ok(())
    }

    /// The size that the object has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What is stored of what was made or changed, if that can be told.
    pub(super) fn look(&self) -> Result<Option<After>, Error> {
        let look = |status: Stat| {
            let (user, group) = match &self.map {
                Some(mount) => mount.stored(status.st_uid, status.st_gid)?,
                None => (status.st_uid, status.st_gid),
            };
            let mode = u16::try_from(status.st_mode & 0o7777).ok();
            Some(After { user, group, mode })
        };
        let status = if let Some(Name { folder, name }) = &self.makes {
            statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        } else if let Some(before) = &self.changes {
            fstat(&before.file)
        } else {
            return Ok(None);
        };
        status
            .map(look)
            .map_err(|errno| Error::new(Step::LookAtObject, "what was tried", errno))
    }

    /// Undoes it, or, if nothing was done, what was prepared.
    pub(super) fn undo(self, done: bool) -> Result<(), Error> {
        self.back(done).map_err(|errno| {
            Error::new(Step::Undo, "", errno).because(Some(
                "something of it is left; look at the path before going on".to_owned(),
            ))
        })
    }

    fn back(&self, done: bool) -> Result<(), Errno> {
        if let (Some((old, new)), true) = (&self.moves, done) {
            // Unless both were names of one file, which stay.
            if !exists(&old.folder, &old.name) {
                renameat(&new.folder, &new.name, &old.folder, &old.name)?;
            }
        }
        for (Name { folder, name }, kept) in &self.removes {
            match kept {
                Kept::Name(spare) if done && !exists(folder, name) => {
                    renameat(folder, spare, folder, name)?;
                }
                Kept::Name(spare) => unlinkat(folder, spare, AtFlags::empty())?,
                Kept::Folder(before) if done && !exists(folder, name) => {
                    mkdirat(folder, name, Bits::from_raw_mode(0o700))?;
                    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    before.restore(&openat(folder, name, flags, Bits::empty())?)?;
                }
                Kept::Folder(_) => {}
            }
        }
        if let (Some(Name { folder, name }), true) = (&self.makes, done) {
            unlocked(folder, || match unlinkat(folder, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => unlinkat(folder, name, AtFlags::REMOVEDIR),
                answer => answer,
            })?;
        }
        if let (Some(before), true) = (&self.changes, done) {
            before.restore(&before.file)?;
        }
        Ok(())
    }
}

/// Does something to a file or folder, without its being append-only for that long.
fn unlocked(file: &OwnedFd, act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let locks = IFlags::APPEND | IFlags::IMMUTABLE;
    let opened = openat(CWD, place(file.as_fd()), flags, Bits::empty());
    let before = opened.as_ref().ok().and_then(|file| {
        let flags = ioctl_getflags(file).ok()?;
        flags.intersects(locks).then_some((file, flags))
    });
    let Some((opened, before)) = before else {
        return act();
    };
    ioctl_setflags(opened, before - locks)?;
    let done = act();
    ioctl_setflags(opened, before)?;
    done
}

fn exists(folder: &OwnedFd, name: &OsStr) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// What was foreseen to be stored, for comparison.
pub(super) fn foreseen(after: Ownership) -> After {
    After {
        user: raw(after.owner),
        group: raw(after.group),
        mode: (after.mode != Mode::EMPTY).then_some(after.mode.bits() & 0o7777),
    }
}
