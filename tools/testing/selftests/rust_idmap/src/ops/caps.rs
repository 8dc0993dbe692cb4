// SPDX-License-Identifier: GPL-2.0

//! Capabilities over files, and the capabilities of files.

use rustix::fs::{getxattr, lgetxattr, lsetxattr, removexattr, setxattr, XattrFlags};
use rustix::io::Errno;

use crate::caller::{CallerNs, SyscallResult, Who, DISK, FOREIGN, NESTED_ROOT, SEEN};
use crate::filesystem::Can;
use crate::fixture::TestCase;
use crate::ktap::{Doing, Failure, Outcome};
use crate::op::{op, same, Op, EACCES, EINVAL, EOVERFLOW, EPERM, OK};
use crate::syscalls;

use super::{done, WRITERS};

const NAME: &str = "security.capability";
/// `VFS_CAP_REVISION_2` and `_3` of `linux/capability.h`, and `VFS_CAP_FLAGS_EFFECTIVE`.
const REVISION_2: u32 = 0x0200_0001;
const REVISION_3: u32 = 0x0300_0001;
/// CAP_NET_RAW.
const RAW: u32 = 1 << 13;

/// The capability, for namespaces whose root is this user; else for all.
fn value(root: Option<u32>) -> Vec<u8> {
    let head = if root.is_some() {
        REVISION_3
    } else {
        REVISION_2
    };
    let numbers = [head, RAW, 0, 0, 0].into_iter().chain(root);
    numbers.flat_map(u32::to_le_bytes).collect()
}

fn set(root: Option<u32>) -> SyscallResult {
    done(setxattr("file", NAME, &value(root), XattrFlags::empty()))
}

/// What an attribute says: the user, or [`None`] for all namespaces.
fn root_of(value: &[u8]) -> Result<Option<u32>, Errno> {
    match (value.len(), value.get(20..24).and_then(<[u8]>::first_chunk)) {
        (20, _) => Ok(None),
        (24, Some(root)) => Ok(Some(u32::from_le_bytes(*root))),
        _ => Err(Errno::INVAL),
    }
}

/// A number for "for all namespaces" among users.
const ALL: u64 = 1 << 40;

fn get(_: &TestCase) -> SyscallResult {
    let mut value = [0; 64];
    let length = getxattr("file", NAME, &mut value[..])?;
    Ok(root_of(&value[..length])?.map_or(ALL, u64::from))
}

fn stored(s: &TestCase) -> Result<Option<u32>, Failure> {
    let mut value = [0; 64];
    let length = lgetxattr(s.on_disk("file"), NAME, &mut value[..]).doing("reading it")?;
    root_of(&value[..length]).doing("reading it")
}

fn give(s: &TestCase, root: Option<u32>) -> Outcome {
    lsetxattr(s.on_disk("file"), NAME, &value(root), XattrFlags::empty()).doing("setting it")
}

/// Only who has capabilities may, and only the filesystem decides then.
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
    let caps = |name, call| op(name, call).needs(Can::Xattr);
    vec![
        op("capability.over_mapped_owner", |_| {
            syscalls::chmod("file", 0o600)
        })
        .with(|s| s.give("file", DISK + 8, 0o644))
        .each([EPERM, EPERM, EPERM, EPERM, OK]),
        op("capability.over_unmapped_group", |_| syscalls::read("file"))
            .with(|s| s.give_to("file", DISK + 8, FOREIGN, 0))
            .each([EACCES; 5]),
        op("capability.search", |_| syscalls::read("dir/file"))
            .with(|s| s.directory("dir", DISK + 8, 0o755))
            .with(|s| s.file("dir/file", DISK + 8, 0o644))
            .with(|s| s.give("dir", DISK + 8, 0))
            .each([EACCES, EACCES, EACCES, EACCES, OK]),
        op("capability.take_over", |s| {
            syscalls::chown("file", Some(s.ns.known(Who::Admin.id())), None)
        })
        .with(|s| s.give("file", DISK + 8, 0o600))
        .each([EPERM, EPERM, EPERM, EPERM, OK])
        .then(|s| same("owner", s.owner("file")?, (DISK + 5, DISK + 8))),
        op("capability.take_over_unmapped_owner", |s| {
            let id = s.ns.known(Who::Admin.id());
            syscalls::chown("file", Some(id), Some(id))
        })
        .with(|s| s.give("file", FOREIGN, 0o600))
        // Who is in charge of the filesystem itself may rescue what has no owner.
        .by(|s| {
            if (s.who, s.ns) == (Who::Admin, CallerNs::Initial) {
                OK
            } else {
                EPERM
            }
        })
        .then(|s| same("owner", s.owner("file")?, (DISK + 5, DISK + 5))),
        caps("commoncap.set_for_a_root", |s| set(Some(s.ns.known(SEEN))))
            .by(admin(|_| OK))
            .then(|s| same("root on disk", stored(s)?, Some(DISK))),
        caps("commoncap.set_for_all", |_| set(None))
            // For the caller's own root, if the disk can know it.
            .by(admin(|ns| if ns == CallerNs::Nested { OK } else { EINVAL }))
            .then(|s| same("root on disk", stored(s)?, Some(NESTED_ROOT - SEEN + DISK))),
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
        caps("commoncap.remove", |_| done(removexattr("file", NAME)))
            .with(|s| give(s, Some(DISK)))
            .by(admin(|_| OK)),
        caps("commoncap.gone_after_a_write", |_| syscalls::append("file"))
            .with(|s| give(s, Some(DISK)))
            .each(WRITERS)
            .then(|s| {
                let left = lgetxattr(s.on_disk("file"), NAME, &mut [0; 64][..]);
                same("attribute", left, Err(Errno::NODATA))
            }),
        caps("commoncap.gone_after_a_change_of_owner", |s| {
            syscalls::chown("file", None, Some(s.ns.known(SEEN)))
        })
        .with(|s| give(s, Some(DISK)))
        .each(super::OWNERS)
        .then(|s| {
            let left = lgetxattr(s.on_disk("file"), NAME, &mut [0; 64][..]);
            same("attribute", left, Err(Errno::NODATA))
        }),
    ]
}
