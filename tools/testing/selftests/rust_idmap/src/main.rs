// SPDX-License-Identifier: GPL-2.0

//! Tests of `mount_setattr()` with `MOUNT_ATTR_IDMAP`, and of system calls on idmapped mounts.
//! Prints KTAP.
//!
//! ```text
//! rust_idmap              all tests
//! rust_idmap NAME...      those whose names begin with one of these
//! rust_idmap --list       their names
//! rust_idmap --on=TYPE    those that apply to one filesystem, which is made on an image
//! rust_idmap --on=TYPE:DEVICE     the same for the filesystem on a device
//! rust_idmap --on=TYPE:OPTIONS    the same for one that is mounted with these options
//! ```
//!
//! The filesystem may be any that the kernel has. The features that it lacks, and the tests that
//! need them, are shown as skipped.
//!
//! Needs root. Everything happens in a mount namespace of its own, on filesystems in images in
//! memory, and is gone at the end.

mod attr;
mod caller;
mod calls;
mod fixture;
mod netlink;
mod op;
mod ops;
mod ring;
mod runner;
mod scenarios;
mod setattr;
mod sysctl;

use std::path::Path;
use std::process::ExitCode;

use kselftest::filesystem::{self, Feature, Filesystem, MSDOS};
use kselftest::ktap::{failed, skipped, Context, Failure, Printer};
use kselftest::target::{Mounted, Target};
use kselftest::{mounts, process};
use rustix::fs::Mode;
use rustix::mount::{mount, MountFlags};

use caller::CallerNamespaces;
use fixture::Fixture;
use op::{Missing, Op};
use runner::Test;
use sysctl::Sysctl;

/// Where everything is mounted.
const ROOT: &str = "/run";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [question] = &arguments[..] {
        if let Some(answer) = about_itself(question) {
            println!("{answer}");
            return ExitCode::SUCCESS;
        }
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            Printer::new(std::io::stdout(), 1).result("set_up", &Err(failure));
            ExitCode::FAILURE
        }
    }
}

/// Returns the credentials of this process, for tests that execute this program.
fn about_itself(question: &str) -> Option<String> {
    let (user, group) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let net_raw = || {
        let sets = rustix::thread::capabilities(None).ok()?;
        Some(u8::from(
            sets.effective
                .contains(rustix::thread::CapabilitySet::NET_RAW),
        ))
    };
    match question {
        "--ids" => Some(format!("{user} {group}")),
        "--user" => Some(user.to_string()),
        "--group" => Some(group.to_string()),
        "--net-raw" => Some(net_raw()?.to_string()),
        "--dumpable" => Some(process::prctl(libc::PR_GET_DUMPABLE, 0).ok()?.to_string()),
        _ => None,
    }
}

fn run(arguments: &[String]) -> Result<bool, Failure> {
    let (options, wanted): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|it| it.starts_with("--"));
    let (mut list, mut target) = (false, None);
    for option in options {
        match (option, option.strip_prefix("--on=")) {
            ("--list", _) => list = true,
            (_, Some(text)) => target = Some(Target::parse(text)?),
            _ => {
                return Err(failed(format_args!(
                    "{option}: the options are --list and --on=TYPE[:DEVICE|:OPTIONS]"
                )));
            }
        }
    }
    rustix::process::umask(Mode::empty());
    mounts::new_namespace().context("creating a mount namespace (this needs root)")?;
    mount(
        "rust_idmap",
        ROOT,
        "tmpfs",
        MountFlags::empty(),
        c"mode=755",
    )
    .context("mounting a tmpfs")?;
    let settings = [
        ("fs/protected_symlinks", "1"),
        ("fs/protected_hardlinks", "1"),
        ("fs/protected_fifos", "1"),
        ("fs/protected_regular", "1"),
        ("fs/suid_dumpable", "0"),
        ("kernel/core_pattern", "core"),
        ("kernel/core_uses_pid", "0"),
    ];
    let settings = settings
        .iter()
        .map(|(name, value)| Sysctl::set(name, value));
    let _settings: Vec<Sysctl> = settings.collect::<Result<_, _>>()?;
    let namespaces = CallerNamespaces::new().context("making user namespaces")?;
    let ops = ops::all();
    let mounted = target.map(|target| target.mount(&Path::new(ROOT).join("target")));
    let mounted = mounted.transpose()?;
    let fixtures: Vec<(Filesystem, Result<Fixture, Failure>)> = match &mounted {
        Some(Mounted {
            filesystem,
            directory,
            ..
        }) => {
            let root = Path::new(ROOT).join("target");
            let fixture = Fixture::of(*filesystem, directory.clone(), &root, &namespaces);
            vec![(*filesystem, fixture)]
        }
        None => filesystem::ALL
            .into_iter()
            .filter(|kind| *kind != MSDOS)
            .map(|kind| {
                let root = Path::new(ROOT).join(kind.name);
                (kind, Fixture::new(kind, &root, &namespaces))
            })
            .collect(),
    };

    let mut groups = Vec::new();
    if mounted.is_none() {
        groups.push(setattr::tests());
    }
    for (kind, fixture) in &fixtures {
        groups.push(match fixture {
            Ok(fixture) => {
                let mut tests = op::tests(&ops, fixture, &namespaces);
                tests.extend(scenarios::tests(fixture, &namespaces));
                tests
            }
            Err(failure) => {
                let run = move || Err(failure.clone());
                vec![Test::new(format!("filesystem.{}", kind.name), run)]
            }
        });
        if mounted.is_some() {
            groups.push(left_out(*kind, &ops));
        }
    }
    if list {
        groups
            .iter()
            .flatten()
            .for_each(|test| println!("{}", test.name));
        return Ok(true);
    }
    if !wanted.is_empty() {
        let is_wanted = |test: &Test| wanted.iter().any(|name| test.name.starts_with(name));
        groups.iter_mut().for_each(|group| group.retain(is_wanted));
    }
    let good = runner::run(groups);
    drop(fixtures);
    if let Some(mounted) = mounted {
        mounted.remove()?;
    }
    Ok(good)
}

/// Returns a skipped test for each reason why tests cannot run on a filesystem.
fn left_out(kind: Filesystem, ops: &[Op]) -> Vec<Test<'static>> {
    let mut all = op::left_out(ops, kind);
    all.extend(scenarios::left_out(kind));
    let features = Feature::ALL.map(Missing::Feature);
    let reasons = features.into_iter().chain([Missing::Type]);
    let tests = reasons.filter_map(|reason| {
        let names = all.iter().filter(|(missing, _)| *missing == reason);
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        let (what, name) = match reason {
            Missing::Type => ("tests of other filesystems".to_owned(), "type"),
            Missing::Feature(feature) => {
                let name = feature.name();
                (format!("{} has no {name}", kind.name), name)
            }
        };
        let text = format!("{what}: {}", names.join(" "));
        let run = move || Err(skipped(&text));
        (!names.is_empty()).then(|| Test::new(format!("left_out.{}.{name}", kind.name), run))
    });
    tests.collect()
}
