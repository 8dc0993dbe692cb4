// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::{
    ffi::{OsStr, OsString},
    io::{Write, stderr, stdout},
    path::PathBuf,
};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use idmap::{IdMaps, MapsError, explain::Operation};

use crate::{
    maps::{Map, MapOptions},
    options::{Options, OptionsError},
    style,
    who::Who,
    width::Width,
};

const EXAMPLES: &str = include_str!("examples.txt");

/// Mounts SOURCE on TARGET with other owners than on disk.
#[derive(Debug, Parser)]
#[command(
    name = "mount-idmapped",
    version,
    after_help = EXAMPLES,
    infer_long_args = true,
    max_term_width = 100,
    group = ArgGroup::new("runs").args(["map_caller", "rootless", "mountfsd"]).multiple(true),
    override_usage = "mount-idmapped [OPTION]... [--map-mount=MAP]... SOURCE TARGET\n       \
                      mount-idmapped [OPTION]... --map-caller=MAP SOURCE TARGET [COMMAND]...\n       \
                      mount-idmapped [OPTION]... --rootless SOURCE TARGET [COMMAND]...\n       \
                      mount-idmapped TASK ..."
)]
pub(crate) struct Arguments {
    /// The map of the mount: KIND:FROM:TO:RANGE, or the path of a user namespace
    #[arg(long, value_name = "MAP", value_parser = Map::parse)]
    pub(crate) map_mount: Vec<Map>,

    /// Runs COMMAND (a shell) as root of a new user namespace with this map
    #[arg(long, value_name = "MAP", value_parser = Map::parse)]
    pub(crate) map_caller: Vec<Map>,

    #[command(flatten)]
    pub(crate) added: MapOptions,

    /// Options as for 'mount-idmapped mount', with commas between them
    #[arg(short, long, value_name = "LIST", value_parser = list)]
    pub(crate) options: Vec<String>,

    /// Clones the mounts below SOURCE as well, with the same map
    #[arg(long)]
    pub(crate) recursive: bool,

    /// For a plain user: creates a user namespace and a mount namespace, mounts there, and runs COMMAND
    /// (a shell) there. Id 0 is the user, the ids from 1 on are those of /etc/subuid and /etc/subgid.
    /// Maps have the ids of that user namespace
    #[arg(long)]
    pub(crate) rootless: bool,

    /// For a plain user: systemd-mountfsd mounts a directory in a new user namespace with 65536 ids of
    /// systemd-nsresourced, in which root owns the files of the user; runs COMMAND (a shell) there as
    /// root. The only option with an effect is ro
    #[arg(long, conflicts_with_all = [
        "map_mount", "map_caller", "owner", "rest", "relative_to", "recursive", "rootless",
    ])]
    pub(crate) mountfsd: bool,

    /// The directory or the file to mount
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: PathBuf,

    /// The mount point: a directory for a directory, a file for a file
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) target: PathBuf,

    /// The command of --map-caller, --rootless or --mountfsd [default: $SHELL, or /bin/sh]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, requires = "runs")]
    pub(crate) command: Vec<OsString>,
}

