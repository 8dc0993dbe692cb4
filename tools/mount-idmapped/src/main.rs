// SPDX-License-Identifier: GPL-2.0

//! The tool: makes an idmapped mount from the command line.

mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::read(std::env::args_os());
    match run::run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mount-idmapped: {error}");
            ExitCode::from(error.code())
        }
    }
}
