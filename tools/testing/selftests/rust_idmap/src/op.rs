// SPDX-License-Identifier: GPL-2.0

//! Operations: each is tried by all callers from all user namespaces, and its result is compared
//! with the expected one.

use std::env::set_current_dir;

use kselftest::filesystem::{Feature, Filesystem};
use kselftest::ktap::{failed, Failure, Outcome};
use rustix::io::Errno;

use crate::caller::{CallerNamespaces, CallerNs, SyscallResult, Who};
use crate::fixture::{Fixture, TestCase};
use crate::runner::Test;

pub(crate) const OK: SyscallResult = Ok(0);
/// The mode bits or an ACL deny the access.
pub(crate) const EACCES: SyscallResult = Err(Errno::ACCESS);
/// Only the owner, or a caller with a capability over the inode, may do this.
pub(crate) const EPERM: SyscallResult = Err(Errno::PERM);
/// An id that cannot be stored.
pub(crate) const EOVERFLOW: SyscallResult = Err(Errno::OVERFLOW);
pub(crate) const EINVAL: SyscallResult = Err(Errno::INVAL);

type SetUp = fn(&TestCase) -> Result<(), Failure>;
type After = fn(&TestCase) -> Result<(), Failure>;
type Expect = Box<dyn Fn(&TestCase) -> SyscallResult>;

/// An operation.
pub(crate) struct Op {
    /// The part of the kernel and the subject.
    name: &'static str,
    call: fn(&TestCase) -> SyscallResult,
    expect: Expect,
    set_up: Vec<SetUp>,
    after: Vec<After>,
    needs: Vec<Feature>,
    only_on: Vec<Filesystem>,
    known: Option<(Filesystem, &'static str)>,
}

/// Starts an operation: its name, and the system calls of the caller, in the directory of the case.
pub(crate) fn op(name: &'static str, call: fn(&TestCase) -> SyscallResult) -> Op {
    Op {
        name,
        call,
        expect: Box::new(|_| OK),
        set_up: Vec::new(),
        after: Vec::new(),
        needs: vec![Feature::Owners],
        only_on: Vec::new(),
        known: None,
    }
}

impl Op {
    /// Sets the expected results of the owner, a member of the group, a stranger, an unmapped
    /// caller, and a caller with capabilities.
    pub(crate) fn each(self, answers: [SyscallResult; 5]) -> Self {
        self.by(move |case| {
            let callers = Who::ALL.iter().zip(answers);
            callers
                .into_iter()
                .find(|(who, _)| **who == case.who)
                .map_or(OK, |(_, it)| it)
        })
    }

    /// Sets a function that computes the expected result.
    pub(crate) fn by(mut self, rule: impl Fn(&TestCase) -> SyscallResult + 'static) -> Self {
        self.expect = Box::new(rule);
        self
    }

    /// Adds a preparation on disk, by root.
    pub(crate) fn with(mut self, set_up: SetUp) -> Self {
        self.set_up.push(set_up);
        self
    }

    /// Adds a check of the disk after an operation that succeeds.
    pub(crate) fn then(mut self, after: After) -> Self {
        self.after.push(after);
        self
    }

    /// Requires a feature of the filesystem.
    pub(crate) fn needs(mut self, can: Feature) -> Self {
        self.needs.push(can);
        self
    }

    /// Runs on filesystems without owners, too.
    pub(crate) fn everywhere(mut self) -> Self {
        self.needs.retain(|can| *can != Feature::Owners);
        self
    }

    /// Runs on these filesystems only.
    pub(crate) fn only_on(mut self, kinds: &[Filesystem]) -> Self {
        self.only_on.extend(kinds);
        self
    }

    /// Expects a failure on one filesystem, for this reason.
    pub(crate) fn known(mut self, kind: Filesystem, why: &'static str) -> Self {
        self.known = Some((kind, why));
        self
    }

    /// Returns the reason why the operation cannot run on a filesystem, if there is one.
    fn missing(&self, kind: Filesystem) -> Option<Missing> {
        let types = &self.only_on;
        if !types.is_empty() && types.iter().all(|one| one.name != kind.name) {
            return Some(Missing::Type);
        }
        kind.missing_of(&self.needs).map(Missing::Feature)
    }

    /// Tries it with all callers from one namespace.
    fn run(&self, fixture: &Fixture, namespaces: &CallerNamespaces, ns: CallerNs) -> Outcome {
        let mut said = String::new();
        for who in Who::ALL {
            let case = fixture.case(who, ns)?;
            for set_up in &self.set_up {
                set_up(&case)?;
            }
            let expected = (self.expect)(&case);
            let before = expected.is_err().then(|| case.state()).transpose()?;
            let seen = &case.seen;
            set_current_dir(seen).map_err(|error| failed(format_args!("entering: {error}")))?;
            let answer = namespaces.run_as(who, ns, || (self.call)(&case));
            set_current_dir("/").map_err(failed)?;
            let mut note = |what: &str| said += &format!("{}: {what}\n", who.name());
            if answer != expected {
                note(&format!("{}, not {}", show(answer), show(expected)));
            } else if let Some(before) = before {
                // An operation that fails must not change the files.
                let after = case.state()?;
                if after != before {
                    note(&format!("refused, but {before:?} became {after:?}"));
                }
            } else {
                for after in &self.after {
                    // A file that cannot be examined is a failure as well.
                    if let Err(Failure::Failed(what) | Failure::Skipped(what)) = after(&case) {
                        note(&what);
                    }
                }
            }
        }
        match said.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(said)),
        }
    }
}

/// An answer in words.
pub(crate) fn show(answer: SyscallResult) -> String {
    match answer {
        Ok(value) => format!("done ({value:#o})"),
        Err(Errno::CANCELED) => "it died".to_owned(),
        Err(errno) => format!("{errno} ({})", errno.raw_os_error()),
    }
}

/// The reason why a test cannot run on a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It tests other types.
    Type,
    /// The filesystem lacks a feature.
    Feature(Feature),
}

/// Returns the names of the operations that cannot run on a filesystem, and the reasons.
pub(crate) fn left_out(ops: &[Op], kind: Filesystem) -> Vec<(Missing, &'static str)> {
    ops.iter()
        .filter_map(|op| Some((op.missing(kind)?, op.name)))
        .collect()
}

/// A test for each operation that runs on this filesystem, and each namespace.
pub(crate) fn tests<'a>(
    ops: &'a [Op],
    fixture: &'a Fixture,
    namespaces: &'a CallerNamespaces,
) -> Vec<Test<'a>> {
    let ops = ops.iter().filter(|op| op.missing(fixture.kind).is_none());
    ops.flat_map(|op| CallerNs::ALL.map(|ns| (op, ns)))
        .map(|(op, ns)| {
            let name = format!("{}.{}.{}", op.name, fixture.kind.name, ns.name());
            let known = op
                .known
                .filter(|(kind, _)| kind.name == fixture.kind.name)
                .map(|(_, why)| why);
            Test::new(name, move || op.run(fixture, namespaces, ns)).known(known)
        })
        .collect()
}
