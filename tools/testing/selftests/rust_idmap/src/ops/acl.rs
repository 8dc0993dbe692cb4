// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs: the ids in their entries go through the map as owners do.

use rustix::fs::{getxattr, lgetxattr, lsetxattr, removexattr, setxattr, XattrFlags};
use rustix::io::Errno;

use crate::caller::{SyscallResult, DISK, FOREIGN, SEEN};
use crate::filesystem::Can;
use crate::fixture::TestCase;
use crate::ktap::{Doing, Failure, Outcome};
use crate::op::{op, same, Op, EACCES, EINVAL, EPERM, OK};
use crate::syscalls;

use super::{done, MAPPED, OWNERS};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

// `linux/posix_acl.h`
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NO_ID: u32 = u32::MAX;

/// An ACL as an attribute has it.
fn bytes(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// An ACL of one user more.
fn with_user(user: u32) -> Vec<u8> {
    bytes(&[
        (USER_OBJ, 6, NO_ID),
        (USER, 6, user),
        (GROUP_OBJ, 0, NO_ID),
        (MASK, 6, NO_ID),
        (OTHER, 0, NO_ID),
    ])
}

/// An ACL of one group more.
fn with_group(group: u32) -> Vec<u8> {
    bytes(&[
        (USER_OBJ, 6, NO_ID),
        (GROUP_OBJ, 0, NO_ID),
        (GROUP, 4, group),
        (MASK, 6, NO_ID),
        (OTHER, 0, NO_ID),
    ])
}

/// The id of the entry with this tag.
fn id(value: &[u8], tag: u16) -> Result<u32, Errno> {
    let entries = value.get(4..).unwrap_or_default().chunks_exact(8);
    let mut with_tag = entries.filter(|entry| entry[..2] == tag.to_le_bytes());
    let entry = with_tag.next().ok_or(Errno::NODATA)?;
    Ok(u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]))
}

/// The id of the first user in the ACL that is seen.
fn seen(name: &str, attribute: &str, tag: u16) -> SyscallResult {
    let mut value = [0; 256];
    let length = getxattr(name, attribute, &mut value[..])?;
    id(&value[..length], tag).map(u64::from)
}

/// The id of the first user in the ACL on disk.
fn stored(s: &TestCase, name: &str, attribute: &str, tag: u16) -> Result<u32, Failure> {
    let mut value = [0; 256];
    let length = lgetxattr(s.on_disk(name), attribute, &mut value[..]).doing("reading an ACL")?;
    id(&value[..length], tag).doing("looking for an entry")
}

fn set(name: &str, attribute: &str, value: &[u8]) -> SyscallResult {
    done(setxattr(name, attribute, value, XattrFlags::empty()))
}

/// Gives something on disk an ACL.
fn give(s: &TestCase, name: &str, attribute: &str, value: &[u8]) -> Outcome {
    lsetxattr(s.on_disk(name), attribute, value, XattrFlags::empty()).doing("setting an ACL")
}

pub(crate) fn ops() -> Vec<Op> {
    let acl = |name, call| op(name, call).needs(Can::Acl);
    vec![
        acl("acl.set", |s| {
            set("file", ACCESS, &with_user(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| same("user on disk", stored(s, "file", ACCESS, USER)?, DISK + 4)),
        acl("acl.set_group", |s| {
            set("file", ACCESS, &with_group(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| same("group on disk", stored(s, "file", ACCESS, GROUP)?, DISK + 4)),
        acl("acl.set_default", |s| {
            set(".", DEFAULT, &with_user(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| same("user on disk", stored(s, ".", DEFAULT, USER)?, DISK + 4)),
        acl("acl.set_unmapped_user", |s| {
            // Known to the caller if it can be, but not to the disk.
            let user = s.ns.number(DISK + 1).unwrap_or(5);
            set("file", ACCESS, &with_user(user))
        })
        // Who may set it at all is asked first.
        .by(|s| match s.ns.number(DISK + 1) {
            Some(_) if OWNERS[s.who as usize] == EPERM => EPERM,
            _ => EINVAL,
        }),
        acl("acl.set_of_unmapped_owner", |s| {
            set("file", ACCESS, &with_user(s.ns.known(SEEN + 4)))
        })
        .with(|s| s.file("file", FOREIGN, 0o666))
        .each([EPERM; 5]),
        acl("acl.get", |_| seen("file", ACCESS, USER))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
            .by(|s| Ok(u64::from(s.ns.known(SEEN + 4)))),
        acl("acl.get_group", |_| seen("file", ACCESS, GROUP))
            .with(|s| give(s, "file", ACCESS, &with_group(DISK + 4)))
            .by(|s| Ok(u64::from(s.ns.known(SEEN + 4)))),
        acl("acl.get_unmapped_user", |_| seen("file", ACCESS, USER))
            .with(|s| give(s, "file", ACCESS, &with_user(FOREIGN)))
            .by(|_| Ok(u64::from(NO_ID))),
        acl("acl.remove", |_| done(removexattr("file", ACCESS)))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
            .each(OWNERS),
        acl("acl.user_may", |_| syscalls::read("file"))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 1)))
            .each([OK, EACCES, OK, EACCES, OK]),
        acl("acl.user_with_the_number_of_the_seen", |_| {
            syscalls::read("file")
        })
        .with(|s| give(s, "file", ACCESS, &with_user(SEEN + 1)))
        .each([OK, EACCES, EACCES, EACCES, OK]),
        acl("acl.group_may", |_| syscalls::read("file"))
            .with(|s| give(s, "file", ACCESS, &with_group(DISK + 1)))
            .each([OK, EACCES, OK, EACCES, OK]),
        acl("acl.unmapped_user_may_not", |_| syscalls::read("file"))
            .with(|s| s.give_to("file", DISK + 7, DISK + 7, 0o600))
            .with(|s| give(s, "file", ACCESS, &with_user(FOREIGN)))
            .each([EACCES, EACCES, EACCES, EACCES, OK]),
        acl("acl.inherited", |_| syscalls::create("new", 0o660))
            .with(|s| s.give(".", DISK, 0o777))
            .with(|s| give(s, ".", DEFAULT, &with_user(DISK + 4)))
            .each(MAPPED)
            .then(|s| same("user on disk", stored(s, "new", ACCESS, USER)?, DISK + 4)),
        acl("acl.chmod_changes_the_mask", |_| {
            syscalls::chmod("file", 0o640)
        })
        .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
        .each(OWNERS)
        .then(|s| same("user on disk", stored(s, "file", ACCESS, USER)?, DISK + 4)),
    ]
}
