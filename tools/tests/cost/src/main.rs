// SPDX-License-Identifier: GPL-2.0

//! What calls cost on idmapped mounts.
//!
//! Meant for a guest whose clock counts instructions (QEMU's `-icount shift=0,sleep=off`): there a
//! nanosecond of `clock_gettime()` is an instruction, and two runs print the same figures.
//!
//! On a tmpfs at `/mnt` it makes `/mnt/d/e/f`, mounts it again through maps of 0 (not idmapped),
//! 1, 5 and 340 ranges, and calls as the unprivileged owner. With more than one range the figure is
//! the mean over owners spread evenly over the ranges, since a search finds some sooner than
//! others. Prints a line for each map and call:
//!
//! ```text
//! RANGES CALL INSTRUCTIONS
//! ```

mod calls;
mod mounts;

use std::{error::Error, process::ExitCode};

/// The sizes of the maps; 0 stands for a mount that is not idmapped.
const SIZES: [u32; 4] = [0, 1, 5, 340];

/// How many owners are tried at most for a map.
const OWNERS: u32 = 20;

/// The number of processes that measure each call; the minimum counts. In some of them the kernel's
/// clocks are in a state in which each time stamp costs a little more.
const TRIES: u32 = 3;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let tree = mounts::Tree::new()?;
    for size in SIZES {
        let mount = tree.mount(size)?;
        let step = size.div_ceil(OWNERS).max(1) as usize;
        let owners: Vec<_> = mount.owners().step_by(step).collect();
        let mut sums = [0; calls::CALLS.len()];
        for owner in &owners {
            tree.set_owner(owner.disk)?;
            let mut costs = calls::measure(mounts::SEEN, owner.seen)?;
            for _ in 1..TRIES {
                let again = calls::measure(mounts::SEEN, owner.seen)?;
                costs = std::array::from_fn(|call| costs[call].min(again[call]));
            }
            for (sum, cost) in sums.iter_mut().zip(costs) {
                *sum += cost;
            }
        }
        for (name, sum) in calls::CALLS.iter().zip(sums) {
            println!("{size} {name} {}", sum / owners.len() as u64);
        }
    }
    Ok(())
}