/// The tasks beside that of the plain command line.
#[derive(Debug, Parser)]
#[command(
    name = "mount-idmapped",
    version,
    infer_long_args = true,
    max_term_width = 100
)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// A task.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Makes an idmapped mount, with more choices
    Mount(MountArguments),
    /// Removes an idmapped mount; others are left alone
    Umount {
        /// Detaches the mount and the mounts below it at once; open files stay usable
        #[arg(long)]
        lazy: bool,
        /// In the mount namespace of this process, or at this path
        #[arg(short = 'N', long, value_name = "PID|PATH")]
        namespace: Option<OsString>,
        /// The mount point
        target: PathBuf,
    },
    /// Lists the idmapped mounts and their maps
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
        /// The mounts of the mount namespace of this process, or at this path
        #[arg(short = 'N', long, value_name = "PID|PATH")]
        namespace: Option<OsString>,
        /// Only the mount of this path, idmapped or not
        path: Option<PathBuf>,
    },
    /// Checks whether the caller can make an idmapped mount of PATH, and prints the reason if not
    Check {
        /// Each mount below PATH as well
        #[arg(long)]
        recursive: bool,
        /// Creates an empty file in PATH, tries calls on it through a map, as root, and removes it:
        /// a filesystem can allow idmapped mounts and not go by the map
        #[arg(long, conflicts_with = "recursive")]
        deep: bool,
        /// A directory or a file
        path: PathBuf,
    },
    /// Explains the owner of PATH, and whether operations of a caller succeed; if not, why
    Explain(ExplainArguments),
    /// Finds the map that shows an image to a container, and prints or mounts it
    Shift {
        /// The container: a process id, or its maps as in /proc/PID/uid_map, 'b:0:100000:65536'
        #[arg(long = "for", value_name = "PID|MAP", value_parser = Container::parse)]
        container: Container,
        /// The root of the image
        image: PathBuf,
        /// Where to mount it; otherwise the map is printed
        target: Option<PathBuf>,
    },
    /// Prints the composition of maps: FIRST, followed by each NEXT
    Compose {
        /// Ranges with blanks between them
        #[arg(value_parser = parse_maps)]
        first: IdMaps,
        /// One or more
        #[arg(required = true, value_parser = parse_maps)]
        next: Vec<IdMaps>,
    },
    /// Prints the inverse of a map
    Invert {
        /// Ranges with blanks between them
        #[arg(value_parser = parse_maps)]
        map: IdMaps,
    },
    /// Prints the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The arguments of `mount`.
#[derive(Args, Debug, Default)]
pub(crate) struct MountArguments {
    /// The map: KIND:FROM:TO:RANGE, or the path of a user namespace
    #[arg(long, value_name = "MAP", value_parser = Map::parse, conflicts_with_all = ["pid", "like"])]
    pub(crate) map: Vec<Map>,
    /// The map of the user namespace of this process
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// The map of the mount of this path
    #[arg(long, value_name = "PATH", conflicts_with = "pid")]
    pub(crate) like: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) added: MapOptions,
    /// As for mount(8), with commas between them: idmap=MAP, X-mount.mkdir, ro, nosuid, nodev,
    /// noexec, nosymfollow, nodiratime, the opposites of these, noatime, relatime, strictatime,
    /// [r]private, [r]shared, [r]slave, [r]unbindable, bind, rbind, loop
    #[arg(short, long, value_name = "LIST", value_parser = list)]
    pub(crate) options: Vec<String>,
    /// Mounts in the mount namespace of this process, or at this path; SOURCE is of this one
    #[arg(short = 'N', long, value_name = "PID|PATH")]
    pub(crate) namespace: Option<OsString>,
    /// Clones the mounts below SOURCE as well
    #[arg(long)]
    pub(crate) recursive: bool,
    /// With --recursive: leaves filesystems out that do not support idmapped mounts
    #[arg(long, requires = "recursive", conflicts_with = "replace")]
    pub(crate) skip_unmappable: bool,
    /// If SOURCE has a map, the new map replaces it, or no map if none is given; if TARGET is SOURCE,
    /// the new mount replaces it
    #[arg(long)]
    pub(crate) replace: bool,
    /// The directory or the file to mount
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) source: PathBuf,
    /// The mount point
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) target: PathBuf,
}

