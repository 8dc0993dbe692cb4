// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Making, removing and linking of names, and what protects sticky directories.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    init_owner::MappedFsIds,
    owner::vfsid_eq,
    traits::{
        Caller,
        Capability,
        Idmap,
        InodeAttrs, //
    },
    Access, //
};
use crate::{
    fs::mode::{
        InodeFlags,
        Mask,
        Mode, //
    },
    uidgid::VfsUid, //
};
use core::ffi::CStr;

/// What a path walk keeps of the directory that it came through, as its mount showed it.
///
/// `nd->dir_mode` and `nd->dir_vfsuid`.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// The directory's mode.
    pub mode: Mode,
    /// Its owner.
    pub owner: Option<VfsUid>,
}

/// `sysctl_protected_regular` and `sysctl_protected_fifos`: 1 protects in directories where
/// everybody may write, 2 also where a group may.
#[derive(Clone, Copy, Debug)]
pub struct Protected {
    /// For regular files.
    pub regular: i32,
    /// For named pipes.
    pub fifos: i32,
}

/// Why a file that exists is not opened with `O_CREAT`: all are [`CheckError::EACCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickyCreate {
    /// Everybody may write in the directory.
    World,
    /// A group may write in the directory, and it is a named pipe.
    GroupFifo,
    /// A group may write in the directory, and it is a regular file.
    GroupRegular,
}

impl StickyCreate {
    /// What the audit log calls it.
    pub const fn operation(self) -> &'static CStr {
        match self {
            Self::World => c"sticky_create",
            Self::GroupFifo => c"sticky_create_fifo",
            Self::GroupRegular => c"sticky_create_regular",
        }
    }
}

impl From<StickyCreate> for CheckError {
    fn from(_: StickyCreate) -> Self {
        CheckError::EACCES
    }
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Whether the sticky bit of `dir` keeps the caller from removing `inode` from it.
    ///
    /// Equals `check_sticky()`.
    #[inline]
    pub fn check_sticky(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        inode: &impl InodeAttrs<C::Namespace>,
    ) -> bool {
        dir.mode().has(Mode::S_ISVTX) && self.owns_neither(dir, inode)
    }

    /// Whether the caller owns neither, and may not act as if it owned `inode`.
    ///
    /// Equals `__check_sticky()`.
    #[doc(alias = "__check_sticky")]
    pub fn owns_neither(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        inode: &impl InodeAttrs<C::Namespace>,
    ) -> bool {
        !self.is_owner(inode)
            && !self.is_owner(dir)
            && !self.capable_wrt_inode_uidgid(inode, Capability::Fowner)
    }

    /// Whether the caller may remove `inode` from `dir`.
    ///
    /// `dir_permission` is whether it may write to and search `dir`.
    ///
    /// Equals `may_delete_dentry()` up to where that compares kinds of objects.
    pub fn may_delete(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        inode: &impl InodeAttrs<C::Namespace>,
        dir_permission: impl FnOnce() -> CheckResult,
    ) -> CheckResult {
        // Its link count changes, and with it the inode would be written back.
        if self.has_unmapped_id(inode) {
            return Err(CheckError::EOVERFLOW);
        }
        dir_permission()?;
        if dir.flags().has(InodeFlags::S_APPEND) {
            return Err(CheckError::EPERM);
        }
        let kept = InodeFlags::S_APPEND
            .with(InodeFlags::S_IMMUTABLE)
            .with(InodeFlags::S_SWAPFILE);
        // Only the directory is locked, so the ids may be others by now.
        if self.check_sticky(dir, inode)
            || inode.flags().has_any(kept)
            || self.has_unmapped_id(inode)
        {
            return Err(CheckError::EPERM);
        }
        Ok(())
    }

    /// Whether the caller may make an object in `dir`, and who owns it then.
    ///
    /// `exists` is whether there is one of that name; `dir_permission` whether the caller may write
    /// to and search `dir`.
    ///
    /// Equals `may_create_dentry()`.
    pub fn may_create(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        exists: bool,
        dir_permission: impl FnOnce() -> CheckResult,
    ) -> CheckResult<MappedFsIds> {
        if exists {
            return Err(CheckError::EEXIST);
        }
        if dir.flags().has(InodeFlags::S_DEAD) {
            return Err(CheckError::ENOENT);
        }
        self.may_o_create(dir, dir_permission)
    }

