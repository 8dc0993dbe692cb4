// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    path::PathBuf,
    str::FromStr,
};

use clap::Parser;
use mount_idmapped::{Range, RangeError};

const EXAMPLES: &str = "\
A map is KIND:FROM:TO:RANGE: the RANGE ids from FROM on, as on disk, are seen as TO and those after
it through the mount, and what is created there as TO is stored as FROM. KIND is b (or both) for
users and groups, u (or uid) for users, g (or gid) for groups. The option may be repeated, for up to
340 ranges each for users and for groups. Ids that no range has are seen as 65534 (nobody), and
nothing can be created as one of them. The kernel wants both users and groups to be mapped: where
only the one are to change, leave the others as they are with u:0:0:4294967295 or g:0:0:4294967295.

Examples:
  Give the files of user 1000 to user 1001, in another place:
    mount-idmapped --map-mount=b:1000:1001:1 /home/ubuntu /mnt

  The root file system, in which nothing can be made as root:
    mount-idmapped --map-mount=b:1:1:65536 / /mnt

  A USB stick, which knows no owners, for two users at once:
    mount-idmapped --map-mount=b:0:1001:1 /media/stick /home/u1001/stick
    mount-idmapped --map-mount=b:0:5000:1 /media/stick /home/u5000/stick

  An image owned by 20000 and up as the root of a container whose user namespace
  maps 0 to 10000:
    mount-idmapped --map-mount=b:20000:10000:100000 /var/lib/lxc/f2/rootfs /mnt

  The map of a container that runs:
    mount-idmapped --map-mount=/proc/1234/ns/user /srv/data /mnt

  A shell that is root in a user namespace of its own, and a mount that fits it:
    mount-idmapped --map-caller=b:0:10000:10000 --map-mount=b:0:10000:10000 /srv/data /mnt

Exit status:
  0  the mount was made
  1  it was not; nothing is left of it
  2  the command line was wrong; nothing was tried
  with --map-caller, that of COMMAND, or 128 and the number of the signal that ended it";

/// Mounts SOURCE on TARGET with other owners than on disk.
#[derive(Debug, Parser)]
#[command(
    name = "mount-idmapped",
    version,
    after_help = EXAMPLES,
    infer_long_args = true,
    override_usage = "mount-idmapped [--recursive] [--map-mount=MAP]... [--map-caller=MAP]... \
                      SOURCE TARGET [COMMAND [ARGUMENT]...]"
)]
pub(crate) struct Arguments {
    /// The map of the mount: KIND:FROM:TO:RANGE, or the path of a user namespace
    #[arg(long, value_name = "MAP", value_parser = Map::parse)]
    pub(crate) map_mount: Vec<Map>,

    /// Runs COMMAND (a shell) as root of a new user namespace with this map
    #[arg(long, value_name = "MAP", value_parser = Map::parse)]
    pub(crate) map_caller: Vec<Map>,

    /// Takes what is mounted below SOURCE along, with the same map
    #[arg(long)]
    pub(crate) recursive: bool,

    /// What is to be seen in another place, a folder or a file
    pub(crate) source: PathBuf,

    /// Where, of the same sort
    pub(crate) target: PathBuf,

    /// What to run with --map-caller [default: $SHELL, or /bin/sh]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        requires = "map_caller"
    )]
    pub(crate) command: Vec<OsString>,
}

/// The argument of `--map-mount` and `--map-caller`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Ranges(Vec<Range>),
    Namespace(PathBuf),
}

impl Map {
    /// Ranges with blanks between them, or whatever has a slash as the path of a namespace.
    fn parse(text: &str) -> Result<Self, RangeError> {
        if text.contains('/') {
            let Ok(path) = PathBuf::from_str(text) as Result<_, Infallible>;
            return Ok(Self::Namespace(path));
        }
        if text.trim().is_empty() {
            // For its message.
            return Err(text.parse::<Range>().expect_err("blanks are no range"));
        }
        text.split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self::Ranges)
    }
}

/// Reads the command line; after one that is wrong, or asks for help, the program ends.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Arguments {
    Arguments::parse_from(arguments.map(two_dashes))
}

/// Long options may begin with a single dash, as they always could for this tool.
fn two_dashes(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    let name = text.split('=').next().unwrap_or(text);
    match name {
        "-map-mount" | "-map-caller" | "-recursive" | "-help" => {
            let mut longer = OsString::from("-");
            longer.push(OsStr::new(text));
            longer
        }
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn try_read(line: &str) -> Result<Arguments, String> {
        let words = line.split('|').map(OsString::from).map(two_dashes);
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_description_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn maps_are_given_with_and_without_an_equals_sign() {
        for line in [
            "m|--map-mount=u:1:2:3|--map-mount=g:4:5:6|/a|/b",
            "m|--map-mount|u:1:2:3|--map-mount|g:4:5:6|/a|/b",
            "m|/a|/b|--map-mount|u:1:2:3|--map-mount|g:4:5:6",
            "m|-map-mount=u:1:2:3|-map-mount|g:4:5:6|/a|/b",
        ] {
            let read = try_read(line).unwrap();
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
        let read = try_read("m|--map-mount=/proc/1/ns/user|--recursive|/a|/b").unwrap();
        assert_eq!(read.map_mount, [Map::Namespace("/proc/1/ns/user".into())]);
        assert!(read.recursive);
    }

    #[test]
    fn a_command_needs_a_map_of_the_caller() {
        let read = try_read("m|--map-caller=b:0:1:1|/a|/b|ls|-l").unwrap();
        assert_eq!(read.command, ["ls", "-l"]);
        assert!(try_read("m|/a|/b|ls").unwrap_err().contains("--map-caller"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(try_read("m|/a").unwrap_err().contains("<TARGET>"));
        assert!(
            try_read("m|--map-mount=x:1:2:3|/a|/b")
                .unwrap_err()
                .contains("'x' is not a kind")
        );
        assert!(
            try_read("m|--map-mount= |/a|/b")
                .unwrap_err()
                .contains("is not a kind")
        );
        assert!(
            try_read("m|--map-moun=b:1:2|/a|/b")
                .unwrap_err()
                .contains("three numbers")
        );
    }
}
