// SPDX-License-Identifier: GPL-2.0

//! ioctls that check the owner: flags, encryption policies, deduplication, defragmentation.

use std::os::fd::{AsFd, AsRawFd};

use kselftest::filesystem::{Feature, BTRFS, EXT4, XFS};
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::raw;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::caller::{SyscallResult, DISK, FOREIGN};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, EPERM, OK};

use super::OWNERS;

// `linux/fs.h`, `linux/fscrypt.h`, `linux/btrfs.h`
const GETFLAGS: u64 = 0x8008_6601;
const SETFLAGS: u64 = 0x4008_6602;
const FSGETXATTR: u64 = 0x801c_581f;
const FSSETXATTR: u64 = 0x401c_5820;
const SET_ENCRYPTION_POLICY: u64 = 0x800c_6613;
const DEDUPE_RANGE: u64 = 0xc018_9436;
const DEFRAG: u64 = 0x5000_9402;

/// `FS_NOATIME_FL`. jfs has no `FS_NODUMP_FL`.
const NOATIME: u64 = 0x80;
/// `FS_XFLAG_NOATIME`.
const X_NOATIME: u32 = 0x40;

fn ioctl(name: &str, request: u64, data: &mut [u8]) -> SyscallResult {
    let file = calls::file(name, OFlags::RDONLY)?;
    raw::ioctl(file.as_fd(), request, data)
}

fn set_flags(_: &TestCase) -> SyscallResult {
    let mut flags = [0; 8];
    ioctl("file", GETFLAGS, &mut flags)?;
    let flags = u64::from_ne_bytes(flags) | NOATIME;
    ioctl("file", SETFLAGS, &mut flags.to_ne_bytes())
}

fn set_xflags(_: &TestCase) -> SyscallResult {
    let mut attributes = [0; 28];
    ioctl("file", FSGETXATTR, &mut attributes)?;
    let flags = u32::from_ne_bytes([attributes[0], attributes[1], attributes[2], attributes[3]]);
    attributes[..4].copy_from_slice(&(flags | X_NOATIME).to_ne_bytes());
    ioctl("file", FSSETXATTR, &mut attributes)
}

/// The flags on disk have it.
fn has_noatime(s: &TestCase) -> Outcome {
    let file = std::fs::File::open(s.on_disk("file")).context("opening")?;
    let mut flags = [0; 8];
    raw::ioctl(file.as_fd(), GETFLAGS, &mut flags).context("reading the flags")?;
    check_eq("flag", u64::from_ne_bytes(flags) & NOATIME, NOATIME)
}

/// `struct fscrypt_policy_v1`: AES-256-XTS for contents, AES-256-CTS for names, and a key that
/// need not be there.
fn set_policy(_: &TestCase) -> SyscallResult {
    let mut policy = [0, 1, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    ioctl("dir", SET_ENCRYPTION_POLICY, &mut policy)
}

const BLOCK: usize = 4096;

/// Two files with the same block. The second has no write permission.
fn two_equal_files(s: &TestCase) -> Outcome {
    for name in ["other", "file"] {
        std::fs::write(s.on_disk(name), [7; BLOCK]).context("writing a file")?;
        s.give(name, DISK, 0o444)?;
        let file = std::fs::File::open(s.on_disk(name)).context("opening it")?;
        file.sync_all().context("storing it")?;
    }
    Ok(())
}

/// `struct file_dedupe_range` with one place; the answer is its status.
fn dedupe(_: &TestCase) -> SyscallResult {
    let from = calls::file("other", OFlags::RDONLY)?;
    let to = calls::file("file", OFlags::RDONLY)?;
    let mut data = [0; 56];
    data[8..16].copy_from_slice(&(BLOCK as u64).to_ne_bytes());
    data[16..18].copy_from_slice(&1u16.to_ne_bytes());
    data[24..32].copy_from_slice(&i64::from(to.as_raw_fd()).to_ne_bytes());
    raw::ioctl(from.as_fd(), DEDUPE_RANGE, &mut data)?;
    match i32::from_ne_bytes([data[48], data[49], data[50], data[51]]) {
        0 => OK,
        status if status < 0 => Err(Errno::from_raw_os_error(-status)),
        // Not the same.
        _ => Err(Errno::NODATA),
    }
}

pub(crate) fn ops() -> Vec<Op> {
    let flags = |name, call| op(name, call).needs(Feature::Flags);
    vec![
        flags("ioctl.setflags", set_flags)
            .each(OWNERS)
            .then(has_noatime),
        flags("ioctl.setflags_of_unmapped_owner", set_flags)
            .with(|s| s.give("file", FOREIGN, 0o644))
            .each([EPERM; 5]),
        flags("ioctl.fssetxattr", set_xflags)
            .each(OWNERS)
            .then(has_noatime),
        flags("ioctl.fssetxattr_of_unmapped_owner", set_xflags)
            .with(|s| s.give("file", FOREIGN, 0o644))
            .each([EPERM; 5]),
        op("ioctl.encryption_policy", set_policy)
            .with(|s| s.directory("dir", DISK, 0o755))
            .only_on(&[EXT4])
            .each([OK, EACCES, EACCES, EACCES, OK]),
        op("ioctl.encryption_policy_of_unmapped_owner", set_policy)
            .with(|s| s.directory("dir", FOREIGN, 0o755))
            .only_on(&[EXT4])
            .each([EACCES; 5]),
        op("ioctl.dedupe", dedupe)
            .with(two_equal_files)
            .only_on(&[XFS, BTRFS])
            .each(OWNERS),
        op("ioctl.dedupe_who_may_write", dedupe)
            .with(two_equal_files)
            .with(|s| s.give("file", DISK, 0o666))
            .only_on(&[XFS, BTRFS]),
        op("ioctl.defrag", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::ioctl_without(file.as_fd(), DEFRAG)
        })
        .only_on(&[BTRFS])
        .known(BTRFS, "btrfs asks for permission to write without the map")
        .each(OWNERS),
    ]
}
