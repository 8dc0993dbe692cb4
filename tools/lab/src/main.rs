// SPDX-License-Identifier: GPL-2.0

//! The front door's machinery: fetches, builds and boots a kernel whose id
//! mapping is Rust, and tests it.

mod cache;
mod cli;
mod digest;
mod fetch;
mod guest;
mod kernel;
mod lab;
mod run;
mod scratch;
mod test;
mod tree;
mod ui;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::act(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            ui::say(format!("lab: {error:#}"));
            ExitCode::from(1)
        }
    }
}
