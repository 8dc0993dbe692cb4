// SPDX-License-Identifier: GPL-2.0

//! Extended attributes.

use rustix::fs::{getxattr, lgetxattr, listxattr, lsetxattr, removexattr, setxattr, XattrFlags};

use crate::caller::{CallerNs, SyscallResult, Who, DISK, FOREIGN};
use crate::filesystem::Can;
use crate::fixture::TestCase;
use crate::ktap::{Doing, Outcome};
use crate::op::{op, same, Op, EACCES, EPERM, OK};
use crate::syscalls;

use super::{done, OWNERS, WRITERS};

const NAME: &str = "user.test";

fn set(name: &str, attribute: &str) -> SyscallResult {
    done(setxattr(name, attribute, b"value", XattrFlags::empty()))
}

fn get(name: &str, attribute: &str) -> SyscallResult {
    getxattr(name, attribute, &mut [0; 64][..]).map(|length| length as u64)
}

/// The file has an attribute.
fn there(s: &TestCase) -> Outcome {
    lsetxattr(s.on_disk("file"), NAME, b"value", XattrFlags::empty()).doing("setting it")
}

/// Who has all capabilities in the initial namespace.
fn privileged(s: &TestCase) -> SyscallResult {
    let is = (s.who, s.ns) == (Who::Admin, CallerNs::Initial);
    if is {
        OK
    } else {
        EPERM
    }
}

pub(crate) fn ops() -> Vec<Op> {
    let xattr = |name, call| op(name, call).needs(Can::Xattr);
    vec![
        xattr("xattr.set", |_| set("file", NAME))
            .each(WRITERS)
            .then(|s| {
                let mut value = [0; 64];
                let length =
                    lgetxattr(s.on_disk("file"), NAME, &mut value[..]).doing("reading it")?;
                same("value", &value[..length], &b"value"[..])
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
        xattr("xattr.list", |_| {
            listxattr("file", &mut [0; 256][..]).map(|_| 0)
        })
        .with(there),
        xattr("xattr.remove", |_| done(removexattr("file", NAME)))
            .with(there)
            .each(WRITERS),
        xattr("xattr.remove_of_unmapped_owner", |_| {
            done(removexattr("file", NAME))
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
                use rustix::fs::{mknodat, FileType, Mode, CWD};
                mknodat(CWD, s.on_disk("pipe"), FileType::Fifo, Mode::empty(), 0)
                    .doing("making a pipe")?;
                s.give("pipe", DISK, 0o666)
            })
            .each([EPERM; 5]),
        xattr("xattr.kept_by_chmod", |_| syscalls::chmod("file", 0o600))
            .with(there)
            .each(OWNERS)
            .then(|s| {
                let length = lgetxattr(s.on_disk("file"), NAME, &mut [0; 64][..]);
                same("length", length, Ok(5))
            }),
    ]
}
