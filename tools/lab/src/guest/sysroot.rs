// SPDX-License-Identifier: GPL-2.0

//! The libraries of programs for another architecture: the C library of Debian's
//! packages, and the standard library of Rust, which is compiled from the source
//! that the kernel is built with.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::fetch::toolchain::Toolchain;
use crate::guest::image;
use crate::kernel::arch::Arch;
use crate::lab::Lab;
use crate::{run, ui};

/// The packages with headers and static libraries.
const PACKAGES: &str = "libc6-dev,libgcc-14-dev,libcap-dev";

/// The libraries of an architecture.
pub(crate) struct Sysroot {
    arch: Arch,
    clang: String,
    libraries: PathBuf,
    /// A rustc that finds the source of its library.
    rustc: PathBuf,
}

impl Sysroot {
    /// Returns the libraries, and downloads them if they are missing. Returns `None` if this
    /// machine has them. The caller must hold the lock.
    pub(crate) fn get(lab: &Lab) -> Result<Option<Self>> {
        if lab.arch == Arch::X86 {
            return Ok(None);
        }
        let toolchain = Toolchain::find(lab)?;
        let arch = lab.arch;
        let made = format!("sysroot/{arch}");
        let libraries = lab.cache.make(&made, |dir| {
            let mut command = image::extract(arch, PACKAGES);
            command.arg("--format=directory").arg(image::SUITE);
            command.arg(dir).arg(image::source()?);
            let step = ui::Step {
                cache: &lab.cache,
                label: &format!("{arch} libraries"),
                log: &format!("sysroot-{arch}"),
                lines: 30,
                verbose: lab.verbose,
            };
            step.run(command)
        })?;
        Ok(Some(Self {
            arch,
            clang: toolchain.clang_path(),
            libraries,
            rustc: rustc(lab, &toolchain)?,
        }))
    }

    /// The options of clang that compile for it.
    pub(crate) fn clang_options(&self) -> [String; 3] {
        [
            format!("--target={}", self.arch.debian_triple()),
            format!("--sysroot={}", self.libraries.display()),
            "-fuse-ld=lld".to_owned(),
        ]
    }

    /// Makes cargo build for it.
    pub(crate) fn prepare(&self, cargo: &mut Command) {
        let mut flags = format!("-C target-feature=+crt-static -C linker={}", self.clang);
        for option in self.clang_options() {
            flags += &format!(" -C link-arg={option}");
        }
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &self.rustc)
            .env("RUSTFLAGS", flags);
    }

    /// The compiler of C, with its options.
    pub(crate) fn cc(&self) -> String {
        format!("{} {}", self.clang, self.clang_options().join(" "))
    }
}

/// Creates a rustc with the sysroot of the real one and the source of the library.
fn rustc(lab: &Lab, toolchain: &Toolchain) -> Result<PathBuf> {
    let made = lab.cache.replace("sysroot/rust", |dir| {
        let real = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
        let real = Path::new(real.trim()).join("lib/rustlib");
        let ours = dir.join("lib/rustlib");
        fs::create_dir_all(ours.join("src/rust"))?;
        for entry in fs::read_dir(&real).with_context(|| format!("no {}", real.display()))? {
            let entry = entry?;
            if entry.file_name() != "src" {
                symlink(entry.path(), ours.join(entry.file_name()))?;
            }
        }
        symlink(toolchain.library(), ours.join("src/rust/library"))?;
        Ok(())
    })?;
    if !made
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .exists()
    {
        bail!(
            "{} has no Cargo.lock, so that Rust's library cannot be built for another architecture",
            toolchain.library().display()
        );
    }
    let program = made.join("rustc");
    fs::write(
        &program,
        format!(
            "#!/bin/sh\nexec rustc --sysroot='{}' \"$@\"\n",
            made.display()
        ),
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}
