// SPDX-License-Identifier: GPL-2.0

//! The programs and headers that the steps need, and the Debian packages that
//! have them. Missing packages are installed before the first step.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::fetch::apt;
use crate::lab::Lab;
use crate::{run, ui};

/// The LLVM that is installed if there is none.
pub(crate) const LLVM: u32 = 19;

/// A required program or file.
enum Need {
    Program(&'static str),
    File(&'static str),
}

use Need::{File, Program};

/// The requirements of each task, and their packages.
const NEEDS: &[(Need, &str)] = &[
    (Program("make"), "make"),
    (Program("gcc"), "gcc"),
    (File("/usr/lib/x86_64-linux-gnu/libc.a"), "libc6-dev"),
    (Program("ld"), "binutils"),
    (Program("flex"), "flex"),
    (Program("bison"), "bison"),
    (Program("bc"), "bc"),
    (Program("perl"), "perl"),
    (Program("python3"), "python3-minimal"),
    (Program("patch"), "patch"),
    (Program("git"), "git"),
    (Program("rsync"), "rsync"),
    (Program("xz"), "xz-utils"),
    (Program("fakeroot"), "fakeroot"),
    (Program("mmdebstrap"), "mmdebstrap"),
    (Program("newuidmap"), "uidmap"),
    (Program("mke2fs"), "e2fsprogs"),
    (Program(crate::guest::qemu::PROGRAM), "qemu-system-x86"),
    // objtool and the kernel's signing tools.
    (File("/usr/include/libelf.h"), "libelf-dev"),
    (File("/usr/include/openssl/ssl.h"), "libssl-dev"),
    // The kernel's selftests.
    (File("/usr/include/sys/capability.h"), "libcap-dev"),
    (File(apt::KEYRING), "debian-archive-keyring"),
];

/// The additional requirements of the checks.
const NEEDS_OF_CHECKS: &[(Need, &str)] = &[
    (Program("rustfmt"), "rustfmt"),
    (Program("cargo-clippy"), "rust-clippy"),
];

/// Installs missing requirements, and checks the free space of the cache.
pub(crate) fn ensure_installed(lab: &Lab) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "this works on x86-64 machines only"
    );
    lab.cache.need_space()?;
    install_missing(lab, missing)
}

/// Installs missing requirements of the checks.
pub(crate) fn ensure_checkers_installed(lab: &Lab) -> Result<()> {
    install_missing(lab, || missing_of(NEEDS_OF_CHECKS))
}

/// Installs the package of a program if the program is missing.
pub(crate) fn ensure_program(
    lab: &Lab,
    program: &'static str,
    package: &'static str,
) -> Result<()> {
    install_missing(lab, || missing_of(&[(Program(program), package)]))
}

/// Installs missing packages. Fails on a machine without Debian's packages, or without root.
fn install_missing(lab: &Lab, look: impl Fn() -> Vec<String>) -> Result<()> {
    let missing = look();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !is_debian() || !run::on_path("apt-get") {
        bail!(
            "these Debian packages, or the packages of your system for them, are missing: {list}"
        );
    }
    let Some(root) = become_root() else {
        bail!("as root, please: apt-get install {list}");
    };
    install(lab, &root, &missing)?;
    let still = look();
    ensure!(
        still.is_empty(),
        "apt-get installed the packages, and yet this is missing: {}",
        still.join(" ")
    );
    Ok(())
}

/// Returns the packages of missing requirements.
fn missing_of(needs: &[(Need, &str)]) -> Vec<String> {
    let is_missing = |need: &Need| match need {
        Program(name) => !run::on_path(name),
        File(path) => !Path::new(path).exists(),
    };
    let missing = needs.iter().filter(|(need, _)| is_missing(need));
    missing.map(|(_, package)| (*package).to_owned()).collect()
}

/// The packages to install.
fn missing() -> Vec<String> {
    let mut packages = missing_of(NEEDS);
    if llvm().is_none() {
        for package in ["clang", "lld", "llvm"] {
            packages.push(format!("{package}-{LLVM}"));
        }
        packages.push(format!("libclang-{LLVM}-dev"));
    }
    packages
}

/// Returns the LLVM to use: the preferred one, or the newest with a compiler, a
/// linker, tools and the library.
pub(crate) fn llvm() -> Option<u32> {
    let whole = |version: &u32| {
        ["clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"]
            .iter()
            .all(|program| run::on_path(&format!("{program}-{version}")))
            && Path::new(&libclang(*version)).join("libclang.so").exists()
    };
    // Older ones cannot build this kernel.
    std::iter::once(LLVM).chain((17..40).rev()).find(whole)
}

/// The directory of libclang.
pub(crate) fn libclang(version: u32) -> String {
    format!("/usr/lib/llvm-{version}/lib")
}

/// Returns whether the names of Debian's packages apply to this machine.
pub(crate) fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian")
}

/// Returns the command that runs others as root, or nothing for root.
fn become_root() -> Option<Vec<&'static str>> {
    if rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    run::on_path("sudo").then(|| vec!["sudo"])
}

/// Installs packages from the machine's own mirror.
pub(crate) fn install(lab: &Lab, root: &[&str], packages: &[String]) -> Result<()> {
    ui::print(format!("installing {}", packages.join(" ")));
    // Lists without any package were never downloaded.
    let known = run::output(run::command("apt-cache").args(["pkgnames", "mmdebstrap"]));
    if known.is_ok_and(|names| names.trim().is_empty()) {
        apt_get(lab, root, "package lists of this machine", &["update"])?;
    }
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages.iter().map(String::as_str));
    apt_get(lab, root, "installing packages", &arguments)
}

fn apt_get(lab: &Lab, root: &[&str], label: &str, arguments: &[&str]) -> Result<()> {
    let words: Vec<&str> = root
        .iter()
        .copied()
        .chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .chain(["-o", "Acquire::Retries=3"])
        .chain(arguments.iter().copied())
        .collect();
    let mut command = run::command(words[0]);
    command.args(&words[1..]);
    let step = ui::Step {
        cache: &lab.cache,
        label,
        log: "apt-install",
        lines: 400,
        verbose: lab.verbose,
    };
    step.run(command)
}

/// The package of this name, if the machine's mirror has it in this version or
/// newer and it could be installed.
pub(crate) fn try_install(lab: &Lab, package: &str, least: &[u32]) -> Result<bool> {
    if !is_debian() || !run::on_path("apt-cache") {
        return Ok(false);
    }
    let policy = run::output(run::command("apt-cache").args(["policy", package]))?;
    let candidate = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .unwrap_or_default();
    if numbers(apt::upstream(candidate)).as_slice() < least {
        return Ok(false);
    }
    let Some(root) = become_root() else {
        return Ok(false);
    };
    install(lab, &root, &[package.to_owned()])?;
    Ok(true)
}

/// The numbers of a version, for comparing.
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("0.72.1") > numbers("0.71.1"));
        assert!(numbers("0.100.0") > numbers("0.71.1"));
        assert!(numbers("(none)") < numbers("0.71.1"));
    }
}
