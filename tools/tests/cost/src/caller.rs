// SPDX-License-Identifier: GPL-2.0

//! The processes that call.

use crate::{calls, clock::Cost, tree::Map};
use kselftest::{credentials::set_ids, process::Child, userns::UserNs};
use std::{error::Error, fmt, io::Write};

/// An id that is in no map.
const STRANGER: u32 = 60_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Owner,
    /// Of the files' group.
    Group,
    /// Neither the owner nor of the group.
    Other,
    /// A user whom an ACL names.
    Acl,
    /// Root, for whom files of others take capabilities.
    Root,
    /// Root of a user namespace that maps the owner.
    NsRoot,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Other => "other",
            Self::Acl => "acl",
            Self::Root => "root",
            Self::NsRoot => "nsroot",
        })
    }
}

/// Measures the calls of a caller, in a process of its own.
pub(crate) fn measure(caller: Caller, map: Map) -> Result<Vec<(String, Cost)>, Box<dyn Error>> {
    let (_, owner) = map.owner();
    let child = Child::start(|output| {
        let measured = become_caller(caller, owner)
            .map_err(Into::into)
            .and_then(|()| write(output, &calls::measure(caller, owner)));
        if let Err(error) = measured {
            eprintln!("cost: as {caller}: {error}");
        }
    })?;
    let output = String::from_utf8(child.output()?)?;
    // Else the process has failed.
    let costs = output.strip_suffix("end\n").ok_or("no costs")?;
    costs.lines().map(parse).collect()
}

fn write(to: &mut impl Write, costs: &[(&'static str, Cost)]) -> Result<(), Box<dyn Error>> {
    for (call, cost) in costs {
        writeln!(to, "{call} {} {}", cost.instructions, cost.errno)?;
    }
    writeln!(to, "end")?;
    Ok(())
}

fn parse(line: &str) -> Result<(String, Cost), Box<dyn Error>> {
    let words: Vec<_> = line.split(' ').collect();
    let &[call, instructions, errno] = &words[..] else {
        return Err(line.into());
    };
    let (instructions, errno) = (instructions.parse()?, errno.parse()?);
    Ok((
        call.to_owned(),
        Cost {
            instructions,
            errno,
        },
    ))
}

fn become_caller(caller: Caller, owner: u32) -> kselftest::errno::SyscallResult {
    let (uid, gid) = match caller {
        Caller::Owner => (owner, owner),
        Caller::Group => (owner + 1, owner),
        Caller::Acl => (owner + 1, STRANGER),
        Caller::Other => (STRANGER, STRANGER),
        Caller::Root => (0, 0),
        // Its root is in the extent of the owner.
        Caller::NsRoot => {
            let map = format!("0 {} 1\n1 {owner} 1\n", owner + 1);
            return UserNs::with(&map)?.enter(0, 0);
        }
    };
    set_ids([uid; 3], [gid; 3], &[])
}
