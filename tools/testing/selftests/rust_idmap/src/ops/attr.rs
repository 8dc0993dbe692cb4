// SPDX-License-Identifier: GPL-2.0

//! Changing attributes: permissions, owners and sizes.

use crate::caller::{Who, DISK, FOREIGN, SEEN};
use crate::calls;
use crate::op::{op, Op, EINVAL, EOVERFLOW, EPERM, OK};
use kselftest::ktap::check_eq;

use super::{OWNERS, WRITERS};

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("attr.chmod", |_| calls::chmod("file", 0o600))
            .each(OWNERS)
            .then(|s| check_eq("permissions", s.mode("file")?, 0o600)),
        op("attr.chmod_of_unmapped_owner", |_| {
            calls::chmod("file", 0o600)
        })
        .with(|s| s.file("file", FOREIGN, 0o666))
        // It would be written back with an owner that is not known.
        .each([EOVERFLOW; 5]),
        op("attr.chmod_setgid_of_own_group", |_| {
            calls::chmod("file", 0o2775)
        })
        .each(OWNERS)
        .then(|s| check_eq("permissions", s.mode("file")?, 0o2775)),
        op("attr.chmod_setgid_of_other_group", |_| {
            calls::chmod("file", 0o2775)
        })
        .with(|s| s.give_to("file", DISK, DISK + 7, 0o644))
        .each(OWNERS)
        .then(|s| {
            let kept = s.who == Who::Admin;
            check_eq(
                "permissions",
                s.mode("file")?,
                if kept { 0o2775 } else { 0o775 },
            )
        }),
        op("attr.chown_to_itself", |s| {
            calls::chown("file", Some(s.ns.known(SEEN)), None)
        })
        .each(OWNERS)
        .then(|s| check_eq("owner", s.owner("file")?, (DISK, DISK))),
        op("attr.chown_to_another", |s| {
            calls::chown("file", Some(s.ns.known(SEEN + 4)), None)
        })
        .each([EPERM, EPERM, EPERM, EPERM, OK])
        .then(|s| check_eq("owner", s.owner("file")?, (DISK + 4, DISK))),
        op("attr.chown_to_unmapped", |s| {
            let unmapped = s.ns.number(DISK).unwrap_or(5);
            calls::chown("file", Some(unmapped), None)
        })
        .by(|s| match s.ns.number(DISK) {
            // There is no such id for the caller, or none on disk for it.
            None => EINVAL,
            Some(_) => EOVERFLOW,
        }),
        op("attr.chgrp_to_own_group", |s| {
            calls::chown("file", None, Some(s.ns.known(SEEN)))
        })
        .each(OWNERS)
        .then(|s| check_eq("owner", s.owner("file")?, (DISK, DISK))),
        op("attr.chgrp_to_other_group", |s| {
            calls::chown("file", None, Some(s.ns.known(SEEN + 4)))
        })
        .each([EPERM, EPERM, EPERM, EPERM, OK])
        .then(|s| check_eq("owner", s.owner("file")?, (DISK, DISK + 4))),
        op("attr.truncate_by_name", |_| calls::truncate("file"))
            .everywhere()
            .each(WRITERS),
    ]
}
