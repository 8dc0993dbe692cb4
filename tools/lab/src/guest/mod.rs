// SPDX-License-Identifier: GPL-2.0

//! Guests: root filesystems, programs, QEMU, and jobs in them.

pub(crate) mod board;
pub(crate) mod boot;
pub(crate) mod cpio;
pub(crate) mod disks;
pub(crate) mod end;
pub(crate) mod exec;
pub(crate) mod image;
pub(crate) mod initramfs;
pub(crate) mod kvm;
pub(crate) mod port;
pub(crate) mod programs;
pub(crate) mod qemu;
pub(crate) mod sysroot;
