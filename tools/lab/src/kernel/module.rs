// SPDX-License-Identifier: GPL-2.0

//! Builds the filesystem in Rust as a module outside of the kernel's tree, as
//! an author of one would: by the `Kbuild` at the root of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::fetch::toolchain::Toolchain;
use crate::lab::Lab;
use crate::tree::Tree;
use crate::{cache, ui};

/// The file's name.
pub(crate) const FILE: &str = "rust_idmapfs.ko";
/// Where kbuild leaves it, below the directory that it builds in.
const BUILT: &str = "samples/rust/rust_idmapfs/rust_idmapfs.ko";

/// What it is made from and the kernel is not.
pub(crate) fn made_from(lab: &Lab) -> Result<String> {
    let path = lab.checkout.join("Kbuild");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Builds it for a kernel that was just built in a directory. The answer is the
/// file. The caller holds the lock.
pub(crate) fn build(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    kernel: &Path,
) -> Result<PathBuf> {
    let dir = kernel.with_file_name("module");
    // Kbuild goes by times, which say nothing of one checkout after another.
    cache::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    let checkout = lab.checkout.canonicalize()?;
    let mut make = toolchain.make(&tree.path, kernel);
    make.arg(format!("M={}", checkout.display()))
        .arg(format!("MO={}", dir.display()))
        .arg(lab.arch.make_option())
        .args(["CONFIG_SAMPLE_RUST_IDMAPFS=m", "modules"]);
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
