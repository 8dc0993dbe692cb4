// SPDX-License-Identifier: GPL-2.0

//! `make bench`: the cost of system calls on idmapped mounts, in Rust and in C.
//!
//! Both engines run the guest program `cost` with a clock that counts
//! instructions. Then the sizes of their machine code and the cost of files on
//! the filesystem in Rust are measured.

mod cells;
mod files;
mod many;
mod saved;
mod text;

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::guest::boot::{self, Job, Options};
use crate::guest::exec;
use crate::guest::qemu::Accelerator;
use crate::lab::{Engine, Flavour, Lab};
use crate::ui;
use cells::Cells;

/// The time limit of a command in the guest.
const LIMIT: Duration = Duration::from_secs(3600);

/// Measures both engines. Returns 1 if a bound is exceeded.
pub(crate) fn bench(lab: &Lab, mounts: u64, files: u64) -> Result<u8> {
    let measure = |engine| Cells::parse(&count(lab, engine, "cost calls", "bench")?);
    let judged = cells::compare(&measure(Engine::Rust)?, &measure(Engine::C)?)?;
    let log = lab.cache.log("bench-cells")?;
    fs::write(&log, &judged.cells).with_context(|| format!("writing {}", log.display()))?;
    print!("{}", judged.summary);
    println!("each cell: {}", log.display());
    let mut misses = judged.misses;
    misses.extend(many::bench(lab, mounts)?);
    saved::bench(lab, files)?;
    let vmlinux = |flavour: Flavour| -> Result<_> {
        Ok(exec::machine(lab, flavour)?
            .kernel
            .with_file_name("vmlinux"))
    };
    let without_nested = Flavour {
        nested: false,
        ..Engine::Rust.into()
    };
    let text_held = text::bench(
        &vmlinux(without_nested)?,
        &vmlinux(Engine::Rust.into())?,
        &vmlinux(Engine::C.into())?,
    )?;
    let files_held = files::bench(lab)?;
    if !misses.is_empty() {
        println!("\nbounds that do not hold:\n{}", misses.join("\n"));
    }
    Ok(u8::from(!(misses.is_empty() && text_held && files_held)))
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
