// SPDX-License-Identifier: GPL-2.0

//! The rules of C for making, removing and linking.

use super::{
    c_rules::{s_isdir, s_isreg, C, CAP_FOWNER, CAP_FSETID, EACCES, ECHILD, EPERM, S_IMMUTABLE},
    fixture::{ask, down, up, Asked, Inode, Map, Ns, Who, NONE},
};

pub(crate) const ENOENT: i32 = -2;
pub(crate) const EEXIST: i32 = -17;
pub(crate) const EOVERFLOW: i32 = -75;

pub(crate) const S_APPEND: u32 = 4;
pub(crate) const S_DEAD: u32 = 16;
pub(crate) const S_SWAPFILE: u32 = 256;

/// Sets of what sysctls protect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sysctl {
    pub(crate) regular: i32,
    pub(crate) fifos: i32,
}

fn has_name(ranges: &Vec<[u32; 3]>, id: u32) -> bool {
    up(ranges, id) != NONE
}

#[allow(clippy::wrong_self_convention)] // The names are those of C.
impl C<'_> {
    pub(crate) fn from_vfsuid(self, ns: &Ns, vfsuid: u32) -> u32 {
        match self.map {
            Map::Nop => vfsuid,
            Map::Invalid => NONE,
            Map::Ranges(users, _) => down(&ns.users, up(users, vfsuid)),
        }
    }

    pub(crate) fn from_vfsgid(self, ns: &Ns, vfsgid: u32) -> u32 {
        match self.map {
            Map::Nop => vfsgid,
            Map::Invalid => NONE,
            Map::Ranges(_, groups) => down(&ns.groups, up(groups, vfsgid)),
        }
    }

    pub(crate) fn inode_owner_or_capable(self, inode: &Inode) -> bool {
        let vfsuid = self.vfsuid(inode);
        if self.is_me(vfsuid) {
            return true;
        }
        let ns = self.who.ns;
        has_name(&ns.users, vfsuid) && self.who.asked_capable(ns, CAP_FOWNER)
    }

    pub(crate) fn in_group_or_capable(self, inode: &Inode, vfsgid: u32) -> bool {
        self.in_group(vfsgid) || self.capable_wrt_inode_uidgid(inode, CAP_FSETID)
    }

    pub(crate) fn privileged_wrt_inode_uidgid(self, ns: &Ns, inode: &Inode) -> bool {
        has_name(&ns.users, self.vfsuid(inode)) && has_name(&ns.groups, self.vfsgid(inode))
    }

    pub(crate) fn fsuidgid_has_mapping(self, fs: &Ns) -> bool {
        let kuid = self.from_vfsuid(fs, self.who.fsuid);
        let kgid = self.from_vfsgid(fs, self.who.fsgid);
        kuid != NONE && kgid != NONE && has_name(&fs.users, kuid) && has_name(&fs.groups, kgid)
    }

    /// Gives owner, group and mode.
    pub(crate) fn inode_init_owner(
        self,
        fs: &Ns,
        dir: Option<&Inode>,
        mut mode: u16,
    ) -> (u32, u32, u16) {
        let uid = self.from_vfsuid(fs, self.who.fsuid);
        let mut gid = self.from_vfsgid(fs, self.who.fsgid);
        if let Some(dir) = dir {
            if dir.mode & 0o2000 != 0 {
                gid = dir.gid;
                if s_isdir(mode) {
                    mode |= 0o2000;
                }
            }
        }
        (uid, gid, mode)
    }

    pub(crate) fn mode_strip_sgid(self, dir: Option<&Inode>, mode: u16) -> u16 {
        if mode & 0o2000 == 0 || mode & 0o010 == 0 || s_isdir(mode) {
            return mode;
        }
        let Some(dir) = dir else { return mode };
        if dir.mode & 0o2000 == 0 {
            return mode;
        }
        if self.in_group_or_capable(dir, self.vfsgid(dir)) {
            return mode;
        }
        mode & !0o2000
    }

    pub(crate) fn vfs_prepare_mode(
        self,
        dir: &Inode,
        mode: u16,
        mask_perms: u16,
        kind: u16,
        umask: u16,
    ) -> u16 {
        let mut mode = self.mode_strip_sgid(Some(dir), mode);
        if !dir.sb_posixacl {
            mode &= !umask;
        }
        mode &= mask_perms & !0o170000;
        mode | (kind & 0o170000)
    }

    /// Whether the bit keeps the caller out.
    pub(crate) fn check_sticky(self, dir: &Inode, inode: &Inode) -> bool {
        if dir.mode & 0o1000 == 0 || self.is_me(self.vfsuid(inode)) || self.is_me(self.vfsuid(dir))
        {
            return false;
        }
        !self.capable_wrt_inode_uidgid(inode, CAP_FOWNER)
    }

    fn unmapped(self, inode: &Inode) -> bool {
        self.vfsuid(inode) == NONE || self.vfsgid(inode) == NONE
    }

    fn permission(self, mask: u32, answer: i32) -> i32 {
        ask(Asked::Permission(mask));
        answer
    }

    pub(crate) fn may_delete(self, dir: &Inode, inode: &Inode, permission: i32) -> i32 {
        if self.unmapped(inode) {
            return EOVERFLOW;
        }
        let error = self.permission(3, permission);
        if error != 0 {
            return error;
        }
        if dir.flags & S_APPEND != 0 {
            return EPERM;
        }
        if self.check_sticky(dir, inode)
            || inode.flags & S_APPEND != 0
            || inode.flags & S_IMMUTABLE != 0
            || inode.flags & S_SWAPFILE != 0
            || self.unmapped(inode)
        {
            return EPERM;
        }
        0
    }

    pub(crate) fn may_create(self, dir: &Inode, exists: bool, permission: i32) -> i32 {
        if exists {
            return EEXIST;
        }
        if dir.flags & S_DEAD != 0 {
            return ENOENT;
        }
        if !self.fsuidgid_has_mapping(dir.ns) {
            return EOVERFLOW;
        }
        self.permission(3, permission)
    }

    pub(crate) fn may_write_xattr(self, inode: &Inode) -> i32 {
        if inode.flags & S_IMMUTABLE != 0 || inode.flags & S_APPEND != 0 || self.unmapped(inode) {
            return EPERM;
        }
        0
    }

    pub(crate) fn may_linkat(self, inode: &Inode, protected: bool, permission: i32) -> i32 {
        if self.unmapped(inode) {
            return EOVERFLOW;
        }
        if !protected {
            return 0;
        }
        let program = inode.mode & 0o4000 != 0 || inode.mode & 0o2010 == 0o2010;
        if s_isreg(inode.mode) && !program && self.permission(6, permission) == 0 {
            return 0;
        }
        if self.inode_owner_or_capable(inode) {
            0
        } else {
            EPERM
        }
    }

    pub(crate) fn may_follow_link(
        self,
        inode: &Inode,
        dir_mode: u16,
        dir_vfsuid: u32,
        protected: bool,
        rcu: bool,
    ) -> i32 {
        if !protected {
            return 0;
        }
        let vfsuid = self.vfsuid(inode);
        if self.is_me(vfsuid) {
            return 0;
        }
        if dir_mode & 0o1000 == 0 || dir_mode & 0o002 == 0 {
            return 0;
        }
        if dir_vfsuid != NONE && dir_vfsuid == vfsuid {
            return 0;
        }
        if rcu {
            ECHILD
        } else {
            EACCES
        }
    }

    /// The name of the operation for the audit log, if it is refused.
    pub(crate) fn may_create_in_sticky(
        self,
        inode: &Inode,
        dir_mode: u16,
        dir_vfsuid: u32,
        sysctl: Sysctl,
    ) -> Option<&'static str> {
        let fifo = inode.mode & 0o170000 == 0o010000;
        if dir_mode & 0o1000 == 0 {
            return None;
        }
        if s_isreg(inode.mode) && sysctl.regular == 0 {
            return None;
        }
        if fifo && sysctl.fifos == 0 {
            return None;
        }
        let vfsuid = self.vfsuid(inode);
        if (vfsuid != NONE && vfsuid == dir_vfsuid) || self.is_me(vfsuid) {
            return None;
        }
        if dir_mode & 0o002 != 0 {
            return Some("sticky_create");
        }
        if dir_mode & 0o020 != 0 {
            if fifo && sysctl.fifos >= 2 {
                return Some("sticky_create_fifo");
            }
            if s_isreg(inode.mode) && sysctl.regular >= 2 {
                return Some("sticky_create_regular");
            }
        }
        None
    }
}

/// A caller whose ids are others than 2000.
pub(crate) fn with_ids(who: &Who, fsuid: u32, fsgid: u32) -> Who {
    Who {
        fsuid,
        fsgid,
        ..who.clone()
    }
}
