// SPDX-License-Identifier: GPL-2.0

//! `make docs`: the documentation of the kernel's Rust and of tools/.

use anyhow::Result;

use crate::fetch::source;
use crate::fetch::toolchain::Toolchain;
use crate::kernel::arch::Arch;
use crate::kernel::kconfig;
use crate::lab::{Engine, Lab};
use crate::{kernel, run, tree, ui};

/// Builds both, and prints their paths.
pub(crate) fn build(lab: &Lab) -> Result<()> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;

    let mut cargo = run::command("cargo");
    cargo
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
            "--manifest-path",
        ])
        .arg(lab.checkout.join("tools/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &lab.target);
    step(lab, "documentation of tools", "docs-tools").run(cargo)?;

    toolchain.check(lab, &tree.path)?;
    let flavour = Engine::Rust.into();
    let build = kernel::build_dir(lab, &tree, &flavour);
    let settings = kconfig::Settings::read(lab, &tree.source.series, &flavour)?;
    kernel::configure(&tree, &toolchain, Arch::X86, &settings, &build)?;
    let mut make = toolchain.make(&tree.path, &build);
    make.arg(format!("-j{}", Lab::jobs())).arg("rustdoc");
    step(lab, "documentation of the kernel's Rust", "docs-kernel").run(make)?;

    for index in [
        tree.path
            .join("Documentation/filesystems/rust-idmapping.rst"),
        build.join("Documentation/output/rust/rustdoc/kernel/index.html"),
        lab.target.join("doc/idmap/index.html"),
    ] {
        println!("{}", index.display());
    }
    Ok(())
}

fn step<'a>(lab: &'a Lab, label: &'a str, log: &'a str) -> ui::Step<'a> {
    ui::Step {
        cache: &lab.cache,
        label,
        log,
        lines: 100,
        verbose: lab.verbose,
    }
}
