// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs: the ids in their entries go through the map as owners do.

use kselftest::acl::{self, ACCESS, DEFAULT, GROUP, NO_ID, USER};
use kselftest::filesystem::Feature;
use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::syscalls::{get_xattr, set_xattr};

use crate::caller::{SyscallResult, DISK, FOREIGN, SEEN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EINVAL, EPERM, OK};

use super::{MAPPED, OWNERS};

/// An ACL with a named user.
fn with_user(user: u32) -> Vec<u8> {
    acl::with_entry(6, (USER, 6, user), 6, 0)
}

/// An ACL with a named group.
fn with_group(group: u32) -> Vec<u8> {
    acl::with_entry(6, (GROUP, 4, group), 6, 0)
}

/// The id of the first entry with a tag, in the ACL that the caller gets.
fn seen(name: &str, attribute: &str, tag: u16) -> SyscallResult {
    acl::id(&get_xattr(name, attribute)?, tag).map(u64::from)
}

/// The id of the first entry with a tag, in the ACL on disk.
fn stored(s: &TestCase, name: &str, attribute: &str, tag: u16) -> Result<u32, Failure> {
    let value = get_xattr(s.on_disk(name), attribute).context("reading an ACL")?;
    acl::id(&value, tag).context("looking for an entry")
}

/// Sets an ACL on disk.
fn give(s: &TestCase, name: &str, attribute: &str, value: &[u8]) -> Outcome {
    set_xattr(s.on_disk(name), attribute, value).context("setting an ACL")
}

pub(crate) fn ops() -> Vec<Op> {
    let test = |name, call| op(name, call).needs(Feature::Acl);
    vec![
        test("acl.set", |s| {
            calls::set_xattr("file", ACCESS, &with_user(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| check_eq("user on disk", stored(s, "file", ACCESS, USER)?, DISK + 4)),
        test("acl.set_group", |s| {
            calls::set_xattr("file", ACCESS, &with_group(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| check_eq("group on disk", stored(s, "file", ACCESS, GROUP)?, DISK + 4)),
        test("acl.set_default", |s| {
            calls::set_xattr(".", DEFAULT, &with_user(s.ns.known(SEEN + 4)))
        })
        .each(OWNERS)
        .then(|s| check_eq("user on disk", stored(s, ".", DEFAULT, USER)?, DISK + 4)),
        test("acl.set_unmapped_user", |s| {
            // Known to the caller if it can be, but not to the disk.
            let user = s.ns.number(DISK + 1).unwrap_or(5);
            calls::set_xattr("file", ACCESS, &with_user(user))
        })
        // The permission to set an ACL is checked before its ids.
        .by(|s| match s.ns.number(DISK + 1) {
            Some(_) if OWNERS[s.who as usize] == EPERM => EPERM,
            _ => EINVAL,
        }),
        test("acl.set_of_unmapped_owner", |s| {
            calls::set_xattr("file", ACCESS, &with_user(s.ns.known(SEEN + 4)))
        })
        .with(|s| s.file("file", FOREIGN, 0o666))
        .each([EPERM; 5]),
        test("acl.get", |_| seen("file", ACCESS, USER))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
            .by(|s| Ok(u64::from(s.ns.known(SEEN + 4)))),
        test("acl.get_group", |_| seen("file", ACCESS, GROUP))
            .with(|s| give(s, "file", ACCESS, &with_group(DISK + 4)))
            .by(|s| Ok(u64::from(s.ns.known(SEEN + 4)))),
        test("acl.get_unmapped_user", |_| seen("file", ACCESS, USER))
            .with(|s| give(s, "file", ACCESS, &with_user(FOREIGN)))
            .by(|_| Ok(u64::from(NO_ID))),
        test("acl.remove", |_| calls::remove_xattr("file", ACCESS))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
            .each(OWNERS),
        test("acl.user_may", |_| calls::read("file"))
            .with(|s| give(s, "file", ACCESS, &with_user(DISK + 1)))
            .each([OK, EACCES, OK, EACCES, OK]),
        test("acl.user_with_the_number_of_the_seen", |_| {
            calls::read("file")
        })
        .with(|s| give(s, "file", ACCESS, &with_user(SEEN + 1)))
        .each([OK, EACCES, EACCES, EACCES, OK]),
        test("acl.group_may", |_| calls::read("file"))
            .with(|s| give(s, "file", ACCESS, &with_group(DISK + 1)))
            .each([OK, EACCES, OK, EACCES, OK]),
        test("acl.unmapped_user_may_not", |_| calls::read("file"))
            .with(|s| s.give_to("file", DISK + 7, DISK + 7, 0o600))
            .with(|s| give(s, "file", ACCESS, &with_user(FOREIGN)))
            .each([EACCES, EACCES, EACCES, EACCES, OK]),
        test("acl.inherited", |_| calls::create("new", 0o660))
            .with(|s| s.give(".", DISK, 0o777))
            .with(|s| give(s, ".", DEFAULT, &with_user(DISK + 4)))
            .each(MAPPED)
            .then(|s| check_eq("user on disk", stored(s, "new", ACCESS, USER)?, DISK + 4)),
        test("acl.chmod_changes_the_mask", |_| {
            calls::chmod("file", 0o640)
        })
        .with(|s| give(s, "file", ACCESS, &with_user(DISK + 4)))
        .each(OWNERS)
        .then(|s| check_eq("user on disk", stored(s, "file", ACCESS, USER)?, DISK + 4)),
    ]
}
