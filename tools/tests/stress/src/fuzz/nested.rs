// SPDX-License-Identifier: GPL-2.0

//! The same calls by root of a user namespace that the filesystems do not belong to, where the
//! kernel offers nested idmaps.

use std::{fs, io::Write, path::Path};

use kselftest::{
    ktap::{Failure, failed, skipped},
    mounts,
    process::Child,
    rng::Rng,
    userns,
};

use super::{ARENA, Answers, Arena, Ran};
use crate::Found;

/// The sysctl that offers nested idmaps.
const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";
/// The map of the caller's user namespace: the ids are those of the initial one.
const OWN: &str = "0 0 65536";

/// Makes the calls with the sysctl at 1.
pub(crate) fn fuzz(calls: u64, seed: u64) -> Result<Found, Failure> {
    if !Path::new(SYSCTL).exists() {
        return Err(skipped("this kernel has no nested idmaps"));
    }
    let setting = fs::read_to_string(SYSCTL)?;
    fs::write(SYSCTL, "1")?;
    let found = super::fuzz(calls, seed, run);
    fs::write(SYSCTL, setting)?;
    found
}

/// Makes the calls of each arena in a child process.
fn run(calls: u64, rng: &mut Rng) -> Result<Ran, Failure> {
    let mut answers = Answers::new();
    let mut kept = Ok(());
    let mut done = 0;
    while done < calls {
        Arena::mount()?;
        let round = ARENA.min(calls - done);
        let own = userns::UserNs::with(OWN)?;
        let seed = rng.next();
        let child = Child::start(|output| {
            let text = match as_root_of(&own, round, seed) {
                Ok(answers) => encode(&answers),
                Err(failure) => failure.to_string(),
            };
            // The parent finds no counts if it reads nothing.
            let _ = output.write_all(text.as_bytes());
        })?;
        let text = String::from_utf8(child.output()?)?;
        for (call, count) in decode(&text).ok_or_else(|| failed(&text))? {
            *answers.entry(call).or_default() += count;
        }
        drop(own);
        let arena = Arena::open()?;
        kept = kept.and_then(|()| arena.check());
        arena.close()?;
        done += round;
    }
    Ok((answers, kept))
}

fn as_root_of(own: &userns::UserNs, calls: u64, seed: u64) -> Result<Answers, Failure> {
    own.enter(0, 0)?;
    mounts::new_namespace()?;
    let mut arena = Arena::open()?;
    let mut rng = Rng::new(seed);
    let mut answers = Answers::new();
    for _ in 0..calls {
        *answers.entry(arena.call(&mut rng)).or_default() += 1;
    }
    arena.check()?;
    Ok(answers)
}

/// Formats counts, one in a line.
fn encode(answers: &Answers) -> String {
    let line =
        |((call, answer), count): (&(&str, String), &u64)| format!("{call}\t{answer}\t{count}\n");
    answers.iter().map(line).collect()
}

/// Reads counts. [`None`] if the text is something else.
fn decode(text: &str) -> Option<Answers> {
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let name = fields.next()?;
        let call = ["mount_setattr", "open_tree_attr"]
            .into_iter()
            .find(|call| *call == name)?;
        let answer = fields.next()?.to_owned();
        Some(((call, answer), fields.next()?.parse().ok()?))
    };
    let answers: Option<Answers> = text.lines().map(line).collect();
    answers.filter(|answers| !answers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_back() {
        let mut answers = Answers::new();
        answers.insert(("mount_setattr", "EPERM".to_owned()), 7);
        answers.insert(("open_tree_attr", "done, with a map".to_owned()), 1);
        assert_eq!(decode(&encode(&answers)), Some(answers));
        assert_eq!(decode("Operation not permitted"), None);
        assert_eq!(decode(""), None);
    }
}
