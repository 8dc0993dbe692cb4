// SPDX-License-Identifier: GPL-2.0

//! The rules of C for changing attributes.

use super::{
    c_dir::{EOVERFLOW, S_APPEND},
    c_rules::{s_isdir, s_isreg, C, CAP_FSETID, EPERM, S_IMMUTABLE},
    fixture::{ask, down, Asked, Inode, Ns, NONE},
};

pub(crate) const EINVAL: i32 = -22;

pub(crate) const CAP_CHOWN: i32 = 0;

pub(crate) const S_VERITY: u32 = 1 << 16;

pub(crate) const MODE: u32 = 1 << 0;
pub(crate) const UID: u32 = 1 << 1;
pub(crate) const GID: u32 = 1 << 2;
pub(crate) const SIZE: u32 = 1 << 3;
pub(crate) const CTIME: u32 = 1 << 6;
pub(crate) const ATIME_SET: u32 = 1 << 7;
pub(crate) const MTIME_SET: u32 = 1 << 8;
pub(crate) const FORCE: u32 = 1 << 9;
pub(crate) const KILL_SUID: u32 = 1 << 11;
pub(crate) const KILL_SGID: u32 = 1 << 12;
pub(crate) const KILL_PRIV: u32 = 1 << 14;
pub(crate) const TIMES_SET: u32 = 1 << 16;
pub(crate) const TOUCH: u32 = 1 << 17;

/// What is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attr {
    pub(crate) valid: u32,
    pub(crate) mode: u16,
    pub(crate) vfsuid: u32,
    pub(crate) vfsgid: u32,
}

/// How a test tells what was asked for: changing the size, and taking capabilities away.
pub(crate) const ASKED_SIZE: Asked = Asked::Permission(1000);
pub(crate) const ASKED_KILL_PRIV: Asked = Asked::Permission(1001);

