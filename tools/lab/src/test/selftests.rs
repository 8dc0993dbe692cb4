// SPDX-License-Identifier: GPL-2.0

//! The kernel's own tests of what users see, built from its source and run in
//! the guest. What each test says on the stock kernel is written down; any
//! other verdict, a better one too, is a failure.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::expected::Expected;
use super::guest::LIMIT;
use super::ktap;
use super::report::Case;
use crate::boot::{self, Job, Options, Share};
use crate::lab::{Engine, Lab};
use crate::toolchain::Toolchain;
use crate::tree::{self, Tree};
use crate::{digest, exec, kvm, run, ui};

/// What each test says on the stock kernel.
const EXPECTED: &str = "tools/lab/expected/selftests.txt";
/// Where the programs are in the guest.
const GUEST: &str = "/opt/idmap/selftests";

/// The suites, in the order in which they run: a folder of
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

/// Runs all suites on one engine and compares.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let (seen, around) = observe(lab, engine)?;
    let mut cases = Expected::all(&lab.checkout, EXPECTED)?.compare(&seen);
    cases.extend(around);
    Ok(cases)
}

/// Runs all suites and gives what they said, and what else the boot says.
fn observe(lab: &Lab, engine: Engine) -> Result<(Vec<Case>, Vec<Case>)> {
    let machine = exec::machine(lab, engine)?;
    let programs = {
        let _lock = lab.cache.lock()?;
        build(lab, &Toolchain::find(lab)?, &tree::make(lab)?)?
    };
    let mut options = Options::new(Job::Exec(script()), &format!("selftests-{engine}"));
    options.limit = Some(LIMIT);
    options.shares.push(Share {
        host: programs,
        guest: GUEST,
        writable: false,
    });
    options.accelerator = kvm::best(&lab.cache, &machine)?;
    let outcome = boot::boot(&lab.cache, &machine, &options)?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    fs::write(
        lab.cache.log(&format!("selftests-{engine}-output"))?,
        &output,
    )?;
    let seen = read(&output);
    let around = super::around(&outcome, &seen);
    Ok((seen, around))
}

/// Builds the programs, statically: the guest's C library may be older than
/// this machine's.
fn build(lab: &Lab, toolchain: &Toolchain, tree: &Tree) -> Result<PathBuf> {
    let folder = format!("selftests/{}", tree.source.key);
    let made_from = digest::text(&format!("{:?} {}", SUITES, tree.programs_digest));
    let stamp = lab.cache.path(&folder).join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == made_from) {
        return Ok(lab.cache.path(folder).join("bin"));
    }
    let folder = lab.cache.replace(&folder, |folder| {
        let headers = folder.join("headers");
        fs::create_dir_all(&headers)?;
        let mut make = toolchain.make(&tree.path, &headers);
        make.args(["-s", "headers"]);
        run::output(&mut make).context("cannot make the kernel's headers for programs")?;
        ui::timed("the kernel's selftests", || {
            for (suite, programs) in SUITES {
                compile(tree, folder, suite, programs)?;
            }
            Ok(())
        })?;
        Ok(fs::write(folder.join("stamp"), &made_from)?)
    })?;
    Ok(folder.join("bin"))
}

/// Builds the programs of one suite with its own Makefile.
fn compile(tree: &Tree, folder: &std::path::Path, suite: &str, programs: &[&str]) -> Result<()> {
    let objects = folder.join("objects").join(suite);
    let bin = folder.join("bin");
    fs::create_dir_all(&objects)?;
    fs::create_dir_all(&bin)?;
    let mut make = run::command("make");
    make.arg("-s")
        .arg("-C")
        .arg(tree.path.join("tools/testing/selftests").join(suite))
        .arg(format!("OUTPUT={}", objects.display()))
        .arg(format!(
            "KHDR_INCLUDES=-isystem {}/headers/usr/include",
            folder.display()
        ))
        .arg("USERCFLAGS=-static");
    for program in programs {
        make.arg(objects.join(program));
    }
    run::output(&mut make).with_context(|| format!("cannot build the selftests in {suite}"))?;
    for program in programs {
        fs::copy(objects.join(program), bin.join(program))?;
    }
    Ok(())
}

/// The mark before and after the output of each program.
const MARK: &str = "=====";

/// A shell script that runs all programs.
fn script() -> OsString {
    let programs: Vec<&str> = SUITES
        .iter()
        .flat_map(|(_, programs)| *programs)
        .copied()
        .collect();
    format!(
        "for program in {}; do\n\
         folder=$(mktemp -d) && cp {GUEST}/$program $folder/ && cd $folder || exit 1\n\
         echo '{MARK}' $program\n\
         timeout 120 ./$program 2>&1\n\
         echo\n\
         cd /\n\
         done\n\
         echo '{MARK}' end\n",
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
        for mut case in ktap::parse(text) {
            case.name = format!("{program}.{}", case.name);
            cases.push(case);
        }
    }
    cases
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
}
