// SPDX-License-Identifier: GPL-2.0

//! Opening: `O_NOATIME`, `O_TRUNC`, `O_TMPFILE`, and how an open file is shared.

use std::os::fd::{AsFd, AsRawFd};

use kselftest::filesystem::Feature;
use kselftest::ktap::check_eq;
use kselftest::raw;
use rustix::fs::{linkat, AtFlags, OFlags, CWD};

use crate::caller::{DISK, FOREIGN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EOVERFLOW, EPERM, OK};

use super::{MAPPED, OWNERS, WRITERS};

fn open_to_all(s: &TestCase) -> kselftest::ktap::Outcome {
    s.give(".", DISK, 0o777)
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("open.write", |_| calls::open("file", OFlags::RDWR))
            .everywhere()
            .each(WRITERS),
        op("open.truncate", |_| {
            calls::open("file", OFlags::WRONLY | OFlags::TRUNC)
        })
        .everywhere()
        .each(WRITERS),
        op("open.noatime", |_| {
            calls::open("file", OFlags::RDONLY | OFlags::NOATIME)
        })
        .everywhere()
        .each(OWNERS),
        op("open.noatime_of_unmapped_owner", |_| {
            calls::open("file", OFlags::RDONLY | OFlags::NOATIME)
        })
        .with(|s| s.file("file", FOREIGN, 0o644))
        .each([EPERM; 5]),
        op("open.noatime_later", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::fcntl(file.as_fd(), libc::F_SETFL, libc::O_NOATIME)
        })
        .everywhere()
        .each(OWNERS),
        op("open.write_hint", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::set_write_hint(file.as_fd())
        })
        .everywhere()
        .each(OWNERS),
        op("open.lease", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::fcntl(file.as_fd(), libc::F_SETLEASE, libc::F_RDLCK)
        })
        .everywhere()
        // CAP_LEASE counts in the initial namespace only.
        .by(|s| {
            use crate::caller::{CallerNs, Who};
            match (s.who, s.ns) {
                (Who::Owner, _) | (Who::Admin, CallerNs::Initial) => OK,
                _ => EACCES,
            }
        }),
        op("open.tmpfile", |_| {
            calls::open(".", OFlags::TMPFILE | OFlags::WRONLY)
        })
        .needs(Feature::Tmpfile)
        .with(open_to_all)
        .each(MAPPED),
        op("open.tmpfile_in_owners_directory", |_| {
            calls::open(".", OFlags::TMPFILE | OFlags::WRONLY)
        })
        .needs(Feature::Tmpfile)
        .each([OK, EACCES, EACCES, EOVERFLOW, OK]),
        op("open.tmpfile_with_a_name", |_| {
            let file = calls::file(".", OFlags::TMPFILE | OFlags::WRONLY)?;
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            calls::done(linkat(CWD, &path, CWD, "new", AtFlags::SYMLINK_FOLLOW))
        })
        .needs(Feature::Tmpfile)
        .with(open_to_all)
        .each(MAPPED)
        .then(|s| {
            let id = s.who.on_disk().unwrap_or(u32::MAX);
            check_eq("owner", s.owner("new")?, (id, id))
        }),
        op("open.create_what_is_there", |_| {
            calls::open("file", OFlags::CREATE | OFlags::WRONLY)
        })
        .everywhere()
        // Nothing is created, so the caller's ids may be unmapped.
        .each(WRITERS),
        op("open.create_where_it_is_not_allowed", |_| {
            calls::open("new", OFlags::CREATE | OFlags::WRONLY)
        })
        .everywhere()
        .each([OK, EACCES, EACCES, EOVERFLOW, OK]),
    ]
}
