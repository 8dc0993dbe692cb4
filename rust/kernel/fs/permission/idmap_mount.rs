// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Idmaps that mounts get.
//!
//! The error numbers of C stand for several reasons each. [`NoIdmap`] has one variant for each
//! reason.

use super::error::CheckError;

/// The reason for which a mount does not get an idmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoIdmap {
    /// The idmap can be removed only from a new copy of a mount.
    NotReplaced,
    /// The file descriptor is not open.
    BadFd,
    /// The file descriptor does not refer to a user namespace.
    NotUserNamespace,
    /// The initial user namespace stands for a mount without an idmap.
    InitialNamespace,
    /// The caller has no `CAP_SYS_ADMIN` in the user namespace.
    NamespaceNotControlled,
    /// The user namespace is that of the filesystem.
    FilesystemsNamespace,
    /// The mount has an idmap.
    AlreadyIdmapped,
    /// The filesystem type does not support idmapped mounts.
    KindNotSupported,
    /// The superblock does not support idmapped mounts.
    FilesystemRefuses,
    /// The caller has no `CAP_SYS_ADMIN` in the user namespace of the filesystem.
    FilesystemNotControlled,
    /// The mount is or was attached to a mount namespace.
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

/// The request of a caller of `mount_setattr()` or `open_tree_attr()`.
#[derive(Clone, Copy, Debug)]
pub struct IdmapRequest {
    /// `attr_set` has `MOUNT_ATTR_IDMAP`.
    pub set: bool,
    /// `attr_clr` has `MOUNT_ATTR_IDMAP`.
    pub clear: bool,
    /// The mount is a new copy, whose idmap can be replaced: `MOUNT_KATTR_IDMAP_REPLACE`.
    pub replace: bool,
    /// `userns_fd`
    pub userns_fd: u64,
}

/// The object that a file descriptor refers to.
pub enum UsernsFd<N> {
    /// The file descriptor is not open.
    Closed,
    /// Not a user namespace.
    Other,
    /// A user namespace, and whether it is the initial one.
    UserNamespace(N, bool),
}

/// The idmap that a mount gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewMap<N> {
    /// The mount keeps its idmap.
    Keep,
    /// No idmap: `nop_mnt_idmap`.
    Nop,
    /// The idmap of a user namespace.
    Of(N),
}

impl IdmapRequest {
    /// Selects the idmap that a mount gets, and checks whether the caller may use it.
    ///
    /// `look_up` looks up the file descriptor. `controls` returns whether the caller has
    /// `CAP_SYS_ADMIN` in the user namespace.
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

/// The properties of a mount that can get another idmap.
#[derive(Clone, Copy, Debug)]
pub struct MountFacts {
    /// The new idmap is that of the user namespace of the filesystem.
    pub map_is_the_filesystems: bool,
    /// The mount is a new copy, whose idmap can be replaced: `MOUNT_KATTR_IDMAP_REPLACE`.
    pub replace: bool,
    /// The mount has an idmap: `is_idmapped_mnt()`.
    pub is_idmapped: bool,
    /// The filesystem type supports idmapped mounts: `FS_ALLOW_IDMAP`.
    pub allows: bool,
    /// The superblock does not support idmapped mounts: `SB_I_NOIDMAP`.
    pub refuses: bool,
    /// The mount was never attached: `is_anon_ns()`.
    pub is_anonymous: bool,
}

impl MountFacts {
    /// Checks whether the mount may get another idmap.
    ///
    /// `controls` returns whether the caller has `CAP_SYS_ADMIN` in the user namespace of the
    /// filesystem.
    ///
    /// Equals `can_idmap_mount()` if there is a new idmap.
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
