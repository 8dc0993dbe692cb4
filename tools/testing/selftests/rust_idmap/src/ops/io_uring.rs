// SPDX-License-Identifier: GPL-2.0

//! Calls by io_uring, which a thread of the kernel does with the caller's credentials.

use crate::caller::{DISK, FOREIGN};
use crate::op::{op, Op, EACCES, EOVERFLOW, OK};
use crate::ring::{call, MKDIRAT, OPENAT, UNLINKAT};
use kselftest::ktap::check_eq;

use super::{MAPPED, WRITERS};

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("io_uring.open_for_reading", |_| {
            call(OPENAT, c"file", 0, libc::O_RDONLY)
        })
        .with(|s| s.file("file", DISK, 0o640))
        .each([OK, OK, EACCES, EACCES, OK]),
        op("io_uring.open_for_writing", |_| {
            call(OPENAT, c"file", 0, libc::O_WRONLY)
        })
        .everywhere()
        .each(WRITERS),
        op("io_uring.create", |_| {
            call(
                OPENAT,
                c"new",
                0o644,
                libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY,
            )
        })
        .with(|s| s.give(".", DISK, 0o777))
        .each(MAPPED)
        .then(|s| {
            let id = s.who.on_disk().unwrap_or(u32::MAX);
            check_eq("owner", s.owner("new")?, (id, id))
        }),
        op("io_uring.mkdir", |_| call(MKDIRAT, c"new", 0o755, 0))
            .with(|s| s.give(".", DISK, 0o777))
            .each(MAPPED)
            .then(|s| {
                let id = s.who.on_disk().unwrap_or(u32::MAX);
                check_eq("owner", s.owner("new")?, (id, id))
            }),
        op("io_uring.unlink", |_| call(UNLINKAT, c"file", 0, 0))
            .everywhere()
            .each(WRITERS),
        op("io_uring.unlink_of_unmapped_owner", |_| {
            call(UNLINKAT, c"file", 0, 0)
        })
        .with(|s| s.give(".", DISK, 0o777))
        .with(|s| s.give("file", FOREIGN, 0o666))
        .each([EOVERFLOW; 5]),
    ]
}
