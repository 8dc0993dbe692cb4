// SPDX-License-Identifier: GPL-2.0

//! `make test`: every test, from quick to whole.

mod battery;
mod expected;
mod guest;
mod host;
mod ktap;
mod kunit;
mod misuse;
mod report;
mod rust_idmap;
mod sanitize;
mod selftests;
mod stress;

use std::fs;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::boot::Outcome;
use crate::lab::{Engine, Lab};
pub(crate) use sanitize::{Asked, run as sanitize};

use report::{Case, Report, Verdict, is_below};

/// A part of the tests, by name.
type Step = (&'static str, fn(&Lab) -> Result<Vec<Case>>);

/// All parts, in order.
const STEPS: &[Step] = &[
    ("host", host::run),
    ("kunit.uml", kunit::uml),
    ("kunit.qemu", |lab| kunit::qemu(lab, Engine::Rust)),
    ("scenes.rust", |lab| guest::scenes(lab, Engine::Rust)),
    ("faults.rust", |lab| guest::faults(lab, Engine::Rust)),
    ("posix.rust", |lab| guest::posix(lab, Engine::Rust)),
    ("rust_idmap.rust", |lab| rust_idmap::run(lab, Engine::Rust)),
    ("selftests.rust", |lab| selftests::run(lab, Engine::Rust)),
    ("storm.rust", |lab| stress::storm(lab, Engine::Rust, STORM)),
    ("scenes.c", |lab| guest::scenes(lab, Engine::C)),
    ("faults.c", |lab| guest::faults(lab, Engine::C)),
    ("posix.c", |lab| guest::posix(lab, Engine::C)),
    ("rust_idmap.c", |lab| rust_idmap::run(lab, Engine::C)),
    ("selftests.c", |lab| selftests::run(lab, Engine::C)),
    // Last, when there is a kernel of each engine.
    ("battery", battery::run),
    ("fuzz", |lab| stress::fuzz_both(lab, FUZZ)),
];

/// Parts that take long or need much, which are run only when they are named.
const NAMED: &[Step] = &[
    ("apps.rust", |lab| guest::apps(lab, Engine::Rust)),
    ("posix-long.rust", |lab| {
        guest::posix_long(lab, Engine::Rust)
    }),
    ("module.rust", |lab| guest::module(lab, Engine::Rust)),
];

/// How many seconds of a storm there are in a run of all tests.
const STORM: u64 = 120;
/// How many calls with random arguments there are in a run of all tests.
const FUZZ: u64 = 100_000;

/// Runs one part by itself; the answer is whether all of it passed.
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

/// Runs the tests below a name; the answer is whether all passed.
pub(crate) fn run(lab: &Lab, only: &str) -> Result<bool> {
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
    for (name, step) in steps {
        let start = Instant::now();
        let cases = match step(lab) {
            Ok(cases) => cases,
            Err(error) => vec![Case::new("all", Verdict::Failed(format!("{error:#}")))],
        };
        let mut cases: Vec<Case> = cases
            .into_iter()
            .map(|case| Case::new(&format!("{name}.{}", case.name), case.verdict))
            .collect();
        // What failed as a whole is not hidden by a choice of something in it.
        let whole = format!("{name}.all");
        cases.retain(|case| is_below(&case.name, only) || case.name == whole);
        if cases.is_empty() {
            bail!("T={only}: no such test in {name}");
        }
        report.add(name, start.elapsed(), cases);
    }
    Ok(report.close())
}

/// What a boot says beside the tests that ran in it: whether it came to its
/// end, and whether the kernel complained of itself.
fn around(outcome: &Outcome) -> Vec<Case> {
    const SIGNS: [&str; 7] = [
        "WARNING: ",
        "BUG: ",
        "Oops: ",
        "INFO: task ",
        "UBSAN: ",
        "KASAN: ",
        "new suspected memory leaks",
    ];
    let log = fs::read(&outcome.kernel_log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let is_sign = |line: &&str| SIGNS.iter().any(|sign| line.contains(sign));
    let verdict = match log.lines().find(is_sign) {
        None => Verdict::Passed,
        Some(line) => Verdict::Failed(format!(
            "the kernel says: {}\nin {}",
            line.trim(),
            outcome.kernel_log.display()
        )),
    };
    let mut cases = vec![Case::new("kernel-log", verdict)];
    if let Err(error) = outcome.status() {
        cases.push(Case::new("all", Verdict::Failed(error.to_string())));
    }
    cases
}
