// SPDX-License-Identifier: GPL-2.0

//! Times: any for the owner, now for who may write.

use crate::caller::{DISK, FOREIGN};
use crate::op::{op, Op, EOVERFLOW};
use crate::syscalls;

use super::{NOBODY, OWNERS, WRITERS};

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("utimes.any", |_| syscalls::set_times("file"))
            .everywhere()
            .each(OWNERS),
        op("utimes.any_who_may_write", |_| syscalls::set_times("file"))
            .with(|s| s.file("file", DISK, 0o666))
            .each(OWNERS),
        op("utimes.now", |_| syscalls::touch("file"))
            .everywhere()
            .each(WRITERS),
        op("utimes.now_who_may_write", |_| syscalls::touch("file"))
            .with(|s| s.file("file", DISK, 0o666)),
        op("utimes.any_of_unmapped_owner", |_| {
            syscalls::set_times("file")
        })
        .with(|s| s.file("file", FOREIGN, 0o666))
        .each([EOVERFLOW; 5]),
        op("utimes.now_of_unmapped_owner", |_| syscalls::touch("file"))
            .with(|s| s.file("file", FOREIGN, 0o666))
            .each(NOBODY),
    ]
}
