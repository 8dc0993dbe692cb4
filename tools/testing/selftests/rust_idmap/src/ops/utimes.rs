// SPDX-License-Identifier: GPL-2.0

//! Timestamps: arbitrary times for the owner, the current time with write permission.

use crate::caller::{DISK, FOREIGN};
use crate::calls;
use crate::op::{op, Op, EOVERFLOW};

use super::{NOBODY, OWNERS, WRITERS};

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("utimes.any", |_| calls::set_times("file"))
            .everywhere()
            .each(OWNERS),
        op("utimes.any_who_may_write", |_| calls::set_times("file"))
            .with(|s| s.file("file", DISK, 0o666))
            .each(OWNERS),
        op("utimes.now", |_| calls::touch("file"))
            .everywhere()
            .each(WRITERS),
        op("utimes.now_who_may_write", |_| calls::touch("file"))
            .with(|s| s.file("file", DISK, 0o666)),
        op("utimes.any_of_unmapped_owner", |_| calls::set_times("file"))
            .with(|s| s.file("file", FOREIGN, 0o666))
            .each([EOVERFLOW; 5]),
        op("utimes.now_of_unmapped_owner", |_| calls::touch("file"))
            .with(|s| s.file("file", FOREIGN, 0o666))
            .each(NOBODY),
    ]
}
