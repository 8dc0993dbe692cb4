// SPDX-License-Identifier: GPL-2.0

//! What the decisions must equal: the rules as C has them, on plain numbers.
//!
//! Nothing here is shared with what is tested but the numbers of `world`. It is written to be
//! compared with the C source line by line, not to be short or fast.

use super::fixture::{ask, down, up, Acl, Asked, Inode, Map, Ns, Who, NONE};

pub(crate) const EPERM: i32 = -1;
pub(crate) const EIO: i32 = -5;
pub(crate) const ECHILD: i32 = -10;
pub(crate) const EAGAIN: i32 = -11;
pub(crate) const EACCES: i32 = -13;
pub(crate) const EROFS: i32 = -30;

pub(crate) const CAP_DAC_OVERRIDE: i32 = 1;
pub(crate) const CAP_DAC_READ_SEARCH: i32 = 2;
pub(crate) const CAP_FOWNER: i32 = 3;
pub(crate) const CAP_FSETID: i32 = 4;

pub(crate) const S_IMMUTABLE: u32 = 8;

pub(crate) fn s_isdir(mode: u16) -> bool {
    mode & 0o170000 == 0o040000
}

pub(crate) fn s_isreg(mode: u16) -> bool {
    mode & 0o170000 == 0o100000
}

pub(crate) fn s_islnk(mode: u16) -> bool {
    mode & 0o170000 == 0o120000
}

/// A caller at a mount.
#[derive(Clone, Copy)]
pub(crate) struct C<'a> {
    pub(crate) who: &'a Who,
    pub(crate) map: &'a Map,
}

