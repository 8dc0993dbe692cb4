// SPDX-License-Identifier: GPL-2.0

//! The tools that build a kernel with Rust: rustc, the source of its library,
//! clang and bindgen.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::apt::{self, Apt};
use crate::fetch::tools::{self, numbers};
use crate::lab::Lab;
use crate::scratch::Scratch;
use crate::{run, ui};

/// The oldest bindgen that the kernel supports.
const BINDGEN_LEAST: [u32; 3] = [0, 71, 1];
/// The version of bindgen that is built if Debian's is older.
const BINDGEN_BUILT: &str = "0.72.1";

/// The tools of this machine.
pub(crate) struct Toolchain {
    llvm: u32,
    bindgen: PathBuf,
    library: PathBuf,
    /// The versions of all of them.
    pub(crate) description: String,
}

impl Toolchain {
    /// Finds the tools and gets those that are missing. The caller holds the
    /// lock.
    pub(crate) fn find(lab: &Lab) -> Result<Self> {
        tools::ensure_installed(lab)?;
        let llvm = tools::llvm().context("no usable LLVM was found")?;
        let rustc = run::output(run::command("rustc").arg("-vV"))?;
        let library = library(lab, &rustc)?;
        let bindgen = bindgen(lab)?;
        let clang = run::output(run::command(format!("clang-{llvm}")).arg("--version"))?;
        let bindgen_version = run::output(run::command(&bindgen).arg("--version"))?;
        let description = format!(
            "{rustc}{clang}{bindgen_version}{} {}\n",
            library.display(),
            bindgen.display()
        );
        Ok(Self {
            llvm,
            bindgen,
            library,
            description,
        })
    }

    /// Returns the arguments of make that select these tools.
    pub(crate) fn make_options(&self) -> [String; 3] {
        [
            format!("LLVM=-{}", self.llvm),
            format!("BINDGEN={}", self.bindgen.display()),
            format!("RUST_LIB_SRC={}", self.library.display()),
        ]
    }

    /// The source of Rust's library.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    /// The name of the C compiler.
    pub(crate) fn clang(&self) -> String {
        format!("clang-{}", self.llvm)
    }

    /// The path of the C compiler.
    pub(crate) fn clang_path(&self) -> String {
        format!("/usr/lib/llvm-{}/bin/clang", self.llvm)
    }

    /// Returns the environment for reproducible builds.
    pub(crate) fn environment(&self, command: &mut Command) {
        command
            .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
            .env("KBUILD_BUILD_USER", "rust")
            .env("KBUILD_BUILD_HOST", "idmapping")
            .env("LIBCLANG_PATH", tools::libclang(self.llvm));
    }

    /// Returns the command of kbuild for a source tree and a build directory.
    pub(crate) fn make(&self, tree: &Path, build: &Path) -> Command {
        let mut make = run::terminated("make");
        make.arg("-C")
            .arg(tree)
            .arg(format!("O={}", build.display()))
            .args(self.make_options());
        self.environment(&mut make);
        make
    }

    /// Checks with the script of the kernel that the tools can build it.
    pub(crate) fn check(&self, lab: &Lab, tree: &Path) -> Result<()> {
        let stamp = lab.cache.path("build/rustavailable");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == self.description) {
            return Ok(());
        }
        let scratch = Scratch::below(&lab.cache.path("run"))?;
        let mut make = self.make(tree, scratch.path());
        let output = run::finished(make.args(["-s", "rustavailable"]))?;
        ensure!(
            output.status.success(),
            "this kernel's Rust cannot be built here:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        fs::create_dir_all(lab.cache.path("build"))?;
        fs::write(&stamp, &self.description)?;
        Ok(())
    }
}

/// Returns the source of the standard library of the rustc in use.
fn library(lab: &Lab, rustc: &str) -> Result<PathBuf> {
    let has_core = |path: &Path| path.join("core/src/lib.rs").exists();
    if let Some(path) = std::env::var_os("RUST_LIB_SRC").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        ensure!(
            has_core(&path),
            "RUST_LIB_SRC={} holds no core/src/lib.rs",
            path.display()
        );
        return Ok(path);
    }
    let sysroot = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if has_core(&own) {
        return Ok(own);
    }
    let release = rustc
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
        .context("rustc -vV names no release")?;
    fetch_library(lab, release)
}

/// Downloads Debian's `rust-src` of a release.
fn fetch_library(lab: &Lab, release: &str) -> Result<PathBuf> {
    let dir = lab.cache.make(&format!("rust-src/{release}"), |path| {
        let apt = Apt::open(&lab.cache)?;
        let versions = apt.versions("rust-src")?;
        let Some(version) = versions
            .iter()
            .find(|version| apt::upstream(version) == release)
        else {
            bail!(
                "the source of the library of rustc {release} is needed, and Debian has only: {}; \
                 install the rust-src component of your toolchain, or set RUST_LIB_SRC",
                versions.join(" ")
            );
        };
        let scratch = Scratch::below(&lab.cache.path("download"))?;
        let library = format!("usr/src/rustc-{release}/library");
        apt.unpack(
            ("rust-src", version),
            &format!("./{library}"),
            scratch.path(),
        )?;
        let library = scratch.path().join(library);
        fs::create_dir(path)?;
        fs::rename(&library, path.join("library"))
            .with_context(|| format!("rust-src {version} has no library in it"))
    })?;
    Ok(dir.join("library"))
}

/// A bindgen that is new enough.
fn bindgen(lab: &Lab) -> Result<PathBuf> {
    let new_enough = |program: &Path| {
        let version = run::output(run::command(program).arg("--version"));
        version.is_ok_and(|text| {
            let version = text.trim().strip_prefix("bindgen ").unwrap_or_default();
            numbers(version).as_slice() >= BINDGEN_LEAST.as_slice()
        })
    };
    let built = lab.cache.path("bindgen/bin/bindgen");
    if new_enough(&built) {
        return Ok(built);
    }
    let installed = PathBuf::from("bindgen");
    if new_enough(&installed) {
        return Ok(installed);
    }
    if tools::try_install(lab, "bindgen", &BINDGEN_LEAST)? {
        return Ok(installed);
    }
    lab.cache.replace("bindgen", |dir| {
        let mut cargo = run::command("cargo");
        cargo
            .args([
                "install",
                "--locked",
                "bindgen-cli",
                "--version",
                BINDGEN_BUILT,
            ])
            .arg("--root")
            .arg(dir)
            .env("CARGO_TARGET_DIR", dir.join("build"));
        let step = ui::Step {
            cache: &lab.cache,
            label: &format!("building bindgen {BINDGEN_BUILT}"),
            log: "bindgen",
            lines: 100,
            verbose: lab.verbose,
        };
        step.run(cargo)?;
        crate::cache::remove(&dir.join("build"))
    })?;
    Ok(built)
}
