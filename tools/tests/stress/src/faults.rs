// SPDX-License-Identifier: GPL-2.0

//! Fails each allocation of making an idmapped mount in turn.
//!
//! For a kernel with `CONFIG_FAILSLAB`: the n-th allocation of the calls that make the mount fails,
//! for n from one until none is left to fail. Each time the calls must fail with `ENOMEM` or do
//! without the memory, and nothing may be left behind: repeated often enough, a leak shows in
//! `/proc/slabinfo`. Prints KTAP.

mod nested;
mod operations;
mod sharing;

use idmap::{IdMaps, IdmappedMount, UserNs, unmount};
use kselftest::{
    failslab::Injection,
    filesystem,
    ktap::{self, Failure, failed, skipped},
    slab,
};
use rustix::{
    io::Errno,
    mount::{MountFlags, mount},
};
use std::{error::Error, fs};

use crate::Found;
use operations::Outcome;

const DIR: &str = "/run/faults";

const FILESYSTEM: &str = "rust_idmapfs";

/// How often each failure is repeated.
const REPEAT: usize = 200;

/// The number of attempts to find a leak. The allocator's caches may fill at any time, a leak grows
/// in each attempt.
const TRIES: usize = 3;

/// Runs all of them.
pub(crate) fn faults() -> Result<Found, Failure> {
    let mut found = Found::new();
    for (name, extents) in [
        ("each_allocation_of_1_ranges", 1),
        ("each_allocation_of_340_ranges", 340),
    ] {
        // The object; with many extents also an array for each kind of id and each direction.
        let least = if extents > 5 { 5 } else { 1 };
        found.push((name, enough(name, run(extents), least)));
    }
    let operations = match filesystem::is_registered(FILESYSTEM) {
        true => enough("operations", operations::run(FILESYSTEM, DIR), 51),
        false => Err(skipped(format_args!("no {FILESYSTEM} in this kernel"))),
    };
    found.push(("each_allocation_of_operations", operations));
    let nested = match nested::are_offered() {
        // Two calls, each with an array for the tree, the idmap of the namespace, and three idmaps
        // that take nine allocations.
        true => enough("nested idmaps", nested::run(DIR), 50),
        false => Err(skipped("this kernel has no nested idmaps")),
    };
    found.push(("allocations_of_nested_idmaps", nested));
    let shared = enough("sharing", sharing::run(DIR), 1);
    found.push(("allocations_of_sharing_a_tree", shared));
    Ok(found)
}

/// Requires at least so many system calls to fail: without failures nothing was tested.
fn enough(what: &str, result: Result<Outcome, Box<dyn Error>>, least: u32) -> ktap::Outcome {
    let Outcome { injected, refused } = result.map_err(failed)?;
    println!("# {what}: {injected} allocations failed, {refused} calls failed with ENOMEM");
    match refused >= least {
        true => Ok(()),
        false => Err(failed(format_args!(
            "only {refused} calls failed with ENOMEM, at least {least} must"
        ))),
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
    drop(make()?);
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
            return Ok(outcome);
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
