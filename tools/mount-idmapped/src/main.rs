// SPDX-License-Identifier: GPL-2.0

//! The tool: idmapped mounts from the command line.

mod cli;
mod explaining;
mod list;
mod options;
mod run;
mod style;
mod task;

use std::process::ExitCode;

use cli::Line;

fn main() -> ExitCode {
    let result = match cli::read(std::env::args_os()) {
        Line::Plain(arguments) => run::run(&arguments),
        Line::Task(task) => task::run(&task),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("mount-idmapped: {failure}");
        ExitCode::from(failure.code())
    })
}
