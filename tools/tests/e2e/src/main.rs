// SPDX-License-Identifier: GPL-2.0

//! Acceptance scenes: use cases of idmapped mounts, run with real programs on real filesystems, and
//! checked.

mod client;
mod container;
mod filesystem;
mod fixture;
mod inspect;
mod report;
mod run;
mod scene;
mod seccomp;
mod show;
mod syscalls;
mod tree;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use kselftest::target::Place;

use crate::{
    fixture::Effort,
    run::{Form, Round},
    scene::Scene,
};

/// Runs the acceptance scenes of idmapped mounts; as root, in the guest.
///
/// All mounts are made in an own mount namespace and removed at the end of a scene. The exit status
/// is 1 if a check failed.
#[derive(Parser)]
#[command(name = "e2e", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Shows the scenes, each in full on one filesystem
    Tour {
        /// In full on every filesystem
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        effort: Effort,
    },
    /// Lists the scenes and the filesystems that each is run on
    List,
    /// Runs some scenes, in full
    Run {
        /// Which, by their names
        #[arg(required = true, value_name = "NAME", value_parser = scene::find)]
        scenes: Vec<&'static Scene>,
        /// Only on this filesystem: a name of the list, or TYPE[:DEVICE|:OPTIONS]
        #[arg(long, value_name = "FILESYSTEM", value_parser = filesystem::parse)]
        on: Option<Place>,
        /// Prints KTAP
        #[arg(long)]
        ktap: bool,
        #[command(flatten)]
        effort: Effort,
    },
    /// Runs every scene on every filesystem, with a line for each
    All {
        /// Prints KTAP
        #[arg(long)]
        ktap: bool,
        #[command(flatten)]
        effort: Effort,
    },
    /// Runs in the container of a scene
    #[command(hide = true)]
    InContainer { rootfs: PathBuf },
    /// Runs an operation in a container
    #[command(hide = true)]
    Syscall {
        user: u32,
        what: String,
        path: PathBuf,
    },
    /// Creates a user namespace and prints its contents
    #[command(hide = true)]
    InNamespace { map: String },
    /// Runs a program without the system calls of Linux 6.8 and later
    #[command(hide = true)]
    OnOldKernel {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Prints the real and the effective user
    #[command(hide = true)]
    Ids,
    /// Prints the effective capabilities
    #[command(hide = true)]
    Capabilities,
}

fn main() -> ExitCode {
    // That of users with a group of their own, as in the scenes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o002));
    let (round, effort) = match Arguments::parse().task {
        Task::Tour { full, effort } => (Round::tour(full), effort),
        Task::Run {
            scenes,
            on,
            ktap,
            effort,
        } => {
            let form = if ktap { Form::Ktap } else { Form::Whole };
            (Round::some(&scenes, on, form), effort)
        }
        Task::All { ktap, effort } => {
            let form = if ktap { Form::Ktap } else { Form::Short };
            (Round::all(form), effort)
        }
        Task::List => {
            run::list();
            return ExitCode::SUCCESS;
        }
        Task::InContainer { rootfs } => return told(scene::inside_container(&rootfs)),
        Task::Syscall { user, what, path } => {
            println!("{}", container::answer(user, &what, &path));
            return ExitCode::SUCCESS;
        }
        Task::InNamespace { map } => {
            return told(scene::in_namespace(&map).map(|found| println!("{found}")));
        }
        Task::OnOldKernel { words } => return seccomp::run(&words),
        Task::Ids => {
            let (real, effective) = (rustix::process::getuid(), rustix::process::geteuid());
            println!("{} {}", real.as_raw(), effective.as_raw());
            return ExitCode::SUCCESS;
        }
        Task::Capabilities => return told(inspect::capabilities().map(|set| println!("{set}"))),
    };
    match round.run(effort) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => told(Err(failure)),
    }
}

fn told(result: Result<(), report::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("e2e: {failure}");
            ExitCode::FAILURE
        }
    }
}
