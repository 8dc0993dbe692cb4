// SPDX-License-Identifier: GPL-2.0

//! The owners that are seen, by the numbers of the caller's namespace.

use rustix::fs::{fstat, statx, AtFlags, OFlags, StatxFlags, CWD};

use crate::caller::{DISK, FOREIGN, OVERFLOW, SEEN};
use crate::calls;
use crate::op::{op, Op};

pub(crate) fn ops() -> Vec<Op> {
    let owner = |op: Op| op.by(|s| Ok(u64::from(s.ns.shown(SEEN))));
    let overflow = |op: Op| op.by(|_| Ok(u64::from(OVERFLOW)));
    vec![
        owner(op("stat.user", |_| calls::owner("file")).everywhere()),
        owner(op("stat.group", |_| calls::group("file")).everywhere()),
        owner(op("stat.user_of_directory", |_| calls::owner(".")).everywhere()),
        owner(
            op("stat.by_descriptor", |_| {
                let file = calls::file("file", OFlags::PATH)?;
                fstat(&file).map(|status| u64::from(status.st_uid))
            })
            .everywhere(),
        ),
        owner(
            op("stat.statx", |_| {
                let wanted = StatxFlags::UID | StatxFlags::GID;
                let status = statx(CWD, "file", AtFlags::empty(), wanted)?;
                Ok(u64::from(status.stx_uid))
            })
            .everywhere(),
        ),
        owner(op("stat.symlink", |_| calls::owner("link")).with(|s| {
            std::os::unix::fs::symlink("file", s.on_disk("link"))
                .map_err(kselftest::ktap::failed)?;
            s.give("link", DISK, 0)
        })),
        op("stat.last_of_the_map", |_| calls::owner("file"))
            .with(|s| s.give("file", DISK + 9, 0o644))
            .by(|s| Ok(u64::from(s.ns.shown(SEEN + 9)))),
        overflow(
            op("stat.after_the_map", |_| calls::owner("file"))
                .with(|s| s.give("file", DISK + 10, 0o644)),
        ),
        overflow(
            op("stat.before_the_map", |_| calls::group("file"))
                .with(|s| s.give("file", DISK - 1, 0o644)),
        ),
        // An id on disk with the number of an id that is seen is another id.
        overflow(
            op("stat.number_of_the_seen", |_| calls::owner("file"))
                .with(|s| s.give("file", SEEN, 0o644)),
        ),
        overflow(
            op("stat.unmapped_user", |_| calls::owner("file"))
                .with(|s| s.give_to("file", FOREIGN, DISK, 0o644)),
        ),
        owner(
            op("stat.group_of_unmapped_user", |_| calls::group("file"))
                .with(|s| s.give_to("file", FOREIGN, DISK, 0o644)),
        ),
    ]
}
