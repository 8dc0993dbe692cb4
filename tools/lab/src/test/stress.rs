// SPDX-License-Identifier: GPL-2.0

//! Idmapped mounts under stress: on all processors at once, and by calls with random arguments.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::guest::Program;
use super::report::{Case, Verdict};
use crate::lab::{Engine, Flavour, Lab};

/// Creates and removes mounts on all processors, concurrently with readers.
pub(crate) fn storm(lab: &Lab, flavour: impl Into<Flavour>, seconds: u64) -> Result<Vec<Case>> {
    let command = format!("stress mounts --seconds {seconds}");
    let program = Program {
        limit: Duration::from_secs(10 * seconds + 300),
        ..Program::new("storm", &command)
    };
    program.run(lab, flavour)
}

/// Calls the system calls for idmapped mounts with random arguments.
pub(crate) fn fuzz(
    lab: &Lab,
    flavour: impl Into<Flavour>,
    calls: u64,
    seed: u64,
) -> Result<Vec<Case>> {
    let command = format!("stress fuzz --calls {calls} --seed {seed}");
    let program = Program {
        // A kernel with sanitizers executes a few hundred calls per second.
        limit: Duration::from_secs(calls / 200 + 300),
        ..Program::new("fuzz", &command)
    };
    program.run(lab, flavour)
}

/// Likewise by root of a user namespace that the filesystem does not belong to, with nested idmaps.
pub(crate) fn storm_nested(
    lab: &Lab,
    flavour: impl Into<Flavour>,
    seconds: u64,
) -> Result<Vec<Case>> {
    let command = format!("stress mounts --nested --seconds {seconds}");
    let program = Program {
        limit: Duration::from_secs(10 * seconds + 600),
        ..Program::new("storm-nested", &command)
    };
    program.run(lab, flavour)
}

/// Makes the calls by root of a user namespace that the filesystems do not belong to, with nested
/// idmaps.
pub(crate) fn fuzz_nested(lab: &Lab, flavour: impl Into<Flavour>, calls: u64) -> Result<Vec<Case>> {
    let command = format!("stress fuzz --nested --calls {calls}");
    let program = Program {
        limit: Duration::from_secs(calls / 100 + 300),
        ..Program::new("fuzz-nested", &command)
    };
    program.run(lab, flavour)
}

/// Makes the same calls on both engines, which must return the same results.
pub(crate) fn fuzz_both(lab: &Lab, calls: u64) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut answers = Vec::new();
    for engine in [Engine::Rust, Engine::C] {
        let run = fuzz(lab, engine, calls, 1)?.into_iter();
        cases.extend(run.map(|case| Case::new(&format!("{engine}.{}", case.name), case.verdict)));
        let output = fs::read_to_string(lab.cache.log(&format!("fuzz-{engine}-output"))?)?;
        let counts = output.lines().filter(|line| line.starts_with("# "));
        answers.push(counts.map(str::to_owned).collect::<Vec<_>>());
    }
    cases.push(Case::new("same_answers", compare(&answers[0], &answers[1])));
    Ok(cases)
}

/// Compares the lines with the number of each result.
fn compare(rust: &[String], c: &[String]) -> Verdict {
    let only = |a: &[String], b: &[String], who: &str| -> String {
        let lines = a.iter().filter(|line| !b.contains(line));
        lines.map(|line| format!("{who}: {line}\n")).collect()
    };
    match only(rust, c, "Rust") + &only(c, rust, "C") {
        _ if rust.is_empty() => Verdict::Failed("nothing was answered".to_owned()),
        same if same.is_empty() => Verdict::Passed,
        other => Verdict::Failed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_counts_are_told() {
        let lines = |count: u32| vec!["# 7 calls".to_owned(), format!("# EINVAL: {count}")];
        assert_eq!(compare(&lines(1), &lines(1)), Verdict::Passed);
        let Verdict::Failed(why) = compare(&lines(1), &lines(2)) else {
            panic!("taken for the same");
        };
        assert_eq!(why, "Rust: # EINVAL: 1\nC: # EINVAL: 2\n");
        assert!(compare(&[], &[]).is_failure());
    }
}
