// SPDX-License-Identifier: GPL-2.0

//! The tool: idmapped mounts from the command line.

mod cli;
mod completions;
mod deep;
mod explaining;
mod filesystem;
mod helper;
mod list;
mod maps;
mod mountfsd;
mod namespace;
mod options;
mod rootless;
mod run;
mod style;
mod task;
mod tree;
mod varlink;
mod who;
mod width;

use std::process::ExitCode;

use cli::Line;

fn main() -> ExitCode {
    let mut words = std::env::args_os().peekable();
    if words.peek().is_some_and(helper::is_meant) {
        return helper::run(words.skip(1));
    }
    if words.peek().is_some_and(mountfsd::is_inside) {
        return end(mountfsd::inside(words.skip(1)));
    }
    let inside = words.peek().is_some_and(rootless::is_inside);
    let result = match cli::read(words) {
        Line::Plain(arguments) if arguments.rootless && !inside => rootless::run(),
        Line::Plain(arguments) if arguments.mountfsd => mountfsd::run(&arguments),
        Line::Plain(arguments) => run::run(&arguments),
        Line::Task(task) => task::run(&task),
    };
    end(result)
}

/// The exit status, after a failure was reported.
fn end(result: Result<ExitCode, run::Failure>) -> ExitCode {
    result.unwrap_or_else(|failure| {
        run::report("mount-idmapped", &failure);
        ExitCode::from(failure.code())
    })
}
