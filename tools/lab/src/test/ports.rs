// SPDX-License-Identifier: GPL-2.0

//! The ports of filesystems to idmapped mounts, in patches/ports: the selftests and
//! `mount-idmapped check --deep` on each filesystem as it is, and with `FS_ALLOW_IDMAP` after each
//! step. The table of patches/ports/README.md has the results.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::guest::{LIMIT, Program};
use super::ktap;
use super::report::{Case, Verdict};
use crate::fetch::source;
use crate::fetch::toolchain::Toolchain;
use crate::guest::image;
use crate::kernel::own_module::Build;
use crate::kernel::{self, own_module};
use crate::lab::{Engine, Flavour, Lab};
use crate::scratch::Scratch;
use crate::tree::patches::{self, Patch};
use crate::{cache, tree};

/// The ported filesystems.
const PORTS: [&str; 2] = ["minix", "jfs"];
/// The modules of the guest's kernel that they need.
const LIBRARY: &str = "fs/nls/nls_ucs2_utils.ko";
/// The header that jfs includes from the directory beside its own.
const HEADER: &str = "nls/nls_ucs2_data.h";
/// The table of results.
const TABLE: &str = "patches/ports/README.md";
/// The line before the output of each run in the guest.
const MARK: &str = "# port ";
/// The text before the exit status of the check.
const CHECKED: &str = "# check --deep: ";
/// A shell function that creates a filesystem, checks it, and removes it. The check fails if there is
/// no such filesystem.
const CHECK: &str = "check() { truncate -s 64M /tmp/image; mkdir -p /tmp/there; \
    { yes | mkfs.$1 /tmp/image && mount -o loop -t $1 /tmp/image /tmp/there && \
    mount-idmapped check --deep /tmp/there; } >/tmp/said 2>&1; \
    echo \"# check --deep: $?\"; sed 's/^/# /' /tmp/said; umount /tmp/there; }; ";

/// The results of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    port: String,
    step: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Whether the check succeeds.
    checked: bool,
}

/// Builds all modules and runs the selftests on each of them in one guest.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let share = scratch.path().join("share");
    fs::create_dir(&share)?;
    let flavour: Flavour = engine.into();
    let steps = build(lab, &flavour, scratch.path(), &share)?;
    let mut script = format!("{CHECK}insmod /share/library.ko; ");
    for (port, step) in &steps {
        script += &format!(
            "echo '{MARK}{port} {step}'; insmod /share/{port}-{step}.ko && \
             rust_idmap --on={port}; check {port}; rmmod {port}; "
        );
    }
    let program = Program {
        share: Some(share),
        limit: LIMIT,
        ..Program::new("ports", &script)
    };
    let (output, outcome) = program.output(lab, flavour, &image::PORTS)?;
    let rows = rows(&output)?;
    ensure!(
        rows.len() == steps.len(),
        "{} of {} runs began; the kernel's log: {}",
        rows.len(),
        steps.len(),
        outcome.kernel_log.display()
    );
    let table = fs::read_to_string(lab.checkout.join(TABLE)).unwrap_or_default();
    let mut cases: Vec<Case> = rows.iter().map(|row| compare(row, &table)).collect();
    cases.push(super::kernel_log(&outcome.kernel_log));
    Ok(cases)
}

