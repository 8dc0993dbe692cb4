// SPDX-License-Identifier: GPL-2.0

//! The programs of this project that run in the guest: linked statically, so
//! that they run in any image and in an initramfs.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::sysroot::Sysroot;
use crate::lab::Lab;
use crate::{run, ui};

/// The program of a guest without a job.
pub(crate) const INIT: &[&str] = &["guest-init"];
/// Packages of the workspace, each with a program of the same name.
pub(crate) const ALL: &[&str] = &[
    "guest-init",
    "mount-idmapped",
    "e2e",
    "cost",
    "conformance",
    "differential",
    "stress",
    "attack",
    "rust_idmap",
];

/// Builds the programs, and returns their names and paths.
pub(crate) fn build(lab: &Lab, programs: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let arch = lab.arch;
    let target = &lab.target;
    let triple = arch
        .triple()
        .with_context(|| format!("{arch}: there is no guest"))?;
    let mut cargo = run::terminated("cargo");
    cargo
        .args(["build", "--locked", "--release", "--target", triple])
        .arg("--manifest-path")
        .arg(lab.checkout.join("tools/Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    if let Some(sysroot) = Sysroot::get(lab)? {
        sysroot.prepare(&mut cargo);
    }
    for program in programs {
        cargo.args(["-p", program]);
    }
    let step = ui::Step {
        cache: &lab.cache,
        label: "guest programs",
        log: "programs",
        lines: 30,
        verbose: lab.verbose,
    };
    step.run(cargo)?;
    let dir = target.join(triple).join("release");
    Ok(programs
        .iter()
        .map(|&name| (name.to_owned(), dir.join(name)))
        .collect())
}
