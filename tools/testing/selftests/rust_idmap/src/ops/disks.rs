// SPDX-License-Identifier: GPL-2.0

//! ioctls of btrfs and xfs that create, remove or list subvolumes and inodes with an owner.

use std::os::fd::AsFd;

use kselftest::filesystem::{BTRFS, XFS};
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::raw;
use rustix::fs::OFlags;

use crate::caller::{CallerNs, SyscallResult, Who, DISK};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EINVAL, EPERM};

use super::{MAPPED, OWNERS, WRITERS};

// `linux/btrfs.h`, fs/xfs/libxfs/xfs_fs.h
const SUBVOL_CREATE: u64 = 0x5000_940e;
const SUBVOL_SETFLAGS: u64 = 0x4008_941a;
const BULKSTAT: u64 = 0x8040_587f;
/// `BTRFS_SUBVOL_RDONLY`.
const READ_ONLY: u64 = 2;

/// `struct btrfs_ioctl_vol_args` with a name.
fn create(name: &str) -> SyscallResult {
    let directory = calls::file(".", OFlags::RDONLY)?;
    subvolume(directory.as_fd(), name)
}

fn subvolume(directory: std::os::fd::BorrowedFd<'_>, name: &str) -> SyscallResult {
    let mut data = vec![0; 4096];
    data[8..8 + name.len()].copy_from_slice(name.as_bytes());
    raw::ioctl(directory, SUBVOL_CREATE, &mut data)
}

/// A subvolume of the owner's.
fn owners_subvolume(s: &TestCase) -> Outcome {
    let directory = std::fs::File::open(&s.disk).context("opening")?;
    subvolume(directory.as_fd(), "sub").context("making a subvolume")?;
    s.give("sub", DISK, 0o755)
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("btrfs.create_subvolume", |_| create("new"))
            .only_on(&[BTRFS])
            .with(|s| s.give(".", DISK, 0o777))
            .each(MAPPED)
            .then(|s| {
                let id = s.who.on_disk().unwrap_or(u32::MAX);
                check_eq("owner", s.owner("new")?, (id, id))
            }),
        op("btrfs.set_flags_of_subvolume", |_| {
            let directory = calls::file("sub", OFlags::RDONLY)?;
            // Back again, so that it can be removed.
            for flags in [READ_ONLY, 0] {
                raw::ioctl(directory.as_fd(), SUBVOL_SETFLAGS, &mut flags.to_ne_bytes())?;
            }
            Ok(0)
        })
        .only_on(&[BTRFS])
        .with(owners_subvolume)
        .each(OWNERS),
        op("btrfs.remove_subvolume", |_| calls::rmdir("sub"))
            .only_on(&[BTRFS])
            .with(owners_subvolume)
            .each(WRITERS),
        op("xfs.bulkstat", |_| {
            let directory = calls::file(".", OFlags::RDONLY)?;
            let mut data = vec![0; 4096];
            // Room for one answer.
            data[12..16].copy_from_slice(&1u32.to_ne_bytes());
            raw::ioctl(directory.as_fd(), BULKSTAT, &mut data)
        })
        .only_on(&[XFS])
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
