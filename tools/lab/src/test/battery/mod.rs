// SPDX-License-Identifier: GPL-2.0

//! `make battery`: random operations by random users, which must have the same
//! results with both engines.

pub(super) mod step;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::guest::boot::{self, Job, Options, Outcome};
use crate::guest::{disks, exec, kvm};
use crate::lab::{Engine, Flavour, Lab};
use crate::ui;

/// The arguments of the guest program `differential`.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The seed of all random numbers.
    pub(crate) seed: u64,
    /// The number of operations.
    pub(crate) ops: u64,
    /// The only world in which operations run, if there is one.
    pub(crate) world: Option<u64>,
    /// The filesystem, if not those of [`USUAL`].
    pub(crate) on: Option<&'a str>,
}

/// The filesystems of which each must have each result in [`SEEN`].
const USUAL: &str = "tmpfs,ext4,vfat,overlay";

/// The number of operations from which each result in [`SEEN`] must occur.
pub(crate) const ENOUGH: u64 = 20_000;

/// The run of one engine.
pub(crate) struct Run {
    pub(crate) trace: String,
    pub(crate) outcome: Outcome,
}

/// Runs both engines. Returns 1 if their traces differ.
pub(crate) fn battery(lab: &Lab, wanted: Wanted<'_>) -> Result<u8> {
    let rust = run(lab, Engine::Rust, wanted)?;
    let c = run(lab, Engine::C, wanted)?;
    if let Some(difference) = difference(&rust.trace, &c.trace, wanted.seed) {
        println!("{difference}");
        return Ok(1);
    }
    let counts = counts(&rust.trace);
    let total: u64 = counts.values().sum();
    println!(
        "seed {}: {total} operations, {} kinds of results, the same with both engines",
        wanted.seed,
        counts.len()
    );
    let unseen = unseen(&rust.trace, wanted);
    for result in &unseen {
        println!("never seen: {result}");
    }
    Ok(u8::from(!unseen.is_empty()))
}

/// Runs the program in a guest with one engine, and keeps its trace as a log.
pub(crate) fn run(lab: &Lab, flavour: impl Into<Flavour>, wanted: Wanted<'_>) -> Result<Run> {
    let flavour = flavour.into();
    let machine = exec::machine(lab, flavour.clone())?;
    let log = format!("battery-{}", lab.name(&flavour));
    let Wanted {
        seed,
        ops,
        world,
        on,
    } = wanted;
    let on = on.unwrap_or(USUAL);
    // A shell parses the command.
    ensure!(
        on.chars().all(exec::is_of_word),
        "ON={on}: a filesystem is named by TYPE, TYPE:/DEVICE or TYPE:OPTIONS"
    );
    let only = world.map_or(String::new(), |world| format!("--world {world} "));
    let command = format!(
        "differential --seed {seed} --ops {ops} {only}--on {on} \
         --ext4 $DISK1 --vfat $DISK2_DEV{}",
        flavour.epilogue()
    );
    let mut options = Options::new(Job::Exec(command.into()), &log);
    options.parameters.extend(flavour.parameters());
    options.disks = disks::parse("ext4 vfat")?;
    // Many times the duration on the slowest machine so far.
    options.limit = Some(Duration::from_secs(300 + ops / 50) * flavour.patience());
    options.accelerator = kvm::best(&lab.cache, &machine)?;
    let label = format!("{ops} random operations, engine {flavour}");
    let outcome = ui::timed(&label, || boot::boot(&lab.cache, &machine, &options))?;
    let trace = String::from_utf8_lossy(&outcome.output).into_owned();
    let kept = lab.cache.log(&format!("{log}-trace"))?;
    fs::write(&kept, &trace).with_context(|| format!("cannot write {}", kept.display()))?;
    let status = outcome.status()?;
    let errors = String::from_utf8_lossy(&outcome.errors);
    ensure!(
        status == 0,
        "differential ended with status {status}: {errors}; its trace: {}",
        kept.display()
    );
    Ok(Run { trace, outcome })
}

/// Returns the first line in which two traces differ, and the command that repeats it.
pub(crate) fn difference(rust: &str, c: &str, seed: u64) -> Option<String> {
    if rust == c {
        return None;
    }
    let (mut ours, mut theirs) = (rust.lines(), c.lines());
    let mut world = "";
    for number in 1.. {
        let (our, their) = (ours.next(), theirs.next());
        if our == their {
            our?;
            if let Some(next) = our.and_then(|line| line.strip_prefix("world ")) {
                world = next;
            }
            continue;
        }
        let end = "the end of the trace";
        let world_number = world.split(' ').next().unwrap_or_default();
        return Some(format!(
            "seed {seed}, world {world}, line {number} of the trace:\n\
             \x20 rust: {}\n  c:    {}\n\
             only this world again: make battery SEED={seed} WORLD={world_number}",
            our.unwrap_or(end),
            their.unwrap_or(end),
        ));
    }
    None
}

