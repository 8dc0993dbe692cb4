// SPDX-License-Identifier: GPL-2.0

//! Tests of each system call on filesystems in memory. tmpfs is the reference.
//!
//! For the guest, as root. All filesystems are mounted below `/run/conformance`, in an own mount
//! namespace. Prints KTAP.

mod apps;
mod cases;
mod cost;
mod cycles;
mod leaks;
mod limits;
mod memory;
mod mix;
mod options;
mod run;
mod small;
mod test;
mod test_mount;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use kselftest::mounts;

use run::{Effort, Part};

/// Tries filesystems that keep their files in memory; as root, in the guest.
#[derive(Parser)]
#[command(name = "conformance", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs tests
    Run {
        /// The types of the filesystems, such as tmpfs
        #[arg(required = true)]
        kinds: Vec<String>,
        /// Only these parts
        #[arg(long, value_delimiter = ',')]
        parts: Vec<Part>,
        #[command(flatten)]
        effort: Effort,
    },
    /// Measures the cost of files, by a clock that counts instructions
    Cost {
        /// The types of the filesystems
        #[arg(required = true)]
        kinds: Vec<String>,
    },
    /// Runs one part, in this user namespace
    #[command(hide = true)]
    Part {
        kind: String,
        part: Part,
        #[command(flatten)]
        effort: Effort,
    },
    /// Waits for the end of the input
    #[command(hide = true)]
    Wait,
}

fn call() -> Result<bool, Box<dyn Error>> {
    match Arguments::parse().task {
        Task::Run {
            kinds,
            parts,
            effort,
        } => run::all(&kinds, &parts, &effort),
        Task::Cost { kinds } => {
            mounts::new_namespace()?;
            cost::measure(&kinds)?;
            Ok(true)
        }
        Task::Part { kind, part, effort } => part.run(&kind, &effort),
        Task::Wait => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
            Ok(true)
        }
    }
}

fn main() -> ExitCode {
    match call() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}
