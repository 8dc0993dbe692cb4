// SPDX-License-Identifier: GPL-2.0

//! Callers that do not meet a condition of nested idmaps.
//!
//! The kernel must not give them an idmap. Each has a tree of inodes that it has no right to. The
//! attack through the old mount shows that. If the kernel gives an idmap, then the attack through
//! the new mount shows the rights that the caller gets by it: this is how the attack is seen to
//! fail if the condition is removed from the kernel.

use std::path::Path;

use kselftest::{
    acl,
    credentials::{set_capabilities, set_ids},
    errno::SyscallResult,
    process,
    rng::Rng,
    syscalls,
    userns::UserNs,
};
use rustix::{
    process::{Gid, Uid},
    thread::{
        CapabilitySet, LinkNameSpaceType, move_into_link_name_space, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    },
};

use crate::{
    disk::{PUBLIC, SECRET},
    ids::{BASE, CALLERS, MAP, OWN, Old},
};

/// An id outside of `N`.
const OUTSIDE: u32 = 300_000;
/// A map of few ids, the number of them, and a map of some of these.
const FEW: &str = "0 100000 8\n";
const FEW_COUNT: u32 = 8;
const FEWER: &str = "0 0 4\n";
/// A map with the ids of `N` in another order, and ids outside of `N`.
const BESIDE: &str = "0 100001 30000\n30000 300000 30000\n";
/// The caller that is not root.
const WEAK: u32 = 5;

/// The condition that is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// `N` allows `setgroups()`.
    Setgroups,
    /// `N` has more users than an inode can name.
    Users,
    /// `N` has more groups than an inode can name.
    Groups,
    /// The caller is root of `N`. It has `CAP_SYS_ADMIN` alone.
    Capabilities,
    /// The idmap is set. It is removed.
    Set,
    /// `M` is `N`, or below `N`. It is beside `N`, and only root of the host can enter it.
    Below,
}

