// SPDX-License-Identifier: GPL-2.0

//! `make configs`: compiles the kernel in a set of configurations. `make check`
//! checks some of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::fetch::source;
use crate::fetch::toolchain::Toolchain;
use crate::kernel::dry::{Bench, Verdict};
use crate::kernel::matrix::{LINES, Line, Quick};
use crate::lab::Lab;
use crate::{tree, ui};

/// Checks the lines of a name, or all. Returns whether all are good.
pub(crate) fn run(lab: &Lab, only: &str) -> Result<bool> {
    source::check(lab)?;
    let lines: Vec<&Line> = LINES
        .iter()
        .filter(|line| only.is_empty() || only.split_whitespace().any(|name| name == line.name))
        .collect();
    let unknown = only
        .split_whitespace()
        .find(|name| LINES.iter().all(|line| line.name != *name));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = LINES.iter().map(|line| line.name).collect();
        bail!(
            "T={unknown}: no such configuration; there are {}",
            names.join(" ")
        );
    }
    let _lock = lab.cache.lock()?;
    // Each series has a tree.
    let mut bad = String::new();
    let mut series: Vec<Option<&str>> = Vec::new();
    for line in &lines {
        if !series.contains(&line.series) {
            series.push(line.series);
        }
    }
    for series in series {
        let lines: Vec<&Line> = lines
            .iter()
            .copied()
            .filter(|line| line.series == series)
            .collect();
        let other;
        let lab = match series.filter(|_| lab.kdir.is_none()) {
            Some(series) => {
                other = lab.with_kernel(series)?;
                &other
            }
            None => lab,
        };
        bad += &check(lab, &lines, |_| false)?;
    }
    print!("{bad}");
    Ok(bad.is_empty())
}

/// Checks the quick lines, and returns the bad ones. The caller must hold the
/// lock.
pub(crate) fn quick(lab: &Lab) -> Result<String> {
    let lines: Vec<&Line> = LINES
        .iter()
        .filter(|line| line.quick != Quick::No)
        .collect();
    check(lab, &lines, |line| line.quick == Quick::C)
}

/// Checks lines of one series, and prints each result. Returns the errors.
fn check(lab: &Lab, lines: &[&Line], only_c: fn(&Line) -> bool) -> Result<String> {
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;
    let bench = Bench::new(lab, &tree, &toolchain)?;
    let next = AtomicUsize::new(0);
    let bad = Mutex::new(String::new());
    thread::scope(|scope| {
        for _ in 0..Lab::jobs().min(lines.len()) {
            scope.spawn(|| {
                while let Some(line) = lines.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let verdict = bench.check(line, only_c(line));
                    let took = ui::time(start.elapsed());
                    let complaint = describe(line, &took, verdict);
                    if let Ok(mut bad) = bad.lock() {
                        bad.push_str(&complaint);
                    }
                }
            });
        }
    });
    Ok(bad
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Prints the result of a line. Returns the error, if there is one.
fn describe(line: &Line, took: &str, verdict: Result<Verdict>) -> String {
    let why = match verdict {
        Ok(Verdict::Unchanged) => {
            println!("good  {:20} unchanged", line.name);
            return String::new();
        }
        Ok(Verdict::Good) => {
            println!("good  {:20} {took}", line.name);
            return String::new();
        }
        Ok(Verdict::Bad(errors, log)) => format!("{errors}\nlog: {}", log.display()),
        Err(error) => format!("{error:#}"),
    };
    let options = match line.options {
        "" => String::new(),
        options => format!("options: {options}\n"),
    };
    let text = format!("{why}\n{options}again: make configs T={}\n", line.name);
    let text: String = text.lines().map(|text| format!("      {text}\n")).collect();
    println!("BAD   {:20} {took}", line.name);
    format!("{}:\n{text}", line.name)
}
