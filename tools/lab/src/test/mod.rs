// SPDX-License-Identifier: GPL-2.0

//! `make test`: the tests, from quick to whole.

pub(crate) mod battery;
pub(crate) mod bench;
mod book;
pub(crate) mod check;
pub(crate) mod configs;
mod expected;
mod guest;
mod host;
mod jobs;
mod ktap;
mod kunit;
pub(crate) mod lint;
mod misuse;
mod own_module;
mod ports;
mod report;
mod rust_idmap;
mod sanitize;
mod selftests;
mod series;
mod stress;
mod systemd;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::guest::boot::Outcome;
use crate::kernel::arch::Arch;
use crate::lab::{Engine, Lab};
pub(crate) use sanitize::{Request, run as sanitize};

use report::{Case, Report, Verdict, is_below};

/// A part of the tests, by name.
type Step = (&'static str, fn(&Lab) -> Result<Vec<Case>>);

/// All parts, in order.
const STEPS: &[Step] = &[
    ("host", host::run),
    ("lint", lint::run),
    ("kunit.uml", kunit::uml),
    ("kunit.qemu", |lab| kunit::qemu(lab, Engine::Rust)),
    ("scenes.rust", |lab| guest::scenes(lab, Engine::Rust)),
    ("faults.rust", |lab| guest::faults(lab, Engine::Rust)),
    ("posix.rust", |lab| guest::posix(lab, Engine::Rust)),
    ("rust_idmap.rust", |lab| rust_idmap::run(lab, Engine::Rust)),
    ("selftests.rust", |lab| selftests::run(lab, Engine::Rust)),
    ("storm.rust", |lab| stress::storm(lab, Engine::Rust, STORM)),
    ("attack.rust", |lab| {
        guest::attack(lab, Engine::Rust, ATTACK)
    }),
    ("storm-nested.rust", |lab| {
        stress::storm_nested(lab, Engine::Rust, STORM_NESTED)
    }),
    ("fuzz-nested.rust", |lab| {
        stress::fuzz_nested(lab, Engine::Rust, FUZZ_NESTED)
    }),
    ("scenes.c", |lab| guest::scenes(lab, Engine::C)),
    ("faults.c", |lab| guest::faults(lab, Engine::C)),
    ("posix.c", |lab| guest::posix(lab, Engine::C)),
    ("rust_idmap.c", |lab| rust_idmap::run(lab, Engine::C)),
    ("selftests.c", |lab| selftests::run(lab, Engine::C)),
    // Last, when there is a kernel of each engine.
    ("battery", battery::step::run),
    ("fuzz", |lab| stress::fuzz_both(lab, FUZZ)),
];

/// Parts that take long or need much, which are run only when they are named.
const NAMED: &[Step] = &[
    ("apps.rust", |lab| guest::apps(lab, Engine::Rust)),
    ("posix-long.rust", |lab| {
        guest::posix_long(lab, Engine::Rust)
    }),
    ("explain-long.rust", |lab| {
        guest::explain_long(lab, Engine::Rust)
    }),
    ("kunit.arm64", |lab| kunit::other(lab, Arch::Arm64)),
    ("kunit.riscv", |lab| kunit::other(lab, Arch::Riscv)),
    ("kunit.arm", |lab| kunit::other(lab, Arch::Arm)),
    ("attack-long.rust", |lab| {
        guest::attack(lab, Engine::Rust, ATTACK_LONG)
    }),
    ("module.rust", |lab| guest::module(lab, Engine::Rust)),
    ("own-module.rust", |lab| own_module::run(lab, Engine::Rust)),
    ("book.rust", |lab| book::run(lab, Engine::Rust)),
    ("series", series::run),
    ("ports.rust", |lab| ports::run(lab, Engine::Rust)),
    ("systemd.rust", |lab| systemd::run(lab, Engine::Rust)),
];

/// The duration of the storm in a run of all tests, in seconds.
const STORM: u64 = 60;
/// The duration of the storm with nested idmaps, in seconds.
const STORM_NESTED: u64 = 30;
/// The number of operations that attack each filesystem in the short form.
const ATTACK: u64 = 5_000;
/// The number of operations in the long form.
const ATTACK_LONG: u64 = 200_000;
/// The number of calls with random arguments in a run of all tests.
const FUZZ: u64 = 100_000;
/// The number of such calls by root of a user namespace.
const FUZZ_NESTED: u64 = 20_000;

/// Runs one part. Returns whether all of its tests passed.
fn alone(name: &str, run: impl FnOnce() -> Result<Vec<Case>>) -> Result<bool> {
    let start = Instant::now();
    let cases = run()?.into_iter();
    let cases = cases.map(|case| Case::new(&format!("{name}.{}", case.name), case.verdict));
    let mut report = Report::new(|name| {
        let (task, _) = name.split_once('.').unwrap_or((name, ""));
        format!("make {task}")
    });
    report.add(name, start.elapsed(), cases.collect());
    Ok(report.close())
}

/// Makes and removes mounts on all processors for some minutes.
pub(crate) fn storm(lab: &Lab, engine: Engine, minutes: u64) -> Result<bool> {
    alone("storm", || stress::storm(lab, engine, 60 * minutes))
}

/// Makes some calls with random arguments.
pub(crate) fn fuzz(lab: &Lab, engine: Engine, calls: u64, seed: u64) -> Result<bool> {
    alone("fuzz", || stress::fuzz(lab, engine, calls, seed))
}

/// Runs the tests below a name, some parts at once, and reports the parts in their order. Returns
/// whether all passed.
pub(crate) fn run(lab: &Lab, only: &str, jobs: Option<u8>) -> Result<bool> {
    let chosen = |(name, _): &&Step| is_below(name, only) || is_below(only, name);
    let named = if only.is_empty() { &[] } else { NAMED };
    let steps: Vec<&Step> = STEPS.iter().chain(named).filter(chosen).collect();
    if steps.is_empty() {
        let all = STEPS.iter().chain(NAMED);
        let names: Vec<&str> = all.map(|(name, _)| *name).collect();
        bail!(
            "T={only}: no such part of the tests; there are {}",
            names.join(" ")
        );
    }
    let mut report = Report::new(|name| format!("make test T={}", report::quoted(name)));
    let jobs = jobs::allowed(jobs)?;
    let run = |(_, step): &&Step| {
        let start = Instant::now();
        let cases = step(lab)
            .unwrap_or_else(|error| vec![Case::new("all", Verdict::Failed(format!("{error:#}")))]);
        (cases, start.elapsed())
    };
    jobs::in_order(jobs, &steps, run, |(name, _), (cases, took)| {
        let mut cases: Vec<Case> = cases
            .into_iter()
            .map(|case| Case::new(&format!("{name}.{}", case.name), case.verdict))
            .collect();
        // A part that fails as a whole is reported, even if only some of its tests are selected.
        let whole = format!("{name}.all");
        cases.retain(|case| is_below(&case.name, only) || case.name == whole);
        if cases.is_empty() {
            bail!("T={only}: no such test in {name}");
        }
        report.add(name, took, cases);
        Ok(())
    })?;
    Ok(report.close())
}

/// Returns the results of a boot in addition to `cases`: whether the job exited
/// with 0, and whether the kernel log has no errors.
fn around(outcome: &Outcome, cases: &[Case]) -> Vec<Case> {
    let mut around = vec![kernel_log(&outcome.kernel_log)];
    // An expected failure (XFAIL) does not explain the exit status.
    let explains = |case: &Case| match &case.verdict {
        Verdict::Failed(why) => !why.starts_with("XFAIL"),
        _ => false,
    };
    let failed = cases.iter().any(explains);
    let why = match outcome.status() {
        Ok(0) => None,
        Ok(status) => {
            (!failed).then(|| format!("exit status {status}\n{}", end_of(&outcome.errors)))
        }
        Err(error) => Some(error.to_string()),
    };
    around.extend(why.map(|why| Case::new("all", Verdict::Failed(why))));
    around
}

/// Returns the last lines of the output of a program.
fn end_of(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// Returns whether the kernel log has no errors.
fn kernel_log(path: &Path) -> Case {
    let log = fs::read(path).unwrap_or_default();
    let verdict = match complaint(&String::from_utf8_lossy(&log)) {
        None if log.is_empty() => Verdict::Failed(format!("no kernel log in {}", path.display())),
        None => Verdict::Passed,
        Some(line) => Verdict::Failed(format!("the kernel log has: {line}\nin {}", path.display())),
    };
    Case::new("kernel-log", verdict)
}

/// Returns the first line of a kernel log that contains all texts of a sign, in
/// their order.
fn complaint(log: &str) -> Option<&str> {
    const SIGNS: &[&[&str]] = &[
        &["WARNING: "],
        &["BUG: "],
        &["Oops: "],
        &["Kernel panic"],
        &["INFO: task "],
        &["INFO: trying to register non-static key"],
        &["UBSAN: "],
        &["KASAN: "],
        &["EXT4-fs error"],
        &["XFS (", "orruption"],
        &["XFS (", "Shutting down"],
        &["BTRFS error"],
        &["BTRFS critical"],
        &["BTRFS: error"],
        &["FAT-fs (", "error"],
        &["I/O error"],
    ];
    let has = |line: &str, signs: &[&str]| {
        let mut rest = Some(line);
        for sign in signs {
            rest = rest.and_then(|rest| Some(rest.split_once(sign)?.1));
        }
        rest.is_some()
    };
    let is_sign = |line: &&str| SIGNS.iter().any(|signs| has(line, signs));
    log.lines().map(str::trim).find(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::end::End;

    #[test]
    fn trouble_is_told_by_the_line() {
        let quiet = "[1.0] XFS (loop0): Mounting V5 Filesystem\n\
                     [1.1] EXT4-fs (vda): mounted filesystem\n\
                     [1.2] BTRFS info (device loop1): first mount\n\
                     [1.3] XFS (loop0): Unmounting Filesystem\n";
        assert_eq!(complaint(quiet), None);
        for line in [
            "[2.0] INFO: trying to register non-static key.",
            "[2.0] EXT4-fs error (device loop0): ext4_lookup:1: deleted inode",
            "[2.0] XFS (loop0): Metadata corruption detected at xfs_dinode",
            "[2.0] XFS (loop0): Corruption detected. Unmount and run xfs_repair",
            "[2.0] XFS (loop0): I/O Error (0x2) detected at x (y:1).  Shutting down filesystem.",
            "[2.0] BTRFS critical (device loop1): corrupt leaf",
            "[2.0] BTRFS: error (device loop1) in x:1: errno=-5 IO failure",
            "[2.0] Kernel panic - not syncing: Fatal exception",
        ] {
            assert_eq!(complaint(&format!("{quiet}{line}\n")), Some(line));
        }
    }

    #[test]
    fn a_log_that_is_not_there_is_a_failure() {
        assert!(
            kernel_log(Path::new("/nowhere/at/all"))
                .verdict
                .is_failure()
        );
    }

    #[test]
    fn a_program_that_fails_without_a_failed_case_is_a_failure() {
        let outcome = |status| Outcome {
            end: End::Exited(status),
            began: true,
            output: Vec::new(),
            errors: b"conformance: no such part\n".to_vec(),
            kernel_log: "/nowhere/at/all".into(),
        };
        let named = |outcome: &Outcome, verdict: Verdict| -> Option<Verdict> {
            let around = around(outcome, &[Case::new("a", verdict)]);
            let all = around.into_iter().find(|case| case.name == "all");
            all.map(|case| case.verdict)
        };
        let failed = || Verdict::Failed(String::new());
        assert_eq!(named(&outcome(0), Verdict::Passed), None);
        assert_eq!(named(&outcome(1), failed()), None);
        let failure = Some(Verdict::Failed(
            "exit status 1\nconformance: no such part".to_owned(),
        ));
        assert_eq!(named(&outcome(1), Verdict::Passed), failure);
        let known = Verdict::Failed("XFAIL known\nowner: 4, not 0".to_owned());
        assert_eq!(named(&outcome(1), known), failure);
    }
}
