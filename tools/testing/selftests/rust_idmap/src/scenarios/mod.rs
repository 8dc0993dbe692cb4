// SPDX-License-Identifier: GPL-2.0

//! What takes more than one call by one caller.

mod af_unix;
mod apparmor;
mod audit;
mod exportfs;
mod ext4;
mod ima;
mod may_follow_link;
mod overlayfs;
mod quota;

use crate::caller::{CallerNamespaces, CallerNs, Who};
use crate::fixture::Fixture;
use crate::op::show;
use crate::runner::Test;
use kselftest::filesystem::{Filesystem, BTRFS, EXT4, OVERLAY, RUST_IDMAPFS, TMPFS, XFS};
use kselftest::ktap::Outcome;

/// Something that is gone through on some filesystems.
struct Scenario {
    /// Its part of the series, and what it is about.
    name: &'static str,
    on: &'static [Filesystem],
    run: fn(&Fixture, &CallerNamespaces) -> Outcome,
    /// Why it is known to fail on kernels of today.
    known: Option<&'static str>,
}

/// A scenario that passes.
const fn scenario(
    name: &'static str,
    on: &'static [Filesystem],
    run: fn(&Fixture, &CallerNamespaces) -> Outcome,
) -> Scenario {
    Scenario {
        name,
        on,
        run,
        known: None,
    }
}

const ALL: &[&[Scenario]] = &[
    af_unix::ALL,
    apparmor::ALL,
    audit::ALL,
    exportfs::ALL,
    ext4::ALL,
    ima::ALL,
    may_follow_link::ALL,
    overlayfs::ALL,
    quota::ALL,
];

/// Filesystems that store owners and are made on an image.
const ON_DISKS: &[Filesystem] = &[EXT4, XFS, BTRFS];
/// Filesystems that store owners.
const WITH_OWNERS: &[Filesystem] = &[TMPFS, EXT4, XFS, BTRFS, OVERLAY, RUST_IDMAPFS];

/// The tests on one filesystem.
pub(crate) fn tests<'a>(fixture: &'a Fixture, namespaces: &'a CallerNamespaces) -> Vec<Test<'a>> {
    let all = ALL.iter().flat_map(|part| part.iter());
    all.filter(|scenario| scenario.on.contains(&fixture.kind))
        .map(|scenario| {
            let name = format!("{}.{}", scenario.name, fixture.kind.name);
            Test::new(name, move || (scenario.run)(fixture, namespaces)).known(scenario.known)
        })
        .collect()
}

/// Compares an answer, and notes what is wrong.
fn note(
    wrong: &mut String,
    (who, ns): (Who, CallerNs),
    answer: crate::caller::SyscallResult,
    expected: crate::caller::SyscallResult,
) {
    if answer != expected {
        let (who, ns) = (who.name(), ns.name());
        *wrong += &format!("{who}, {ns}: {}, not {}\n", show(answer), show(expected));
    }
}

/// Fails if something was noted.
fn nothing(wrong: String) -> Outcome {
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(kselftest::ktap::Failure::Failed(wrong)),
    }
}
