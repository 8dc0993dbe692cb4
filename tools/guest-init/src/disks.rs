// SPDX-License-Identifier: GPL-2.0

//! Makes the filesystems that the job asked for, with the real tools.

use std::process::{Command, Stdio};

use rustix::mount::MountFlags;

use crate::job::Disk;
use crate::{Doing, Failure, mounts};

/// Formats and mounts each disk; a `raw` one is left as it is.
pub(crate) fn attach(disks: &[Disk]) -> Result<(), Failure> {
    for disk in disks {
        mounts::wait_for(&disk.device)?;
        if disk.kind != "raw" {
            format(disk)?;
            let none = MountFlags::empty();
            mounts::mount_at(&disk.device, &disk.path, &disk.kind, none, "")?;
        }
    }
    Ok(())
}

/// The tool that makes a filesystem, with its options.
fn tool(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "ext4" => &["mkfs.ext4", "-q", "-F"],
        "xfs" => &["mkfs.xfs", "-q", "-f"],
        "btrfs" => &["mkfs.btrfs", "-q", "-f"],
        "vfat" | "msdos" => &["mkfs.fat"],
        _ => return None,
    })
}

/// Makes the filesystem of one disk.
fn format(disk: &Disk) -> Result<(), Failure> {
    let Some([program, options @ ..]) = tool(&disk.kind) else {
        return Err(Failure(format!("no tool makes '{}'", disk.kind)));
    };
    let output = Command::new(program)
        .args(options)
        .arg(&disk.device)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("running {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).replace('\n', "; ");
    Err(Failure(format!(
        "{program} on {}: {}: {said}",
        disk.device, output.status
    )))
}
