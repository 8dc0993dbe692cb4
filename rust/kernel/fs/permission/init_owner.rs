// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Owner, group and mode of new inodes.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    traits::{
        Caller,
        HasNamespace,
        Idmap,
        InodeAttrs,
        InodePerm,
        UidGidMap, //
    },
    Access, //
};
use crate::{
    fs::mode::Mode,
    uidgid::{
        FsGid,
        FsUid,
        Group,
        User, //
    },
};

/// The ids that a caller's new inodes have on disk. The filesystem can store both.
///
/// Functions that create inodes take a value of this type, and only [`Access::mapped_fsids`] makes
/// one:
///
/// ```ignore,compile_fail,E0451
/// use kernel::{fs::permission::MappedFsIds, uidgid::{FsGid, FsUid}};
///
/// fn unproved(owner: FsUid, group: FsGid) -> MappedFsIds {
///     MappedFsIds { owner, group }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedFsIds {
    owner: FsUid,
    group: FsGid,
}

impl MappedFsIds {
    /// The owner of new inodes, on disk.
    #[inline(always)]
    pub const fn owner(self) -> FsUid {
        self.owner
    }

    /// The group of new inodes, on disk. A directory with the set-group-id bit replaces it by its
    /// own.
    #[inline(always)]
    pub const fn group(self) -> FsGid {
        self.group
    }

    /// Owner, group and mode of a new inode in a directory.
    pub fn ownership_in<N: ?Sized>(self, dir: &impl InodeAttrs<N>, mode: Mode) -> Ownership {
        Ownership::new(Some(self.owner), || Some(self.group), Some(dir), mode)
    }
}

/// Owner, group and mode of an inode, as stored. [`None`] is an id that the filesystem cannot
/// store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// `inode->i_uid`
    pub owner: Option<FsUid>,
    /// `inode->i_gid`
    pub group: Option<FsGid>,
    /// `inode->i_mode`
    pub mode: Mode,
}

impl Ownership {
    /// A directory with the set-group-id bit passes on its group, and the bit to new directories.
    ///
    /// As in C, `group` is not mapped if the directory passes on its own.
    #[inline]
    fn new<N: ?Sized>(
        owner: Option<FsUid>,
        group: impl FnOnce() -> Option<FsGid>,
        dir: Option<&impl InodeAttrs<N>>,
        mode: Mode,
    ) -> Self {
        match dir {
            Some(dir) if dir.mode().has(Mode::S_ISGID) => Self {
                owner,
                group: dir.i_gid(),
                mode: if mode.is_dir() {
                    mode.with(Mode::S_ISGID)
                } else {
                    mode
                },
            },
            _ => Self {
                owner,
                group: group(),
                mode,
            },
        }
    }
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// The owner and the group of new inodes of the caller. Fails with [`CheckError::EOVERFLOW`] if
    /// the filesystem cannot store one of them.
    ///
    /// Succeeds if `fsuidgid_has_mapping()` returns true.
    #[doc(alias = "fsuidgid_has_mapping")]
    #[inline]
    pub fn mapped_fsids(self, fs: &impl HasNamespace<C::Namespace>) -> CheckResult<MappedFsIds> {
        let (Some(owner), Some(group)) = (self.mapped_fsuid(fs), self.mapped_fsgid(fs)) else {
            return Err(CheckError::EOVERFLOW);
        };
        // Without an idmap these are the caller's ids, which were not checked against the
        // namespace.
        let namespace = fs.namespace();
        if UidGidMap::<User>::has(namespace, owner.cast())
            && UidGidMap::<Group>::has(namespace, group.cast())
        {
            Ok(MappedFsIds { owner, group })
        } else {
            Err(CheckError::EOVERFLOW)
        }
    }

    /// Owner, group and mode of a new inode of the caller in `dir`, or without a parent directory.
    ///
    /// The ids can be invalid. Those of [`MappedFsIds::ownership_in`] cannot.
    ///
    /// Equals `inode_init_owner()`.
    #[doc(alias = "mapped_inode_init_owner")]
    #[inline]
    pub fn inode_init_owner(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        dir: Option<&impl InodeAttrs<C::Namespace>>,
        mode: Mode,
    ) -> Ownership {
        Ownership::new(self.mapped_fsuid(fs), || self.mapped_fsgid(fs), dir, mode)
    }

    /// The mode of a new file. Clears the set-group-id bit of a file that the group may execute, if
    /// the directory passes on its group, the caller is not in this group, and the caller does not
    /// have `CAP_FSETID` over the directory.
    ///
    /// Equals `mode_strip_sgid()`.
    #[inline]
    pub fn mode_strip_sgid(self, dir: Option<&impl InodeAttrs<C::Namespace>>, mode: Mode) -> Mode {
        if !mode.has(Mode::S_ISGID.with(Mode::S_IXGRP)) || mode.is_dir() {
            return mode;
        }
        match dir {
            Some(dir)
                if dir.mode().has(Mode::S_ISGID)
                    && !self.in_group_or_capable(dir, self.i_gid_into_vfsgid(dir)) =>
            {
                mode.without(Mode::S_ISGID)
            }
            _ => mode,
        }
    }

    /// The mode of a new inode: the permission bits of `mode` that are in `allowed`, and the file
    /// type of `kind`.
    ///
    /// The set-group-id bit is checked before the umask is applied, which can clear the bits that
    /// the check reads. `umask` is not called on a filesystem with ACLs, where a default ACL can
    /// replace the umask.
    ///
    /// Equals `vfs_prepare_mode()`.
    pub fn vfs_prepare_mode(
        self,
        dir: &impl InodePerm<C::Namespace>,
        mode: Mode,
        allowed: Mode,
        kind: Mode,
        umask: impl FnOnce() -> Mode,
    ) -> Mode {
        let mut mode = self.mode_strip_sgid(Some(dir), mode);
        if !dir.is_posixacl() {
            mode = mode.without(umask());
        }
        mode.intersection(allowed.without(Mode::S_IFMT))
            .with(kind.kind())
    }
}