/// The arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// The caller, by its ids in its user namespace, or by names. Without GROUPs, the caller of a name
    /// has the groups of the account, and the caller of a number the group of the same number
    #[arg(long = "as", value_name = "USER[:GROUP[,GROUP]...]", value_parser = Who::parse)]
    pub(crate) who: Option<Who>,
    /// The caller is in the user namespace of this process (as its root, without --as)
    #[arg(long, value_name = "PID")]
    pub(crate) userns: Option<u32>,
    /// The caller is this process; PATH is looked up from its root and working directory
    #[arg(long, value_name = "PID", conflicts_with_all = ["who", "userns"])]
    pub(crate) process: Option<u32>,
    /// An operation of the caller; may be repeated
    #[arg(long = "op", value_name = "OPERATION", long_help = operations())]
    pub(crate) operations: Vec<Operation>,
    /// Tries it as well, in a process that is the caller, without changing anything, and compares
    #[arg(long = "try", requires = "operations")]
    pub(crate) attempt: bool,
    /// The map of the mount, for where the kernel does not show it (before Linux 6.15)
    #[arg(long, value_name = "MAP", value_parser = parse_maps)]
    pub(crate) map: Option<IdMaps>,
    /// The filesystem of PATH was mounted in the user namespace of this process, not in ours
    #[arg(long, value_name = "PID")]
    pub(crate) mounted_in: Option<u32>,
    /// PATH is looked up in the mount namespace of this process, or at this path
    #[arg(short = 'N', long, value_name = "PID|PATH", conflicts_with = "process")]
    pub(crate) namespace: Option<OsString>,
    /// Exits with 5 if an operation fails
    #[arg(long, requires = "operations")]
    pub(crate) exit_code: bool,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The file; for an operation that creates a file, the directory or the path of the new file
    pub(crate) path: PathBuf,
}

fn operations() -> String {
    format!(
        "An operation of the caller; may be repeated: {}",
        Operation::FORMS
    )
}

/// Checks a list of options.
fn list(text: &str) -> Result<String, OptionsError> {
    Options::parse(text).map(|_| text.to_owned())
}

/// The container that `shift` is for.
#[derive(Clone, Debug)]
pub(crate) enum Container {
    Process(u32),
    Maps(IdMaps),
}

impl Container {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(pid) = text.parse() {
            return Ok(Self::Process(pid));
        }
        let maps = parse_maps(text).map(Self::Maps);
        maps.map_err(|error| format!("neither the id of a process nor a map: {error}"))
    }
}

fn parse_maps(text: &str) -> Result<IdMaps, MapsError> {
    text.parse()
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Line {
    Plain(Arguments),
    Task(Task),
}

/// Reads the command line; after one that is wrong, or asks for help, the program ends.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Line {
    let arguments: Vec<OsString> = arguments.collect();
    try_read(arguments).unwrap_or_else(|error| end(&error))
}

/// Prints a message of clap, which breaks all lines but those of the usage.
fn end(error: &clap::Error) -> ! {
    let (mut stdout, mut stderr) = (stdout(), stderr());
    let (width, file): (_, &mut dyn Write) = match error.use_stderr() {
        true => (Width::of(&stderr), &mut stderr),
        false => (Width::of(&stdout), &mut stdout),
    };
    let text = error.render();
    let text = match width {
        Width::NONE => text.to_string(),
        _ if !style::is_allowed() => text.to_string(),
        _ => text.ansi().to_string(),
    };
    let _ = file.write_all(width.wrapped(&text).as_bytes());
    std::process::exit(error.exit_code())
}

fn try_read(arguments: Vec<OsString>) -> Result<Line, clap::Error> {
    // A source that is named like a task is written with a path, ./list.
    let first = arguments
        .get(1)
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    if Task::has_subcommand(first) || first == "help" {
        Tasks::try_parse_from(arguments).map(|tasks| Line::Task(tasks.task))
    } else {
        Arguments::try_parse_from(arguments.into_iter().map(two_dashes)).map(Line::Plain)
    }
}

