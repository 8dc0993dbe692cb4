// SPDX-License-Identifier: GPL-2.0

//! What a permission check does not ask, because it costs.

mod support;

use kernel::{
    fs::{
        mode::{InodeFlags, Mask, Mode},
        permission::{Access, CheckError, CheckResult, Entry, HasNamespace, InodeAttrs, InodePerm},
    },
    host,
    uidgid::{Filesystem, FsGid, FsUid},
};
use std::cell::RefCell;
use support::{
    fixture::{Map, Ns},
    scenes::callers,
};

/// An inode that notes what it is asked.
struct Witness {
    mode: u16,
    owner: u32,
    no_acl: bool,
    is_posixacl: bool,
    asked: RefCell<Vec<&'static str>>,
}

impl Witness {
    fn note(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }
}

impl HasNamespace<Ns> for Witness {
    fn namespace(&self) -> &Ns {
        self.note("superblock");
        Ns::initial()
    }
}

impl InodeAttrs<Ns> for Witness {
    fn mode(&self) -> Mode {
        Mode::new(self.mode)
    }

    fn i_uid(&self) -> Option<FsUid> {
        self.note("owner");
        host::id(self.owner)
    }

    fn i_gid(&self) -> Option<FsGid> {
        self.note("group");
        host::id(2000)
    }

    fn flags(&self) -> InodeFlags {
        self.note("flags");
        InodeFlags::EMPTY
    }
}

impl InodePerm<Ns> for Witness {
    type Entries<'a> = std::iter::Empty<Entry<Filesystem>>;

    fn no_acl(&self) -> bool {
        self.note("cached ACL");
        self.no_acl
    }

    fn is_posixacl(&self) -> bool {
        self.note("superblock");
        self.is_posixacl
    }

    fn is_read_only(&self) -> bool {
        self.note("superblock");
        false
    }

    fn with_acl<R>(
        &self,
        _: Mask,
        _: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        self.note("ACL");
        Ok(None)
    }
}

/// What a read by the user 2000 in the group 2000, without capabilities, is answered, and what it
/// asks.
fn read(mode: u16, owner: u32, no_acl: bool, is_posixacl: bool) -> (i32, Vec<&'static str>) {
    let inode = Witness {
        mode,
        owner,
        no_acl,
        is_posixacl,
        asked: RefCell::default(),
    };
    let who = &callers(&[])[0];
    let access = Access::new(who, &Map::Nop);
    let verdict = access.acl_permission_check(&inode, Mask::MAY_READ);
    (CheckError::to_c(verdict), inode.asked.take())
}

#[test]
fn where_everybody_may_no_owner_is_asked_for() {
    assert_eq!(read(0o100644, 2001, true, true), (0, vec!["cached ACL"]));
    assert_eq!(
        read(0o100644, 2001, false, false),
        (0, vec!["cached ACL", "superblock"])
    );
}

#[test]
fn for_the_owner_no_acl_is_read() {
    assert_eq!(read(0o100600, 2000, false, true), (0, vec!["owner"]));
    assert_eq!(read(0o100044, 2000, false, true), (-13, vec!["owner"]));
}

#[test]
fn where_the_group_has_nothing_no_acl_is_read() {
    assert_eq!(
        read(0o100600, 2001, false, true),
        (-13, vec!["owner", "superblock"])
    );
    assert_eq!(
        read(0o100660, 2001, false, true),
        (0, vec!["owner", "superblock", "ACL", "group"])
    );
}

#[test]
fn where_group_and_others_have_the_same_no_group_is_asked_for() {
    // What differs is not what is wanted.
    assert_eq!(
        read(0o100066, 2001, true, false),
        (0, vec!["owner", "superblock"])
    );
    assert_eq!(
        read(0o100620, 2001, true, false),
        (-13, vec!["owner", "superblock"])
    );
    assert_eq!(
        read(0o100640, 2001, true, false),
        (0, vec!["owner", "superblock", "group"])
    );
}
