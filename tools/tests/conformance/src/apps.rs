// SPDX-License-Identifier: GPL-2.0

//! Programs that people use, at work in the filesystem.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use crate::test::{Case, Test};
use kselftest::syscalls;

/// A script, by name. It runs with `set -eu` in an empty directory; `$1` is a directory on the disk
/// of the guest. The image of `make apps` has the programs.
pub(crate) const SCRIPTS: &[(&str, &str)] = &[
    ("apps.git", include_str!("apps/git.sh")),
    ("apps.tar", include_str!("apps/tar.sh")),
    ("apps.cc", include_str!("apps/cc.sh")),
    ("apps.sqlite", include_str!("apps/sqlite.sh")),
    ("apps.fio", include_str!("apps/fio.sh")),
];

/// Runs a script.
pub(crate) fn run(t: &Test, name: &str, script: &str) -> Case {
    let other = std::path::Path::new("/root").join(name);
    let _ = std::fs::remove_dir_all(&other);
    t.done("directory on disk", syscalls::mkdir(&other, 0o755))?;
    let mut command = Command::new("/bin/bash");
    command
        .args(["-euo", "pipefail", "-c", script, name])
        .arg(&other)
        .current_dir(t.dir())
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .process_group(0);
    let output = command.output();
    let said = match &output {
        Ok(output) => {
            let said = [&output.stdout[..], &output.stderr[..]].concat();
            let text = String::from_utf8_lossy(&said).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        }
        Err(error) => error.to_string(),
    };
    let good = output.is_ok_and(|output| output.status.success());
    if !good {
        for line in said.lines() {
            println!("    # {line}");
        }
    }
    t.holds("it succeeded", good);
    let _ = std::fs::remove_dir_all(&other);
    Ok(())
}
