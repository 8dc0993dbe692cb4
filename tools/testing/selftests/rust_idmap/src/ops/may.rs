// SPDX-License-Identifier: GPL-2.0

//! Permission to remove, rename and link, and to follow links in sticky directories.

use std::os::unix::fs::symlink;

use kselftest::filesystem::Feature;
use kselftest::ktap::{Context, Outcome};
use rustix::fs::{mknodat, FileType, Mode, OFlags, CWD};

use crate::caller::{DISK, FOREIGN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EOVERFLOW, EPERM, OK};

use super::{MAPPED, NOBODY, OWNERS, WRITERS};

/// A user that the idmap has and that is none of the callers.
const OTHER: u32 = DISK + 7;

fn open_to_all(s: &TestCase) -> Outcome {
    s.give(".", DISK, 0o777)
}

/// A writable sticky directory of another owner. A caller may only remove own files.
fn sticky(s: &TestCase) -> Outcome {
    s.give(".", OTHER, 0o1777)
}

/// The same, but the directory is the owner's.
fn own_sticky(s: &TestCase) -> Outcome {
    s.give(".", DISK, 0o1777)
}

fn others_file(s: &TestCase) -> Outcome {
    s.file("file", OTHER, 0o666)
}

fn link_of_owner(s: &TestCase) -> Outcome {
    symlink("file", s.on_disk("link")).context("making a link")?;
    s.give("link", DISK, 0)
}

fn pipe_of_owner(s: &TestCase) -> Outcome {
    mknodat(CWD, s.on_disk("pipe"), FileType::Fifo, Mode::empty(), 0).context("making a pipe")?;
    s.give("pipe", DISK, 0o666)
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("may_delete.file", |_| calls::unlink("file"))
            .everywhere()
            .each(WRITERS),
        op("may_delete.directory", |_| calls::rmdir("dir"))
            .everywhere()
            .with(|s| s.directory("dir", DISK, 0o755))
            .each(WRITERS),
        op("may_delete.by_an_unmapped_caller", |_| {
            calls::unlink("file")
        })
        .with(open_to_all),
        op("may_delete.of_unmapped_owner", |_| calls::unlink("file"))
            .with(open_to_all)
            .with(|s| s.file("file", FOREIGN, 0o666))
            .each([EOVERFLOW; 5]),
        op("may_delete.in_unmapped_directory", |_| {
            calls::unlink("dir/file")
        })
        .with(|s| s.directory("dir", DISK, 0o755))
        .with(|s| s.file("dir/file", DISK, 0o666))
        .with(|s| s.give("dir", FOREIGN, 0o777))
        .each(NOBODY),
        op("may_delete.in_sticky_directory", |_| calls::unlink("file"))
            .with(sticky)
            .each(OWNERS),
        op("may_delete.others_in_own_sticky_directory", |_| {
            calls::unlink("file")
        })
        .with(own_sticky)
        .with(others_file)
        .each(OWNERS),
        op("may_delete.directory_in_sticky_directory", |_| {
            calls::rmdir("dir")
        })
        .with(|s| s.directory("dir", DISK, 0o777))
        .with(sticky)
        .each(OWNERS),
        op("may_rename.file", |_| calls::rename("file", "new"))
            .everywhere()
            .each(WRITERS),
        op("may_rename.where_everybody_may", |_| {
            calls::rename("file", "new")
        })
        .with(open_to_all)
        // The new name is an entry that is made.
        .each(MAPPED),
        op("may_rename.over_another", |_| {
            calls::rename("file", "other")
        })
        .with(open_to_all)
        .with(|s| s.file("other", OTHER, 0o644)),
        op("may_rename.over_another_in_sticky_directory", |_| {
            calls::rename("file", "other")
        })
        .with(|s| s.file("other", OTHER, 0o644))
        .with(sticky)
        .each([EPERM, EPERM, EPERM, EPERM, OK]),
        op("may_rename.in_sticky_directory", |_| {
            calls::rename("file", "file")
        })
        // A rename to the same inode does nothing and checks nothing.
        .with(sticky),
        op("may_rename.exchange", |_| calls::exchange("file", "other"))
            .needs(Feature::Exchange)
            .with(open_to_all)
            .with(|s| s.file("other", OTHER, 0o644)),
        op("may_rename.of_unmapped_owner", |_| {
            calls::rename("file", "new")
        })
        .with(open_to_all)
        .with(|s| s.file("file", FOREIGN, 0o666))
        .each([EOVERFLOW; 5]),
        op("may_rename.directory_of_others", |_| {
            calls::rename("dir", "sub/dir")
        })
        .with(|s| s.directory("dir", OTHER, 0o755))
        .with(|s| s.directory("sub", DISK, 0o777))
        .with(open_to_all)
        // A directory that moves is written to itself.
        .each([EACCES, EACCES, EACCES, EOVERFLOW, OK]),
        op("may_link.own", |_| calls::link("file", "new"))
            .with(open_to_all)
            .each(OWNERS),
        op("may_link.who_may_write", |_| calls::link("file", "new"))
            .with(open_to_all)
            .with(|s| s.file("file", DISK, 0o666))
            .each(MAPPED),
        op("may_link.of_unmapped_owner", |_| calls::link("file", "new"))
            .with(open_to_all)
            .with(|s| s.file("file", FOREIGN, 0o666))
            .each([EOVERFLOW; 5]),
        op("may_link.setuid", |_| calls::link("file", "new"))
            .with(open_to_all)
            .with(|s| s.file("file", DISK, 0o4777))
            .each(OWNERS),
        op("may_follow_link.of_owner", |_| calls::read("link"))
            .with(link_of_owner)
            .with(sticky)
            .each([OK, EACCES, EACCES, EACCES, EACCES]),
        op("may_follow_link.of_owner_of_directory", |_| {
            calls::read("link")
        })
        .with(link_of_owner)
        .with(own_sticky),
        op("may_follow_link.not_sticky", |_| calls::read("link"))
            .with(link_of_owner)
            .with(open_to_all),
        op("may_create_in_sticky.file", |_| {
            calls::open("file", OFlags::CREATE | OFlags::WRONLY)
        })
        .with(|s| s.file("file", DISK, 0o666))
        .with(sticky)
        .each([OK, EACCES, EACCES, EACCES, EACCES]),
        op("may_create_in_sticky.file_of_owner_of_directory", |_| {
            calls::open("file", OFlags::CREATE | OFlags::WRONLY)
        })
        .with(|s| s.file("file", DISK, 0o666))
        .with(own_sticky),
        op("may_create_in_sticky.pipe", |_| {
            calls::open("pipe", OFlags::CREATE | OFlags::RDWR | OFlags::NONBLOCK)
        })
        .with(pipe_of_owner)
        .with(sticky)
        .each([OK, EACCES, EACCES, EACCES, EACCES]),
    ]
}
