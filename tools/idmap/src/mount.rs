// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Makes mounts: copy, map, attach.

use std::{
    ffi::CString,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::CWD,
    io::Errno,
    mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree},
};

use crate::{
    diagnosis,
    error::{Error, Step},
    sys::{self, MountAttr},
    userns::UserNs,
};

/// An attribute of a mount that can be set beside its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// Nothing can be written through it.
    ReadOnly,
    /// Set-user-id, set-group-id and file capabilities have no effect.
    NoSuid,
    /// Device files cannot be opened.
    NoDev,
    /// Programs cannot be run.
    NoExec,
    /// Symbolic links are not followed.
    NoSymfollow,
    /// Times of access of folders are not written.
    NoDirAtime,
}

/// When the time of the last access of a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atime {
    /// If it is a day old, or before the last change.
    Relative,
    /// Never.
    Never,
    /// At each access.
    Strict,
}

impl Atime {
    /// All bits of this choice, `MOUNT_ATTR__ATIME`.
    const ALL: u64 = 0x70;

    /// The `MOUNT_ATTR_...` bits.
    fn bits(self) -> u64 {
        match self {
            Self::Relative => 0,
            Self::Never => 0x10,
            Self::Strict => 0x20,
        }
    }
}

impl Attribute {
    /// The `MOUNT_ATTR_...` bit.
    fn bit(self) -> u64 {
        match self {
            Self::ReadOnly => 0x1,
            Self::NoSuid => 0x2,
            Self::NoDev => 0x4,
            Self::NoExec => 0x8,
            Self::NoSymfollow => 0x0020_0000,
            Self::NoDirAtime => 0x80,
        }
    }
}

/// How mounts made below a mount spread to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They do not.
    Private,
    /// They do, both ways.
    Shared,
    /// Only from the peers to it.
    Slave,
    /// They do not, and it cannot be copied either.
    Unbindable,
}

impl Propagation {
    /// The `MS_...` bit.
    fn bit(self) -> u64 {
        match self {
            Self::Unbindable => 1 << 17,
            Self::Private => 1 << 18,
            Self::Slave => 1 << 19,
            Self::Shared => 1 << 20,
        }
    }
}

/// What kind of mount is to be made.
///
/// See the [crate's](crate) example.
#[derive(Clone, Debug)]
#[must_use = "nothing is mounted before it is attached"]
pub struct IdmappedMount<'a> {
    /// What is copied: a path, or an open file of which this is the name for messages.
    source: PathBuf,
    file: Option<BorrowedFd<'a>>,
    recursive: bool,
    userns: Option<BorrowedFd<'a>>,
    /// Whether a map that the source has gives way.
    replace: bool,
    set: u64,
    clear: u64,
    propagation: u64,
}

