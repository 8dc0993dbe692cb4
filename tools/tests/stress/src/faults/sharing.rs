// SPDX-License-Identifier: GPL-2.0

//! Fails allocations while a tree of mounts becomes shared.
//!
//! Each mount gets an id of a peer group. The first ids need no allocation, and a failed allocation
//! is retried in another way, so all allocations from some point on must fail. Then the call must
//! fail with `ENOMEM` and release the ids.

use super::operations::Outcome;
use idmap::{IdmappedMount, Propagation, Step, unmount};
use kselftest::failslab::Injection;
use kselftest::mounts;
use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
};
use std::{error::Error, fs, path::Path};

/// More than there is room for: the 63 of a word.
const MOUNTS: usize = 70;
/// The sizes that the allocator has differ by no less.
const STEP: usize = 64;
/// More than all allocations of the calls together.
const MOST: u32 = 1 << 20;

/// Fails the allocations from each point on, of copying the mounts at `at` and sharing the copies.
pub(crate) fn run(at: &str) -> Result<Outcome, Box<dyn Error>> {
    let at = Path::new(at);
    mount("tmpfs", at, "tmpfs", MountFlags::empty(), None)?;
    let outcome = each(at);
    unmount(at, true)?;
    outcome
}

fn each(at: &Path) -> Result<Outcome, Box<dyn Error>> {
    mount_change(at, MountPropagationFlags::PRIVATE)?;
    for number in 1..MOUNTS {
        let below = at.join(number.to_string());
        fs::create_dir(&below)?;
        mount("tmpfs", &below, "tmpfs", MountFlags::empty(), None)?;
    }
    let injection = Injection::new()?;
    let mut outcome = Outcome::default();
    let free = next_group(at)?;
    for bytes in (0..MOST).step_by(STEP) {
        let tree = IdmappedMount::of(at).recursive(true);
        let share = || tree.propagation(Propagation::Shared).detached();
        let (shared, injected) = injection.fail_after(bytes, share)?;
        match shared {
            Ok(_) if !injected => return Ok(outcome),
            Ok(_) => (),
            Err(error) if injected && error.errno == Errno::NOMEM => {
                outcome.refused += u32::from(matches!(error.step, Step::SetAttributes));
            }
            Err(error) => return Err(format!("after {bytes} bytes: {error}").into()),
        }
        outcome.injected += 1;
        let next = next_group(at)?;
        if next != free {
            let lost = format!("after {bytes} bytes: the next group is {next}, not {free}");
            return Err(lost.into());
        }
    }
    Err("there is always one more allocation".into())
}

/// The number of the group that a mount gets which is shared now: the lowest that is free.
fn next_group(at: &Path) -> Result<u32, Box<dyn Error>> {
    mount_change(at, MountPropagationFlags::SHARED)?;
    let shared = mounts::at(at);
    mount_change(at, MountPropagationFlags::PRIVATE)?;
    let fields = shared?.optional;
    let group = fields
        .iter()
        .find_map(|field| field.strip_prefix("shared:"));
    Ok(group.ok_or("it is not shared")?.parse()?)
}
