// SPDX-License-Identifier: GPL-2.0

//! Permission checks: the mode bits of the owner, the group and others, and capabilities.

use kselftest::filesystem::Feature;
use rustix::fs::OFlags;

use crate::caller::{DISK, FOREIGN};
use crate::calls;
use crate::op::{op, Op, EACCES, OK};

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("namei.read_of_everybody", |_| calls::read("file")).everywhere(),
        op("namei.write_of_owner", |_| calls::append("file"))
            .everywhere()
            .each([OK, EACCES, EACCES, EACCES, OK]),
        op("namei.read_of_owner", |_| calls::read("file"))
            .with(|s| s.file("file", DISK, 0o400))
            .each([OK, EACCES, EACCES, EACCES, OK]),
        op("namei.read_of_group", |_| calls::read("file"))
            .with(|s| s.file("file", DISK, 0o040))
            // The owner's class comes first, and holds no permission.
            .each([EACCES, OK, EACCES, EACCES, OK]),
        op("namei.read_of_others", |_| calls::read("file"))
            .with(|s| s.file("file", DISK, 0o004))
            .each([EACCES, EACCES, OK, OK, OK]),
        op("namei.read_of_nobody", |_| calls::read("file"))
            .with(|s| s.file("file", DISK, 0))
            .each([EACCES, EACCES, EACCES, EACCES, OK]),
        op("namei.write_to_unmapped_owner", |_| calls::append("file"))
            .with(|s| s.file("file", FOREIGN, 0o666))
            // The inode has an unmapped owner, which could not be written back.
            .each([EACCES; 5]),
        op("namei.read_of_unmapped_owner", |_| calls::read("file"))
            .with(|s| s.file("file", FOREIGN, 0o400))
            .each([EACCES; 5]),
        op("namei.read_of_unmapped_group", |_| calls::read("file"))
            .with(|s| s.give_to("file", DISK, FOREIGN, 0o640))
            // Capabilities count only over files whose owner and group are known.
            .each([OK, EACCES, EACCES, EACCES, EACCES]),
        op("namei.search_of_owner", |_| calls::read("dir/file"))
            .with(|s| s.directory("dir", DISK, 0o755))
            .with(|s| s.file("dir/file", DISK, 0o644))
            .with(|s| s.give("dir", DISK, 0o700))
            .each([OK, EACCES, EACCES, EACCES, OK]),
        op("namei.search_of_group", |_| calls::read("dir/file"))
            .with(|s| s.directory("dir", DISK, 0o755))
            .with(|s| s.file("dir/file", DISK, 0o644))
            .with(|s| s.give("dir", DISK, 0o710))
            .each([OK, OK, EACCES, EACCES, OK]),
        op("namei.list", |_| {
            let directory = calls::file("dir", OFlags::RDONLY | OFlags::DIRECTORY)?;
            rustix::fs::Dir::read_from(directory)?
                .next()
                .transpose()
                .map(|_| 0)
        })
        .with(|s| s.directory("dir", DISK, 0o750))
        .each([OK, OK, EACCES, EACCES, OK]),
        op("namei.enter", |_| rustix::process::chdir("dir").map(|()| 0))
            .with(|s| s.directory("dir", DISK, 0o710))
            .each([OK, OK, EACCES, EACCES, OK]),
        op("namei.enter_of_unmapped_owner", |_| {
            rustix::process::chdir("dir").map(|()| 0)
        })
        .with(|s| s.directory("dir", FOREIGN, 0o700))
        .each([EACCES; 5]),
        op("namei.path_without_opening", |_| {
            calls::open("file", OFlags::PATH)
        })
        .needs(Feature::Owners)
        .with(|s| s.file("file", DISK, 0)),
    ]
}
