// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Whether a caller may read, write or execute.
//!
//! This is what every step of every path walk asks.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    owner::is_caller,
    traits::{
        Caller,
        Capability,
        Idmap,
        InodeAttrs,
        InodePerm,
        KindIdmap, //
    },
    Access, //
};
use crate::{
    fs::mode::{
        InodeFlags,
        Mask,
        Mode, //
    },
    uidgid::User, //
};

/// Whether the lowest three bits of `mode` grant all that is wanted, of [`Mask::RWX`].
#[inline(always)]
fn granted_by(mode: u32, want: u32) -> CheckResult {
    if want & !mode == 0 {
        Ok(())
    } else {
        Err(CheckError::EACCES)
    }
}

/// Whether everybody is granted what is wanted, and there is no ACL to say otherwise: the common
/// case, in which neither the caller nor the owner matters.
#[inline(always)]
fn everybody_may<N: ?Sized>(inode: &impl InodePerm<N>, mode: Mode, mask: Mask) -> bool {
    // Multiplying spreads what is wanted out to all three classes.
    let missing = (mask.intersection(Mask::RWX).bits() * 0o111) & !u32::from(mode.bits());
    // To ask whether the filesystem has ACLs comes last: it takes a look at the superblock.
    missing == 0 && (inode.no_acl() || !inode.is_posixacl())
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// Whether permission bits and ACL grant what is wanted.
    ///
    /// Equals `acl_permission_check()`.
    #[inline]
    pub fn acl_permission_check(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        let mode = inode.mode();
        if everybody_may(inode, mode, mask) {
            return Ok(());
        }
        self.class_permission(inode, mode, mask)
    }

    /// Whether the class that the caller is in grants what is wanted: owner, ACL, group or others.
    #[inline(always)]
    fn class_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mode: Mode,
        mask: Mask,
    ) -> CheckResult {
        let mode = u32::from(mode.bits());
        let want = mask.intersection(Mask::RWX).bits();

        // For the owner an ACL does not matter.
        if self.is_owner(inode) {
            return granted_by(mode >> 6, want);
        }

        if inode.is_posixacl() && mode & u32::from(Mode::S_IRWXG.bits()) != 0 {
            if let Some(verdict) = self.check_acl(inode, mask) {
                return verdict;
            }
        }

        // To look at the group is needed only where it is granted other than others are.
        let mode = if want & (mode ^ (mode >> 3)) != 0
            && self.vfsgid_in_group_p(self.i_gid_into_vfsgid(inode))
        {
            mode >> 3
        } else {
            mode
        };
        granted_by(mode, want)
    }

    /// What the ACL says, if there is one.
    ///
    /// Equals `check_acl()`, with [`None`] for its `-EAGAIN`. Reading an ACL that ends with that
    /// error counts as no ACL there too.
    #[inline(never)]
    fn check_acl(self, inode: &impl InodePerm<C::Namespace>, mask: Mask) -> Option<CheckResult> {
        match inode.with_acl(mask, |entries| {
            self.posix_acl_permission(inode, entries, mask)
        }) {
            Ok(verdict) => verdict,
            Err(CheckError::EAGAIN) => None,
            Err(denied) => Some(Err(denied)),
        }
    }

    /// Whether the caller may read, write or execute an object of a filesystem with Unix
    /// permissions, by these, its ACL, or a capability.
    ///
    /// With [`Mask::MAY_NOT_BLOCK`] the answer may be [`CheckError::ECHILD`].
    ///
    /// Equals `generic_permission()`.
    #[doc(alias = "generic_permission")]
    #[inline]
    pub fn mapped_generic_permission(
        self,
        inode: &impl InodePerm<C::Namespace>,
        mask: Mask,
    ) -> CheckResult {
        let mode = inode.mode();
        if everybody_may(inode, mode, mask) || self.owner_may(inode, mode, mask) {
            return Ok(());
        }
        self.some_may(inode, mode, mask)
    }

    /// Whether the caller is the owner, and may; not if that is not quickly told.
    #[inline(always)]
    fn owner_may(self, inode: &impl InodePerm<C::Namespace>, mode: Mode, mask: Mask) -> bool {
        let missing = mask.intersection(Mask::RWX).bits() & !(u32::from(mode.bits()) >> 6);
        let owner = KindIdmap::<User, _>::make_vfsid_inline(self.map, inode, inode.i_uid());
        missing == 0 && owner.is_some_and(|owner| is_caller(owner, self.caller.fsuid()))
    }

    /// [`Access::mapped_generic_permission`] where neither everybody nor the owner may, or that is
    /// not quickly told.
    ///
    /// A function of its own, so that the other cases need no stack frame.
    #[inline(never)]
    fn some_may(self, inode: &impl InodePerm<C::Namespace>, mode: Mode, mask: Mask) -> CheckResult {
        match self.class_permission(inode, mode, mask) {
            Err(CheckError::EACCES) => self.override_permission(inode, mask),
            verdict => verdict,
        }
    }

    /// Whether a capability grants what permission bits and ACL do not.
    #[inline(never)]
    fn override_permission(self, inode: &impl InodeAttrs<C::Namespace>, mask: Mask) -> CheckResult {
        let capable = |capability| self.capable_wrt_inode_uidgid(inode, capability);
        let mode = inode.mode();
        let (search, overrides) = if mode.is_dir() {
            // Directories are never executed, so here anything can be granted.
            (!mask.has(Mask::MAY_WRITE), true)
        } else {
            let want = mask.intersection(Mask::RWX);
            // What nobody may execute is no program, for root neither.
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

    /// Whether the caller may read, write or execute an object.
    ///
    /// `rest` is what follows where nothing speaks against it so far: the filesystem's own
    /// `->permission()` or else [`Access::mapped_generic_permission`], the device cgroup, and the
    /// security modules.
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

    /// Whether an object is one that is written to, whoever wants to.
    #[inline]
    fn may_write_at_all(self, inode: &impl InodePerm<C::Namespace>) -> CheckResult {
        // What is behind a device node or a pipe is not on the filesystem.
        let mode = inode.mode();
        if inode.is_read_only() && (mode.is_reg() || mode.is_dir() || mode.is_lnk()) {
            return Err(CheckError::EROFS);
        }
        if inode.flags().has(InodeFlags::S_IMMUTABLE) {
            return Err(CheckError::EPERM);
        }
        // Writing changes the modification time, and with it the inode would be written back,
        // with an owner that is not known.
        if self.has_unmapped_id(inode) {
            return Err(CheckError::EACCES);
        }
        Ok(())
    }
}
