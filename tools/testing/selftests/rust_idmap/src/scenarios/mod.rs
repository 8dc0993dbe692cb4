// SPDX-License-Identifier: GPL-2.0

//! Tests of more than one system call.

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
use crate::op::{show, Missing};
use crate::runner::Test;
use kselftest::filesystem::{Feature, Filesystem};
use kselftest::ktap::Outcome;

/// The filesystems that a scenario runs on.
#[derive(Clone, Copy)]
pub(super) enum On {
    /// These types.
    Types(&'static [Filesystem]),
    /// All types with these features.
    With(&'static [Feature]),
}

/// Something that is gone through on some filesystems.
struct Scenario {
    /// The part of the kernel and the subject.
    name: &'static str,
    on: On,
    run: fn(&Fixture, &CallerNamespaces) -> Outcome,
    /// Why it is known to fail on kernels of today.
    known: Option<&'static str>,
}

/// A scenario that passes.
const fn scenario(
    name: &'static str,
    on: On,
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
const ON_DISKS: On = On::With(&[Feature::Owners, Feature::Handles, Feature::Cache]);
/// Filesystems that store owners.
const WITH_OWNERS: On = On::With(&[Feature::Owners]);

impl Scenario {
    /// Returns the reason why the scenario cannot run on a filesystem, if there is one.
    fn missing(&self, kind: Filesystem) -> Option<Missing> {
        match self.on {
            On::Types(types) => {
                let is_one = types.iter().any(|one| one.name == kind.name);
                (!is_one).then_some(Missing::Type)
            }
            On::With(features) => kind.missing_of(features).map(Missing::Feature),
        }
    }
}

/// Returns the names of the scenarios that cannot run on a filesystem, and the reasons.
pub(crate) fn left_out(kind: Filesystem) -> Vec<(Missing, &'static str)> {
    let all = ALL.iter().flat_map(|part| part.iter());
    all.filter_map(|scenario| Some((scenario.missing(kind)?, scenario.name)))
        .collect()
}

/// The tests on one filesystem.
pub(crate) fn tests<'a>(fixture: &'a Fixture, namespaces: &'a CallerNamespaces) -> Vec<Test<'a>> {
    let all = ALL.iter().flat_map(|part| part.iter());
    all.filter(|scenario| scenario.missing(fixture.kind).is_none())
        .map(|scenario| {
            let name = format!("{}.{}", scenario.name, fixture.kind.name);
            Test::new(name, move || (scenario.run)(fixture, namespaces)).known(scenario.known)
        })
        .collect()
}

/// Compares a result with the expected one, and adds a message if they differ.
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
