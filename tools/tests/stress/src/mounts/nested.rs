// SPDX-License-Identifier: GPL-2.0

//! The same storm by root of a user namespace that the filesystem does not belong to, where the
//! kernel offers nested idmaps.

use std::{
    fs,
    io::Write,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use kselftest::{
    ktap::{Failure, failed, skipped},
    mounts,
    process::Child,
    userns::UserNs,
};

use super::Shared;
use crate::Found;

/// The sysctl that offers nested idmaps.
const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";
/// The map of the user namespace: the ids are those of the initial one.
const OWN: &str = "0 0 65536";

/// Runs the storm with the sysctl at 1.
pub(crate) fn mounts(duration: Duration) -> Result<Found, Failure> {
    if !Path::new(SYSCTL).exists() {
        return Err(skipped("this kernel has no nested idmaps"));
    }
    let setting = fs::read_to_string(SYSCTL)?;
    fs::write(SYSCTL, "1")?;
    let found = super::mounts(duration, run_workers);
    fs::write(SYSCTL, setting)?;
    found
}

/// Runs the threads in a child process.
fn run_workers(workers: u32, duration: Duration, rounds: u64) -> Result<Shared, Failure> {
    let own = UserNs::with(OWN)?;
    let child = Child::start(|output| {
        let text = match as_root_of(&own, workers, duration, rounds) {
            Ok(shared) => encode(shared),
            Err(failure) => failure.to_string(),
        };
        // The parent finds no counts if it reads nothing.
        let _ = output.write_all(text.as_bytes());
    })?;
    let text = String::from_utf8(child.output()?)?;
    decode(&text).ok_or_else(|| failed(text))
}

fn as_root_of(
    own: &UserNs,
    workers: u32,
    duration: Duration,
    rounds: u64,
) -> Result<Shared, Failure> {
    own.enter(0, 0)?;
    mounts::new_namespace()?;
    super::run(Shared::new(workers, true), duration, rounds)
}

/// Formats the counts, and then a line for each failure.
fn encode(shared: Shared) -> String {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counts = [&shared.rounds, &shared.looks, &shared.made].map(count);
    let wrong = shared.wrong.into_inner().unwrap_or_default();
    format!(
        "{} {} {}\n{}",
        counts[0],
        counts[1],
        counts[2],
        wrong.join("\n")
    )
}

/// Reads what [`encode()`] has formatted. [`None`] if the text is something else.
fn decode(text: &str) -> Option<Shared> {
    let (counts, wrong) = text.split_once('\n')?;
    let counts: Result<Vec<u64>, _> = counts.split(' ').map(str::parse).collect();
    let [rounds, looks, made] = counts.ok()?.try_into().ok()?;
    let shared = Shared::new(0, true);
    for (place, count) in [
        (&shared.rounds, rounds),
        (&shared.looks, looks),
        (&shared.made, made),
    ] {
        place.store(count, Ordering::Relaxed);
    }
    wrong.lines().for_each(|line| shared.note(line.to_owned()));
    Some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_back() {
        let shared = Shared::new(2, true);
        shared.rounds.store(7, Ordering::Relaxed);
        shared.note("an owner".to_owned());
        let text = encode(shared);
        assert_eq!(text, "7 0 0\nan owner");
        assert_eq!(encode(decode(&text).unwrap()), text);
        assert!(decode("Operation not permitted").is_none());
    }
}
