// SPDX-License-Identifier: GPL-2.0

//! Capabilities over files, and the capabilities of files.

use kselftest::filesystem::Feature;
use kselftest::fscaps::{self, NAME, NET_RAW};
use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::syscalls::{get_xattr, set_xattr};
use rustix::io::Errno;

use crate::caller::{CallerNs, SyscallResult, Who, DISK, FOREIGN, NESTED_ROOT, SEEN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EINVAL, EOVERFLOW, EPERM, OK};

use super::WRITERS;

fn set(root: Option<u32>) -> SyscallResult {
    calls::set_xattr("file", NAME, &fscaps::encode(NET_RAW, root))
}

/// A number for "for all namespaces" among users.
const ALL: u64 = 1 << 40;

fn get(_: &TestCase) -> SyscallResult {
    let root = fscaps::root_id(&get_xattr("file", NAME)?)?;
    Ok(root.map_or(ALL, u64::from))
}

fn stored(s: &TestCase) -> Result<Option<u32>, Failure> {
    let value = get_xattr(s.on_disk("file"), NAME).context("reading it")?;
    fscaps::root_id(&value).context("reading it")
}

fn give(s: &TestCase, root: Option<u32>) -> Outcome {
    set_xattr(s.on_disk("file"), NAME, &fscaps::encode(NET_RAW, root)).context("setting it")
}

/// Only a caller with capabilities gets past the permission check; then the ids decide.
fn admin(
    answer: impl Fn(CallerNs) -> SyscallResult + 'static,
) -> impl Fn(&TestCase) -> SyscallResult + 'static {
    move |s| {
        if s.who == Who::Admin {
            answer(s.ns)
        } else {
            EPERM
        }
    }
}

pub(crate) fn ops() -> Vec<Op> {
    let caps = |name, call| op(name, call).needs(Feature::Xattr);
    vec![
        op("capability.over_mapped_owner", |_| {
            calls::chmod("file", 0o600)
        })
        .with(|s| s.give("file", DISK + 8, 0o644))
        .each([EPERM, EPERM, EPERM, EPERM, OK]),
        op("capability.over_unmapped_group", |_| calls::read("file"))
            .with(|s| s.give_to("file", DISK + 8, FOREIGN, 0))
            .each([EACCES; 5]),
        op("capability.search", |_| calls::read("dir/file"))
            .with(|s| s.directory("dir", DISK + 8, 0o755))
            .with(|s| s.file("dir/file", DISK + 8, 0o644))
            .with(|s| s.give("dir", DISK + 8, 0))
            .each([EACCES, EACCES, EACCES, EACCES, OK]),
        op("capability.take_over", |s| {
            calls::chown("file", Some(s.ns.known(Who::Admin.id())), None)
        })
        .with(|s| s.give("file", DISK + 8, 0o600))
        .each([EPERM, EPERM, EPERM, EPERM, OK])
        .then(|s| check_eq("owner", s.owner("file")?, (DISK + 5, DISK + 8))),
        op("capability.take_over_unmapped_owner", |s| {
            let id = s.ns.known(Who::Admin.id());
            calls::chown("file", Some(id), Some(id))
        })
        .with(|s| s.give("file", FOREIGN, 0o600))
        // A caller with capabilities over the filesystem may change the owner of an inode whose
        // owner is unmapped.
        .by(|s| {
            if (s.who, s.ns) == (Who::Admin, CallerNs::Initial) {
                OK
            } else {
                EPERM
            }
        })
        .then(|s| check_eq("owner", s.owner("file")?, (DISK + 5, DISK + 5))),
        caps("commoncap.set_for_a_root", |s| set(Some(s.ns.known(SEEN))))
            .by(admin(|_| OK))
            .then(|s| check_eq("root on disk", stored(s)?, Some(DISK))),
        caps("commoncap.set_for_all", |_| set(None))
            // The kernel stores the root user of the caller's user namespace, if the idmap has it.
            .by(admin(|ns| if ns == CallerNs::Nested { OK } else { EINVAL }))
            .then(|s| check_eq("root on disk", stored(s)?, Some(NESTED_ROOT - SEEN + DISK))),
        caps("commoncap.set_for_an_unmapped_root", |s| {
            set(Some(s.ns.number(DISK + 1).unwrap_or(5)))
        })
        .by(admin(|_| EINVAL)),
        caps("commoncap.get", get)
            .with(|s| give(s, Some(NESTED_ROOT - SEEN + DISK)))
            .by(|s| match s.ns {
                // For the namespace's own root the number is left out.
                CallerNs::Nested => Ok(ALL),
                ns => Ok(u64::from(ns.known(NESTED_ROOT))),
            }),
        caps("commoncap.get_for_another_root", get)
            .with(|s| give(s, Some(DISK + 4)))
            .by(|s| Ok(u64::from(s.ns.known(SEEN + 4)))),
        caps("commoncap.get_for_an_unmapped_root", get)
            .with(|s| give(s, Some(FOREIGN)))
            .each([EOVERFLOW; 5]),
        caps("commoncap.remove", |_| calls::remove_xattr("file", NAME))
            .with(|s| give(s, Some(DISK)))
            .by(admin(|_| OK)),
        caps("commoncap.gone_after_a_write", |_| calls::append("file"))
            .with(|s| give(s, Some(DISK)))
            .each(WRITERS)
            .then(|s| {
                let left = get_xattr(s.on_disk("file"), NAME);
                check_eq("attribute", left, Err(Errno::NODATA))
            }),
        caps("commoncap.gone_after_a_change_of_owner", |s| {
            calls::chown("file", None, Some(s.ns.known(SEEN)))
        })
        .with(|s| give(s, Some(DISK)))
        .each(super::OWNERS)
        .then(|s| {
            let left = get_xattr(s.on_disk("file"), NAME);
            check_eq("attribute", left, Err(Errno::NODATA))
        }),
    ]
}