impl Unmet {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Setgroups,
        Self::Users,
        Self::Groups,
        Self::Capabilities,
        Self::Set,
        Self::Below,
    ];

    /// The name of the test.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Setgroups => "refused_without_setgroups",
            Self::Users => "refused_with_few_users",
            Self::Groups => "refused_with_few_groups",
            Self::Capabilities => "refused_with_cap_sys_admin_alone",
            Self::Set => "refused_removal",
            Self::Below => "refused_beside",
        }
    }

    /// The old mount.
    pub(crate) fn old(self) -> Old {
        let idmapped = self == Self::Set;
        Old { idmapped }
    }

    /// Makes `N`.
    pub(crate) fn own(self) -> SyscallResult<UserNs> {
        match self {
            Self::Setgroups => UserNs::without_setgroups(OWN),
            Self::Users => UserNs::new(FEW, OWN),
            Self::Groups => UserNs::new(OWN, FEW),
            Self::Capabilities | Self::Set | Self::Below => UserNs::with(OWN),
        }
    }

    /// Makes `M`, if root of `N` cannot.
    pub(crate) fn beside(self) -> SyscallResult<Option<UserNs>> {
        match self {
            Self::Below => UserNs::with(BESIDE).map(Some),
            _ => Ok(None),
        }
    }

    /// Enters `N` as its root.
    pub(crate) fn enter(self, own: &UserNs) -> SyscallResult {
        if self != Self::Setgroups {
            return own.enter(0, 0);
        }
        set_thread_groups(&[Gid::from_raw(OUTSIDE)])?;
        self.become_root_of(own)
    }

    /// Enters a namespace as its root, without setgroups().
    fn become_root_of(self, userns: &UserNs) -> SyscallResult {
        use std::os::fd::AsFd;
        move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))?;
        rustix::thread::set_keep_capabilities(true)?;
        set_single_ids(0, 0)?;
        set_capabilities(CapabilitySet::all())?;
        process::set_dumpable()
    }

    /// As root of `N`: makes `M`, and becomes the caller.
    pub(crate) fn become_caller(self) -> SyscallResult<UserNs> {
        match self {
            Self::Users => UserNs::new(FEWER, MAP),
            Self::Groups => UserNs::new(MAP, FEWER),
            Self::Setgroups | Self::Set | Self::Below => UserNs::with(MAP),
            Self::Capabilities => {
                rustix::thread::set_keep_capabilities(true)?;
                set_ids([WEAK; 3], [WEAK; 3], &[])?;
                set_capabilities(CapabilitySet::SYS_ADMIN)?;
                process::set_dumpable()?;
                // This needs no capability: the only id is the caller's own one.
                UserNs::without_setgroups(&format!("0 {WEAK} 1\n"))
            }
        }
    }

    /// As the caller: becomes any user that the caller can become. Returns ids of these users.
    pub(crate) fn become_anybody(self, rng: &mut Rng, map_of: &UserNs) -> SyscallResult<Vec<u32>> {
        let below = rng.chance(50) && self != Self::Below;
        if below && matches!(self, Self::Setgroups | Self::Capabilities) {
            self.become_root_of(map_of)?;
        } else if below {
            map_of.enter(0, 0)?;
        }
        let ids = match (self, below) {
            (Self::Capabilities, true) => vec![0],
            (Self::Capabilities, false) => vec![WEAK],
            (Self::Users | Self::Groups, true) => (0..4).collect(),
            (Self::Users | Self::Groups, false) => (0..FEW_COUNT).collect(),
            (Self::Setgroups | Self::Set | Self::Below, _) => CALLERS.to_vec(),
        };
        let (user, group) = (rng.pick(&ids), rng.pick(&ids));
        rustix::thread::set_keep_capabilities(true)?;
        let all = match self {
            Self::Capabilities if below => CapabilitySet::all(),
            Self::Capabilities => CapabilitySet::SYS_ADMIN,
            Self::Setgroups => {
                set_single_ids(user, group)?;
                CapabilitySet::all()
            }
            Self::Users | Self::Groups | Self::Set | Self::Below => {
                set_ids([user; 3], [group; 3], &[rng.pick(&ids)])?;
                CapabilitySet::all()
            }
        };
        let none = CapabilitySet::empty();
        set_capabilities(if rng.chance(40) { all } else { none })?;
        process::set_dumpable()?;
        Ok(ids)
    }

    /// Returns whether the caller can be the user, and the group, with this stored id.
    pub(crate) fn is_mapped(self, id: u32) -> bool {
        match self {
            Self::Capabilities => id == BASE + WEAK,
            _ => self.old().name(id).is_some(),
        }
    }

    /// Makes the tree: the caller's directory is `d0`. It has no right to others.
    pub(crate) fn populate(self, root: &Path, rng: &mut Rng) -> SyscallResult {
        let own = match self {
            Self::Capabilities => BASE + WEAK,
            Self::Set => 1,
            _ => BASE + 1,
        };
        self.give(root, 0o755)?;
        for outer in 0..8 {
            let dir = root.join(format!("d{outer}"));
            syscalls::mkdir(&dir, 0o700)?;
            for number in 0..8 {
                let file = dir.join(format!("f{number}"));
                syscalls::write_file(&file, if outer == 0 { PUBLIC } else { SECRET })?;
                match outer {
                    0 => syscalls::chown(&file, Some(own), Some(own))?,
                    _ => self.hide(&file, false)?,
                }
            }
            match outer {
                0 => {
                    syscalls::chown(&dir, Some(own), Some(own))?;
                    syscalls::chmod(&dir, 0o777)?;
                }
                _ if rng.chance(50) => self.hide(&dir, true)?,
                _ => self.give(&dir, 0o755)?,
            }
        }
        Ok(())
    }

    /// Gives an inode to a user and a group that the caller cannot be.
    fn give(self, path: &Path, mode: u32) -> SyscallResult {
        let owner = match self {
            // Root of N.
            Self::Capabilities => BASE,
            // An id of N, but the old mount does not show it as one.
            Self::Set => BASE + 1000,
            _ => OUTSIDE,
        };
        syscalls::chown(path, Some(owner), Some(owner))?;
        syscalls::chmod(path, mode)
    }

    /// Likewise, and denies reading to the caller.
    fn hide(self, path: &Path, dir: bool) -> SyscallResult {
        let (all, read) = if dir { (7, 5) } else { (6, 4) };
        let tag = match self {
            // The caller stays in the group, which may do less than others.
            Self::Setgroups => return self.give(path, u32::from(all << 6 | read)),
            Self::Capabilities | Self::Set | Self::Below => {
                return self.give(path, u32::from(all << 6));
            }
            // The ACL names each id of N, and others may read.
            Self::Users => acl::USER,
            Self::Groups => acl::GROUP,
        };
        self.give(path, 0o600)?;
        let mut entries = vec![
            (acl::USER_OBJ, all, acl::NO_ID),
            (acl::GROUP_OBJ, 0, acl::NO_ID),
            (acl::MASK, 7, acl::NO_ID),
            (acl::OTHER, read, acl::NO_ID),
        ];
        entries.extend((0..FEW_COUNT).map(|id| (tag, 0, BASE + id)));
        entries.sort_unstable();
        syscalls::set_xattr(path, acl::ACCESS, &acl::encode(&entries))
    }
}

/// Sets the ids of the user and the group, and leaves the supplementary groups alone.
fn set_single_ids(user: u32, group: u32) -> SyscallResult {
    let group = Gid::from_raw(group);
    set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(user);
    set_thread_res_uid(user, user, user)
}
