// SPDX-License-Identifier: GPL-2.0

//! FAT, which stores no owners: all files are whose the mount says, and seen through a map.

use crate::caller::{Who, DISK, SEEN};
use crate::filesystem::Kind;
use crate::op::{op, same, Op, EACCES, EOVERFLOW, EPERM, OK};
use crate::syscalls;

use super::WRITERS;

pub(crate) fn ops() -> Vec<Op> {
    let not_fat: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::Vfat)
        .collect();
    let fat = |name, call| op(name, call).everywhere().not_on(&not_fat);
    vec![
        fat("fat.create", |_| syscalls::create("new", 0o644))
            .each([OK, EACCES, EACCES, EOVERFLOW, OK])
            // Whoever made it.
            .then(|s| same("owner", s.owner("new")?, (DISK, DISK))),
        fat("fat.chown_to_itself", |s| {
            syscalls::chown("file", Some(s.ns.known(SEEN)), Some(s.ns.known(SEEN)))
        })
        .each([OK, EPERM, EPERM, EPERM, OK]),
        fat("fat.chown_to_another", |s| {
            syscalls::chown("file", Some(s.ns.known(SEEN + 4)), None)
        })
        // There is no place for another owner.
        .each([EPERM; 5]),
        fat("fat.chmod_to_read_only", |_| syscalls::chmod("file", 0o555))
            .each([OK, EPERM, EPERM, EPERM, OK])
            .then(|s| same("permissions", s.mode("file")? & 0o222, 0)),
        fat("fat.rename", |_| {
            syscalls::rename("file", "Long name of a file")
        })
        .each(WRITERS),
        fat("fat.read_only_file", |_| syscalls::append("file"))
            .with(|s| {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::Permissions::from_mode(0o555);
                std::fs::set_permissions(s.on_disk("file"), mode).map_err(crate::ktap::wrong)
            })
            .by(|s| if s.who == Who::Admin { OK } else { EACCES }),
    ]
}
