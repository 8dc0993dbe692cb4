// SPDX-License-Identifier: GPL-2.0

//! The owner on disk of new files is that of the idmap. If the idmap has none, creation fails.

use kselftest::ktap::{check_eq, Outcome};
use rustix::fs::FileType;

use crate::caller::{DISK, FOREIGN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EOVERFLOW, OK};

use super::MAPPED;

/// The owner of the new file is the caller.
fn is_callers(case: &TestCase) -> Outcome {
    let id = case.who.on_disk().unwrap_or(u32::MAX);
    check_eq("owner of what was made", case.owner("new")?, (id, id))
}

fn open_to_all(case: &TestCase) -> Outcome {
    case.give(".", DISK, 0o777)
}

/// An operation that makes `new` in a directory that is open to all.
fn maker(name: &'static str, call: fn(&TestCase) -> crate::caller::SyscallResult) -> Op {
    op(name, call)
        .with(open_to_all)
        .each(MAPPED)
        .then(is_callers)
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        maker("init.create", |_| calls::create("new", 0o644)),
        maker("init.mkdir", |_| calls::mkdir("new", 0o755)),
        maker("init.symlink", |_| calls::symlink("file", "new")),
        maker("init.fifo", |_| calls::mknod("new", FileType::Fifo)),
        maker("init.socket", |_| calls::mknod("new", FileType::Socket)),
        op("init.create_in_owners_directory", |_| {
            calls::create("new", 0o644)
        })
        .everywhere()
        // The caller's id is looked at before the permissions of the directory.
        .each([OK, EACCES, EACCES, EOVERFLOW, OK]),
        op("init.create_in_groups_directory", |_| {
            calls::create("new", 0o644)
        })
        .with(|s| s.give(".", DISK, 0o775))
        .each([OK, OK, EACCES, EOVERFLOW, OK])
        .then(is_callers),
        op("init.create_in_unmapped_directory", |_| {
            calls::create("dir/new", 0o644)
        })
        .with(|s| s.directory("dir", FOREIGN, 0o777))
        .each([EACCES, EACCES, EACCES, EOVERFLOW, EACCES]),
        op("init.group_of_directory", |_| calls::create("new", 0o644))
            .with(|s| s.give_to(".", DISK, DISK + 7, 0o2777))
            .each(MAPPED)
            .then(|s| {
                let id = s.who.on_disk().unwrap_or(u32::MAX);
                check_eq("owner of what was made", s.owner("new")?, (id, DISK + 7))
            }),
        op("init.directory_keeps_setgid", |_| {
            calls::mkdir("new", 0o755)
        })
        .with(|s| s.give_to(".", DISK, DISK + 7, 0o2777))
        .each(MAPPED)
        .then(|s| check_eq("permissions", s.mode("new")?, 0o2755)),
        op("init.setgid_of_other_group", |_| {
            calls::create("new", 0o2775)
        })
        .with(|s| s.give_to(".", DISK, DISK, 0o2777))
        .each(MAPPED)
        .then(|s| {
            use crate::caller::Who::*;
            // A member of the directory's group, or a caller with CAP_FSETID over the inode, keeps
            // the bit.
            let kept = matches!(s.who, Owner | Member | Admin);
            check_eq(
                "permissions",
                s.mode("new")?,
                if kept { 0o2775 } else { 0o775 },
            )
        }),
    ]
}
