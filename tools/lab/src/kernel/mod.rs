// SPDX-License-Identifier: GPL-2.0

//! Builds the guest's kernel. Each engine has a build tree, so a switch between
//! engines builds nothing again. The files for a boot are copied out of the build
//! tree, with a stamp of their inputs.

pub(crate) mod arch;
pub(crate) mod diagnostics;
pub(crate) mod docs;
pub(crate) mod dry;
pub(crate) mod kconfig;
pub(crate) mod matrix;
pub(crate) mod module;
pub(crate) mod objects;
pub(crate) mod own_module;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fetch::toolchain::Toolchain;
use crate::lab::{Flavour, Lab};
use crate::tree::Tree;
use crate::{cache, digest, run, ui};
use arch::Arch;
use kconfig::Settings;

/// The files that are copied out of the build tree.
const KEPT: [&str; 3] = ["System.map", "vmlinux", ".config"];
const STAMP: &str = "stamp";
/// In a build tree that modules can be built against: the stamp of the kernel built there.
const BUILT: &str = "built.stamp";

/// Returns the build directory of a kernel of a tree.
pub(crate) fn build_dir(lab: &Lab, tree: &Tree, flavour: &Flavour) -> PathBuf {
    dir_of(lab, &tree.source.key, flavour)
}

/// Returns the build directory of a kernel, by the key of the source.
pub(crate) fn dir_of(lab: &Lab, key: &str, flavour: &Flavour) -> PathBuf {
    lab.cache
        .path(format!("build/{key}/{}", flavour.dir(lab.arch)))
}

/// Builds a kernel if it is missing. Returns the directory of the files for a
/// boot. The caller must hold the lock.
pub(crate) fn build(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    flavour: &Flavour,
) -> Result<PathBuf> {
    let settings = Settings::read(lab, &tree.source.series, flavour)?;
    let stamp = stamp(lab, tree, toolchain, flavour, &settings)?;
    let kept = format!("kernel/{}/{}", tree.source.key, lab.name(flavour));
    let dir = lab.cache.path(&kept);
    if fs::read_to_string(dir.join(STAMP)).is_ok_and(|text| text == stamp) {
        return Ok(dir);
    }
    toolchain.check(lab, &tree.path)?;
    let build = build_dir(lab, tree, flavour);
    let seed = seed(lab, tree, flavour)?;
    configure(tree, toolchain, lab.arch, &settings, &build)?;
    if let Some(seed) = seed {
        keep_objects(lab, tree, toolchain, &seed, &build)?;
    }
    compile(lab, tree, toolchain, flavour, flavour.module)?;
    let module = match flavour.module {
        true => Some(module::build(lab, tree, toolchain, &build)?),
        false => None,
    };
    lab.cache.replace(&kept, |dir| {
        fs::create_dir(dir)?;
        for file in KEPT.into_iter().chain([lab.arch.image()]) {
            let name = file.rsplit('/').next().unwrap_or(file);
            let name = name.strip_prefix('.').unwrap_or(name);
            fs::copy(build.join(file), dir.join(name))
                .with_context(|| format!("cannot copy {file}"))?;
        }
        if let Some(file) = &module {
            fs::copy(file, dir.join(module::FILE)).context("cannot copy the module")?;
        }
        Ok(fs::write(dir.join(STAMP), &stamp)?)
    })
}

/// Starts a new build directory with the objects of the kernel with the other engine. kbuild
/// compiles only objects that differ. Returns the other directory, if the build directory is new.
fn seed(lab: &Lab, tree: &Tree, flavour: &Flavour) -> Result<Option<PathBuf>> {
    let build = build_dir(lab, tree, flavour);
    let other = build_dir(lab, tree, &flavour.with_other_engine());
    if build.exists() || !other.join("vmlinux").exists() {
        return Ok(None);
    }
    let relative = format!("build/{}/{}", tree.source.key, flavour.dir(lab.arch));
    lab.cache.make(&relative, |dir| {
        let mut copy = run::command("cp");
        copy.args(["-a", "--reflink=auto"]).args([&other, dir]);
        run::output(&mut copy)?;
        move_commands(dir, &other, &build)
    })?;
    Ok(Some(other))
}

