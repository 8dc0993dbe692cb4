// SPDX-License-Identifier: GPL-2.0

//! Builds the filesystem in Rust as a module outside of the kernel's tree, by the
//! `Kbuild` at the root of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::own_module::Build;
use crate::fetch::toolchain::Toolchain;
use crate::lab::Lab;
use crate::tree::Tree;
use crate::{cache, ui};

/// The file's name.
pub(crate) const FILE: &str = "rust_idmapfs.ko";
/// The path of the module below the build directory.
const BUILT: &str = "samples/rust/rust_idmapfs/rust_idmapfs.ko";

/// The inputs of the module that are not inputs of the kernel.
pub(crate) fn made_from(lab: &Lab) -> Result<String> {
    let path = lab.checkout.join("Kbuild");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Builds the module for the kernel in a build directory. Returns the path of the
/// module. The caller must hold the lock.
pub(crate) fn build(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    kernel: &Path,
) -> Result<PathBuf> {
    let dir = kernel.with_file_name("module");
    // kbuild compares times, which do not order the files of two checkouts.
    cache::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    let checkout = lab.checkout.canonicalize()?;
    let build = Build {
        lab,
        tree: &tree.path,
        toolchain,
        kernel,
    };
    let mut make = build.command(&checkout, &dir);
    make.arg("CONFIG_SAMPLE_RUST_IDMAPFS=m");
    let step = ui::Step {
        cache: &lab.cache,
        label: "the filesystem in Rust as a module",
        log: "module",
        lines: 10,
        verbose: lab.verbose,
    };
    step.run(make)?;
    let file = dir.join(BUILT);
    ensure!(file.exists(), "kbuild made no {}", file.display());
    Ok(file)
}
