// SPDX-License-Identifier: GPL-2.0

//! `access()`, which uses the real ids, and `faccessat2()`, which can use the effective ids.

use crate::caller::{SyscallResult, Who, DISK, FOREIGN};
use crate::calls;
use crate::op::{op, Op, EACCES, OK};
use kselftest::filesystem::Feature;
use kselftest::{raw, syscalls};

use super::NOBODY;

const READ: i32 = libc::R_OK;
const WRITE: i32 = libc::W_OK;
const EXECUTE: i32 = libc::X_OK;

/// The system call, with its result as a number.
fn access(name: &str, mode: i32, flags: i32) -> SyscallResult {
    calls::done(syscalls::access(name, mode, flags))
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("access.exists", |_| access("file", 0, 0)).everywhere(),
        // For the real ids capabilities do not count, unless they are root's.
        op("access.write", |_| access("file", WRITE, 0))
            .everywhere()
            .each([OK, EACCES, EACCES, EACCES, EACCES]),
        op("access.write_by_effective_ids", |_| {
            access("file", WRITE, libc::AT_EACCESS)
        })
        .everywhere()
        .each([OK, EACCES, EACCES, EACCES, OK]),
        op("access.read_of_group", |_| access("file", READ, 0))
            .with(|s| s.file("file", DISK, 0o640))
            .each([OK, OK, EACCES, EACCES, EACCES]),
        op("access.execute", |_| {
            access("file", EXECUTE, libc::AT_EACCESS)
        })
        .with(|s| s.file("file", DISK, 0o710))
        .each([OK, OK, EACCES, EACCES, OK]),
        op("access.execute_of_nobody", |_| {
            access("file", EXECUTE, libc::AT_EACCESS)
        })
        // Without a single bit no capability helps.
        .each(NOBODY),
        op("access.write_to_unmapped_owner", |_| {
            access("file", WRITE, libc::AT_EACCESS)
        })
        .with(|s| s.file("file", FOREIGN, 0o666))
        .each(NOBODY),
        op("access.by_filesystem_ids", |s| {
            // The ids that files are accessed by, without those that signals are sent by.
            let id = if s.who == Who::Unmapped {
                s.ns.known(Who::Owner.id())
            } else {
                return OK;
            };
            raw::set_fs_ids(id, id);
            calls::append("file")
        })
        .needs(Feature::Owners)
        // Setting the filesystem ids takes a capability.
        .by(|s| if s.who == Who::Unmapped { EACCES } else { OK }),
    ]
}
