// SPDX-License-Identifier: GPL-2.0

//! ioctls of btrfs and xfs that make, remove or list what belongs to somebody.

use std::os::fd::AsFd;

use rustix::fs::OFlags;

use crate::caller::{CallerNs, SyscallResult, Who, DISK};
use crate::filesystem::Kind;
use crate::fixture::TestCase;
use crate::ktap::{Doing, Outcome};
use crate::op::{op, same, Op, EINVAL, EPERM};
use crate::sys;
use crate::syscalls;

use super::{MAPPED, OWNERS, WRITERS};

// `linux/btrfs.h`, fs/xfs/libxfs/xfs_fs.h
const SUBVOL_CREATE: u64 = 0x5000_940e;
const SUBVOL_SETFLAGS: u64 = 0x4008_941a;
const BULKSTAT: u64 = 0x8040_587f;
/// `BTRFS_SUBVOL_RDONLY`.
const READ_ONLY: u64 = 2;

/// `struct btrfs_ioctl_vol_args` with a name.
fn create(name: &str) -> SyscallResult {
    let directory = syscalls::file(".", OFlags::RDONLY)?;
    subvolume(directory.as_fd(), name)
}

fn subvolume(directory: std::os::fd::BorrowedFd<'_>, name: &str) -> SyscallResult {
    let mut data = vec![0; 4096];
    data[8..8 + name.len()].copy_from_slice(name.as_bytes());
    sys::ioctl(directory, SUBVOL_CREATE, &mut data)
}

/// A subvolume of the owner's.
fn owners_subvolume(s: &TestCase) -> Outcome {
    let directory = std::fs::File::open(&s.disk).doing("opening")?;
    subvolume(directory.as_fd(), "sub").doing("making a subvolume")?;
    s.give("sub", DISK, 0o755)
}

pub(crate) fn ops() -> Vec<Op> {
    let others = |kind| Kind::ALL.into_iter().filter(move |other| *other != kind);
    let not_btrfs: Vec<Kind> = others(Kind::Btrfs).collect();
    let not_xfs: Vec<Kind> = others(Kind::Xfs).collect();
    vec![
        op("btrfs.create_subvolume", |_| create("new"))
            .not_on(&not_btrfs)
            .with(|s| s.give(".", DISK, 0o777))
            .each(MAPPED)
            .then(|s| {
                let id = s.who.on_disk().unwrap_or(u32::MAX);
                same("owner", s.owner("new")?, (id, id))
            }),
        op("btrfs.set_flags_of_subvolume", |_| {
            let directory = syscalls::file("sub", OFlags::RDONLY)?;
            // Back again, so that it can be removed.
            for flags in [READ_ONLY, 0] {
                sys::ioctl(directory.as_fd(), SUBVOL_SETFLAGS, &mut flags.to_ne_bytes())?;
            }
            Ok(0)
        })
        .not_on(&not_btrfs)
        .with(owners_subvolume)
        .each(OWNERS),
        op("btrfs.remove_subvolume", |_| syscalls::rmdir("sub"))
            .not_on(&not_btrfs)
            .with(owners_subvolume)
            .each(WRITERS),
        op("xfs.bulkstat", |_| {
            let directory = syscalls::file(".", OFlags::RDONLY)?;
            let mut data = vec![0; 4096];
            // Room for one answer.
            data[12..16].copy_from_slice(&1u32.to_ne_bytes());
            sys::ioctl(directory.as_fd(), BULKSTAT, &mut data)
        })
        .not_on(&not_xfs)
        // It goes by numbers of inodes, not by a mount, whose map it could not follow.
        .by(|s| {
            if (s.who, s.ns) == (Who::Admin, CallerNs::Initial) {
                EINVAL
            } else {
                EPERM
            }
        }),
    ]
}
