// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Makes mounts: copy, map, attach.

use std::{
    ffi::CString,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree},
};

use crate::{
    diagnosis,
    error::{Error, Step},
    sys::{self, MountAttr},
    userns::UserNs,
};

bitflags::bitflags! {
    /// Attributes of a mount beside its map: `MOUNT_ATTR_*` of [mount_setattr(2)], since Linux 5.12.
    ///
    /// [mount_setattr(2)]: https://man7.org/linux/man-pages/man2/mount_setattr.2.html
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Attributes: u64 {
        /// Nothing can be written through the mount.
        const READ_ONLY = 0x1;
        /// Set-user-id, set-group-id and file capabilities have no effect.
        const NO_SUID = 0x2;
        /// Device files cannot be opened.
        const NO_DEV = 0x4;
        /// Programs cannot be run.
        const NO_EXEC = 0x8;
        /// Times of access of directories are not written.
        const NO_DIR_ATIME = 0x80;
        /// Symbolic links are not followed, since Linux 5.14.
        const NO_SYMFOLLOW = 0x0020_0000;
    }
}

/// When the time of the last access of a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// How mounts made below a mount spread to its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    propagation: Option<Propagation>,
}

impl<'a> IdmappedMount<'a> {
    /// Starts with a copy of the mount of a directory or a file.
    pub fn of(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            file: None,
            recursive: false,
            userns: None,
            replace: false,
            set: 0,
            clear: 0,
            propagation: None,
        }
    }

    /// Starts with a copy of the mount of an open file or directory, such as the root of a mount
    /// that is attached nowhere.
    pub fn of_file(file: BorrowedFd<'a>) -> Self {
        let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Self {
            file: Some(file),
            ..Self::of(name.unwrap_or_else(|_| "an open file".into()))
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

    /// Sets attributes.
    pub fn set(mut self, attributes: Attributes) -> Self {
        self.set |= attributes.bits();
        self.clear &= !attributes.bits();
        self
    }

    /// Takes away attributes that the source has.
    pub fn clear(mut self, attributes: Attributes) -> Self {
        self.clear |= attributes.bits();
        self.set &= !attributes.bits();
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
        self.propagation = Some(propagation);
        self
    }

    /// Makes the mount, attached nowhere yet.
    pub fn detached(&self) -> Result<Detached, Error> {
        let mut attr = MountAttr {
            set: self.set,
            clear: self.clear,
            propagation: self.propagation.map_or(0, Propagation::bit),
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
        Ok(self.made(fd))
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
        Ok(self.made(fd))
    }

    fn made(&self, file: OwnedFd) -> Detached {
        Detached {
            file,
            propagation: self.propagation,
            recursive: self.recursive,
        }
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
///
/// It is also a descriptor of its root, by which files below it are opened without attaching it.
#[derive(Debug)]
#[must_use = "the mount vanishes with this value"]
pub struct Detached {
    file: OwnedFd,
    propagation: Option<Propagation>,
    recursive: bool,
}

impl Detached {
    /// Attaches it at `target`, where it stays until it is unmounted: [move_mount(2)], since Linux
    /// 5.2. Symbolic links are followed.
    ///
    /// [move_mount(2)]: https://man7.org/linux/man-pages/man2/move_mount.2.html
    pub fn attach(self, target: impl AsRef<Path>) -> Result<(), Error> {
        let target = target.as_ref();
        let place = self.open_target(target)?;
        self.move_to(place.as_fd(), target, MoveMountFlags::empty())
    }

    /// Attaches it at an open file or directory.
    pub fn attach_to(self, target: impl AsFd) -> Result<(), Error> {
        let name = format!("/proc/self/fd/{}", target.as_fd().as_raw_fd());
        let name = std::fs::read_link(name).unwrap_or_else(|_| "an open file".into());
        self.move_to(target.as_fd(), &name, MoveMountFlags::empty())
    }

    /// Puts it in the place of the mount at `target`, which is removed from there once this one is
    /// beneath it, so that there is a mount at each moment; since Linux 6.5.
    ///
    /// Files of the mount that is removed stay usable.
    pub fn replace(self, target: impl AsRef<Path>) -> Result<(), Error> {
        let target = target.as_ref();
        let place = self.open_target(target)?;
        let beneath = MoveMountFlags::from_bits_retain(BENEATH);
        self.move_to(place.as_fd(), target, beneath)?;
        unmount(target, true)
    }

    fn open_target(&self, target: &Path) -> Result<OwnedFd, Error> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat(CWD, target, flags, Mode::empty()).map_err(|errno| {
            Error::new(Step::Attach, target.display().to_string(), errno)
                .because(diagnosis::attach(errno, self.file.as_fd(), target))
        })
    }

    fn move_to(
        &self,
        place: BorrowedFd<'_>,
        target: &Path,
        flags: MoveMountFlags,
    ) -> Result<(), Error> {
        let empty =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH.union(MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH);
        let fail = |errno| {
            let cause = match flags.is_empty() {
                true => diagnosis::attach(errno, self.file.as_fd(), target),
                false => diagnosis::attach_beneath(errno),
            };
            Error::new(Step::Attach, target.display().to_string(), errno).because(cause)
        };
        move_mount(self.file.as_fd(), "", place, "", flags | empty).map_err(fail)?;
        let Some(propagation) = self.propagation else {
            return Ok(());
        };
        // Below a shared mount, a mount becomes shared when it is attached.
        let attr = MountAttr {
            propagation: propagation.bit(),
            ..MountAttr::default()
        };
        sys::mount_setattr(self.file.as_fd(), self.recursive, &attr).map_err(|errno| {
            // A mount that is not the one that was asked for must not stay.
            let _ = unmount(target, true);
            Error::new(Step::SetAttributes, target.display().to_string(), errno)
        })
    }
}

/// `MOVE_MOUNT_BENEATH` of `linux/mount.h`.
const BENEATH: u32 = 0x200;

impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Detached> for OwnedFd {
    fn from(mount: Detached) -> Self {
        mount.file
    }
}

/// Takes the descriptor of a mount that is attached nowhere, as [open_tree(2)] and [fsmount(2)]
/// return it.
///
/// [open_tree(2)]: https://man7.org/linux/man-pages/man2/open_tree.2.html
/// [fsmount(2)]: https://man7.org/linux/man-pages/man2/fsmount.2.html
impl From<OwnedFd> for Detached {
    fn from(file: OwnedFd) -> Self {
        Self {
            file,
            propagation: None,
            recursive: false,
        }
    }
}

/// Removes the mount at `target`, if nothing is mounted below it and no file of it is in use:
/// [umount2(2)].
///
/// If `lazily` it is removed at once with all that is mounted below, and files in use stay usable.
///
/// [umount2(2)]: https://man7.org/linux/man-pages/man2/umount2.2.html
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