/// Gives the programs of tools/, which are built again in each directory, the time of those that
/// they were copied from: objects that are older than objtool are compiled again.
fn keep_objects(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    seed: &Path,
    build: &Path,
) -> Result<()> {
    let objtool = seed.join("tools/objtool/objtool");
    if !objtool.exists() {
        return Ok(());
    }
    let mut prepare = toolchain.make(&tree.path, build);
    prepare.args(["-s", &lab.arch.make_option(), "prepare"]);
    run::output(&mut prepare)?;
    let mut touch = run::command("find");
    touch
        .arg(build.join("tools"))
        .args(["-type", "f", "-exec", "touch", "-r"])
        .arg(objtool)
        .args(["{}", "+"]);
    run::output(&mut touch).map(drop)
}

/// Replaces the directory in the commands that kbuild has saved. kbuild compiles an object again if
/// its command differs.
fn move_commands(dir: &Path, from: &Path, to: &Path) -> Result<()> {
    let mut sed = run::command("sh");
    sed.arg("-c")
        .arg(
            "find \"$1\" -name '.*.cmd' -exec grep -lF \"$2\" {} + | \
             xargs -r sed -i \"s|$2\\([^-[:alnum:]]\\|\\$\\)|$3\\1|g\"",
        )
        .args(["sh".as_ref(), dir, from, to]);
    run::output(&mut sed).map(drop)
}

/// Prepares the build tree of a kernel for modules, and returns the build tree. The caller must
/// hold the lock.
pub(crate) fn for_modules(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    flavour: &Flavour,
) -> Result<PathBuf> {
    build(lab, tree, toolchain, flavour)?;
    let settings = Settings::read(lab, &tree.source.series, flavour)?;
    let stamp = stamp(lab, tree, toolchain, flavour, &settings)?;
    let dir = build_dir(lab, tree, flavour);
    let built = dir.join(BUILT);
    if fs::read_to_string(&built).is_ok_and(|text| text == stamp) {
        return Ok(dir);
    }
    // The flavours of an architecture share the directory. The last build may be of another
    // flavour.
    configure(tree, toolchain, lab.arch, &settings, &dir)?;
    compile(lab, tree, toolchain, flavour, true)?;
    fs::write(&built, stamp)?;
    Ok(dir)
}

/// Returns a digest of the inputs of a kernel.
fn stamp(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    flavour: &Flavour,
    settings: &Settings,
) -> Result<String> {
    let (tree, tools) = (&tree.digest, &toolchain.description);
    let mut made_from = format!("{tree}\n{}{tools}", settings.text());
    if flavour.module {
        made_from.push_str(&module::made_from(lab)?);
    }
    Ok(digest::text(&made_from))
}

/// Configures a build tree, and checks that each option of the fragments is set.
pub(crate) fn configure(
    tree: &Tree,
    toolchain: &Toolchain,
    arch: Arch,
    settings: &Settings,
    build: &Path,
) -> Result<()> {
    fs::create_dir_all(build)?;
    cache::remove(&build.join(BUILT))?;
    let all = build.join("settings.config");
    fs::write(&all, settings.text())?;
    let mut make = toolchain.make(&tree.path, build);
    make.args([&arch.make_option(), "-s", "allnoconfig"])
        .env("KCONFIG_ALLCONFIG", &all);
    run::output(&mut make).context("the kernel's configuration failed")?;
    settings.check(&build.join(".config"))
}

/// Compiles the kernel, and the files that modules outside of the tree need.
fn compile(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    flavour: &Flavour,
    modules: bool,
) -> Result<()> {
    let build = build_dir(lab, tree, flavour);
    let first = !build.join("vmlinux").exists();
    let mut make = toolchain.make(&tree.path, &build);
    make.arg(format!("-j{}", Lab::jobs()))
        .arg(lab.arch.make_option())
        .arg(lab.arch.image_name());
    if modules {
        make.arg("modules");
    }
    let version = &tree.source.version;
    let step = ui::Step {
        cache: &lab.cache,
        label: &format!("Linux {version}, {} engine", lab.name(flavour)),
        // Two logs, as the two print very different numbers of lines.
        log: if first { "kernel-first" } else { "kernel" },
        lines: if first { 2700 } else { 200 },
        verbose: lab.verbose,
    };
    step.run(make)
}
