// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Access to inodes: `generic_permission()` and `inode_permission()`.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    traits::{
        Caller,
        Capability,
        Idmap,
        InodeAttrs,
        InodePerm, //
    },
    Access, //
};
use crate::fs::mode::{
    InodeFlags,
    Mask,
    Mode, //
};

/// Checks whether the lowest three bits of `mode` grant all of `want`, a part of [`Mask::RWX`].
#[inline(always)]
fn granted_by(mode: u32, want: u32) -> CheckResult {
    if want & !mode == 0 {
        Ok(())
    } else {
        Err(CheckError::EACCES)
    }
}

/// Returns whether the mode grants access to each caller, and there is no ACL.
///
/// This is the common case of [`Access::mapped_generic_permission`]. It depends neither on the caller
/// nor on the idmap.
#[inline(always)]
pub(super) fn is_granted_to_all<N: ?Sized>(inode: &impl InodePerm<N>, mask: Mask) -> bool {
    let mode = inode.mode();
    // The product repeats the mask for owner, group and others.
    let missing = (mask.intersection(Mask::RWX).bits() * 0o111) & !u32::from(mode.bits());
    // `is_posixacl()` comes last, because it reads the superblock.
    missing == 0 && (inode.no_acl() || !inode.is_posixacl())
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Checks whether the mode and the ACL of an inode grant access.
    ///
    /// Equals `acl_permission_check()`.
    #[inline(always)]
    pub fn acl_permission_check(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        if is_granted_to_all(inode, mask) {
            return Ok(());
        }
        self.caller_acl_permission(inode, mask)
    }

    /// The part of [`Access::acl_permission_check`] that depends on the caller.
    #[inline(always)]
    fn caller_acl_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        let mode = u32::from(inode.mode().bits());
        let want = mask.intersection(Mask::RWX).bits();

        // The ACL has no entry for the owner that differs from the mode.
        if self.is_owner(inode) {
            return granted_by(mode >> 6, want);
        }

        if inode.is_posixacl() && mode & u32::from(Mode::S_IRWXG.bits()) != 0 {
            if let Some(verdict) = self.check_acl(inode, mask) {
                return verdict;
            }
        }

        // The group matters only if its bits differ from those of others.
        let mode = if want & (mode ^ (mode >> 3)) != 0
            && self.vfsgid_in_group_p(self.i_gid_into_vfsgid(inode))
        {
            mode >> 3
        } else {
            mode
        };
        granted_by(mode, want)
    }

    /// Checks whether the ACL grants access. Returns [`None`] if the mode bits apply.
    ///
    /// Equals `check_acl()`, with [`None`] for `-EAGAIN`.
    #[inline]
    fn check_acl(self, inode: &impl InodePerm<C::Namespace>, mask: Mask) -> Option<CheckResult> {
        match inode.with_acl(mask, |entries| {
            self.posix_acl_permission(inode, entries, mask)
        }) {
            Ok(verdict) => verdict,
            Err(CheckError::EAGAIN) => None,
            Err(denied) => Some(Err(denied)),
        }
    }

    /// Checks whether the mode, the ACL or a capability grants access to an inode.
    ///
    /// Fails with [`CheckError::ECHILD`] in RCU walk if it would have to sleep.
    ///
    /// Equals `generic_permission()`.
    #[doc(alias = "generic_permission")]
    #[inline]
    pub fn mapped_generic_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        if is_granted_to_all(inode, mask) {
            return Ok(());
        }
        self.caller_permission(inode, mask)
    }

    /// The part of [`Access::mapped_generic_permission`] that depends on the caller.
    #[inline(always)]
    pub(super) fn caller_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        match self.caller_acl_permission(inode, mask) {
            Err(CheckError::EACCES) => self.override_permission(inode, mask),
            result => result,
        }
    }

    /// Checks whether a capability grants access that the mode and the ACL deny.
    #[inline(always)]
    fn override_permission(self, inode: &impl InodeAttrs<C::Namespace>, mask: Mask) -> CheckResult {
        let capable = |capability| self.has_capability_over(inode, capability);
        let mode = inode.mode();
        let (search, overrides) = if mode.is_dir() {
            // The execute bit of a directory means search, which can be overridden.
            (!mask.has(Mask::MAY_WRITE), true)
        } else {
            let want = mask.intersection(Mask::RWX);
            // `CAP_DAC_OVERRIDE` does not permit execution of a file without an execute bit.
            let executable = mode.has_any(Mode::S_IXUGO);
            (
                want == Mask::MAY_READ,
                !want.has(Mask::MAY_EXEC) || executable,
            )
        };
        if search && capable(Capability::DacReadSearch)
            || overrides && capable(Capability::DacOverride)
        {
            Ok(())
        } else {
            Err(CheckError::EACCES)
        }
    }

    /// Checks whether the caller has access to an inode.
    ///
    /// `rest` runs the checks that follow in C: `->permission()` of the filesystem or
    /// [`Access::mapped_generic_permission`], the device cgroup, and the security modules.
    ///
    /// Equals `inode_permission()`.
    #[doc(alias = "inode_permission")]
    #[inline]
    pub fn mapped_inode_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
        rest: impl FnOnce() -> CheckResult,
    ) -> CheckResult {
        if mask.has(Mask::MAY_WRITE) {
            self.may_write_at_all(inode)?;
        }
        rest()
    }

    /// Checks whether an inode can be written to at all.
    #[inline]
    fn may_write_at_all(self, inode: &impl InodePerm<C::Namespace>) -> CheckResult {
        // A device or a pipe is not on the filesystem.
        let mode = inode.mode();
        if inode.is_read_only() && (mode.is_reg() || mode.is_dir() || mode.is_lnk()) {
            return Err(CheckError::EROFS);
        }
        if inode.flags().has(InodeFlags::S_IMMUTABLE) {
            return Err(CheckError::EPERM);
        }
        // A write updates the modification time, and then the owner and the group would be written
        // back improperly.
        if self.has_unmapped_id(inode) {
            return Err(CheckError::EACCES);
        }
        Ok(())
    }
}
