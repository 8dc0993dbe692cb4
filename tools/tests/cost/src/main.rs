// SPDX-License-Identifier: GPL-2.0

//! What calls cost on idmapped mounts.
//!
//! Meant for a guest whose clock counts instructions (QEMU's `-icount shift=0,sleep=off`): there a
//! nanosecond of `clock_gettime()` is an instruction.
//!
//! `cost calls` measures calls by each caller through each map on each filesystem, and prints a line
//! for each, with the call's error number (0 if there was none):
//!
//! ```text
//! FILESYSTEM MAP CALLER CALL INSTRUCTIONS ERRNO
//! ```
//!
//! and then, as `cost making` does alone, a line for each size of a map with the instructions of
//! idmapping a mount, `make EXTENTS - first` and `again`, in the same columns.
//!
//! `cost many MOUNTS NAMESPACES` makes, lists, uses and removes many mounts. `cost saved FILES
//! CONTAINERS...` gives containers the same files in several ways.

mod caller;
mod calls;
mod clock;
mod making;
mod many;
mod saved;
mod tree;

use caller::Caller;
use clock::Cost;
use std::{env, error::Error, fs, process::ExitCode};
use tree::{Filesystem, Map, Position, Tree};

/// How many processes try each call. The least is what counts: now and then a process finds the
/// kernel's clocks in a state in which time stamps cost a little more all the time.
const TRIES: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        // What `calls` executes.
        ["exit"] => return ExitCode::SUCCESS,
        [] | ["calls"] => calls(),
        ["making"] => making(),
        ["many", mounts, namespaces] => many(mounts, namespaces),
        ["saved", files, ref containers @ ..] => saved(files, containers),
        _ => Err(
            "expected calls, making, many MOUNTS NAMESPACES, or saved FILES CONTAINERS...".into(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The maps that are tried on a filesystem.
fn maps(filesystem: Filesystem) -> Vec<Map> {
    let map = |extents, position| Map { extents, position };
    let some = vec![
        map(0, Position::First),
        map(1, Position::First),
        map(340, Position::Middle),
    ];
    let many = [5, 340].into_iter().flat_map(|extents| {
        [
            Position::First,
            Position::Middle,
            Position::Last,
            Position::Outside,
        ]
        .map(|position| map(extents, position))
    });
    match filesystem {
        Filesystem::Tmpfs => some
            .into_iter()
            .take(2)
            .chain([map(1, Position::Outside)])
            .chain(many)
            .collect(),
        Filesystem::Ext4 | Filesystem::Overlay => some,
    }
}

fn callers(map: Map) -> &'static [Caller] {
    use Caller::{Acl, Group, NsRoot, Other, Owner, Root};
    if map.position == Position::Outside {
        // Nobody can be the owner.
        return &[Other, Root];
    }
    &[Owner, Group, Other, Acl, Root, NsRoot]
}

fn calls() -> Result<(), Box<dyn Error>> {
    // The instructions of execve() depend on the addresses that it chooses.
    fs::write("/proc/sys/kernel/randomize_va_space", "0")?;
    for filesystem in [Filesystem::Tmpfs, Filesystem::Ext4, Filesystem::Overlay] {
        for map in maps(filesystem) {
            // Each try has new files, so that all begin alike.
            let tries = (0..TRIES).map(|_| try_calls(filesystem, map));
            let tries = tries.collect::<Result<Vec<_>, _>>()?;
            for (at, (caller, call, cost)) in tries[0].iter().enumerate() {
                let same = tries.iter().filter_map(|costs| costs.get(at));
                let least = same.map(|(.., cost)| cost.instructions).min();
                let least = least.unwrap_or(cost.instructions);
                println!("{filesystem} {map} {caller} {call} {least} {}", cost.errno);
            }
        }
    }
    making()
}

/// A caller, a call and its cost.
type CallCost = (Caller, String, Cost);

/// The costs of all calls of all callers.
fn try_calls(filesystem: Filesystem, map: Map) -> Result<Vec<CallCost>, Box<dyn Error>> {
    let _tree = Tree::new(filesystem, map)?;
    let mut all = Vec::new();
    for &caller in callers(map) {
        let costs = caller::measure(caller, map)?;
        all.extend(costs.into_iter().map(|(call, cost)| (caller, call, cost)));
    }
    Ok(all)
}

fn many(mounts: &str, namespaces: &str) -> Result<(), Box<dyn Error>> {
    many::run(mounts.parse()?, namespaces.parse()?)
}

fn saved(files: &str, containers: &[&str]) -> Result<(), Box<dyn Error>> {
    let numbers = containers.iter().map(|number| number.parse());
    saved::run(files.parse()?, &numbers.collect::<Result<Vec<_>, _>>()?)
}

fn making() -> Result<(), Box<dyn Error>> {
    let plain = Map {
        extents: 0,
        position: Position::First,
    };
    let _tree = Tree::new(Filesystem::Tmpfs, plain)?;
    for extents in [1, 5, 340] {
        let making = making::measure(tree::SEEN, extents)?;
        println!("make {extents} - first {} 0", making.first);
        println!("make {extents} - again {} 0", making.again);
    }
    Ok(())
}
