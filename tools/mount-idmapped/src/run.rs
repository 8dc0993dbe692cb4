// SPDX-License-Identifier: GPL-2.0

//! Does what the plain command line asks for.

use std::{
    env,
    ffi::OsString,
    fmt,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitCode, ExitStatus},
};

use idmap::{IdmappedMount, MapsError, ShiftError, unmount};

use crate::{
    cli::Arguments, filesystem::Source, list::visible, maps::MapOptions, options::Options,
    width::Width,
};

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The kernel refused.
    Mount(idmap::Error),
    /// What is asked for does not fit what there is.
    Unfit(String),
    /// The command for the caller could not be started.
    Command(OsString, std::io::Error),
}

impl Failure {
    /// The exit status.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Mount(_) | Self::Unfit(_) | Self::Command(..) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Unfit(text) => f.write_str(text),
            Self::Mount(error) => error.fmt(f),
            Self::Command(program, error) => write!(
                f,
                "running {} as root of the user namespace: {error}; a map of --map-caller must \
                 have the id 0 in FROM, and the program must be found",
                program.to_string_lossy()
            ),
        }
    }
}

impl From<idmap::Error> for Failure {
    fn from(error: idmap::Error) -> Self {
        Self::Mount(error)
    }
}

impl From<MapsError> for Failure {
    fn from(error: MapsError) -> Self {
        Self::Unfit(error.to_string())
    }
}

impl From<ShiftError> for Failure {
    fn from(error: ShiftError) -> Self {
        Self::Unfit(error.to_string())
    }
}

/// Makes the mount, and runs the command if one is to be run.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    // All that can fail without the mount comes before it.
    let options = Options::parse_all(&arguments.options).map_err(usage)?;
    let maps: Vec<_> = arguments
        .map_mount
        .iter()
        .chain(&options.maps)
        .cloned()
        .collect();
    let source = Source::open(&arguments.source, &options)?;
    let userns = arguments
        .added
        .namespace("--map-mount", &maps, source.path())?;
    let caller = MapOptions::default();
    let caller = caller.namespace("--map-caller", &arguments.map_caller, source.path())?;
    let command = match caller {
        Some(caller) => Some(command(&arguments.command, |program| {
            caller.command(program)
        })?),
        None if arguments.rootless => Some(command(&arguments.command, |program| {
            Ok(Command::new(program))
        })?),
        None => None,
    };

    let mut mount = IdmappedMount::of(source.path()).recursive(arguments.recursive);
    mount = options.apply(mount);
    if let Some(userns) = &userns {
        mount = mount.map(userns);
    }
    let mount = mount.detached()?;
    source.close()?;
    mount.attach(&arguments.target)?;
    match command {
        None => Ok(ExitCode::SUCCESS),
        Some(command) => run_command(command, &arguments.target),
    }
}

/// A command line that is wrong.
pub(crate) fn usage(error: impl fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

/// Writes why it was not done; that nobody can read it is no failure of its own.
pub(crate) fn report(program: &str, failure: &Failure) {
    print_error(&format!("{program}: {}", visible(&failure.to_string())));
}

/// Writes what a user may want to know of what was done.
pub(crate) fn note(text: &str) {
    print_error(&format!("mount-idmapped: {}", visible(text)));
}

fn print_error(line: &str) {
    let mut stderr = std::io::stderr();
    let line = Width::of(&stderr).wrapped(line);
    let _ = writeln!(stderr, "{line}");
}

/// The command that the caller gets.
fn command(
    words: &[OsString],
    new: impl FnOnce(OsString) -> Result<Command, idmap::Error>,
) -> Result<Command, Failure> {
    let shell = || env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let (program, arguments) = match words {
        [program, arguments @ ..] => (program.clone(), arguments),
        [] => (shell(), words),
    };
    let mut command = new(program)?;
    command.args(arguments);
    Ok(command)
}

/// Runs it; a mount that it cannot be run with is removed again.
fn run_command(mut command: Command, target: &Path) -> Result<ExitCode, Failure> {
    match command.status() {
        Ok(status) => Ok(ExitCode::from(code(status))),
        Err(error) => {
            unmount(target, true)?;
            Err(Failure::Command(command.get_program().to_owned(), error))
        }
    }
}

/// An exit status as a shell gives it.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}