impl C<'_> {
    pub(crate) fn chown_ok(self, inode: &Inode, new: u32) -> bool {
        let vfsuid = self.vfsuid(inode);
        if self.is_me(vfsuid) && new == vfsuid {
            return true;
        }
        if self.capable_wrt_inode_uidgid(inode, CAP_CHOWN) {
            return true;
        }
        vfsuid == NONE && self.who.asked_capable(inode.ns, CAP_CHOWN)
    }

    pub(crate) fn chgrp_ok(self, inode: &Inode, new: u32) -> bool {
        let vfsgid = self.vfsgid(inode);
        if self.is_me(self.vfsuid(inode)) {
            if new != NONE && new == vfsgid {
                return true;
            }
            if self.in_group(new) {
                return true;
            }
        }
        if self.capable_wrt_inode_uidgid(inode, CAP_CHOWN) {
            return true;
        }
        vfsgid == NONE && self.who.asked_capable(inode.ns, CAP_CHOWN)
    }

    pub(crate) fn setattr_should_drop_sgid(self, inode: &Inode) -> u32 {
        if inode.mode & 0o2000 == 0 {
            return 0;
        }
        if inode.mode & 0o010 != 0 {
            return KILL_SGID;
        }
        if self.in_group_or_capable(inode, self.vfsgid(inode)) {
            0
        } else {
            KILL_SGID
        }
    }

    pub(crate) fn setattr_should_drop_suidgid(self, inode: &Inode) -> u32 {
        let mut kill = 0;
        if inode.mode & 0o4000 != 0 {
            kill = KILL_SUID;
        }
        kill |= self.setattr_should_drop_sgid(inode);
        if kill == 0 {
            return 0;
        }
        if self.who.asked_capable(Ns::initial(), CAP_FSETID) {
            return 0;
        }
        if s_isreg(inode.mode) {
            kill
        } else {
            0
        }
    }

    pub(crate) fn may_setattr(self, inode: &Inode, valid: u32, permission: i32) -> i32 {
        let fixed = inode.flags & S_IMMUTABLE != 0;
        if valid & (MODE | UID | GID | TIMES_SET) != 0 && (fixed || inode.flags & S_APPEND != 0) {
            return EPERM;
        }
        if valid & TOUCH != 0 {
            if fixed {
                return EPERM;
            }
            if !self.inode_owner_or_capable(inode) {
                ask(Asked::Permission(2));
                return permission;
            }
        }
        0
    }

    pub(crate) fn setattr_prepare(
        self,
        inode: &Inode,
        attr: &mut Attr,
        size: i32,
        kill_priv: i32,
    ) -> i32 {
        let valid = attr.valid;
        if valid & SIZE != 0 {
            if inode.flags & S_VERITY != 0 {
                return EPERM;
            }
            ask(ASKED_SIZE);
            if size != 0 {
                return size;
            }
        }
        if valid & FORCE == 0 {
            if valid & UID != 0 && !self.chown_ok(inode, attr.vfsuid) {
                return EPERM;
            }
            if valid & GID != 0 && !self.chgrp_ok(inode, attr.vfsgid) {
                return EPERM;
            }
            if valid & MODE != 0 {
                if !self.inode_owner_or_capable(inode) {
                    return EPERM;
                }
                let vfsgid = if valid & GID != 0 {
                    attr.vfsgid
                } else {
                    self.vfsgid(inode)
                };
                if !self.in_group_or_capable(inode, vfsgid) {
                    attr.mode &= !0o2000;
                }
            }
            if valid & (MTIME_SET | ATIME_SET | TIMES_SET) != 0
                && !self.inode_owner_or_capable(inode)
            {
                return EPERM;
            }
        }
        if valid & KILL_PRIV != 0 {
            ask(ASKED_KILL_PRIV);
            if kill_priv != 0 {
                return kill_priv;
            }
        }
        0
    }

    /// Changes the inode as C does, in place.
    pub(crate) fn setattr_copy(self, inode: &mut Inode, attr: &Attr) {
        if attr.valid & UID != 0 {
            inode.uid = self.from_vfsuid(inode.ns, attr.vfsuid);
        }
        if attr.valid & GID != 0 {
            inode.gid = self.from_vfsgid(inode.ns, attr.vfsgid);
        }
        if attr.valid & MODE != 0 {
            let mut mode = attr.mode;
            if !self.in_group_or_capable(inode, self.vfsgid(inode)) {
                mode &= !0o2000;
            }
            inode.mode = mode;
        }
    }

    /// Gives whether anything is left to do.
    pub(crate) fn notify_change_kill(self, inode: &Inode, attr: &mut Attr) -> bool {
        let mode = inode.mode;
        if attr.valid & KILL_SUID != 0 && mode & 0o4000 != 0 {
            attr.valid |= MODE;
            attr.mode = inode.mode & !0o4000;
        }
        if attr.valid & KILL_SGID != 0 && mode & 0o2000 != 0 {
            if attr.valid & MODE == 0 {
                attr.valid |= MODE;
                attr.mode = inode.mode;
            }
            attr.mode &= !0o2000;
        }
        attr.valid & !(KILL_SUID | KILL_SGID) != 0
    }

    pub(crate) fn notify_change_ids(self, inode: &Inode, attr: &Attr) -> i32 {
        if attr.valid & UID != 0 {
            if self.from_vfsuid(inode.ns, attr.vfsuid) == NONE {
                return EOVERFLOW;
            }
        } else if self.vfsuid(inode) == NONE {
            return EOVERFLOW;
        }
        if attr.valid & GID != 0 {
            if self.from_vfsgid(inode.ns, attr.vfsgid) == NONE {
                return EOVERFLOW;
            }
        } else if self.vfsgid(inode) == NONE {
            return EOVERFLOW;
        }
        0
    }

    pub(crate) fn chown_attr(self, user: u32, group: u32) -> Result<Attr, i32> {
        let ns = self.who.ns;
        let (uid, gid) = (down(&ns.users, user), down(&ns.groups, group));
        let mut attr = Attr {
            valid: CTIME,
            mode: 0,
            vfsuid: NONE,
            vfsgid: NONE,
        };
        if user != NONE {
            if uid == NONE {
                return Err(EINVAL);
            }
            attr.valid |= UID;
            attr.vfsuid = uid;
        }
        if group != NONE {
            if gid == NONE {
                return Err(EINVAL);
            }
            attr.valid |= GID;
            attr.vfsgid = gid;
        }
        Ok(attr)
    }

    pub(crate) fn chown_kill(self, inode: &Inode) -> u32 {
        if s_isdir(inode.mode) {
            0
        } else {
            KILL_SUID | KILL_PRIV | self.setattr_should_drop_sgid(inode)
        }
    }
}