/// Long options may begin with a single dash, as they always could for this tool.
fn two_dashes(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    let name = text.split('=').next().unwrap_or(text);
    match name {
        "-map-mount" | "-map-caller" | "-recursive" | "-rootless" | "-help" => {
            let mut longer = OsString::from("-");
            longer.push(OsStr::new(text));
            longer
        }
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn words(line: &str) -> Result<Line, String> {
        let words = line.split('|').map(OsString::from).collect();
        super::try_read(words).map_err(|error| error.to_string())
    }

    fn plain(line: &str) -> Result<Arguments, String> {
        words(line).map(|line| match line {
            Line::Plain(arguments) => arguments,
            Line::Task(task) => panic!("{task:?}"),
        })
    }

    #[test]
    fn the_descriptions_are_consistent() {
        Arguments::command().debug_assert();
        Tasks::command().debug_assert();
    }

    #[test]
    fn maps_are_given_with_and_without_an_equals_sign() {
        for line in [
            "m|--map-mount=u:1:2:3|--map-mount=g:4:5:6|/a|/b",
            "m|--map-mount|u:1:2:3|--map-mount|g:4:5:6|/a|/b",
            "m|/a|/b|--map-mount|u:1:2:3|--map-mount|g:4:5:6",
            "m|-map-mount=u:1:2:3|-map-mount|g:4:5:6|/a|/b",
        ] {
            let read = plain(line).unwrap();
            let range = |text: &str| Map::Ranges(vec![text.parse().unwrap()]);
            assert_eq!(
                read.map_mount,
                [range("u:1:2:3"), range("g:4:5:6")],
                "{line}"
            );
            assert_eq!((read.source, read.target), ("/a".into(), "/b".into()));
            assert!(!read.recursive);
        }
    }

    #[test]
    fn a_path_is_a_namespace() {
        let read = plain("m|--map-mount=/proc/1/ns/user|--recursive|/a|/b").unwrap();
        assert_eq!(read.map_mount, [Map::Namespace("/proc/1/ns/user".into())]);
        assert!(read.recursive);
    }

    #[test]
    fn a_command_needs_a_map_of_the_caller() {
        let read = plain("m|--map-caller=b:0:1:1|/a|/b|ls|-l").unwrap();
        assert_eq!(read.command, ["ls", "-l"]);
        assert!(plain("m|/a|/b|ls").unwrap_err().contains("--map-caller"));
        let read = plain("m|--rootless|/a|/b|ls|-l").unwrap();
        assert!(read.rootless && read.command == ["ls", "-l"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(plain("m|/a").unwrap_err().contains("<TARGET>"));
        assert!(
            plain("m|--map-mount=x:1:2:3|/a|/b")
                .unwrap_err()
                .contains("'x' is not a kind")
        );
        assert!(
            plain("m|--map-mount= |/a|/b")
                .unwrap_err()
                .contains("is not a kind")
        );
        assert!(
            plain("m|--map-moun=b:1:2|/a|/b")
                .unwrap_err()
                .contains("three numbers")
        );
        assert!(
            words("m|invert|u:0:0:1")
                .unwrap_err()
                .contains("no ranges for groups")
        );
        assert!(words("m|mount|--pid=1|--map=b:0:0:1|/a|/b").is_err());
        assert!(words("m|shift|/image").unwrap_err().contains("--for"));
    }

    #[test]
    fn operations_are_checked() {
        let error = words("m|explain|--try|/a").unwrap_err();
        assert!(error.contains("--op"), "{error}");
        let error = words("m|explain|--op=fly|/a").unwrap_err();
        assert!(error.contains("'fly' is no operation"), "{error}");
    }

    #[test]
    fn tasks_are_found_by_their_names() {
        assert!(matches!(
            words("m|list|--json"),
            Ok(Line::Task(Task::List { json: true, .. }))
        ));
        assert!(matches!(words("m|./list|/b"), Ok(Line::Plain(_))));
        let Ok(Line::Task(Task::Shift { container, .. })) = words("m|shift|--for=12|/i") else {
            panic!();
        };
        assert!(matches!(container, Container::Process(12)));
    }
}
