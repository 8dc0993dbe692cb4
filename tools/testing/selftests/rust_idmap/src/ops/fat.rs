// SPDX-License-Identifier: GPL-2.0

//! FAT stores no owners. All files have the owner in the mount options, seen through the idmap.

use crate::caller::{Who, DISK, SEEN};
use crate::calls;
use crate::op::{op, Op, EACCES, EOVERFLOW, EPERM, OK};
use kselftest::filesystem::VFAT;
use kselftest::ktap::check_eq;

use super::WRITERS;

pub(crate) fn ops() -> Vec<Op> {
    let fat = |name, call| op(name, call).everywhere().only_on(&[VFAT]);
    vec![
        fat("fat.create", |_| calls::create("new", 0o644))
            .each([OK, EACCES, EACCES, EOVERFLOW, OK])
            // The owner does not depend on the creator.
            .then(|s| check_eq("owner", s.owner("new")?, (DISK, DISK))),
        fat("fat.chown_to_itself", |s| {
            calls::chown("file", Some(s.ns.known(SEEN)), Some(s.ns.known(SEEN)))
        })
        .each([OK, EPERM, EPERM, EPERM, OK]),
        fat("fat.chown_to_another", |s| {
            calls::chown("file", Some(s.ns.known(SEEN + 4)), None)
        })
        // There is no place for another owner.
        .each([EPERM; 5]),
        fat("fat.chmod_to_read_only", |_| calls::chmod("file", 0o555))
            .each([OK, EPERM, EPERM, EPERM, OK])
            .then(|s| check_eq("permissions", s.mode("file")? & 0o222, 0)),
        fat("fat.rename", |_| {
            calls::rename("file", "Long name of a file")
        })
        .each(WRITERS),
        fat("fat.read_only_file", |_| calls::append("file"))
            .with(|s| {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::Permissions::from_mode(0o555);
                std::fs::set_permissions(s.on_disk("file"), mode).map_err(kselftest::ktap::failed)
            })
            .by(|s| if s.who == Who::Admin { OK } else { EACCES }),
    ]
}
