// SPDX-License-Identifier: GPL-2.0

//! `make check`: checks of the sources.

mod kernel_doc;
mod library;
mod order;
mod safety;
mod sphinx;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::configs;
use crate::fetch::toolchain::Toolchain;
use crate::fetch::{source, tools};
use crate::kernel::arch::Arch;
use crate::kernel::dry::Bench;
use crate::kernel::{diagnostics, kconfig, objects};
use crate::lab::{Engine, Lab};
use crate::tree::change::MIRRORED;
use crate::tree::{self, Tree};
use crate::{kernel, run, ui};

/// The maximum number of lines of a file without its tests.
const LONGEST: usize = 500;
const LICENSE: &str = "SPDX-License-Identifier: GPL-2.0";

/// The findings of a check, or nothing if it succeeds.
type Complaints = String;

/// Why a check was not made.
#[derive(Debug)]
struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// The name of a check, and its function.
type Check<'a> = (&'a str, Box<dyn Fn() -> Result<Complaints> + 'a>);

/// Runs the checks whose names begin with `only`. `quick` skips those that take minutes. Returns
/// whether all succeed.
pub(crate) fn run(lab: &Lab, quick: bool, only: &str) -> Result<bool> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    tools::ensure_installed(lab)?;
    tools::ensure_checkers_installed(lab)?;
    let tree = tree::make(lab)?;
    let files = files(lab)?;

    let mut checks: Vec<Check<'_>> = vec![
        ("license lines", Box::new(|| licenses(lab, &files))),
        ("length of files", Box::new(|| lengths(lab, &files))),
        ("order of modules", Box::new(|| order::order(&tree.path))),
        ("SAFETY comments", Box::new(|| safety::safety(lab, &files))),
        ("kernel-doc", Box::new(|| kernel_doc::kernel_doc(&tree))),
        ("sphinx", Box::new(|| sphinx::sphinx(lab, &tree))),
        ("formatting", Box::new(|| rustfmt(lab, &files))),
        ("checkpatch", Box::new(|| checkpatch(lab, &tree, &files))),
        ("clippy on tools", Box::new(|| clippy(lab))),
        (
            "public items of the library",
            Box::new(|| library::public_items(lab)),
        ),
        ("oldest Rust", Box::new(|| library::oldest_rust(lab))),
        ("configurations", Box::new(|| configs::quick(lab))),
        (
            "objects without the engine",
            Box::new(|| objects(lab, &tree)),
        ),
    ];
    if !quick {
        let kernel = |name, arguments: &'static [&str]| on_kernel(lab, &tree, name, arguments);
        let clippy: &[&str] = &["CLIPPY=1", "rust/kernel.o"];
        checks.push(("rustdoc of tools", Box::new(|| rustdoc(lab))));
        checks.push((
            "other architectures",
            Box::new(|| library::architectures(lab)),
        ));
        checks.push((
            "clippy on the kernel",
            Box::new(move || kernel("clippy on the kernel", clippy)),
        ));
        checks.push((
            "rustdoc of the kernel",
            Box::new(move || kernel("rustdoc of the kernel", &["rustdoc"])),
        ));
    }
    checks.retain(|(name, _)| name.starts_with(only));
    ensure!(
        !checks.is_empty(),
        "T={only}: no check has a name that begins so"
    );
    let mut good = true;
    for (name, check) in checks {
        let found = match check() {
            Err(error) if error.is::<Skipped>() => {
                println!("skip: {name}: {error}");
                continue;
            }
            other => other.with_context(|| format!("the check '{name}' could not be made"))?,
        };
        if found.trim().is_empty() {
            println!("good: {name}");
        } else {
            println!("BAD:  {name}\n{}", found.trim_end());
            good = false;
        }
    }
    Ok(good)
}

/// Returns the files of the checkout that git tracks or does not ignore, without symbolic links.
fn files(lab: &Lab) -> Result<Vec<PathBuf>> {
    let mut git = run::command("git");
    git.arg("-C").arg(&lab.checkout).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listed = run::output(&mut git)?;
    let files = listed.lines().map(PathBuf::from);
    Ok(files
        .filter(|path| {
            let path = lab.checkout.join(path);
            path.is_file() && !path.is_symlink()
        })
        .collect())
}

/// Returns whether a file has one of these extensions.
fn is(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|is| extensions.iter().any(|extension| is == *extension))
}

/// Returns whether a file is copied to the kernel tree.
fn is_kernel(path: &Path) -> bool {
    MIRRORED.iter().any(|dir| path.starts_with(dir))
}

fn licenses(lab: &Lab, files: &[PathBuf]) -> Result<Complaints> {
    let mut found = String::new();
    for path in files {
        let bare = ["COPYING", "Cargo.lock", "LICENSE-MIT"]
            .iter()
            .any(|name| path.file_name().is_some_and(|is| is == *name));
        let other = is(path, &["patch", "md", "txt"]);
        let text = fs::read_to_string(lab.checkout.join(path)).unwrap_or_default();
        if !bare && !other && !text.lines().take(2).any(|line| line.contains(LICENSE)) {
            found.push_str(&format!("{}: no '{LICENSE}' at the top\n", path.display()));
        }
    }
    Ok(found)
}

fn lengths(lab: &Lab, files: &[PathBuf]) -> Result<Complaints> {
    let mut found = String::new();
    for path in files.iter().filter(|path| is(path, &["rs", "c", "h"])) {
        let is_test = path.iter().any(|part| {
            let part = part.to_string_lossy();
            part.starts_with("tests") || part == "testing"
        });
        let text = fs::read_to_string(lab.checkout.join(path)).unwrap_or_default();
        let lines = length(&text);
        if !is_test && lines > LONGEST {
            found.push_str(&format!(
                "{}: {lines} lines, at most {LONGEST}\n",
                path.display()
            ));
        }
    }
    Ok(found)
}

