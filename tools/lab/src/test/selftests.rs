// SPDX-License-Identifier: GPL-2.0

//! The kernel's selftests, built from the source of the kernel and run in the
//! guest. The expected verdicts are those of the stock kernel. Each other verdict
//! is a failure, also a better one. Some selftests of this project are installed
//! and run as the others are, without the lab.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::expected::Expected;
use super::guest::LIMIT;
use super::ktap;
use super::report::Case;
use crate::fetch::toolchain::Toolchain;
use crate::guest::boot::{self, Job, Options, Share};
use crate::guest::sysroot::Sysroot;
use crate::guest::{exec, kvm};
use crate::kernel::arch::Arch;
use crate::lab::{Engine, Lab};
use crate::tree::{self, Tree};
use crate::{cache, digest, run, ui};

/// The verdict of each test on the stock kernel.
const EXPECTED: &str = "tools/lab/expected/selftests.txt";
/// The directory of the programs in the guest.
const GUEST: &str = "/opt/idmap/selftests";

/// The suites, in the order in which they run: a directory of
/// tools/testing/selftests, and its programs.
const SUITES: &[(&str, &[&str])] = &[
    ("mount_setattr", &["mount_setattr_test"]),
    ("filesystems", &["idmapped_tmpfile"]),
    (
        "filesystems/statmount",
        &["statmount_test", "statmount_test_ns", "listmount_test"],
    ),
    (
        "filesystems/open_tree_ns",
        &["open_tree_ns_test", "open_tree_ns_covered_test"],
    ),
    ("filesystems/fsmount_ns", &["fsmount_ns_test"]),
    (
        "filesystems/overlayfs",
        &[
            "idmapped_mounts",
            "set_layers_via_fds",
            "dev_in_maps",
            "automount_in_layer",
        ],
    ),
];

/// The suite of this project.
const OWN: &str = "rust_idmap";
/// The prefix of its tests that run here. `make test T=rust_idmap` runs all of them.
const OWN_SOME: &str = "stat.user.";
/// The directory of the suite in the guest.
const OWN_GUEST: &str = "/opt/idmap/kselftest";
/// The kernel's runner of installed selftests.
const RUNNER: &str = "run_kselftest.sh";

/// Runs all suites on one engine, and compares the verdicts.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let (seen, around) = observe(lab, engine)?;
    let mut expected = Expected::all(&lab.checkout, EXPECTED)?;
    if lab.arch != Arch::X86 {
        expected.forget(RUNNER);
    }
    let mut cases = expected.compare(&seen);
    cases.extend(around);
    Ok(cases)
}

/// Runs all suites. Returns their results, and those of the boot.
fn observe(lab: &Lab, engine: Engine) -> Result<(Vec<Case>, Vec<Case>)> {
    let machine = exec::machine(lab, engine)?;
    let (programs, own) = {
        let _lock = lab.cache.lock()?;
        let toolchain = Toolchain::find(lab)?;
        let tree = tree::make(lab)?;
        (build(lab, &toolchain, &tree)?, install(lab, &tree)?)
    };
    let mut options = Options::new(
        Job::Exec(script(own.is_some())),
        &format!("selftests-{}", lab.name(&engine.into())),
    );
    options.limit = Some(LIMIT);
    let own = own.map(|own| (own, OWN_GUEST));
    for (host, guest) in std::iter::once((programs, GUEST)).chain(own) {
        options.shares.push(Share {
            host,
            guest,
            writable: false,
        });
    }
    options.accelerator = kvm::best(&lab.cache, &machine)?;
    let outcome = boot::boot(&lab.cache, &machine, &options)?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    fs::write(
        lab.cache
            .log(&format!("selftests-{}-output", lab.name(&engine.into())))?,
        &output,
    )?;
    let seen = read(&output);
    let around = super::around(&outcome, &seen);
    Ok((seen, around))
}

/// Builds the programs, statically: the guest's C library may be older than
/// this machine's.
fn build(lab: &Lab, toolchain: &Toolchain, tree: &Tree) -> Result<PathBuf> {
    let sysroot = Sysroot::get(lab)?;
    let dir = match lab.arch {
        Arch::X86 => format!("selftests/{}", tree.source.key),
        arch => format!("selftests/{}-{arch}", tree.source.key),
    };
    let made_from = digest::text(&format!("{:?} {}", SUITES, tree.programs_digest));
    let stamp = lab.cache.path(&dir).join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == made_from) {
        return Ok(lab.cache.path(dir).join("bin"));
    }
    let dir = lab.cache.replace(&dir, |dir| {
        let headers = dir.join("headers");
        fs::create_dir_all(&headers)?;
        let mut make = toolchain.make(&tree.path, &headers);
        make.args(["-s", &lab.arch.make_option(), "headers"]);
        run::output(&mut make).context("cannot make the kernel's headers for programs")?;
        ui::timed("the kernel's selftests", || {
            for (suite, programs) in SUITES {
                compile(tree, dir, sysroot.as_ref(), suite, programs)?;
            }
            Ok(())
        })?;
        Ok(fs::write(dir.join("stamp"), &made_from)?)
    })?;
    Ok(dir.join("bin"))
}

