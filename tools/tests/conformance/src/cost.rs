// SPDX-License-Identifier: GPL-2.0

//! The cost of files in memory, by the clock of the guest: where it counts instructions (QEMU's
//! `-icount shift=0,sleep=off`), a nanosecond is an instruction.
//!
//! Prints a line for each type and task, `TYPE TASK INSTRUCTIONS`: the minimum of some rounds,
//! since the first rounds also fill the allocator's caches.

use std::{collections::BTreeMap, error::Error};

use kselftest::raw;
use kselftest::syscalls;
use rustix::time::{ClockId, clock_gettime};

use crate::small::Small;

const FILES: usize = 10_000;
const CHUNK: usize = 64 << 10;
/// The largest size of the file, of 256 MiB that are written in all.
const FILE: usize = 64 << 20;
const WRITTEN: usize = 256 << 20;
const ROUNDS: usize = 2;

/// In the order in which they are done.
pub(crate) const TASKS: [&str; 7] = [
    "create", "stat", "readdir", "unlink", "write", "read", "remove",
];

type Costs = [u64; TASKS.len()];

/// Measures each type.
pub(crate) fn measure(kinds: &[String]) -> Result<(), Box<dyn Error>> {
    let mut least: BTreeMap<&String, Costs> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for kind in kinds {
            let costs = round(kind)?;
            let least = least.entry(kind).or_insert([u64::MAX; TASKS.len()]);
            for (least, cost) in least.iter_mut().zip(costs) {
                *least = cost.min(*least);
            }
        }
    }
    for (kind, costs) in least {
        for (task, cost) in TASKS.iter().zip(costs) {
            println!("{kind} {task} {cost}");
        }
    }
    Ok(())
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::MonotonicRaw);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn round(kind: &str) -> Result<Costs, Box<dyn Error>> {
    let small = Small::new(kind, "cost", "mode=755")?;
    let names: Vec<_> = (0..FILES)
        .map(|number| small.at(&format!("file-{number:05}")))
        .collect();
    let mut times = vec![now()];
    for name in &names {
        syscalls::create(name, 0o644)?;
    }
    times.push(now());
    for name in &names {
        syscalls::stat(name)?;
    }
    times.push(now());
    let dir = syscalls::open_ro(small.root())?;
    let mut seen = 0;
    loop {
        match raw::getdents(&dir, 32 << 10)?.len() {
            0 => break,
            count => seen += count,
        }
    }
    drop(dir);
    times.push(now());
    for name in &names {
        syscalls::unlink(name)?;
    }
    times.push(now());
    if seen != FILES + 2 {
        return Err(format!("{kind}: {seen} entries were read, not {}", FILES + 2).into());
    }
    let chunk = vec![1; CHUNK];
    let fd = syscalls::create(small.at("large"), 0o644)?;
    let mut written = 0;
    let mut spent = [0; 2];
    while written < WRITTEN {
        let start = now();
        for offset in (0..FILE).step_by(CHUNK) {
            if rustix::io::pwrite(&fd, &chunk, offset as u64)? != CHUNK {
                return Err(format!("{kind}: a short write").into());
            }
        }
        spent[0] += now() - start;
        written += FILE;
        if written < WRITTEN {
            let start = now();
            rustix::fs::ftruncate(&fd, 0)?;
            spent[1] += now() - start;
        }
    }
    let mut buffer = vec![0; CHUNK];
    let start = now();
    for offset in (0..FILE).step_by(CHUNK) {
        if rustix::io::pread(&fd, &mut buffer[..], offset as u64)? != CHUNK {
            return Err(format!("{kind}: a short read").into());
        }
    }
    let read = now() - start;
    drop(fd);
    small.end()?;
    let step = |index: usize| times[index + 1] - times[index];
    Ok([step(0), step(1), step(2), step(3), spent[0], read, spent[1]])
}