/// Returns the number of each result of each kind of operation: "chown EPERM".
fn counts(trace: &str) -> BTreeMap<String, u64> {
    let lines = trace.lines().filter_map(|line| line.strip_prefix("count "));
    lines
        .filter_map(|line| {
            let (result, count) = line.rsplit_once(' ')?;
            Some((result.to_owned(), count.parse().ok()?))
        })
        .collect()
}

/// Returns the results that did not occur in a run of enough operations.
pub(crate) fn unseen(trace: &str, wanted: Wanted<'_>) -> Vec<String> {
    if wanted.ops < ENOUGH || wanted.world.is_some() || wanted.on.is_some() {
        return Vec::new();
    }
    let counts = counts(trace);
    let mut unseen = Vec::new();
    for (kind, results) in SEEN {
        for result in results.split(' ') {
            let result = format!("{kind} {result}");
            if !counts.contains_key(&result) {
                unseen.push(result);
            }
        }
    }
    unseen
}

/// The results of each kind of operation that must occur.
const SEEN: &[(&str, &str)] = &[
    ("access", "EACCES ok"),
    ("bind", "EACCES EPERM ok"),
    ("chattr", "EACCES EPERM EROFS ok"),
    ("chmod", "EACCES EOVERFLOW EPERM EROFS ok"),
    ("chown", "EACCES EOVERFLOW EPERM EROFS ok"),
    ("connect", "EACCES ECONNREFUSED"),
    ("create", "EACCES EOVERFLOW EPERM ok"),
    ("eaccess", "EACCES ok"),
    ("exec", "EACCES ok"),
    ("getcap", "EACCES ENODATA EOVERFLOW ok"),
    ("getfacl", "EACCES ENODATA ok"),
    ("getxattr", "EACCES ENODATA ok"),
    ("lchown", "EACCES EOVERFLOW EPERM EROFS ok"),
    ("lease", "EACCES ok"),
    ("link", "EACCES EOVERFLOW EPERM ok"),
    ("listxattr", "EACCES ok"),
    ("lstat", "EACCES ok"),
    ("mkdir", "EACCES EOVERFLOW ok"),
    ("mknod", "EACCES EOVERFLOW EPERM ok"),
    ("open", "EACCES EPERM ok"),
    ("readdir", "EACCES ok"),
    ("readlink", "EACCES"),
    ("removexattr", "EACCES ENODATA EPERM ok"),
    ("rename", "EACCES EOVERFLOW EPERM EROFS EXDEV ok"),
    ("rmdir", "EACCES EOVERFLOW EPERM EROFS"),
    ("setcap", "EACCES EPERM EROFS ok"),
    ("setfacl", "EACCES EPERM ok"),
    ("setxattr", "EACCES EPERM EROFS ok"),
    ("stat", "EACCES ok"),
    ("symlink", "EACCES EOVERFLOW EPERM ok"),
    ("tmpfile", "EACCES EOVERFLOW EROFS ok"),
    ("truncate", "EACCES ok"),
    ("unlink", "EACCES EOVERFLOW EPERM EROFS ok"),
    ("utimes", "EACCES EOVERFLOW EPERM ok"),
    ("write", "EACCES ok"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let rust = "world 7 on Ext4\n1 chown = ok\n2 chown = ok\n";
        assert_eq!(difference(rust, rust, 5), None);
        let c = "world 7 on Ext4\n1 chown = ok\n2 chown = EPERM\n";
        let text = difference(rust, c, 5).unwrap();
        assert!(text.contains("seed 5, world 7 on Ext4, line 3"), "{text}");
        assert!(text.contains("c:    2 chown = EPERM"), "{text}");
        assert!(text.ends_with("make battery SEED=5 WORLD=7"), "{text}");
        let short = "world 7 on Ext4\n1 chown = ok\n";
        let text = difference(rust, short, 5).unwrap();
        assert!(text.contains("c:    the end of the trace"), "{text}");
    }

    #[test]
    fn what_was_never_seen_is_named() {
        let wanted = Wanted {
            seed: 1,
            ops: ENOUGH,
            world: None,
            on: None,
        };
        let all: String = SEEN
            .iter()
            .flat_map(|(kind, results)| {
                let line = move |result| format!("count {kind} {result} 1\n");
                results.split(' ').map(line)
            })
            .collect();
        assert_eq!(unseen(&all, wanted), Vec::<String>::new());
        let less = all.replace("count chown EPERM 1\n", "");
        assert_eq!(unseen(&less, wanted), ["chown EPERM"]);
        let few = Wanted { ops: 500, ..wanted };
        assert!(unseen("", few).is_empty());
        let other = Wanted {
            on: Some("minix"),
            ..wanted
        };
        assert!(unseen("", other).is_empty());
    }
}