impl<'a> IdmappedMount<'a> {
    /// Starts with a plain copy of what is at `source`, a folder or a file.
    pub fn of(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            file: None,
            recursive: false,
            userns: None,
            replace: false,
            set: 0,
            clear: 0,
            propagation: 0,
        }
    }

    /// Starts with a plain copy of what an open file or folder is, such as the root of a mount that
    /// is attached nowhere.
    pub fn of_file(file: BorrowedFd<'a>) -> Self {
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        Self {
            file: Some(file),
            ..Self::of(name)
        }
    }

    /// Takes the map of this user namespace.
    pub fn map(mut self, userns: &'a UserNs) -> Self {
        self.userns = Some(userns.as_fd());
        self
    }

    /// Whether the map that the source itself may have gives way to this mount's map, or, without
    /// one, to none. Otherwise an idmapped source is refused with `EPERM`.
    ///
    /// Needs Linux 6.15.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Whether what is mounted below the source comes along; everything of it is then mapped.
    pub fn recursive(mut self, recursive: bool) -> Self {
        self.recursive = recursive;
        self
    }

    /// Sets an attribute.
    pub fn set(mut self, attribute: Attribute) -> Self {
        self.set |= attribute.bit();
        self
    }

    /// Takes away an attribute that the source has.
    pub fn clear(mut self, attribute: Attribute) -> Self {
        self.clear |= attribute.bit();
        self
    }

    /// Chooses when times of access are written; otherwise it is as at the source.
    pub fn atime(mut self, atime: Atime) -> Self {
        self.set = self.set & !Atime::ALL | atime.bits();
        // The kernel wants all bits of the choice to be cleared first.
        self.clear |= Atime::ALL;
        self
    }

    /// Chooses the propagation; otherwise it is that of the source.
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation.bit();
        self
    }

    /// Makes the mount, attached nowhere yet.
    pub fn detached(&self) -> Result<Detached, Error> {
        let mut attr = MountAttr {
            set: self.set,
            clear: self.clear,
            propagation: self.propagation,
            userns_fd: 0,
        };
        if let Some(userns) = self.userns {
            attr.set |= sys::ATTR_IDMAP;
            attr.userns_fd = userns.as_raw_fd() as u64;
        }
        if self.replace {
            return self.detached_anew(attr);
        }
        let (at, path) = self.place();
        let fd = open_tree(at, path, self.open_flags()).map_err(|errno| {
            Error::new(Step::CopyMount, self.source.display().to_string(), errno)
                .because(diagnosis::copy_mount(errno, &self.source, self.recursive))
        })?;
        if (attr.set, attr.clear, attr.propagation) != (0, 0, 0) {
            sys::mount_setattr(fd.as_fd(), self.recursive, &attr).map_err(|errno| {
                Error::new(
                    Step::SetAttributes,
                    self.source.display().to_string(),
                    errno,
                )
                .because(diagnosis::set_attributes(
                    errno,
                    &self.source,
                    self.recursive,
                    self.userns,
                ))
            })?;
        }
        Ok(Detached(fd))
    }

    /// Makes the mount with no regard to the map of the source.
    fn detached_anew(&self, mut attr: MountAttr) -> Result<Detached, Error> {
        attr.clear |= sys::ATTR_IDMAP;
        let fail = |errno| {
            let cause =
                diagnosis::copy_with_attributes(errno, &self.source, self.recursive, self.userns);
            Error::new(Step::CopyMount, self.source.display().to_string(), errno).because(cause)
        };
        let (at, path) = self.place();
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| fail(Errno::INVAL))?;
        let fd = sys::open_tree_attr(at, &path, self.open_flags().bits(), &attr).map_err(fail)?;
        Ok(Detached(fd))
    }

    /// Makes the mount and attaches it at `target`.
    pub fn attach(&self, target: impl AsRef<Path>) -> Result<(), Error> {
        self.detached()?.attach(target)
    }

    /// The source as system calls take it.
    fn place(&self) -> (BorrowedFd<'_>, &Path) {
        match self.file {
            Some(file) => (file, Path::new("")),
            None => (CWD, &self.source),
        }
    }

    fn open_flags(&self) -> OpenTreeFlags {
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        if self.file.is_some() {
            flags |= OpenTreeFlags::AT_EMPTY_PATH;
        }
        if self.recursive {
            flags | OpenTreeFlags::AT_RECURSIVE
        } else {
            flags
        }
    }
}

/// A mount that is attached nowhere; it vanishes with this value.
#[derive(Debug)]
pub struct Detached(OwnedFd);

impl Detached {
    /// Attaches it at `target`, where it stays until it is unmounted.
    pub fn attach(self, target: impl AsRef<Path>) -> Result<(), Error> {
        let target = target.as_ref();
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(self.0.as_fd(), "", CWD, target, flags).map_err(|errno| {
            Error::new(Step::Attach, target.display().to_string(), errno)
                .because(diagnosis::attach(errno, self.0.as_fd(), target))
        })
    }
}

/// The root of the mount, to open files below it without attaching it.
impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Removes the mount at `target`, if nothing is mounted below it and no file of it is in use.
///
/// If `lazily` it is removed at once with all that is mounted below, and files in use stay usable.
pub fn unmount(target: impl AsRef<Path>, lazily: bool) -> Result<(), Error> {
    let target = target.as_ref();
    let flags = if lazily {
        UnmountFlags::DETACH
    } else {
        UnmountFlags::empty()
    };
    rustix::mount::unmount(target, flags | UnmountFlags::NOFOLLOW).map_err(|errno| {
        Error::new(Step::Unmount, target.display().to_string(), errno)
            .because(diagnosis::unmount(errno))
    })
}