/// Builds the programs of one suite with its own Makefile.
fn compile(
    tree: &Tree,
    dir: &Path,
    sysroot: Option<&Sysroot>,
    suite: &str,
    programs: &[&str],
) -> Result<()> {
    let objects = dir.join("objects").join(suite);
    let bin = dir.join("bin");
    fs::create_dir_all(&objects)?;
    fs::create_dir_all(&bin)?;
    let mut make = run::terminated("make");
    make.arg("-s")
        .arg("-C")
        .arg(tree.path.join("tools/testing/selftests").join(suite))
        .arg(format!("OUTPUT={}", objects.display()))
        .arg(format!(
            "KHDR_INCLUDES=-isystem {}/headers/usr/include",
            dir.display()
        ))
        .arg("USERCFLAGS=-static");
    if let Some(sysroot) = sysroot {
        make.arg(format!("CC={}", sysroot.cc()));
    }
    for program in programs {
        make.arg(objects.join(program));
    }
    run::output(&mut make).with_context(|| format!("cannot build the selftests in {suite}"))?;
    for program in programs {
        fs::copy(objects.join(program), bin.join(program))?;
    }
    Ok(())
}

/// Installs the suite of this project by the Makefile of all selftests, which builds it by cargo in
/// the kernel tree. Only for the architecture of this machine.
fn install(lab: &Lab, tree: &Tree) -> Result<Option<PathBuf>> {
    if lab.arch != Arch::X86 {
        return Ok(None);
    }
    let dir = lab.cache.path(format!("selftests/{}-own", tree.source.key));
    let installed = dir.join("installed");
    let suites = tree.path.join("tools/testing/selftests");
    let build = dir.join("build");
    fs::create_dir_all(&build)?;
    // The runner must not find tests of an earlier installation.
    cache::remove(&installed)?;
    // The kernel tree has no `Cargo.lock`. With that of the workspace, cargo downloads nothing.
    fs::copy(
        lab.checkout.join("tools/Cargo.lock"),
        suites.join(OWN).join("Cargo.lock"),
    )
    .with_context(|| format!("no suite {OWN} in the kernel's tree"))?;
    ui::timed("our selftests, by the kernel's Makefile", || {
        let mut make = run::terminated("make");
        make.arg("-s")
            .arg("-C")
            .arg(&suites)
            .args([&format!("TARGETS={OWN}"), "FORCE_TARGETS=1"])
            .arg(format!("O={}", build.display()))
            .arg(format!("KSFT_INSTALL_PATH={}", installed.display()))
            .args(["CARGO=cargo --offline", "install"]);
        run::output(&mut make).with_context(|| format!("cannot install the selftests in {OWN}"))
    })?;
    Ok(Some(installed))
}

/// The mark before and after the output of each program.
const MARK: &str = "=====";

/// A shell script that runs all programs.
fn script(own: bool) -> OsString {
    let programs: Vec<&str> = SUITES
        .iter()
        .flat_map(|(_, programs)| *programs)
        .copied()
        .collect();
    let own = match own {
        true => format!(
            "echo '{MARK}' {RUNNER}\n\
             KSELFTEST_RUST_IDMAP_ARGS={OWN_SOME} {OWN_GUEST}/{RUNNER} -c {OWN} 2>&1\n"
        ),
        false => String::new(),
    };
    format!(
        "for program in {}; do\n\
         directory=$(mktemp -d) && cp {GUEST}/$program $directory/ && cd $directory || exit 1\n\
         echo '{MARK}' $program\n\
         timeout 120 ./$program 2>&1\n\
         echo\n\
         cd /\n\
         done\n\
         {own}echo '{MARK}' end\n",
        programs.join(" ")
    )
    .into()
}

/// The cases in the output of the script.
fn read(output: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix(MARK) {
            parts.push((name.trim(), String::new()));
        } else if let Some((_, text)) = parts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (program, text) in parts.iter().filter(|(program, _)| *program != "end") {
        let mut all = ktap::parse(text);
        if *program == RUNNER {
            all.extend(ktap::parse(&within(text)));
        }
        for mut case in all {
            case.name = format!("{program}.{}", case.name);
            cases.push(case);
        }
    }
    cases
}

/// Returns the output of a program in the output of the kernel's runner, which turns it to
/// comments.
fn within(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# "));
    lines.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::expected::word;
    use super::*;

    #[test]
    fn the_output_is_split_by_program() {
        let output =
            "===== a\nTAP version 13\n1..1\nok 1 x\n\n===== b\nSegmentation fault\n===== end\n";
        let names: Vec<String> = read(output)
            .iter()
            .map(|case| format!("{} {}", word(&case.verdict), case.name))
            .collect();
        assert_eq!(names, ["pass a.x", "fail b.all"]);
    }

    #[test]
    fn the_runner_and_what_it_ran_are_both_read() {
        let output = "===== run_kselftest.sh\nTAP version 13\n1..1\n# timeout set to 600\n\
                      # selftests: own: own\n# KTAP version 1\n# 1..2\n# ok 1 x.y\n\
                      # # why\n# not ok 2 x.z\nnot ok 1 selftests: own: own # exit=1\n\
                      # Totals: pass:0 fail:1\n===== end\n";
        let names: Vec<String> = read(output)
            .iter()
            .map(|case| format!("{} {}", word(&case.verdict), case.name))
            .collect();
        let expected = [
            "fail run_kselftest.sh.selftests: own: own",
            "pass run_kselftest.sh.x.y",
            "fail run_kselftest.sh.x.z",
        ];
        assert_eq!(names, expected);
    }
}
