// SPDX-License-Identifier: GPL-2.0

//! The measurements of the guest program `cost`, and their bounds.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

/// The bound of the cost of idmapping in Rust, in percent of its cost in C, by the
/// number of extents: for all cells of a filesystem and of its maps together. C takes longer for some
/// places of the owner in a map than for others.
const MOST_ADDED: [(u32, u64); 3] = [(1, 40), (5, 45), (340, 20)];
/// The bound of the cost of creating an idmapped mount in Rust, in percent of the
/// cost in C, by the number of extents: with a new user namespace, and with the
/// user namespace of another mount.
const MOST_MAKING: [(u32, u64, u64); 3] = [(1, 100, 30), (5, 100, 30), (340, 200, 30)];
/// The difference between two runs, in thousandths of the instructions of a call.
const NOISE: u64 = 1;
/// Likewise for calls that run a process, which the scheduler and timer ticks interrupt. It exceeds the
/// cost of idmapping.
const NOISE_OF_PROCESS: u64 = 10;

fn runs_process(call: &str) -> bool {
    call.starts_with("exec")
}

/// A filesystem, a map, a caller and a call.
type Key = [String; 4];

/// Instructions and error number by cell, in the order of the measurement.
pub(super) struct Cells {
    order: Vec<Key>,
    costs: BTreeMap<Key, (u64, i32)>,
}

impl Cells {
    /// Reads the lines that `cost` prints.
    pub(super) fn parse(output: &str) -> Result<Self> {
        let mut cells = Self {
            order: Vec::new(),
            costs: BTreeMap::new(),
        };
        for line in output.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let [filesystem, map, caller, call, instructions, errno] = &words[..] else {
                bail!("cost printed {line:?}, not six columns");
            };
            let cost = (|| Some((instructions.parse().ok()?, errno.parse().ok()?)))()
                .with_context(|| format!("cost printed {line:?}, without numbers"))?;
            let key = [filesystem, map, caller, call].map(|word| (*word).to_owned());
            ensure!(
                cells.costs.insert(key.clone(), cost).is_none(),
                "cost printed {line:?}, which it had measured before"
            );
            cells.order.push(key);
        }
        ensure!(!cells.order.is_empty(), "cost printed nothing");
        Ok(cells)
    }
}

/// The comparison of two engines.
pub(super) struct Judged {
    /// A line for each filesystem and map.
    pub(super) summary: String,
    /// A line for each cell.
    pub(super) cells: String,
    /// The bounds that are exceeded.
    pub(super) misses: Vec<String>,
}

/// All cells of a filesystem and a map.
#[derive(Default)]
struct Group {
    cells: usize,
    ours: u64,
    theirs: u64,
    worst: f64,
    /// The instructions that idmapping adds.
    added: i64,
    added_in_c: i64,
}

/// Compares the cells. Both engines must have measured the same cells.
pub(super) fn compare(rust: &Cells, c: &Cells) -> Result<Judged> {
    ensure!(
        rust.order == c.order,
        "the engines measured different calls"
    );
    let mut judged = Judged {
        summary: String::new(),
        cells: format!("{:<58}{:>10}{:>10}{:>9}\n", "", "Rust", "C", "ratio"),
        misses: Vec::new(),
    };
    let mut groups: Vec<((&str, &str), Group)> = Vec::new();
    for key in &rust.order {
        let ((ours, error), (theirs, error_in_c)) = (rust.costs[key], c.costs[key]);
        let name = key.join(" ");
        let ratio = ours as f64 / theirs.max(1) as f64;
        let _ = writeln!(judged.cells, "{name:<58}{ours:>10}{theirs:>10}{ratio:>9.4}");
        if error != error_in_c {
            let miss = format!("{name}: error {error} in Rust, {error_in_c} in C");
            judged.misses.push(miss);
        }
        let [filesystem, map, caller, call] = key;
        if filesystem == "make" {
            judge_making(&mut judged, map, call, ours, theirs)?;
            continue;
        }
        let noise = if runs_process(call) {
            NOISE_OF_PROCESS
        } else {
            NOISE
        };
        if ours * 1000 > theirs * (1000 + noise) {
            judged
                .misses
                .push(format!("{name}: {ours}, C {theirs}: {ratio:.4} of C"));
        }
        let group = (filesystem.as_str(), map.as_str());
        if groups.last().is_none_or(|(last, _)| *last != group) {
            groups.push((group, Group::default()));
        }
        let Some((_, sums)) = groups.last_mut() else {
            continue;
        };
        sums.cells += 1;
        sums.ours += ours;
        sums.theirs += theirs;
        sums.worst = sums.worst.max(ratio);
        let plain = [filesystem, "plain", caller, call].map(str::to_owned);
        if let (Some(ours_plain), Some(theirs_plain)) =
            (rust.costs.get(&plain), c.costs.get(&plain))
        {
            // A call that fails on one of the mounts cannot be compared.
            if ours_plain.1 == error && !runs_process(call) {
                sums.added += ours as i64 - ours_plain.0 as i64;
                sums.added_in_c += theirs as i64 - theirs_plain.0 as i64;
            }
        }
    }
    let summary = summary(&groups, &mut judged.misses)?;
    judged.summary.insert_str(0, &summary);
    Ok(judged)
}

