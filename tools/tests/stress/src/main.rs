// SPDX-License-Identifier: GPL-2.0

//! Idmapped mounts made, used and removed on all processors at once; and the calls that make
//! them with random arguments.
//!
//! Either must leave nothing behind: no user namespace, no mount, no memory. Prints KTAP.

mod faults;
mod fuzz;
mod leak_check;
mod mounts;
mod random;
mod readers;
mod sys;

use std::{fmt, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

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
    },
    /// Calls mount_setattr() and open_tree_attr() with random arguments
    Fuzz {
        /// So often
        #[arg(long, default_value_t = 1_000_000)]
        calls: u64,
        /// What the arguments follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Fails each allocation of making an idmapped mount in turn
    Faults,
}

/// What is wrong.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What was found, by the name of the check.
type Found = Vec<(&'static str, Result<(), Failure>)>;

fn main() -> ExitCode {
    let found = match Arguments::parse().task {
        Task::Mounts { seconds } => mounts::mounts(Duration::from_secs(seconds)),
        Task::Fuzz { calls, seed } => fuzz::fuzz(calls, seed),
        Task::Faults => return faults::faults(),
    };
    let found = found.unwrap_or_else(|failure| vec![("set_up", Err(failure))]);
    println!("KTAP version 1\n1..{}", found.len());
    let mut status = ExitCode::SUCCESS;
    for (index, (name, result)) in found.iter().enumerate() {
        let number = index + 1;
        match result {
            Ok(()) => println!("ok {number} {name}"),
            Err(failure) => {
                println!("# {failure}\nnot ok {number} {name}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
