// SPDX-License-Identifier: GPL-2.0

//! `explain --try` changes nothing: after each attempt, and after each signal, every byte and every
//! attribute of a random tree is as before.
//!
//! These tests need root; each makes a mount namespace of its own. The number of attempts of the
//! long form is given by `MOUNT_IDMAPPED_ATTEMPTS`, the first seed by `MOUNT_IDMAPPED_SEED`, and
//! another program to run by `MOUNT_IDMAPPED`.

mod races;
mod random;
mod rows;
mod snapshot;
mod world;

use std::{
    env,
    ffi::OsString,
    fs,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use idmap::{
    Step,
    explain::{Caller, Explainer, Request, Stand, Told, UserNsView},
};

use rustix::io::Errno;

use self::{random::Random, snapshot::Snapshot, world::World};

/// Whether this is root; these tests say so if not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: this needs root");
    }
    root
}

/// The program that is run.
fn program() -> OsString {
    let program = env::var_os("MOUNT_IDMAPPED");
    program.unwrap_or_else(|| env!("CARGO_BIN_EXE_mount-idmapped").into())
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// What came of the attempts.
#[derive(Default, Debug)]
struct Tally {
    attempts: u64,
    worked: u64,
    failed: u64,
    untried: u64,
    differ: u64,
    killed: u64,
}

#[test]
fn attempts_and_signals_change_nothing() {
    if !is_root() {
        return;
    }
    adopt_orphans();
    let attempts = number("MOUNT_IDMAPPED_ATTEMPTS", 400);
    let first = number("MOUNT_IDMAPPED_SEED", 1);
    let mut tally = Tally::default();
    let mut seed = first;
    while tally.attempts < attempts {
        let mut random = Random::new(seed);
        let world = World::new(&mut random);
        let before = Snapshot::of(world.roots());
        for _ in 0..100 {
            step(&mut random, &world, &before, &mut tally, seed);
        }
        if seed % 50 == 0 {
            eprintln!("seed {seed}: {tally:?}");
        }
        seed += 1;
    }
    eprintln!("seeds {first} to {}: {tally:?}", seed - 1);
    let often = attempts / 40;
    for count in [tally.worked, tally.failed, tally.killed] {
        assert!(count >= often, "too little was tried: {tally:?}");
    }
    assert!(tally.untried < tally.attempts / 4, "{tally:?}");
    assert_eq!(tally.differ, 0, "{tally:?}");
}

/// One attempt or signal. `before` is the tree as it was made and as each step has to leave it.
fn step(random: &mut Random, world: &World, before: &Snapshot, tally: &mut Tally, seed: u64) {
    let (caller, place, options) = world.caller(random);
    let path = world.path(random, place);
    let operation = world.operation(random, place);
    let what = format!(
        "seed {seed}: {operation} of {} by {options:?}",
        path.display()
    );
    tally.attempts += 1;
    if random.once_in(8) {
        tally.killed += u64::from(kill(random, &options, &operation.to_string(), &path));
        wait_for_orphans(Some(world.process()), &what);
    } else {
        let attempt = || -> Result<(bool, bool), idmap::Error> {
            let caller = match &caller {
                world::Who::Us => Caller::current()?,
                world::Who::User(user, group) => {
                    Caller::in_namespace(UserNsView::ours()?, *user, *group, &[])?
                }
                world::Who::Process(pid) => Caller::of_process(*pid)?,
            };
            let explainer = Explainer::new(Told::default());
            let request = Request {
                caller: &caller,
                operation: operation.clone(),
                path: path.clone(),
            };
            let target = explainer.lookup(&request)?;
            let explained = explainer.check(&caller, &operation, &target)?;
            let tried = Stand::new(&caller)?.try_on(&operation, &target)?;
            // That a filesystem is full is not foreseen.
            let same = explained.is_like(&tried) || tried.answer == Err(Errno::NOSPC);
            if !same {
                eprintln!("{what}: explained {explained:?}, tried {tried:?}");
            }
            Ok((tried.answer.is_ok(), same))
        };
        match attempt() {
            Ok((worked, same)) => {
                tally.worked += u64::from(worked);
                tally.failed += u64::from(!worked);
                tally.differ += u64::from(!same);
            }
            Err(error)
                if matches!(
                    error.step,
                    Step::Try | Step::LookAtObject | Step::LookAtMount
                ) =>
            {
                if env::var_os("MOUNT_IDMAPPED_VERBOSE").is_some() {
                    eprintln!("{what}: {error}");
                }
                tally.untried += 1;
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
    before.compare(&Snapshot::of(world.roots()), &what);
}

/// Runs the program and ends it by a signal; whether the signal came in time.
fn kill(random: &mut Random, options: &[String], operation: &str, path: &std::path::Path) -> bool {
    let mut child = Command::new(program())
        .arg("explain")
        .args(options)
        .arg(format!("--op={operation}"))
        .arg("--try")
        .arg("--")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    sleep(Duration::from_micros(u64::from(random.below(9000))));
    let signal = random.pick(&[
        libc::SIGKILL,
        libc::SIGKILL,
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
    ]);
    // SAFETY: This call takes no pointer, and the child has not been waited for.
    unsafe { libc::kill(child.id() as i32, signal) };
    let status = child.wait().expect("the program ends");
    std::os::unix::process::ExitStatusExt::signal(&status).is_some()
}

/// Makes processes that a killed program leaves children of this one.
fn adopt_orphans() {
    let this = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(this)).expect("prctl");
}

/// Waits for the processes that a killed program has left, of which the last removes the names that
/// were made. They became children of this process, and `known` is another child.
fn wait_for_orphans(known: Option<u32>, what: &str) {
    let start = Instant::now();
    loop {
        let mut left = false;
        for pid in children().into_iter().filter(|pid| Some(*pid) != known) {
            left = true;
            let flags = libc::WNOHANG | libc::__WALL;
            // SAFETY: The status may be missing; nobody else waits for this process.
            unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), flags) };
        }
        if !left {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what}: a process is left"
        );
        sleep(Duration::from_micros(200));
    }
}

/// The children of the main thread. Processes without a parent become such; those that other tests
/// start are children of other threads.
fn children() -> Vec<u32> {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    let list = fs::read_to_string(path).expect("the children of this process");
    list.split_ascii_whitespace()
        .map(|pid| pid.parse().expect("a process id"))
        .collect()
}