fn summary(groups: &[((&str, &str), Group)], misses: &mut Vec<String>) -> Result<String> {
    let mut text = format!(
        "\n{:<24}{:>6}{:>12}{:>12}{:>9}{:>9}{:>9}\n",
        "Rust against C", "cells", "Rust", "C", "ratio", "worst", "added"
    );
    let mut added_by: BTreeMap<(&str, u32), (i64, i64)> = BTreeMap::new();
    for ((filesystem, map), sums) in groups {
        let ratio = sums.ours as f64 / sums.theirs.max(1) as f64;
        let _ = write!(
            text,
            "{:<24}{:>6}{:>12}{:>12}{ratio:>9.4}{:>9.4}",
            format!("{filesystem} {map}"),
            sums.cells,
            sums.ours,
            sums.theirs,
            sums.worst
        );
        if *map == "plain" {
            text.push('\n');
            continue;
        }
        let added = sums.added as f64 / sums.added_in_c.max(1) as f64;
        let _ = writeln!(text, "{added:>9.3}");
        let (extents, position) = map.split_once('-').context("a map without a position")?;
        if position != "outside" {
            let sum = added_by.entry((*filesystem, extents.parse()?)).or_default();
            sum.0 += sums.added;
            sum.1 += sums.added_in_c;
        }
    }
    for ((filesystem, extents), (added, added_in_c)) in added_by {
        let bound = MOST_ADDED.iter().find(|bound| bound.0 == extents);
        let (_, most) = bound.with_context(|| format!("no bound for {extents} extents"))?;
        let ratio = added as f64 / added_in_c.max(1) as f64;
        let _ = writeln!(
            text,
            "{:<72}{ratio:>9.3}",
            format!("{filesystem}, {extents} extents, added")
        );
        if added * 100 > added_in_c * *most as i64 {
            misses.push(format!(
                "{filesystem}, {extents} extents: adds {ratio:.3} of C, at most 0.{most}"
            ));
        }
    }
    Ok(text)
}

fn judge_making(judged: &mut Judged, map: &str, call: &str, ours: u64, theirs: u64) -> Result<()> {
    let extents: u32 = map.parse()?;
    let bound = MOST_MAKING.iter().find(|bound| bound.0 == extents);
    let (_, first, again) = *bound.with_context(|| format!("no bound for {extents} extents"))?;
    let most = if call == "first" { first } else { again };
    let name = format!("idmapping a mount, {extents} extents, {call}");
    let ratio = ours as f64 / theirs.max(1) as f64;
    let _ = writeln!(
        judged.summary,
        "{name:<42}{ours:>12}{theirs:>12}{ratio:>9.4}"
    );
    if ours * 100 > theirs * most {
        let most = most as f64 / 100.0;
        judged.misses.push(format!(
            "{name}: {ours}, C {theirs}: {ratio:.2} of C, at most {most:.2}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain and an idmapped call, and making a map.
    fn cells(plain: u64, mapped: u64, first: u64, again: u64) -> Cells {
        Cells::parse(&format!(
            "tmpfs plain owner stat {plain} 0\n\
             tmpfs 1-first owner stat {mapped} 0\n\
             make 1 - first {first} 0\n\
             make 1 - again {again} 0\n"
        ))
        .unwrap()
    }

    fn misses(rust: &Cells) -> usize {
        let c = cells(10_000, 11_000, 1000, 1000);
        compare(rust, &c).unwrap().misses.len()
    }

    #[test]
    fn each_bound_is_judged() {
        assert_eq!(misses(&cells(10_000, 10_400, 1000, 300)), 0);
        assert_eq!(misses(&cells(10_011, 10_411, 1000, 300)), 1);
        assert_eq!(misses(&cells(10_000, 10_401, 1000, 300)), 1);
        assert_eq!(misses(&cells(9000, 11_012, 1000, 300)), 2);
        assert_eq!(misses(&cells(10_000, 10_400, 1001, 300)), 1);
        assert_eq!(misses(&cells(10_000, 10_400, 1000, 301)), 1);
    }

    #[test]
    fn another_error_number_is_a_miss() {
        let with_error =
            |error| Cells::parse(&format!("tmpfs plain owner stat 7 {error}\n")).unwrap();
        let judge = |a, b| {
            compare(&with_error(a), &with_error(b))
                .unwrap()
                .misses
                .len()
        };
        assert_eq!(judge(13, 13), 0);
        assert_eq!(judge(13, 0), 1);
    }

    #[test]
    fn what_is_missing_or_unreadable_is_an_error() {
        assert!(Cells::parse("").is_err());
        assert!(Cells::parse("tmpfs plain owner stat many 0").is_err());
        assert!(Cells::parse("tmpfs plain owner stat 7").is_err());
        let twice = "tmpfs plain owner stat 7 0\n".repeat(2);
        assert!(Cells::parse(&twice).is_err());
        let some = Cells::parse("tmpfs plain owner stat 7 0\n").unwrap();
        assert!(compare(&some, &cells(1, 1, 1, 1)).is_err());
    }
}
