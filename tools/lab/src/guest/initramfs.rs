// SPDX-License-Identifier: GPL-2.0

//! The initramfs of a guest: the programs of this project, and the job.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};

use crate::guest::boot::{Job, Machine, Options};
use crate::guest::cpio::Archive;
use crate::guest::disks;
use crate::ui::terminal;

/// Returns the initramfs of one boot.
pub(crate) fn initramfs(machine: &Machine, options: &Options) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    // Without the console, init has no descriptors 0 to 2.
    archive.device("dev/console", 5, 1);
    for (name, path) in &machine.programs {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        match name.as_str() {
            "guest-init" => archive.file("init", &contents),
            _ => archive.file(&format!("opt/idmap/bin/{name}"), &contents),
        }
    }
    let kind = match &options.job {
        Job::Exec(command) => {
            archive.file("job/command", command.as_bytes());
            "exec"
        }
        Job::Boot { prepare, command } => {
            archive.file("job/prepare", prepare.as_bytes());
            archive.file("job/command", command.as_bytes());
            "boot"
        }
        Job::Shell => "shell",
        Job::Halt => "halt",
    };
    archive.file("job/kind", kind.as_bytes());
    let environment: String = disks::environment(&options.disks)
        .iter()
        .chain(&options.environment)
        .map(|(name, value)| format!("{name}={value}\0"))
        .collect();
    archive.file("job/environment", environment.as_bytes());
    let disks: String = options
        .disks
        .iter()
        .map(|disk| format!("{}\t{}\t{}\n", disk.device, disk.kind, disk.path))
        .collect();
    archive.file("job/disks", disks.as_bytes());
    let shares: String = options
        .shares
        .iter()
        .enumerate()
        .map(|(index, share)| {
            let mode = if share.writable { "rw" } else { "ro" };
            format!("share{index}\t{}\t{mode}\n", share.guest)
        })
        .collect();
    archive.file("job/shares", shares.as_bytes());
    if let Some((rows, columns)) = terminal::size() {
        archive.file("job/window", format!("{rows}\t{columns}\n").as_bytes());
    }
    Ok(archive.finish())
}
