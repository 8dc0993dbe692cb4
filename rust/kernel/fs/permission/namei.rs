// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Directory entries: creation, removal, links, and sticky directories.

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

/// The directory of a path walk, with its owner mapped by the idmap of its mount: `nd->dir_mode`
/// and `nd->dir_vfsuid`.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// The mode of the directory.
    pub mode: Mode,
    /// The owner of the directory.
    pub owner: Option<VfsUid>,
}

/// `sysctl_protected_regular` and `sysctl_protected_fifos`: 0 is off, 1 protects in world-writable
/// directories, 2 in group-writable directories too.
#[derive(Clone, Copy, Debug)]
pub struct Protected {
    /// For regular files.
    pub regular: i32,
    /// For named pipes.
    pub fifos: i32,
}

/// The reason for which `open()` with `O_CREAT` of an existing file fails. The error is always
/// [`CheckError::EACCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickyCreate {
    /// The directory is world-writable.
    World,
    /// The directory is group-writable, and the file is a named pipe.
    GroupFifo,
    /// The directory is group-writable, and the file is a regular file.
    GroupRegular,
}

impl StickyCreate {
    /// The name of the operation in the audit record.
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
    /// Returns whether the sticky bit of `dir` keeps the caller from removing `inode`.
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

    /// Returns whether the caller owns neither inode, and has no `CAP_FOWNER` over `inode`.
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

    /// Checks whether the caller may remove `inode` from `dir`.
    ///
    /// `dir_permission` checks write and search access to `dir`.
    ///
    /// Equals `may_delete_dentry()` without the comparison of file types at its end.
    pub fn may_delete(
        self,
        dir: &impl InodeAttrs<C::Namespace>,
        inode: &impl InodeAttrs<C::Namespace>,
        dir_permission: impl FnOnce() -> CheckResult,
    ) -> CheckResult {
        // The link count changes, and then the owner and the group would be written back.
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
        // The inode is not locked, so its ids may have changed.
        if self.check_sticky(dir, inode)
            || inode.flags().has_any(kept)
            || self.has_unmapped_id(inode)
        {
            return Err(CheckError::EPERM);
        }
        Ok(())
    }

    /// Checks whether the caller may create an inode in `dir`. Returns its owner and group.
    ///
    /// `exists` is whether the name exists. `dir_permission` checks write and search access to
    /// `dir`.
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

    /// Checks whether the caller may create a file in `dir` by `open()`, with or without a name.
    ///
    /// Equals the checks on ids of `may_o_create()` and `vfs_tmpfile()`.
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

    /// Checks whether extended attributes of an inode can be changed.
    ///
    /// Equals `may_write_xattr()`. `vfs_link()` checks the same of its source.
    #[doc(alias = "vfs_link")]
    pub fn may_write_xattr(self, inode: &impl InodeAttrs<C::Namespace>) -> CheckResult {
        let kept = InodeFlags::S_IMMUTABLE.with(InodeFlags::S_APPEND);
        if inode.flags().has_any(kept) || self.has_unmapped_id(inode) {
            return Err(CheckError::EPERM);
        }
        Ok(())
    }

    /// Returns whether hard links to a file are safe: it is a regular file, does not change the
    /// credentials of a process that executes it, and the caller can read and write it.
    ///
    /// `permission` checks access to the file.
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

    /// Checks whether the caller may create a hard link to a file.
    ///
    /// `protected` is `sysctl_protected_hardlinks`. `permission` checks access to the file.
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

    /// Checks whether the caller may follow a symbolic link in `parent`. In sticky world-writable
    /// directories, the owner of the link must be the caller or the owner of the directory.
    ///
    /// `protected` is `sysctl_protected_symlinks`. In RCU walk the error is [`CheckError::ECHILD`],
    /// because an audit record of the denial may sleep.
    ///
    /// The mount must be that of the link. C uses the mount of the directory, which differs from it
    /// if the link is the root of a mount.
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

    /// Checks whether the caller may open an existing file in `parent` with `O_CREAT`. In sticky
    /// directories, the owner of the file must be the caller or the owner of the directory.
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
