// SPDX-License-Identifier: GPL-2.0

//! Random operations by random callers in random user namespaces through random mounts, determined
//! by a seed.
//!
//! The trace is the same in each run with the same arguments, on kernels with equal permission
//! checks. So it compares two kernels.

mod caller;
mod count;
mod disk;
mod fixture;
mod map;
mod mutate;
mod op;
mod program;
mod shape;
mod syscalls;
mod test_mount;
mod userns;
mod worker;
mod xattr;

use std::{
    io,
    io::{BufWriter, Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use kselftest::filesystem::{EXT4, OVERLAY, TMPFS, VFAT};
use kselftest::mounts;
use kselftest::rng::Rng;
use kselftest::target::Place;
use rustix::{
    fs::Mode,
    mount::{UnmountFlags, unmount},
    process::umask,
    thread::{CpuSet, sched_setaffinity},
};

use crate::{count::Counts, fixture::Fixture, test_mount::Disks};

/// How many operations there are in a world.
const OPS_OF_A_WORLD: u64 = 500;

/// Lets random users do random things, and prints a trace; as root, in the guest.
#[derive(Parser)]
#[command(name = "differential", version)]
struct Arguments {
    /// The seed of all random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many operations, in worlds of 500; the last one is made whole
    #[arg(long, default_value_t = 2000)]
    ops: u64,
    /// Only the world of this number
    #[arg(long)]
    world: Option<u64>,
    /// The filesystems, which take turns: tmpfs, ext4, vfat, overlay, or one TYPE[:DEVICE|:OPTIONS]
    #[arg(long, default_value = "tmpfs", value_parser = places)]
    on: Places,
    /// Where an ext4 filesystem is mounted, on which a directory is made
    #[arg(long, value_name = "DIRECTORY")]
    ext4: Option<PathBuf>,
    /// The device of a FAT filesystem; whatever is on it is removed
    #[arg(long, value_name = "DEVICE")]
    vfat: Option<PathBuf>,
}

/// The filesystems of the worlds.
type Places = Vec<Place>;

/// Parses the names of filesystems, or one that the user names.
fn places(text: &str) -> Result<Places, String> {
    let known = [TMPFS, EXT4, VFAT, OVERLAY];
    let parse = |text| Place::parse(text, &known).map_err(|failure| failure.to_string());
    let all: Result<Places, String> = text.split(',').map(parse).collect();
    match all {
        Ok(all) if all.iter().all(|place| matches!(place, Place::Known(_))) => Ok(all),
        // Options have commas, too.
        _ => parse(text).map(|place| vec![place]),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("differential: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    umask(Mode::empty());
    // A switch between two processes on one processor is faster than a wakeup on another.
    let mut one = CpuSet::new();
    one.set(0);
    sched_setaffinity(None, &one)?;
    if let Some(device) = &arguments.vfat {
        leave_alone(device)?;
    }
    mounts::new_namespace()?;
    let disks = Disks {
        ext4: arguments.ext4.clone(),
        vfat: arguments.vfat.clone(),
    };
    let mut trace = BufWriter::new(stdout());
    let mut counts = Counts::default();
    let worlds = match arguments.world {
        Some(only) => only..only + 1,
        None => 0..arguments.ops.div_ceil(OPS_OF_A_WORLD),
    };
    for number in worlds {
        let world = Fixture {
            number,
            on: arguments.on[number as usize % arguments.on.len()].clone(),
            seed: Rng::of(arguments.seed, number).next(),
            ops: OPS_OF_A_WORLD,
        };
        world.run(&disks, &mut counts, &mut trace)?;
    }
    counts.write(&mut trace)?;
    trace.flush()
}

/// Unmounts a device, whose options could not be chosen otherwise.
fn leave_alone(device: &Path) -> io::Result<()> {
    let table = std::fs::read_to_string("/proc/self/mounts")?;
    for line in table.lines() {
        let mut words = line.split(' ');
        if words.next().map(Path::new) == Some(device) {
            unmount(words.next().unwrap_or_default(), UnmountFlags::empty())?;
        }
    }
    Ok(())
}
