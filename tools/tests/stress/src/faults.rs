// SPDX-License-Identifier: GPL-2.0

//! Fails each allocation of making an idmapped mount in turn.
//!
//! For a kernel with `CONFIG_FAILSLAB`: the n-th allocation of the calls that make the mount fails,
//! for n from one until none is left to fail. Each time the calls must fail with `ENOMEM` or do
//! without the memory, and nothing may be left behind: repeated often enough, a leak shows in
//! `/proc/slabinfo`. Prints KTAP.

mod operations;
mod sharing;

use kselftest::{failslab::Injection, slab};
use mount_idmapped::{IdMaps, IdmappedMount, UserNs, unmount};
use rustix::{
    io::Errno,
    mount::{MountFlags, mount},
};
use std::{error::Error, fs, process::ExitCode};

use operations::Outcome;

const DIR: &str = "/run/faults";

const FILESYSTEM: &str = "rust_idmapfs";

/// How often each failure is repeated.
const REPEAT: usize = 200;

/// How often what looks like a leak is looked at again: the allocator's own caches may fill at any
/// time, a leak grows every time.
const TRIES: usize = 3;

/// Runs all of them.
pub(crate) fn faults() -> ExitCode {
    println!("KTAP version 1\n1..4");
    let mut status = ExitCode::SUCCESS;
    for (number, ranges) in [(1, 1), (2, 340)] {
        let name = format!("each_allocation_of_{ranges}_ranges");
        match run(ranges) {
            Ok(outcome) => {
                println!(
                    "# {} allocations failed, {} calls refused",
                    outcome.injected, outcome.refused
                );
                println!("ok {number} {name}");
            }
            Err(error) => {
                println!("# {error}\nnot ok {number} {name}");
                status = ExitCode::FAILURE;
            }
        }
    }
    for part in [filesystem(), shared()] {
        if part == ExitCode::FAILURE {
            status = part;
        }
    }
    status
}

/// The operations of the filesystem that the kernel's samples have, if this kernel has it.
fn filesystem() -> ExitCode {
    let name = "3 each_allocation_of_operations";
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known
        .lines()
        .any(|line| line.ends_with(&format!("\t{FILESYSTEM}")))
    {
        println!("ok {name} # SKIP no {FILESYSTEM} in this kernel");
        return ExitCode::SUCCESS;
    }
    let outcome = fs::create_dir_all(DIR).map_err(Into::into);
    match outcome.and_then(|()| operations::run(FILESYSTEM, DIR)) {
        Ok(Outcome { injected, refused }) if refused > 50 => {
            println!("# {injected} allocations failed, {refused} calls refused\nok {name}");
            ExitCode::SUCCESS
        }
        Ok(Outcome { refused, .. }) => {
            println!("# only {refused} failed allocations were felt\nnot ok {name}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("# {error}\nnot ok {name}");
            ExitCode::FAILURE
        }
    }
}

/// The groups of shared mounts.
fn shared() -> ExitCode {
    let name = "4 allocations_of_sharing_a_tree";
    match sharing::run(DIR) {
        Ok(Outcome { injected, refused }) if refused > 0 => {
            println!("# from {injected} points on, sharing was refused {refused} times\nok {name}");
            ExitCode::SUCCESS
        }
        Ok(_) => {
            println!("# sharing was never refused\nnot ok {name}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("# {error}\nnot ok {name}");
            ExitCode::FAILURE
        }
    }
}

fn run(ranges: u32) -> Result<Outcome, Box<dyn Error>> {
    fs::create_dir_all(DIR)?;
    mount("tmpfs", DIR, "tmpfs", MountFlags::empty(), None)?;
    let outcome = inject(ranges);
    unmount(DIR, false)?;
    outcome
}

fn inject(ranges: u32) -> Result<Outcome, Box<dyn Error>> {
    let map: String = (0..ranges)
        .map(|index| format!("{} {} 2\n", 1000 + 3 * index, 5000 + 3 * index))
        .collect();
    let userns = UserNs::new(&IdMaps::from_proc(&map, &map)?)?;
    let make = || IdmappedMount::of(DIR).map(&userns).detached();
    make()?;
    let injection = Injection::new()?;

    let mut outcome = Outcome::default();
    for nth in 1.. {
        // The answer is how many calls were refused, or nothing if there is no such allocation.
        let pass = || -> Result<Option<u32>, Box<dyn Error>> {
            let mut refused = 0;
            for _ in 0..REPEAT {
                let (made, injected) = injection.fail_nth(nth, make)?;
                match made {
                    Ok(_) if !injected => return Ok(None),
                    Ok(_) => (),
                    Err(error) if injected && error.errno == Errno::NOMEM => refused += 1,
                    Err(error) => return Err(format!("allocation {nth}: {error}").into()),
                }
            }
            Ok(Some(refused))
        };
        // The first pass fills the allocator's own caches, which count as objects in use.
        let Some(refused) = pass()? else {
            return check(ranges, outcome);
        };
        outcome.injected += 1;
        outcome.refused += u32::from(refused > 0);
        let mut leak = Ok(());
        for _ in 0..TRIES {
            let before = slab::objects()?;
            pass()?;
            leak = slab::settled(&before, REPEAT);
            if leak.is_ok() {
                break;
            }
        }
        leak.map_err(|leak| format!("after failing allocation {nth} {REPEAT} times: {leak}"))?;
    }
    Err("there is always one more allocation".into())
}

/// Failing nothing, or fewer than the map itself needs, would be a test of nothing.
fn check(ranges: u32, outcome: Outcome) -> Result<Outcome, Box<dyn Error>> {
    // The object; with many ranges an array for each kind of id and direction too.
    let least = if ranges > 5 { 5 } else { 1 };
    if outcome.refused < least {
        let few = format!("only {} failed allocations were felt", outcome.refused);
        return Err(few.into());
    }
    Ok(outcome)
}
