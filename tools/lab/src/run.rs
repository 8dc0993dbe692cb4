// SPDX-License-Identifier: GPL-2.0

//! Runs other programs.

use std::ffi::OsStr;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// The maximum number of lines that are printed of the output of a failed command.
const SHOWN: usize = 12;

/// The environment variables that would change the commands of this program: the
/// variables of the Makefile, which make exports, and those of kbuild.
const NOT_INHERITED: &[&str] = &[
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "KERNEL",
    "KDIR",
    "ENGINE",
    "SHARE",
    "CMD",
    "DISKS",
    "IMAGE",
    "TIMEOUT",
    "ICOUNT",
    "T",
    "S",
    "ON",
    "MINUTES",
    "MOUNTS",
    "FILES",
    "CALLS",
    "SEED",
    "FS",
    "M",
    "OUT",
    "V",
    "O",
    "ARCH",
    "SUBARCH",
    "CROSS_COMPILE",
    "LLVM",
    "CC",
    "LD",
    "KBUILD_OUTPUT",
    "KCONFIG_CONFIG",
    "KCONFIG_ALLCONFIG",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
];

/// Returns a command with messages in English, without the environment variables
/// of this program.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// The words before a command that receives a signal when this program ends. The signal follows.
const BOUND: [&str; 2] = ["setpriv", "--pdeathsig"];

/// Returns such a command, which is killed when this program ends.
pub(crate) fn bound(program: &str) -> Command {
    with_death_signal("KILL", program)
}

/// Returns such a command, which is terminated when this program ends: make ends the commands of its
/// rules then, cargo starts no further ones.
pub(crate) fn terminated(program: &str) -> Command {
    with_death_signal("TERM", program)
}

/// Returns a command that receives `signal` when this program ends.
fn with_death_signal(signal: &str, program: &str) -> Command {
    let [setpriv, option] = BOUND;
    let mut command = command(setpriv);
    command.args([option, signal, program]);
    command
}

/// Returns the command as a user types it.
pub(crate) fn shown(command: &Command) -> String {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect();
    match words.as_slice() {
        [setpriv, option, _, words @ ..] if [setpriv, option] == BOUND => words.join(" "),
        words => words.join(" "),
    }
}

/// Quotes a word if a shell would split or expand it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Runs a command to its end, also if it fails.
pub(crate) fn finished(command: &mut Command) -> Result<Output> {
    let words = shown(command);
    command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("cannot run {words}"))
}

/// Returns the standard output of a command. Fails if the command fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = finished(command)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = errors.lines().take(SHOWN).collect();
        bail!(
            "{}: {}\n{}",
            shown(command),
            output.status,
            errors.join("\n")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns whether a program of this name is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .any(|dir| is_program(&dir.join(program)))
}

/// Returns whether a path is an executable file.
fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_a_shell_needs_it() {
        let mut command = Command::new("make");
        command.args(["O=/a/b", "two words", "", "it's"]);
        assert_eq!(shown(&command), r"make O=/a/b 'two words' '' 'it'\''s'");
    }

    #[test]
    fn builds_end_with_the_program() {
        use std::io::{BufRead, BufReader};
        use std::process::Stdio;

        // The shell `parent` stands for this program, its child for make.
        let child = "trap 'echo ended; exit' TERM; echo began; sleep 10 & wait";
        let mut command = terminated("sh");
        command.args(["-c", child]);
        assert_eq!(command.get_program(), "setpriv");
        assert!(shown(&command).starts_with("sh -c "));
        let mut parent = Command::new("sh")
            .args(["-c", "\"$@\" & wait", "parent"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "began");
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "ended");
    }
}
