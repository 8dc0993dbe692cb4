// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.

use kselftest::filesystem::Feature;
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::syscalls::{get_xattr, list_xattr, mknod, set_xattr};
use rustix::fs::FileType;

use crate::caller::{CallerNs, SyscallResult, Who, DISK, FOREIGN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EPERM, OK};

use super::{OWNERS, WRITERS};

const NAME: &str = "user.test";

fn set(name: &str, attribute: &str) -> SyscallResult {
    calls::set_xattr(name, attribute, b"value")
}

fn get(name: &str, attribute: &str) -> SyscallResult {
    get_xattr(name, attribute).map(|value| value.len() as u64)
}

/// The file has an attribute.
fn there(s: &TestCase) -> Outcome {
    set_xattr(s.on_disk("file"), NAME, b"value").context("setting it")
}

/// Needs CAP_SYS_ADMIN in the initial user namespace.
fn privileged(s: &TestCase) -> SyscallResult {
    let is = (s.who, s.ns) == (Who::Admin, CallerNs::Initial);
    if is {
        OK
    } else {
        EPERM
    }
}

pub(crate) fn ops() -> Vec<Op> {
    let xattr = |name, call| op(name, call).needs(Feature::Xattr);
    vec![
        xattr("xattr.set", |_| set("file", NAME))
            .each(WRITERS)
            .then(|s| {
                check_eq(
                    "value",
                    get_xattr(s.on_disk("file"), NAME),
                    Ok(b"value".to_vec()),
                )
            }),
        xattr("xattr.set_who_may_write", |_| set("file", NAME))
            .with(|s| s.give("file", DISK, 0o666)),
        xattr("xattr.set_of_unmapped_owner", |_| set("file", NAME))
            .with(|s| s.give("file", FOREIGN, 0o666))
            .each([EPERM; 5]),
        xattr("xattr.get", |_| get("file", NAME))
            .with(there)
            .with(|s| s.give("file", DISK, 0o640))
            .each([Ok(5), Ok(5), EACCES, EACCES, Ok(5)]),
        xattr("xattr.list", |_| calls::done(list_xattr("file"))).with(there),
        xattr("xattr.remove", |_| calls::remove_xattr("file", NAME))
            .with(there)
            .each(WRITERS),
        xattr("xattr.remove_of_unmapped_owner", |_| {
            calls::remove_xattr("file", NAME)
        })
        .with(there)
        .with(|s| s.give("file", FOREIGN, 0o666))
        .each([EPERM; 5]),
        xattr("xattr.sticky_directory", |_| set(".", NAME))
            .with(|s| s.give(".", DISK, 0o1777))
            .each(OWNERS),
        xattr("xattr.directory", |_| set(".", NAME)).with(|s| s.give(".", DISK, 0o777)),
        xattr("xattr.trusted", |_| set("file", "trusted.test")).by(privileged),
        xattr("xattr.security", |_| set("file", "security.test")).by(privileged),
        xattr("xattr.not_on_pipes", |_| set("pipe", NAME))
            .with(|s| {
                mknod(s.on_disk("pipe"), FileType::Fifo, 0, 0).context("making a FIFO")?;
                s.give("pipe", DISK, 0o666)
            })
            .each([EPERM; 5]),
        xattr("xattr.kept_by_chmod", |_| calls::chmod("file", 0o600))
            .with(there)
            .each(OWNERS)
            .then(|s| {
                let value = get_xattr(s.on_disk("file"), NAME);
                check_eq("length", value.map(|value| value.len()), Ok(5))
            }),
    ]
}
