// SPDX-License-Identifier: GPL-2.0

//! `make sanitize`: the tests in guests, on a kernel with sanitizers. A report in
//! the kernel log is a failure.

use std::fs;
use std::time::Instant;

use anyhow::{Result, bail};

use super::report::{Case, Report, Verdict};
use super::{around, guest, kunit, stress};
use crate::lab::{Engine, Flavour, Lab};
use crate::test::battery::{self, Wanted};

/// The fragments of the configuration for sanitizers, and the message of each
/// sanitizer when it starts, if there is one.
const SANITIZERS: &[(&str, Option<&str>)] = &[
    ("kasan", Some("KernelAddressSanitizer initialized")),
    ("lockdep", Some("Lock dependency validator:")),
    ("atomic-sleep", None),
    (
        "kmemleak",
        Some("kmemleak: Kernel memory leak detector initialized"),
    ),
    // For C only: rustc has no UBSan for kernels.
    ("ubsan", None),
    ("kcsan", Some("kcsan: enabled early")),
];

/// The duration of the storm, in seconds.
const STORM: u64 = 60;
/// The number of operations that attack nested idmapped mounts of each filesystem.
const ATTACK: u64 = 2_000;

/// The requested run.
pub(crate) struct Request<'a> {
    /// The sanitizers.
    pub(crate) fragments: &'a str,
    /// The only part that runs, or an empty string.
    pub(crate) only: &'a str,
    /// The number of operations of the battery.
    pub(crate) ops: u64,
    /// The number of calls with random arguments.
    pub(crate) calls: u64,
}

/// A part of the run, by name.
type Step<'a> = (&'static str, &'a dyn Fn() -> Result<Vec<Case>>);

/// Runs the requested parts. Returns whether all passed.
pub(crate) fn run(lab: &Lab, request: &Request<'_>) -> Result<bool> {
    let flavour = Flavour {
        sanitizers: chosen(request.fragments)?,
        ..Engine::Rust.into()
    };
    let wanted = Wanted {
        seed: 1,
        ops: request.ops,
        world: None,
        on: None,
    };
    let steps: &[Step<'_>] = &[
        ("kunit", &|| {
            let mut cases = kunit::qemu(lab, flavour.clone())?;
            cases.push(begun(lab, &flavour)?);
            Ok(cases)
        }),
        ("battery", &|| {
            let run = battery::run(lab, flavour.clone(), wanted)?;
            Ok(around(&run.outcome, &[]))
        }),
        ("scenes", &|| guest::scenes(lab, flavour.clone())),
        ("posix", &|| guest::posix_checked(lab, flavour.clone())),
        ("module", &|| guest::module_checked(lab, flavour.clone())),
        ("faults", &|| guest::faults(lab, flavour.clone())),
        ("storm", &|| stress::storm(lab, flavour.clone(), STORM)),
        ("fuzz", &|| {
            stress::fuzz(lab, flavour.clone(), request.calls, 1)
        }),
        ("nested", &|| {
            let mut cases = guest::attack(lab, flavour.clone(), ATTACK)?;
            cases.extend(stress::storm_nested(lab, flavour.clone(), STORM)?);
            cases.extend(stress::fuzz_nested(lab, flavour.clone(), request.calls)?);
            Ok(cases)
        }),
    ];
    let chosen = |(name, _): &&Step<'_>| request.only.is_empty() || request.only == *name;
    let chosen: Vec<_> = steps.iter().filter(chosen).collect();
    if chosen.is_empty() {
        let names: Vec<_> = steps.iter().map(|(name, _)| *name).collect();
        bail!(
            "T={}: no such part; there are {}",
            request.only,
            names.join(" ")
        );
    }
    let mut report = Report::new(|name| {
        let part = name.split('.').nth(1).unwrap_or_default();
        format!("make sanitize T={part}")
    });
    for (name, step) in chosen {
        let start = Instant::now();
        let failed = |error| vec![Case::new("all", Verdict::Failed(format!("{error:#}")))];
        let cases = step().unwrap_or_else(failed);
        let named = |case: Case| Case::new(&format!("sanitize.{name}.{}", case.name), case.verdict);
        report.add(
            name,
            start.elapsed(),
            cases.into_iter().map(named).collect(),
        );
    }
    Ok(report.close())
}

/// Returns the fragments with the given names.
fn chosen(fragments: &str) -> Result<Vec<String>> {
    let names: Vec<&str> = SANITIZERS.iter().map(|(name, _)| *name).collect();
    let words: Vec<&str> = fragments.split_whitespace().collect();
    if let Some(other) = words.iter().find(|word| !names.contains(word)) {
        bail!(
            "FRAGMENTS: there is no '{other}'; there are {}",
            names.join(" ")
        );
    }
    // KASAN and KCSAN exclude each other: both instrument memory accesses.
    if words.contains(&"kasan") && words.contains(&"kcsan") {
        bail!(
            "FRAGMENTS: kasan and kcsan cannot be in one kernel; kcsan is run by FRAGMENTS=kcsan"
        );
    }
    if words.is_empty() {
        bail!("FRAGMENTS is empty; there are {}", names.join(" "));
    }
    // In the order of the table, so that equal sets have the same kernel.
    let chosen = names.into_iter().filter(|name| words.contains(name));
    Ok(chosen.map(str::to_owned).collect())
}

/// Returns whether each sanitizer has printed its message. A sanitizer that did not start reports
/// nothing.
fn begun(lab: &Lab, flavour: &Flavour) -> Result<Case> {
    let log = fs::read(kunit::log(lab, flavour)?)?;
    let log = String::from_utf8_lossy(&log);
    let silent = SANITIZERS.iter().find(|(name, message)| {
        flavour.sanitizers.iter().any(|it| it == name)
            && message.is_some_and(|message| !log.contains(message))
    });
    let verdict = match silent {
        None => Verdict::Passed,
        Some((name, _)) => Verdict::Failed(format!("{name} did not start")),
    };
    Ok(Case::new("checkers-begun", verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_chosen_by_name() {
        assert_eq!(chosen("lockdep  kasan").unwrap(), ["kasan", "lockdep"]);
        assert!(chosen("").is_err());
        let error = chosen("kasan tsan").unwrap_err().to_string();
        assert!(error.starts_with("FRAGMENTS: there is no 'tsan'; there are kasan"));
    }
}
