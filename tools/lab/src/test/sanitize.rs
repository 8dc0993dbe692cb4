// SPDX-License-Identifier: GPL-2.0

//! `make sanitize`: what runs in guests, on a kernel that checks itself. A
//! report in its log is a failure, as everywhere.

use std::fs;
use std::time::Instant;

use anyhow::{Result, bail};

use super::report::{Case, Report, Verdict};
use super::{around, guest, kunit, stress};
use crate::lab::{Engine, Flavour, Lab};
use crate::test::battery::{self, Wanted};

/// The fragments of the configuration that there are for this, and what their
/// part of the kernel says when it begins, if anything.
const SANITIZERS: &[(&str, Option<&str>)] = &[
    ("kasan", Some("KernelAddressSanitizer initialized")),
    ("lockdep", Some("Lock dependency validator:")),
    ("atomic-sleep", None),
    (
        "kmemleak",
        Some("kmemleak: Kernel memory leak detector initialized"),
    ),
    // Of C; the compilers of Rust have none for kernels.
    ("ubsan", None),
    ("kcsan", Some("kcsan: enabled early")),
];

/// How many seconds of a storm there are.
const STORM: u64 = 60;
/// How many operations attack nested idmapped mounts of each filesystem.
const ATTACK: u64 = 2_000;

/// What is run.
pub(crate) struct Asked<'a> {
    /// With which checkers.
    pub(crate) fragments: &'a str,
    /// Only one part, if this is not empty.
    pub(crate) only: &'a str,
    /// How many operations of the battery.
    pub(crate) ops: u64,
    /// How many calls with random arguments.
    pub(crate) calls: u64,
}

/// A part of the run, by name.
type Step<'a> = (&'static str, &'a dyn Fn() -> Result<Vec<Case>>);

/// Runs what is asked for; the answer is whether all passed.
pub(crate) fn run(lab: &Lab, asked: &Asked<'_>) -> Result<bool> {
    let flavour = Flavour {
        engine: Engine::Rust,
        sanitizers: chosen(asked.fragments)?,
        module: false,
        kunit: false,
    };
    let wanted = Wanted {
        seed: 1,
        ops: asked.ops,
        world: None,
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
            stress::fuzz(lab, flavour.clone(), asked.calls, 1)
        }),
        ("nested", &|| {
            let mut cases = guest::attack(lab, flavour.clone(), ATTACK)?;
            cases.extend(stress::storm_nested(lab, flavour.clone(), STORM)?);
            cases.extend(stress::fuzz_nested(lab, flavour.clone(), asked.calls)?);
            Ok(cases)
        }),
    ];
    let chosen = |(name, _): &&Step<'_>| asked.only.is_empty() || asked.only == *name;
    let chosen: Vec<_> = steps.iter().filter(chosen).collect();
    if chosen.is_empty() {
        let names: Vec<_> = steps.iter().map(|(name, _)| *name).collect();
        bail!(
            "T={}: no such part; there are {}",
            asked.only,
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

/// The fragments that are named.
fn chosen(fragments: &str) -> Result<Vec<String>> {
    let names: Vec<&str> = SANITIZERS.iter().map(|(name, _)| *name).collect();
    let words: Vec<&str> = fragments.split_whitespace().collect();
    if let Some(other) = words.iter().find(|word| !names.contains(word)) {
        bail!(
            "FRAGMENTS: there is no '{other}'; there are {}",
            names.join(" ")
        );
    }
    // KASAN and KCSAN are two ways to watch the same accesses.
    if words.contains(&"kasan") && words.contains(&"kcsan") {
        bail!(
            "FRAGMENTS: kasan and kcsan cannot be in one kernel; kcsan is run by FRAGMENTS=kcsan"
        );
    }
    if words.is_empty() {
        bail!("FRAGMENTS is empty; there are {}", names.join(" "));
    }
    // In their own order, so that the same choice is the same kernel.
    let chosen = names.into_iter().filter(|name| words.contains(name));
    Ok(chosen.map(str::to_owned).collect())
}

/// Whether every checker said that it is there: one that is not reports nothing.
fn begun(lab: &Lab, flavour: &Flavour) -> Result<Case> {
    let log = fs::read(kunit::log(lab, flavour)?)?;
    let log = String::from_utf8_lossy(&log);
    let silent = SANITIZERS.iter().find(|(name, says)| {
        flavour.sanitizers.iter().any(|it| it == name)
            && says.is_some_and(|says| !log.contains(says))
    });
    let verdict = match silent {
        None => Verdict::Passed,
        Some((name, _)) => Verdict::Failed(format!("{name} does not say that it is there")),
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
