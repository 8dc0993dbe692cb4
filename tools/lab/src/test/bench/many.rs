// SPDX-License-Identifier: GPL-2.0

//! The cost per idmapped mount, for growing numbers of mounts.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, ensure};

use crate::lab::{Engine, Lab};

/// The difference between two runs, in percent of the instructions.
const NOISE: u64 = 2;

/// A number per mount, by the number of mounts and the task.
type Costs = BTreeMap<(u64, String), u64>;

/// Measures both engines. Prints a table, and returns the bounds that are
/// exceeded.
pub(super) fn bench(lab: &Lab, mounts: u64) -> Result<Vec<String>> {
    let command = format!("cost many {mounts} {}", mounts.div_ceil(100));
    let measure = |engine| parse(&super::count(lab, engine, &command, "bench-many")?);
    let (text, misses) = compare(&measure(Engine::Rust)?, &measure(Engine::C)?)?;
    print!("{text}");
    Ok(misses)
}

/// Reads the lines that `cost many` prints.
fn parse(output: &str) -> Result<Costs> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (_, mounts, task) = (words.next()?, words.next()?, words.next()?);
        Some((
            (mounts.parse().ok()?, task.to_owned()),
            words.next()?.parse().ok()?,
        ))
    };
    let costs = output.lines().map(|text| {
        line(text).with_context(|| format!("cost printed {text:?}, not many MOUNTS TASK NUMBER"))
    });
    costs.collect()
}

fn compare(rust: &Costs, c: &Costs) -> Result<(String, Vec<String>)> {
    ensure!(
        rust.keys().eq(c.keys()),
        "the engines measured different tasks"
    );
    ensure!(!rust.is_empty(), "cost printed nothing");
    let mut text = format!(
        "\n{:<32}{:>12}{:>12}{:>9}\n",
        "many mounts, per mount", "Rust", "C", "ratio"
    );
    let mut misses = Vec::new();
    for ((mounts, task), ours) in rust {
        let theirs = c[&(*mounts, task.clone())];
        let name = format!("{mounts} mounts: {task}");
        if *mounts == 0 {
            let _ = writeln!(text, "{:<32}{ours:>12}{theirs:>12}", "bytes left, of all");
            let most = rust.iter().map(
                |((mounts, task), bytes)| {
                    if task == "bytes" { mounts * bytes } else { 0 }
                },
            );
            if *ours * 20 > most.max().unwrap_or(0) {
                misses.push(format!("{ours} bytes are left of the mounts"));
            }
            continue;
        }
        let ratio = *ours as f64 / theirs.max(1) as f64;
        let _ = writeln!(text, "{name:<32}{ours:>12}{theirs:>12}{ratio:>9.3}");
        if ours * 100 > theirs * (100 + NOISE) {
            misses.push(format!("{name}: {ours}, C {theirs}: {ratio:.3} of C"));
        }
    }
    Ok((text, misses))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misses(make: u64, left: u64) -> usize {
        let text =
            |make, left| format!("many 0 bytes {left}\nmany 100 make {make}\nmany 100 bytes 50\n");
        let c = parse(&text(1000, 0)).unwrap();
        compare(&parse(&text(make, left)).unwrap(), &c)
            .unwrap()
            .1
            .len()
    }

    #[test]
    fn costs_and_what_is_left_are_judged() {
        assert_eq!(misses(1020, 250), 0);
        assert_eq!(misses(1021, 250), 1);
        assert_eq!(misses(1020, 251), 1);
    }

    #[test]
    fn what_is_missing_or_unreadable_is_an_error() {
        assert!(parse("many 100 make").is_err());
        let some = parse("many 100 make 7\n").unwrap();
        assert!(compare(&some, &Costs::new()).is_err());
        assert!(compare(&Costs::new(), &Costs::new()).is_err());
    }
}