/// Returns the number of lines of a file before its tests.
fn length(text: &str) -> usize {
    let is_test =
        |line: &&str| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[kunit_tests(");
    text.lines().take_while(is_test).count()
}

/// Returns the output of a command that fails.
fn silent(command: &mut Command) -> Result<Complaints> {
    let output = run::finished(command)?;
    if output.status.success() {
        return Ok(String::new());
    }
    let printed = [output.stdout, output.stderr].concat();
    Ok(format!(
        "{}\n{}",
        run::shown(command),
        String::from_utf8_lossy(&printed)
    ))
}

fn cargo(lab: &Lab, task: &str) -> Command {
    let mut cargo = run::command("cargo");
    cargo
        .arg(task)
        .arg("--manifest-path")
        .arg(lab.checkout.join("tools/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &lab.target);
    cargo
}

/// Each file on its own, so that a module of the kernel's which tools/ takes
/// by its path is held to the kernel's style.
fn rustfmt(lab: &Lab, files: &[PathBuf]) -> Result<Complaints> {
    let mut found = String::new();
    for path in files.iter().filter(|path| is(path, &["rs"])) {
        // What compiles the kernel's pure files on the host is of the kernel's edition.
        let of_kernel = is_kernel(path) || path.starts_with("tools/idmap-core");
        let edition = if of_kernel { "2021" } else { "2024" };
        let mut rustfmt = run::command("rustfmt");
        rustfmt
            .args(["--check", "--color=never", "--edition", edition])
            .stdin(File::open(lab.checkout.join(path))?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = rustfmt
            .spawn()
            .context("cannot run rustfmt")?
            .wait_with_output()?;
        // With a standard input its status is 0 whatever it finds.
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
            .replace("<stdin>", &path.display().to_string());
        found.push_str(&printed);
        if printed.is_empty() && !output.status.success() {
            found.push_str(&format!("{}: rustfmt failed\n", path.display()));
        }
    }
    Ok(found)
}

fn checkpatch(lab: &Lab, tree: &Tree, files: &[PathBuf]) -> Result<Complaints> {
    let checkpatch = |files: &[&PathBuf], as_file: bool| -> Result<Complaints> {
        if files.is_empty() {
            return Ok(String::new());
        }
        let mut perl = run::command("perl");
        // In a checkout it takes a patch that git knows for a source file.
        perl.current_dir(&tree.path)
            .arg(tree.path.join("scripts/checkpatch.pl"))
            .arg(format!("--root={}", tree.path.display()))
            .args(["--strict", "--quiet", "--no-summary", "--show-types"]);
        if as_file {
            perl.arg("--file");
        }
        silent(perl.args(files.iter().map(|file| lab.checkout.join(file))))
    };
    let patches: Vec<&PathBuf> = files.iter().filter(|path| is(path, &["patch"])).collect();
    let sources: Vec<&PathBuf> = files
        .iter()
        .filter(|path| is_kernel(path) && is(path, &["c", "h"]))
        .collect();
    Ok(checkpatch(&patches, false)? + &checkpatch(&sources, true)?)
}

/// Compares the objects of the patched C files with those without the patches.
fn objects(lab: &Lab, tree: &Tree) -> Result<Complaints> {
    if lab.fixes {
        // The fixes change the code in C.
        return Ok(String::new());
    }
    let toolchain = Toolchain::find(lab)?;
    objects::compare(&Bench::new(lab, tree, &toolchain)?)
}

fn clippy(lab: &Lab) -> Result<Complaints> {
    let mut clippy = cargo(lab, "clippy");
    clippy.args([
        "--workspace",
        "--all-targets",
        "--locked",
        "-q",
        "--",
        "-D",
        "warnings",
    ]);
    silent(&mut clippy)
}

fn rustdoc(lab: &Lab) -> Result<Complaints> {
    let mut doc = cargo(lab, "doc");
    doc.args(["--workspace", "--no-deps", "--locked", "-q"])
        .env("RUSTDOCFLAGS", "-D warnings");
    silent(&mut doc)
}

/// Builds a target of the kernel. Returns the messages of the compiler about our files.
fn on_kernel(lab: &Lab, tree: &Tree, label: &str, arguments: &[&str]) -> Result<Complaints> {
    let toolchain = Toolchain::find(lab)?;
    let flavour = Engine::Rust.into();
    let build = kernel::build_dir(lab, tree, &flavour);
    let settings = kconfig::Settings::read(lab, &tree.source.series, &flavour)?;
    kernel::configure(tree, &toolchain, Arch::X86, &settings, &build)?;
    let mut make = toolchain.make(&tree.path, &build);
    let log = label.replace(' ', "-");
    make.arg(format!("-j{}", Lab::jobs())).args(arguments);
    let step = ui::Step {
        cache: &lab.cache,
        label,
        log: &log,
        lines: 100,
        verbose: lab.verbose,
    };
    step.run(make)?;
    let text = fs::read(lab.cache.log(&log)?)?;
    let is_ours = |path: &str| {
        let path = path
            .strip_prefix(&format!("{}/", tree.path.display()))
            .unwrap_or(path);
        lab.checkout.join(path.trim_start_matches("./")).is_file()
    };
    Ok(diagnostics::about(&String::from_utf8_lossy(&text), is_ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count_as_length() {
        assert_eq!(length("a\nb\n#[cfg(test)]\nmod tests {\n"), 2);
        assert_eq!(length("a\n#[kunit_tests(x)]\nmod tests {\n"), 1);
    }
}
