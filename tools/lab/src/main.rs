// SPDX-License-Identifier: GPL-2.0

//! The program behind the Makefile: downloads, builds, boots and tests a kernel
//! with id mappings in Rust.

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
            ui::print(format!("lab: {error:#}"));
            ExitCode::from(1)
        }
    }
}
