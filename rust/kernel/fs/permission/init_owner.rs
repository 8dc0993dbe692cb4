// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Who owns what is made, and with which mode.

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

/// The owner and group of what a caller is about to make: the proof that the filesystem has both.
///
/// Whatever makes an object takes one, so no caller without a name there becomes an owner that
/// nobody is:
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
    /// The owner of what is made.
    #[inline(always)]
    pub const fn owner(self) -> FsUid {
        self.owner
    }

    /// The group of the caller, which a directory may put another in place of.
    #[inline(always)]
    pub const fn group(self) -> FsGid {
        self.group
    }

    /// What is stored for an object that is made in a directory.
    pub fn ownership_in<N: ?Sized>(self, dir: &impl InodeAttrs<N>, mode: Mode) -> Ownership {
        Ownership::new(Some(self.owner), || Some(self.group), Some(dir), mode)
    }
}

/// What an inode stores of its owner, and its mode.
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
    /// A directory with the set-group-id bit hands down its group, and to directories the bit too.
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
    /// The owner and group of what the caller makes, [`CheckError::EOVERFLOW`] if the filesystem
    /// cannot store them.
    ///
    /// Equals `fsuidgid_has_mapping()`, which says whether there are any.
    #[doc(alias = "fsuidgid_has_mapping")]
    #[inline]
    pub fn mapped_fsids(self, fs: &impl HasNamespace<C::Namespace>) -> CheckResult<MappedFsIds> {
        let (Some(owner), Some(group)) = (self.mapped_fsuid(fs), self.mapped_fsgid(fs)) else {
            return Err(CheckError::EOVERFLOW);
        };
        // A mount that is not idmapped has let through what the filesystem may not have.
        let namespace = fs.namespace();
        if UidGidMap::<User>::has(namespace, owner.cast())
            && UidGidMap::<Group>::has(namespace, group.cast())
        {
            Ok(MappedFsIds { owner, group })
        } else {
            Err(CheckError::EOVERFLOW)
        }
    }

    /// What is stored for an object that the caller makes in `dir`, or outside of any.
    ///
    /// That the filesystem has the caller's ids was found out before; this stores none where it
    /// does not. [`MappedFsIds::ownership_in`] is what does not need to be told.
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

    /// Takes the set-group-id bit from a new program, unless its maker is in the group that the
    /// directory hands down.
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

    /// The mode of a new object: what was asked for, of it what `allowed` has, of the kind `kind`.
    ///
    /// The set-group-id bit is looked at before the umask takes away what it is judged by. On a
    /// filesystem with ACLs `umask` is not asked: there it is a default ACL that may take its
    /// place.
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
