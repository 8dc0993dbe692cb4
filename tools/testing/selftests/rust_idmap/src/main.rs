// SPDX-License-Identifier: GPL-2.0

//! Tests of idmapped mounts: what users of `mount_setattr()`, and of files through mounts with
//! maps, must see. Prints KTAP.
//!
//! ```text
//! rust_idmap              all tests
//! rust_idmap NAME...      those whose names begin with one of these
//! rust_idmap --list       their names
//! ```
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

use kselftest::filesystem::{self, Filesystem, MSDOS};
use kselftest::ktap::{failed, Context, Failure, Printer};
use kselftest::{mounts, process};
use rustix::fs::Mode;
use rustix::mount::{mount, MountFlags};

use caller::CallerNamespaces;
use fixture::Fixture;
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

/// As what this program was started, for tests that start it.
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
    if let Some(unknown) = options.iter().find(|it| **it != "--list") {
        return Err(failed(format_args!("{unknown}: the only option is --list")));
    }
    let list = options.contains(&"--list");
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
    let fixtures: Vec<(Filesystem, Result<Fixture, Failure>)> = filesystem::ALL
        .into_iter()
        .filter(|kind| *kind != MSDOS)
        .map(|kind| {
            (
                kind,
                Fixture::new(kind, &Path::new(ROOT).join(kind.name), &namespaces),
            )
        })
        .collect();

    let mut groups = vec![setattr::tests()];
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
    Ok(runner::run(groups))
}