/// Builds the modules in `share`. Returns the filesystem and the step of each.
fn build(
    lab: &Lab,
    flavour: &Flavour,
    scratch: &Path,
    share: &Path,
) -> Result<Vec<(&'static str, String)>> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;
    let kernel = kernel::for_modules(lab, &tree, &toolchain, flavour)?;
    let library = kernel.join(LIBRARY);
    fs::copy(&library, share.join("library.ko"))
        .with_context(|| format!("cannot copy {}", library.display()))?;
    let header = scratch.join(HEADER);
    fs::create_dir_all(header.parent().context("no directory")?)?;
    fs::copy(tree.source.path.join("fs").join(HEADER), &header)
        .with_context(|| format!("cannot copy {HEADER}"))?;
    let module = Build {
        lab,
        tree: &tree.path,
        toolchain: &toolchain,
        kernel: &kernel,
    };
    let mut steps = Vec::new();
    for port in PORTS {
        let patches = patches::port(&lab.checkout, port)?;
        let (patched, dir) = (scratch.join("patched"), Path::new("fs").join(port));
        let sources = scratch.join(port);
        // Each step builds only the files that its patch changes.
        cache::remove(&module.objects())?;
        for (step, applied) in variants(&patches) {
            // Patches name their files from the top of a kernel tree.
            cache::remove(&patched)?;
            own_module::copy_sources(&tree.source.path.join(&dir), &patched.join(&dir))?;
            for patch in applied {
                patch.apply(&patched, &tree.source.version)?;
            }
            own_module::copy_sources(&patched.join(&dir), &sources)?;
            let modules = module.build(&sources)?;
            let made = modules.first().context("no module")?;
            fs::copy(made, share.join(format!("{port}-{step}.ko")))?;
            steps.push((port, step));
        }
    }
    Ok(steps)
}

/// The filesystem as it is, and after each step with the last step, which allows idmapped mounts.
fn variants(patches: &[Patch]) -> Vec<(String, Vec<&Patch>)> {
    let mut variants = vec![("stock".to_owned(), Vec::new())];
    if let Some((last, steps)) = patches.split_last() {
        for count in 0..=steps.len() {
            let applied = steps[..count].iter().chain([last]);
            variants.push((format!("{count}"), applied.collect()));
        }
    }
    variants
}

/// Counts the results of each run.
fn rows(output: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for run in output.split(MARK).skip(1) {
        let (head, text) = run.split_once('\n').unwrap_or((run, ""));
        let (port, step) = head.split_once(' ').context("no step")?;
        let mut row = Row {
            port: port.to_owned(),
            step: step.trim().to_owned(),
            passed: 0,
            failed: 0,
            skipped: 0,
            checked: text.lines().any(|line| line == format!("{CHECKED}0")),
        };
        for case in ktap::parse(text) {
            match case.verdict {
                Verdict::Passed => row.passed += 1,
                Verdict::Failed(_) => row.failed += 1,
                Verdict::Skipped(_) => row.skipped += 1,
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Compares a run with its row of the table.
fn compare(row: &Row, table: &str) -> Case {
    let Row {
        port,
        step,
        passed,
        failed,
        skipped,
        checked,
    } = row;
    let checked = if *checked { "yes" } else { "no" };
    let results = format!("{passed} | {failed} | {skipped} | {checked} |");
    let found = table.lines().find_map(|line| {
        let line = line.strip_prefix(&format!("| {port} | {step} | "))?;
        // After the text of the row.
        line.split_once(" | ").map(|(_, rest)| rest)
    });
    let verdict = match found {
        Some(found) if found == results => Verdict::Passed,
        found => Verdict::Failed(format!(
            "passed, failed, skipped, checked: {results} {TABLE} has: {}",
            found.unwrap_or("no such row")
        )),
    };
    Case::new(&format!("{port}.{step}"), verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_by_run_and_compared_with_the_table() {
        let output = "# port toy stock\nTAP version 13\n1..1\nnot ok 1 filesystem\n\
                      # check --deep: 1\n\
                      # port toy 0\nTAP version 13\n1..3\nok 1 a\nok 2 b # SKIP none\nok 3 c\n\
                      # check --deep: 0\n";
        let rows = rows(output).unwrap();
        let counted: Vec<_> = rows
            .iter()
            .map(|row| (&*row.step, row.passed, row.failed, row.skipped))
            .collect();
        assert_eq!(counted, [("stock", 0, 1, 0), ("0", 2, 0, 1)]);
        let table = "| toy | stock | as it is | 0 | 1 | 0 | no |\n\
                     | toy | 0 | the flag | 3 | 0 | 1 | yes |\n";
        assert_eq!(compare(&rows[0], table).verdict, Verdict::Passed);
        assert!(compare(&rows[1], table).verdict.is_failure());
        assert!(compare(&rows[0], "").verdict.is_failure());
    }
}
