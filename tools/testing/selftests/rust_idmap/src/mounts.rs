// SPDX-License-Identifier: GPL-2.0

//! The mount namespace of a test program, and its mounts.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{mount_change, MountPropagationFlags};
use rustix::thread::UnshareFlags;

use crate::errno::{from_io, SyscallResult};
use crate::process::unshare;

/// Moves this thread into a new mount namespace, from which no mount propagates. Needs
/// `CAP_SYS_ADMIN`.
pub fn new_namespace() -> SyscallResult {
    unshare(UnshareFlags::NEWNS)?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
}

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// The mount point, with the escapes of the file.
    pub target: String,
    /// The options of the mount.
    pub options: String,
    /// The optional fields, such as `shared:7`.
    pub optional: Vec<String>,
    /// The options of the superblock.
    pub super_options: String,
}

impl MountInfo {
    fn parse(line: &str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').map(str::to_owned).skip(4);
        Some(Self {
            target: fields.next()?,
            options: fields.next()?,
            optional: fields.collect(),
            super_options: filesystem.splitn(3, ' ').nth(2)?.to_owned(),
        })
    }

    /// Returns whether the mount has an option.
    pub fn has_option(&self, wanted: &str) -> bool {
        self.options.split(',').any(|option| option == wanted)
    }
}

/// Returns the mounts of this mount namespace, in the order of the file.
pub fn all() -> SyscallResult<Vec<MountInfo>> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(from_io)?;
    let mounts = table.lines().map(MountInfo::parse);
    mounts.collect::<Option<_>>().ok_or(Errno::IO)
}

/// Returns the topmost mount at a mount point. Fails with `ENOENT` if there is none.
pub fn at(target: impl AsRef<Path>) -> SyscallResult<MountInfo> {
    let target = target.as_ref().to_str().ok_or(Errno::INVAL)?;
    let mut mounts = all()?.into_iter();
    mounts
        .rfind(|mount| mount.target == target)
        .ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_line_is_parsed() {
        let line = "36 35 98:0 /a /mnt rw,idmapped shared:1 master:2 - ext4 /dev/root rw,x=y";
        let mount = MountInfo::parse(line).unwrap();
        assert_eq!(mount.target, "/mnt");
        assert_eq!(mount.optional, ["shared:1", "master:2"]);
        assert_eq!(mount.super_options, "rw,x=y");
        assert!(mount.has_option("idmapped") && !mount.has_option("idmap"));
        assert_eq!(MountInfo::parse("36 35 98:0 /a /mnt rw"), None);
    }
}
