// SPDX-License-Identifier: GPL-2.0

//! The KUnit tests: in User Mode Linux by kunit.py of the kernel, and in a guest
//! while it boots.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ktap;
use super::misuse;
use super::report::Case;
use crate::fetch::toolchain::Toolchain;
use crate::fetch::{source, tools};
use crate::guest::boot::{self, Job, Machine, Options};
use crate::guest::{board, kvm, programs};
use crate::kernel::arch::Arch;
use crate::lab::{Engine, Flavour, Lab};
use crate::tree::Tree;
use crate::{kernel, run, tree, ui};

/// The directory in the kernel tree whose `.kunitconfig` names our tests.
pub(super) const CONFIG: &str = "rust/kernel/fs";
/// The time limit of the boot that runs the tests.
const LIMIT: Duration = Duration::from_secs(900);

/// Builds User Mode Linux and runs the tests in it.
pub(crate) fn uml(lab: &Lab) -> Result<Vec<Case>> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;
    ensure!(
        tree.path.join(CONFIG).join(".kunitconfig").exists(),
        "there is no {CONFIG}/.kunitconfig"
    );
    let mut configs = vec![PathBuf::from(CONFIG)];
    // The tests that only some series have.
    let more = format!("tools/lab/config/kunit-{}.config", tree.source.series);
    let more = lab.checkout.canonicalize()?.join(more);
    let abstractions = more.exists();
    if abstractions {
        configs.push(more);
    }
    let (mut cases, build) = in_uml(lab, &tree, &toolchain, &configs)?;
    cases.extend(misuse::cases(lab, &tree, &toolchain, &build, abstractions)?);
    Ok(cases)
}

/// Builds User Mode Linux of a tree with the options of some files, and runs its tests. Returns
/// the results and the build directory. The caller must hold the lock.
pub(super) fn in_uml(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    configs: &[PathBuf],
) -> Result<(Vec<Case>, PathBuf)> {
    toolchain.check(lab, &tree.path)?;
    let uml = lab.with_arch(Arch::Um)?;
    let build = kernel::build_dir(&uml, tree, &with_tests(&Engine::Rust.into()));
    fs::create_dir_all(&build)?;
    let kunit = |task: &str| {
        let mut command = run::command("python3");
        command
            .current_dir(&tree.path)
            .args(["tools/testing/kunit/kunit.py", task])
            .arg(format!("--build_dir={}", build.display()));
        // kunit.py must not write bytecode to the tree.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        toolchain.environment(&mut command);
        command
    };
    let mut configure = kunit("config");
    for config in configs {
        configure.arg(format!("--kunitconfig={}", config.display()));
    }
    for option in toolchain.make_options() {
        configure.arg(format!("--make_options={option}"));
    }
    run::output(&mut configure).context("the configuration of User Mode Linux failed")?;
    // kunit.py also builds, but prints nothing for minutes.
    let first = !build.join("vmlinux").exists();
    let mut compile = toolchain.make(&tree.path, &build);
    compile.args([
        &format!("-j{}", Lab::jobs()),
        &Arch::Um.make_option(),
        "all",
    ]);
    let step = ui::Step {
        cache: &lab.cache,
        label: "User Mode Linux with the unit tests",
        log: if first { "uml-first" } else { "uml" },
        lines: if first { 1000 } else { 100 },
        verbose: lab.verbose,
    };
    step.run(compile)?;

    let mut exec = kunit("exec");
    exec.args(["--raw_output=all", "--timeout=600"]);
    let step = ui::Step {
        cache: &lab.cache,
        label: "unit tests on User Mode Linux",
        log: "kunit-uml",
        lines: 300,
        verbose: lab.verbose,
    };
    // The verdict of kunit.py is ignored: its output has all results.
    step.status(exec)?;
    let log = lab.cache.log("kunit-uml")?;
    let text = fs::read(&log)?;
    let mut cases = ktap::parse(&String::from_utf8_lossy(&text));
    cases.push(super::kernel_log(&log));
    Ok((cases, build))
}

/// A kernel of the same flavour with the tests in it.
fn with_tests(flavour: &Flavour) -> Flavour {
    let mut flavour = flavour.clone();
    flavour.kunit = true;
    flavour
}

/// The name of the logs of [`qemu`].
fn log_name(lab: &Lab, flavour: &Flavour) -> String {
    format!("kunit-qemu-{}", lab.name(&with_tests(flavour)))
}

/// The path of the kernel's log of [`qemu`].
pub(super) fn log(lab: &Lab, flavour: &Flavour) -> Result<PathBuf> {
    lab.cache.log(&log_name(lab, flavour))
}

/// Boots a kernel of another architecture that has nothing but the tests.
pub(crate) fn other(lab: &Lab, arch: Arch) -> Result<Vec<Case>> {
    source::check(lab)?;
    let board = board::of(arch).with_context(|| format!("{arch}: there is no machine"))?;
    let lab = &lab.with_arch(arch)?;
    let flavour = with_tests(&Engine::Rust.into());
    let kernel = {
        let _lock = lab.cache.lock()?;
        tools::ensure_program(lab, board.program, board.package)?;
        let toolchain = Toolchain::find(lab)?;
        let tree = tree::make(lab)?;
        kernel::build(lab, &tree, &toolchain, &flavour)?
    };
    let image = kernel.join(arch.image_name());
    let log = lab.cache.log(&format!("kunit-{arch}"))?;
    let parameters = "kunit.enable=1 kunit_shutdown=poweroff";
    board.boot(&image, parameters, &log, LIMIT)?;
    let text = fs::read(&log)?;
    let mut cases = ktap::parse(&String::from_utf8_lossy(&text));
    cases.push(super::kernel_log(&log));
    Ok(cases)
}

/// Boots a guest whose kernel runs the tests before anything else.
pub(crate) fn qemu(lab: &Lab, flavour: impl Into<Flavour>) -> Result<Vec<Case>> {
    let flavour = with_tests(&flavour.into());
    source::check(lab)?;
    let machine = {
        let _lock = lab.cache.lock()?;
        let toolchain = Toolchain::find(lab)?;
        let tree = tree::make(lab)?;
        let kernel = kernel::build(lab, &tree, &toolchain, &flavour)?;
        Machine {
            arch: lab.arch,
            kernel: kernel.join(lab.arch.image_name()),
            image: None,
            programs: programs::build(lab, programs::INIT)?,
        }
    };
    let mut options = Options::new(Job::Halt, &log_name(lab, &flavour));
    options.parameters.push("kunit.enable=1".to_owned());
    options.parameters.extend(flavour.parameters());
    options.limit = Some(LIMIT * flavour.patience());
    options.accelerator = kvm::best(&lab.cache, &machine)?;
    let outcome = boot::boot(&lab.cache, &machine, &options)?;
    let log = fs::read(&outcome.kernel_log)?;
    let mut cases = ktap::parse(&String::from_utf8_lossy(&log));
    cases.extend(super::around(&outcome, &cases));
    Ok(cases)
}