    /// Whether the caller may make a file in `dir` by opening it, or one without a name.
    ///
    /// Equals the ownership part of `may_o_create()` and of `vfs_tmpfile()`.
    #[doc(alias = "vfs_tmpfile")]
    pub fn may_o_create(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        dir_permission: impl FnOnce() -> CheckResult,
    ) -> CheckResult<MappedFsIds> {
        let owner = self.mapped_fsids(dir)?;
        dir_permission()?;
        Ok(owner)
    }

    /// Whether an inode is one whose extended attributes are changed; also, whether it is one that
    /// is given another name.
    ///
    /// Equals `may_write_xattr()`, and what `vfs_link()` asks of its source.
    #[doc(alias = "vfs_link")]
    pub fn may_write_xattr(self, inode: &impl InodeAttrs<C::Namespace>) -> CheckResult {
        let kept = InodeFlags::S_IMMUTABLE.with(InodeFlags::S_APPEND);
        if inode.flags().has_any(kept) || self.has_unmapped_id(inode) {
            return Err(CheckError::EPERM);
        }
        Ok(())
    }

    /// Whether a file is one that anybody may give another name: no program that runs as its owner
    /// or group, and one that the caller may read and write.
    ///
    /// `permission` is whether the caller may do what the mask says.
    ///
    /// Equals `safe_hardlink_source()`.
    pub fn safe_hardlink_source(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        permission: impl FnOnce(Mask) -> CheckResult,
    ) -> bool {
        let mode = inode.mode();
        mode.is_reg()
            && !mode.has(Mode::S_ISUID)
            && !mode.has(Mode::S_ISGID.with(Mode::S_IXGRP))
            && permission(Mask::MAY_READ.with(Mask::MAY_WRITE)).is_ok()
    }

    /// Whether the caller may give a file another name.
    ///
    /// `protected` is `sysctl_protected_hardlinks`.
    ///
    /// Equals `may_linkat()`.
    pub fn may_linkat(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        protected: bool,
        permission: impl FnOnce(Mask) -> CheckResult,
    ) -> CheckResult {
        if self.has_unmapped_id(inode) {
            return Err(CheckError::EOVERFLOW);
        }
        if !protected
            || self.safe_hardlink_source(inode, permission)
            || self.inode_owner_or_capable(inode)
        {
            Ok(())
        } else {
            Err(CheckError::EPERM)
        }
    }

    /// Whether the caller may follow a symbolic link in `parent`: not if somebody else put it in a
    /// directory where everybody may write.
    ///
    /// `protected` is `sysctl_protected_symlinks`. In RCU walk what is to be refused is
    /// [`CheckError::ECHILD`] at first, as refusing goes to the audit log.
    ///
    /// The mount is the one that the link was reached through. C takes the mount of the directory;
    /// the two differ where something is mounted on the link itself.
    ///
    /// Equals `may_follow_link()`.
    pub fn may_follow_link(
        self,
        link: &impl InodeAttrs<C::Namespace>,
        parent: Parent,
        protected: bool,
        in_rcu_walk: bool,
    ) -> CheckResult {
        if !protected {
            return Ok(());
        }
        let owner = self.i_uid_into_vfsuid(link);
        if owner.is_some_and(|owner| owner == self.caller.fsuid())
            || !parent.mode.has(Mode::S_ISVTX.with(Mode::S_IWOTH))
            || vfsid_eq(parent.owner, owner)
        {
            Ok(())
        } else if in_rcu_walk {
            Err(CheckError::ECHILD)
        } else {
            Err(CheckError::EACCES)
        }
    }

    /// Whether the caller may open with `O_CREAT` a file that is in `parent` already: not if
    /// somebody else put it in a directory where others may write.
    ///
    /// Equals `may_create_in_sticky()`.
    pub fn may_create_in_sticky(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        parent: Parent,
        protected: Protected,
    ) -> Result<(), StickyCreate> {
        if !parent.mode.has(Mode::S_ISVTX) {
            return Ok(());
        }
        let (is_reg, is_fifo) = (inode.mode().is_reg(), inode.mode().is_fifo());
        if is_reg && protected.regular == 0 || is_fifo && protected.fifos == 0 {
            return Ok(());
        }
        let owner = self.i_uid_into_vfsuid(inode);
        if vfsid_eq(owner, parent.owner) || owner.is_some_and(|owner| owner == self.caller.fsuid())
        {
            return Ok(());
        }
        if parent.mode.has(Mode::S_IWOTH) {
            return Err(StickyCreate::World);
        }
        if parent.mode.has(Mode::S_IWGRP) {
            if is_fifo && protected.fifos >= 2 {
                return Err(StickyCreate::GroupFifo);
            }
            if is_reg && protected.regular >= 2 {
                return Err(StickyCreate::GroupRegular);
            }
        }
        Ok(())
    }
}
