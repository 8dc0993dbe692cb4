// SPDX-License-Identifier: GPL-2.0

//! A test: system calls, their expected results, and the failures.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use kselftest::errno;
use kselftest::errno::SyscallResult;
use rustix::io::Errno;

use crate::test_mount::TestMount;

/// The end of a test that cannot go on, after a recorded failure.
pub(crate) struct Stop;

/// How a test ends.
pub(crate) type Case = Result<(), Stop>;

/// A test by name.
pub(crate) type Named = (&'static str, fn(&Test) -> Case);

/// A test that is running.
pub(crate) struct Test<'a> {
    /// Where it runs.
    pub(crate) mount: &'a TestMount,
    /// An empty directory of root's for it alone.
    dir: PathBuf,
    notes: Mutex<Notes>,
}

/// The results of a test so far. They are shared, since a test may use other threads.
#[derive(Default)]
struct Notes {
    checks: usize,
    wrong: Vec<String>,
}

impl<'a> Test<'a> {
    pub(crate) fn new(mount: &'a TestMount, dir: PathBuf) -> Self {
        Self {
            mount,
            dir,
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a check, and records its failure.
    fn note(&self, wrong: Option<String>) {
        let mut notes = self.notes();
        notes.checks += 1;
        notes.wrong.extend(wrong);
    }

    /// The directory of this test.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path in the directory of this test.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The call must succeed; the test cannot go on without its answer.
    pub(crate) fn done<T>(&self, what: &str, answer: SyscallResult<T>) -> Result<T, Stop> {
        let refusal = |errno: &Errno| format!("{what}: refused with {}", errno::name(*errno));
        self.note(answer.as_ref().err().map(refusal));
        answer.map_err(|_| Stop)
    }

    /// The call must fail with this error.
    pub(crate) fn refused<T>(&self, what: &str, answer: SyscallResult<T>, errno: Errno) {
        self.answers(what, answer, Err(errno));
    }

    /// The call must answer this.
    pub(crate) fn answers<T>(
        &self,
        what: &str,
        answer: SyscallResult<T>,
        expected: SyscallResult<()>,
    ) {
        let show = |answer: SyscallResult<()>| match answer {
            Ok(()) => "done".to_owned(),
            Err(errno) => errno::name(errno),
        };
        let answer = answer.map(drop);
        let wrong = || format!("{what}: {}, expected {}", show(answer), show(expected));
        self.note((answer != expected).then(wrong));
    }

    /// Requires two values to be equal.
    pub(crate) fn same<T: Debug + PartialEq>(&self, what: &str, seen: T, expected: T) {
        let wrong = || format!("{what}: {seen:?}, expected {expected:?}");
        self.note((seen != expected).then(wrong));
    }

    /// This must hold.
    pub(crate) fn holds(&self, what: &str, holds: bool) {
        self.note((!holds).then(|| format!("{what}: does not hold")));
    }

    /// Returns the number of checks, and the failures.
    pub(crate) fn close(self, end: Case) -> (usize, Vec<String>) {
        let Notes { checks, mut wrong } = std::mem::take(&mut *self.notes());
        if checks == 0 {
            wrong.push("nothing was checked".to_owned());
        }
        if end.is_err() && wrong.is_empty() {
            wrong.push("stopped without a reason".to_owned());
        }
        (checks, wrong)
    }
}
