// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Who may idmap a mount.
//!
//! C has one error number for many reasons. Here each reason has its name.

use super::error::CheckError;
use core::fmt;

/// Why a mount is not given a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdmap {
    /// A map is to be taken away, but only one that is about to be replaced can be.
    NotReplaced,
    /// What was given for the user namespace is no file descriptor.
    BadFd,
    /// What was given for the user namespace is something else.
    NotUserNamespace,
    /// The initial user namespace maps each id to itself, which stands for "no map".
    InitialNamespace,
    /// The caller has no `CAP_SYS_ADMIN` over the user namespace.
    NamespaceNotControlled,
    /// The map is that of the filesystem itself.
    FilesystemsNamespace,
    /// The mount is idmapped already.
    AlreadyIdmapped,
    /// Filesystems of this kind cannot be idmapped.
    KindNotSupported,
    /// This filesystem does not want to be.
    FilesystemRefuses,
    /// The caller has no `CAP_SYS_ADMIN` over the filesystem.
    FilesystemNotControlled,
    /// The mount has been visible already.
    Attached,
}

impl From<NoIdmap> for CheckError {
    fn from(reason: NoIdmap) -> Self {
        match reason {
            NoIdmap::BadFd => CheckError::EBADF,
            NoIdmap::InitialNamespace
            | NoIdmap::NamespaceNotControlled
            | NoIdmap::AlreadyIdmapped
            | NoIdmap::FilesystemNotControlled => CheckError::EPERM,
            NoIdmap::NotReplaced
            | NoIdmap::NotUserNamespace
            | NoIdmap::FilesystemsNamespace
            | NoIdmap::KindNotSupported
            | NoIdmap::FilesystemRefuses
            | NoIdmap::Attached => CheckError::EINVAL,
        }
    }
}

impl fmt::Display for NoIdmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReplaced => "a map is taken away only from a copy of a mount while it is made",
            Self::BadFd => "the file descriptor of the user namespace is not open",
            Self::NotUserNamespace => "the file descriptor is not that of a user namespace",
            Self::InitialNamespace => "the initial user namespace maps nothing",
            Self::NamespaceNotControlled => "it takes CAP_SYS_ADMIN over the user namespace",
            Self::FilesystemsNamespace => {
                "the user namespace is the one that the filesystem was mounted in"
            }
            Self::AlreadyIdmapped => "the mount is idmapped already",
            Self::KindNotSupported => "filesystems of this kind cannot be idmapped",
            Self::FilesystemRefuses => "this filesystem cannot be idmapped",
            Self::FilesystemNotControlled => "it takes CAP_SYS_ADMIN over the filesystem",
            Self::Attached => "the mount has been attached already",
        })
    }
}

/// What is asked of the map in `mount_setattr()` and `open_tree_attr()`.
#[derive(Clone, Copy, Debug)]
pub struct IdmapRequest {
    /// `MOUNT_ATTR_IDMAP` is in `attr_set`.
    pub set: bool,
    /// `MOUNT_ATTR_IDMAP` is in `attr_clr`.
    pub clear: bool,
    /// A copy of a mount is being made, and may get another map: `MOUNT_KATTR_IDMAP_REPLACE`.
    pub replace: bool,
    /// `userns_fd`
    pub userns_fd: u64,
}

/// What a file descriptor that was given for a user namespace is.
pub enum UsernsFd<N> {
    /// Not open.
    Closed,
    /// Something else.
    Other,
    /// The user namespace, and whether it is the initial one.
    UserNamespace(N, bool),
}

/// Which map a mount is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewMap<N> {
    /// It stays as it is.
    Keep,
    /// It is not to be idmapped any more.
    Nop,
    /// That of a user namespace.
    Of(N),
}

impl IdmapRequest {
    /// Finds out which map is wanted, and whether the caller may use it.
    ///
    /// `look_up` tells what is at the file descriptor; `controls` whether the caller has
    /// `CAP_SYS_ADMIN` over that namespace.
    ///
    /// Equals `build_mount_idmapped()`.
    pub fn build<N>(
        self,
        look_up: impl FnOnce(i32) -> UsernsFd<N>,
        controls: impl FnOnce(&N) -> bool,
    ) -> Result<NewMap<N>, NoIdmap> {
        if !self.set && !self.clear {
            return Ok(NewMap::Keep);
        }
        if self.clear {
            if !self.replace {
                return Err(NoIdmap::NotReplaced);
            }
            if !self.set {
                return Ok(NewMap::Nop);
            }
        }
        let Ok(fd) = i32::try_from(self.userns_fd) else {
            return Err(NoIdmap::NotUserNamespace);
        };
        match look_up(fd) {
            UsernsFd::Closed => Err(NoIdmap::BadFd),
            UsernsFd::Other => Err(NoIdmap::NotUserNamespace),
            UsernsFd::UserNamespace(_, true) => Err(NoIdmap::InitialNamespace),
            UsernsFd::UserNamespace(namespace, false) if controls(&namespace) => {
                Ok(NewMap::Of(namespace))
            }
            UsernsFd::UserNamespace(..) => Err(NoIdmap::NamespaceNotControlled),
        }
    }
}

/// A mount that is to be given a map, or to lose it.
#[derive(Clone, Copy, Debug)]
pub struct MountFacts {
    /// The new map is that of the user namespace that the filesystem was mounted in.
    pub map_is_the_filesystems: bool,
    /// A copy of a mount is being made, and may get another map: `MOUNT_KATTR_IDMAP_REPLACE`.
    pub replace: bool,
    /// It has a map: `is_idmapped_mnt()`.
    pub is_idmapped: bool,
    /// Its kind of filesystem can be idmapped: `FS_ALLOW_IDMAP`.
    pub allows: bool,
    /// Its filesystem does not want to be: `SB_I_NOIDMAP`.
    pub refuses: bool,
    /// It has not been visible yet: `is_anon_ns()`.
    pub is_anonymous: bool,
}

impl MountFacts {
    /// Whether the mount may be given another map. That it gets one is found out before.
    ///
    /// `controls` is whether the caller has `CAP_SYS_ADMIN` over the filesystem.
    ///
    /// Equals `can_idmap_mount()`.
    pub fn can_idmap(self, controls: impl FnOnce() -> bool) -> Result<(), NoIdmap> {
        if self.map_is_the_filesystems {
            return Err(NoIdmap::FilesystemsNamespace);
        }
        if !self.replace && self.is_idmapped {
            return Err(NoIdmap::AlreadyIdmapped);
        }
        if !self.allows {
            return Err(NoIdmap::KindNotSupported);
        }
        if self.refuses {
            return Err(NoIdmap::FilesystemRefuses);
        }
        if !controls() {
            return Err(NoIdmap::FilesystemNotControlled);
        }
        if !self.is_anonymous {
            return Err(NoIdmap::Attached);
        }
        Ok(())
    }
}
