// SPDX-License-Identifier: GPL-2.0

//! The operations that are tried through a mount with a map, by parts of the kernel.

mod access;
mod acl;
mod attr;
mod caps;
mod disks;
pub(crate) mod exec;
mod fat;
mod init;
mod io_uring;
mod ioctl;
mod may;
mod memory;
mod namei;
mod open;
mod stat;
mod utimes;
mod xattr;

use crate::caller::SyscallResult;
use crate::op::{Op, EACCES, EOVERFLOW, EPERM, OK};

/// Allowed for the owner and for a caller with a capability over the inode.
const OWNERS: [SyscallResult; 5] = [OK, EPERM, EPERM, EPERM, OK];
/// Allowed with write permission, which the owner has, and with a capability.
const WRITERS: [SyscallResult; 5] = [OK, EACCES, EACCES, EACCES, OK];
/// Creation in a directory that all may write to: the idmap must have the caller's ids.
const MAPPED: [SyscallResult; 5] = [OK, OK, OK, EOVERFLOW, OK];
/// Denied for all callers.
const NOBODY: [SyscallResult; 5] = [EACCES; 5];

/// All of them.
pub(crate) fn all() -> Vec<Op> {
    [
        access::ops(),
        acl::ops(),
        attr::ops(),
        caps::ops(),
        disks::ops(),
        exec::ops(),
        fat::ops(),
        io_uring::ops(),
        init::ops(),
        ioctl::ops(),
        may::ops(),
        memory::ops(),
        namei::ops(),
        open::ops(),
        stat::ops(),
        utimes::ops(),
        xattr::ops(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