impl C<'_> {
    pub(crate) fn make_vfsuid(self, ns: &Ns, kuid: u32) -> u32 {
        match self.map {
            Map::Nop => kuid,
            Map::Invalid => NONE,
            Map::Ranges(users, _) => down(users, up(&ns.users, kuid)),
        }
    }

    pub(crate) fn make_vfsgid(self, ns: &Ns, kgid: u32) -> u32 {
        match self.map {
            Map::Nop => kgid,
            Map::Invalid => NONE,
            Map::Ranges(_, groups) => down(groups, up(&ns.groups, kgid)),
        }
    }

    pub(crate) fn vfsuid(self, inode: &Inode) -> u32 {
        self.make_vfsuid(inode.ns, inode.uid)
    }

    pub(crate) fn vfsgid(self, inode: &Inode) -> u32 {
        self.make_vfsgid(inode.ns, inode.gid)
    }

    pub(crate) fn is_me(self, vfsuid: u32) -> bool {
        vfsuid != NONE && vfsuid == self.who.fsuid
    }

    pub(crate) fn in_group(self, vfsgid: u32) -> bool {
        self.who.in_group_p(vfsgid)
    }

    pub(crate) fn capable_wrt_inode_uidgid(self, inode: &Inode, cap: i32) -> bool {
        if !self.who.asked_capable(self.who.ns, cap) {
            return false;
        }
        let uid_named = up(&self.who.ns.users, self.vfsuid(inode)) != NONE;
        let gid_named = up(&self.who.ns.groups, self.vfsgid(inode)) != NONE;
        uid_named && gid_named
    }

    pub(crate) fn posix_acl_permission(
        self,
        inode: &Inode,
        acl: &[(u16, u16, u32)],
        want: u32,
    ) -> i32 {
        let want = (want & 7) as u16;
        let verdict = |granted: bool| if granted { 0 } else { EACCES };
        let mut found = false;
        for (i, &(tag, perm, id)) in acl.iter().enumerate() {
            // Under the first mask that follows, if one does.
            let masked = |perm: u16| match acl[i + 1..].iter().find(|entry| entry.0 == 0x10) {
                Some(mask) => perm & mask.1 & want == want,
                None => perm & want == want,
            };
            match tag {
                0x01 => {
                    if self.is_me(self.vfsuid(inode)) {
                        return verdict(perm & want == want);
                    }
                }
                0x02 => {
                    if self.is_me(self.make_vfsuid(inode.ns, id)) {
                        return verdict(masked(perm));
                    }
                }
                0x04 | 0x08 => {
                    let vfsgid = if tag == 0x04 {
                        self.vfsgid(inode)
                    } else {
                        self.make_vfsgid(inode.ns, id)
                    };
                    if self.in_group(vfsgid) {
                        found = true;
                        if perm & want == want {
                            return verdict(masked(perm));
                        }
                    }
                }
                0x10 => {}
                0x20 => return verdict(!found && perm & want == want),
                _ => return EIO,
            }
        }
        EIO
    }

    fn check_acl(self, inode: &Inode, mask: u32) -> i32 {
        if mask & 0x80 != 0 {
            return match &inode.acl {
                Acl::None => EAGAIN,
                Acl::Cached(acl) => self.posix_acl_permission(inode, acl, mask),
                _ => ECHILD,
            };
        }
        ask(Asked::Acl);
        match &inode.acl {
            Acl::None | Acl::NoneToBeRead => EAGAIN,
            Acl::Cached(acl) | Acl::ToBeRead(acl) => self.posix_acl_permission(inode, acl, mask),
            Acl::Error(errno) => *errno,
        }
    }

    pub(crate) fn acl_permission_check(self, inode: &Inode, mask: u32) -> i32 {
        let mut class = inode.mode & 7;
        let want = (mask & 7) as u16;
        let everybody = (inode.mode >> 6) & (inode.mode >> 3) & inode.mode & want == want;
        if everybody && (matches!(inode.acl, Acl::None) || !inode.sb_posixacl) {
            return 0;
        }
        if self.is_me(self.vfsuid(inode)) {
            class = (inode.mode >> 6) & 7;
        } else {
            if inode.sb_posixacl && inode.mode & 0o070 != 0 {
                let error = self.check_acl(inode, mask);
                if error != EAGAIN {
                    return error;
                }
            }
            if self.in_group(self.vfsgid(inode)) {
                class = (inode.mode >> 3) & 7;
            }
        }
        if want & !class == 0 {
            0
        } else {
            EACCES
        }
    }

    pub(crate) fn generic_permission(self, inode: &Inode, mask: u32) -> i32 {
        let ret = self.acl_permission_check(inode, mask);
        if ret != EACCES {
            return ret;
        }
        let (read, write, exec) = (mask & 4 != 0, mask & 2 != 0, mask & 1 != 0);
        if s_isdir(inode.mode) {
            if !write && self.capable_wrt_inode_uidgid(inode, CAP_DAC_READ_SEARCH) {
                return 0;
            }
            if self.capable_wrt_inode_uidgid(inode, CAP_DAC_OVERRIDE) {
                return 0;
            }
            return EACCES;
        }
        if read && !write && !exec && self.capable_wrt_inode_uidgid(inode, CAP_DAC_READ_SEARCH) {
            return 0;
        }
        if (!exec || inode.mode & 0o111 != 0)
            && self.capable_wrt_inode_uidgid(inode, CAP_DAC_OVERRIDE)
        {
            return 0;
        }
        EACCES
    }

    /// With what follows the kernel's own part noted and then granted or not.
    pub(crate) fn inode_permission(self, inode: &Inode, mask: u32, rest: i32) -> i32 {
        if mask & 2 != 0 {
            let on_disk = s_isreg(inode.mode) || s_isdir(inode.mode) || s_islnk(inode.mode);
            if inode.sb_rdonly && on_disk {
                return EROFS;
            }
            if inode.flags & S_IMMUTABLE != 0 {
                return EPERM;
            }
            if self.vfsuid(inode) == NONE || self.vfsgid(inode) == NONE {
                return EACCES;
            }
        }
        ask(Asked::Permission(mask));
        rest
    }
}
