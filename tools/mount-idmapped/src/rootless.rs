// SPDX-License-Identifier: GPL-2.0

//! The option `--rootless`: a plain user makes the mount in a new user namespace, and runs a command
//! there.
//!
//! This program runs itself, by another name, as root of that namespace. The mount is nested in the
//! one that the user has, so the kernel must offer nested idmaps.

use std::{env, ffi::OsString, os::unix::process::CommandExt, process::ExitCode};

use idmap::{UserNs, rootless_maps};

use crate::run::{Failure, code};

/// The name of this program in the user namespace.
const INSIDE: &str = "mount-idmapped (rootless)";

/// Whether this is the program in the user namespace.
pub(crate) fn is_inside(name: &OsString) -> bool {
    name == INSIDE
}

/// Runs this program with the same words in a new user namespace and a mount namespace of it.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let maps = rootless_maps().map_err(|why| Failure::Unfit(format!("--rootless: {why}")))?;
    let userns = UserNs::new(&maps)?;
    let mut command = userns.command_with_mounts("/proc/self/exe")?;
    command.arg0(INSIDE).args(env::args_os().skip(1));
    let status = command.status();
    let status = status.map_err(|error| Failure::Command("mount-idmapped".into(), error))?;
    Ok(ExitCode::from(code(status)))
}
