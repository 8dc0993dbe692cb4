// SPDX-License-Identifier: GPL-2.0

//! `confinement`: the checker of nested idmaps, with arguments.

use clap::Parser;
use confinement::{
    model::Condition,
    search::{self, Report, Until},
    worlds::{self, Kind},
};
use std::{process::ExitCode, thread, time::Instant};

/// Checks that nested idmaps give no caller a right.
#[derive(Parser)]
struct Args {
    /// Check all worlds of this many ids (3 to 5).
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=5))]
    all: Option<u32>,
    /// With --all: combine each kind of users with this many kinds of groups, and the reverse. 0:
    /// all with all.
    #[arg(long, default_value_t = 8)]
    partners: usize,
    /// Check this many random worlds.
    #[arg(long, default_value_t = 0)]
    random: u64,
    /// How many ids random worlds have (3 to 8).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(3..=8))]
    ids: u32,
    /// The seed of the random worlds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave a condition of the rule out. A counterexample is expected then.
    #[arg(long, value_enum)]
    without: Option<Condition>,
    /// How many threads to use.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut found = 0;
    if let Some(count) = args.all {
        let start = Instant::now();
        let (kinds, tally) = worlds::all_kinds(count);
        println!(
            "{} triples of maps over {count} ids are composed as defined; {} kinds ({:.1} s)",
            tally.triples,
            tally.kinds,
            start.elapsed().as_secs_f64()
        );
        let pairs = worlds::pairs(&kinds, args.partners);
        println!("{} pairs of kinds", pairs.len());
        for entries in 0..2 {
            let name = format!("permissions, {entries} ACL entries");
            found += all(&args, &name, &pairs, |users, groups| {
                search::permissions(count, users, groups, entries)
            });
        }
        found += all(&args, "operations", &pairs, |users, groups| {
            search::operations(count, users, groups)
        });
    }
    if args.random > 0 {
        let start = Instant::now();
        let each = args.random.div_ceil(args.threads.max(1) as u64);
        let report = run(args.threads, |thread| {
            let seed = args.seed.wrapping_mul(1000).wrapping_add(thread as u64);
            search::random(seed, args.ids, args.without, Until::Worlds(each))
        });
        found += tell("random worlds", start, &report);
    }
    let expected = args.without.is_some();
    match (found > 0) == expected {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs a function in some threads, and adds up.
fn run(threads: usize, f: impl Fn(usize) -> Report + Sync) -> Report {
    let f = &f;
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1))
            .map(|n| scope.spawn(move || f(n)))
            .collect();
        let mut report = Report::default();
        for handle in handles {
            report += handle.join().expect("a thread does not panic");
        }
        report
    })
}

/// Checks all pairs.
fn all(
    args: &Args,
    name: &str,
    pairs: &[(&Kind, &Kind)],
    check: impl Fn(&Kind, &Kind) -> Report + Sync,
) -> u64 {
    let start = Instant::now();
    let threads = args.threads.max(1);
    let report = run(threads, |thread| {
        let mut report = Report::default();
        for (users, groups) in pairs.iter().skip(thread).step_by(threads) {
            report += check(users, groups);
        }
        report
    });
    tell(name, start, &report)
}

fn tell(name: &str, start: Instant, report: &Report) -> u64 {
    println!(
        "{name}: {} worlds ({} refused), {} inodes, {} credentials tried: {} counterexamples \
         ({:.1} s)",
        report.worlds,
        report.refused,
        report.targets,
        report.tried,
        report.found,
        start.elapsed().as_secs_f64()
    );
    if let Some((_, story)) = &report.simplest {
        print!("{story}");
    }
    report.found
}
