// SPDX-License-Identifier: GPL-2.0

//! Idmapped mounts made, used and removed on all processors at once; and the calls that make
//! them with random arguments.
//!
//! Either must leave nothing behind: no user namespace, no mount, no memory. Prints KTAP.

mod faults;
mod fuzz;
mod leak_check;
mod mounts;
mod readers;

use std::{io::stdout, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use kselftest::ktap::{Outcome, Printer};

/// Puts idmapped mounts under stress; as root, in the guest.
#[derive(Parser)]
#[command(name = "stress", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Makes, uses and removes mounts on every processor, against as many readers
    Mounts {
        /// For so long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// As root of a user namespace that the filesystem does not belong to
        #[arg(long)]
        nested: bool,
    },
    /// Calls mount_setattr() and open_tree_attr() with random arguments
    Fuzz {
        /// So often
        #[arg(long, default_value_t = 1_000_000)]
        calls: u64,
        /// The seed of the arguments
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// As root of a user namespace that the filesystems do not belong to
        #[arg(long)]
        nested: bool,
    },
    /// Fails each allocation of making an idmapped mount in turn
    Faults,
}

/// The results, by the names of the checks.
type Found = Vec<(&'static str, Outcome)>;

fn main() -> ExitCode {
    let found = match Arguments::parse().task {
        Task::Mounts {
            seconds,
            nested: false,
        } => mounts::mounts(Duration::from_secs(seconds), mounts::run_workers),
        Task::Mounts { seconds, .. } => mounts::nested::mounts(Duration::from_secs(seconds)),
        Task::Fuzz {
            calls,
            seed,
            nested: false,
        } => fuzz::fuzz(calls, seed, fuzz::run),
        Task::Fuzz { calls, seed, .. } => fuzz::nested::fuzz(calls, seed),
        Task::Faults => faults::faults(),
    };
    let found = found.unwrap_or_else(|failure| vec![("set_up", Err(failure))]);
    let mut printer = Printer::new(stdout(), found.len());
    for (name, outcome) in &found {
        printer.result(name, outcome);
    }
    ExitCode::from(u8::from(!printer.is_good()))
}
