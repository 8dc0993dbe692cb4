// SPDX-License-Identifier: GPL-2.0

//! `make bench`: the cost of system calls on idmapped mounts, in Rust and in C.
//!
//! Both engines run the guest program `cost` with a clock that counts
//! instructions. Then the sizes of their machine code and the cost of files on
//! the filesystem in Rust are measured.

mod cells;
mod files;
mod many;
mod native;
mod saved;
mod text;

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::ValueEnum;

use crate::guest::boot::{self, Job, Options};
use crate::guest::exec;
use crate::guest::qemu::Accelerator;
use crate::lab::{Engine, Flavour, Lab};
use crate::ui;
use cells::Cells;

/// The time limit of a command in the guest.
const LIMIT: Duration = Duration::from_secs(3600);

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Calls,
    Many,
    Saved,
    Native,
    Text,
    Files,
}

impl Part {
    /// Returns the parts that `words` names, or all if there are no words.
    pub(crate) fn named(words: &str) -> Result<Vec<Self>> {
        let all = Self::value_variants();
        if words.trim().is_empty() {
            return Ok(all.to_vec());
        }
        let part = |word| {
            Self::from_str(word, false).map_err(|_| {
                let names = all.iter().filter_map(Self::to_possible_value);
                let names: Vec<_> = names.map(|name| name.get_name().to_owned()).collect();
                anyhow!("make bench has no part {word:?}, but {}", names.join(" "))
            })
        };
        words.split_whitespace().map(part).collect()
    }
}

/// Measures both engines. Returns 1 if a bound is exceeded.
pub(crate) fn bench(lab: &Lab, mounts: u64, files: u64, parts: &[Part]) -> Result<u8> {
    let (mut misses, mut held) = (Vec::new(), true);
    for part in parts {
        match part {
            Part::Calls => misses.extend(calls(lab)?),
            Part::Many => misses.extend(many::bench(lab, mounts)?),
            Part::Saved => saved::bench(lab, files)?,
            Part::Native => native::bench(lab, files)?,
            Part::Text => held &= text(lab)?,
            Part::Files => held &= files::bench(lab)?,
        }
    }
    if !misses.is_empty() {
        println!("\nbounds that do not hold:\n{}", misses.join("\n"));
    }
    Ok(u8::from(!(misses.is_empty() && held)))
}

/// Compares the instructions of calls. Returns the bounds that are exceeded.
fn calls(lab: &Lab) -> Result<Vec<String>> {
    let measure = |engine| Cells::parse(&count(lab, engine, "cost calls", "bench")?);
    let judged = cells::compare(&measure(Engine::Rust)?, &measure(Engine::C)?)?;
    let log = lab.cache.log("bench-cells")?;
    fs::write(&log, &judged.cells).with_context(|| format!("writing {}", log.display()))?;
    print!("{}", judged.summary);
    println!("each cell: {}", log.display());
    Ok(judged.misses)
}

/// Compares the sizes of machine code. Returns whether the bounds hold.
fn text(lab: &Lab) -> Result<bool> {
    let vmlinux = |flavour: Flavour| -> Result<_> {
        Ok(exec::machine(lab, flavour)?
            .kernel
            .with_file_name("vmlinux"))
    };
    let without_nested = Flavour {
        nested: false,
        ..Engine::Rust.into()
    };
    text::bench(
        &vmlinux(without_nested)?,
        &vmlinux(Engine::Rust.into())?,
        &vmlinux(Engine::C.into())?,
    )
}

/// Runs a command in the guest with a clock that counts instructions, and
/// returns its output.
fn count(lab: &Lab, engine: Engine, command: &str, log: &'static str) -> Result<String> {
    let machine = exec::machine(lab, engine)?;
    let mut options = Options::new(Job::Exec(OsString::from(command)), log);
    options.accelerator = Accelerator::Icount;
    options.limit = Some(LIMIT);
    let label = format!("counting instructions of {command}, engine {engine}");
    let outcome = ui::timed(&label, || boot::boot(&lab.cache, &machine, &options))?;
    let status = outcome.status()?;
    let errors = String::from_utf8_lossy(&outcome.errors);
    ensure!(
        status == 0,
        "{command} ended with status {status}: {errors}"
    );
    Ok(String::from_utf8_lossy(&outcome.output).into_owned())
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn parts_are_named() {
        assert_eq!(Part::named(" ").unwrap().len(), 6);
        let some = Part::named("native many").unwrap();
        assert_eq!(some, [Part::Native, Part::Many]);
        let error = Part::named("calls nativ").unwrap_err().to_string();
        assert!(error.contains("\"nativ\"") && error.contains("saved native"));
    }
}
