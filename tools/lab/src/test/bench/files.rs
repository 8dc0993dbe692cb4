// SPDX-License-Identifier: GPL-2.0

//! The cost of files in memory: the filesystem in Rust and tmpfs, in one run.

use std::ffi::OsString;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::guest::boot::{self, Job, Options};
use crate::guest::exec;
use crate::guest::qemu::Accelerator;
use crate::lab::{Engine, Lab};
use crate::ui;

const OURS: &str = "rust_idmapfs";
const THEIRS: &str = "tmpfs";
/// The bound of the filesystem in Rust, in percent of the cost of tmpfs.
const MOST: u64 = 120;
/// The tasks of `conformance cost` that the bound applies to, besides reading and removing.
const BOUND: [&str; 5] = ["create", "stat", "readdir", "unlink", "write"];

/// Measures, and prints a table. Returns whether the bound holds.
pub(super) fn bench(lab: &Lab) -> Result<bool> {
    let machine = exec::machine(lab, Engine::Rust)?;
    let command = format!("exec conformance cost {THEIRS} {OURS}");
    let mut options = Options::new(Job::Exec(OsString::from(command)), "bench-files");
    options.accelerator = Accelerator::Icount;
    options.limit = Some(Duration::from_secs(900));
    let label = "counting instructions, files in memory";
    let outcome = ui::timed(label, || boot::boot(&lab.cache, &machine, &options))?;
    let status = outcome.status()?;
    let errors = String::from_utf8_lossy(&outcome.errors);
    ensure!(
        status == 0,
        "conformance ended with status {status}: {errors}"
    );
    let (text, held) = compare(&parse(&String::from_utf8_lossy(&outcome.output))?)?;
    print!("{text}");
    Ok(held)
}

/// A type of filesystem, a task, and its instructions.
type Cost = (String, String, u64);

/// Reads the lines that `conformance cost` prints.
fn parse(output: &str) -> Result<Vec<Cost>> {
    let line = |line: &str| -> Option<Cost> {
        let mut words = line.split_whitespace();
        let (kind, task) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((kind, task, words.next()?.parse().ok()?))
    };
    let costs = output.lines().map(|text| {
        line(text)
            .with_context(|| format!("conformance printed {text:?}, not KIND TASK INSTRUCTIONS"))
    });
    costs.collect()
}

/// The table, and whether the bound holds.
fn compare(costs: &[Cost]) -> Result<(String, bool)> {
    let cost = |kind: &str, task: &str| {
        let found = costs.iter().find(|cost| cost.0 == kind && cost.1 == task);
        let (_, _, cost) = found.with_context(|| format!("no cost of {task} on {kind}"))?;
        Ok::<u64, anyhow::Error>(*cost)
    };
    let tasks = costs.iter().filter(|(kind, _, _)| kind == THEIRS);
    let mut text = format!("\n{:<14}{OURS:>16}{THEIRS:>16}{:>10}\n", "files", "ratio");
    let mut held = true;
    for (_, task, theirs) in tasks {
        let ours = cost(OURS, task)?;
        let ratio = ours as f64 / *theirs as f64;
        let _ = writeln!(text, "{task:<14}{ours:>16}{theirs:>16}{ratio:>10.3}");
    }
    for task in BOUND {
        held &= cost(OURS, task)? * 100 <= cost(THEIRS, task)? * MOST;
    }
    let _ = writeln!(
        text,
        "\nbound: 1.{} for {}: {}",
        MOST - 100,
        BOUND.join(", "),
        if held { "held" } else { "NOT held" }
    );
    Ok((text, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(ours: u64) -> Vec<Cost> {
        let lines = BOUND.map(|task| format!("tmpfs {task} 1000\nrust_idmapfs {task} {ours}\n"));
        parse(&lines.concat()).unwrap()
    }

    #[test]
    fn the_bound_is_judged() {
        assert!(compare(&costs(1200)).unwrap().1);
        assert!(!compare(&costs(1201)).unwrap().1);
        let mut one = costs(1000);
        one.last_mut().unwrap().2 = 1300;
        assert!(!compare(&one).unwrap().1);
    }

    #[test]
    fn what_is_missing_is_an_error() {
        assert!(parse("tmpfs create many").is_err());
        assert!(compare(&costs(1000)[..8]).is_err());
        assert!(compare(&[]).is_err());
    }
}
