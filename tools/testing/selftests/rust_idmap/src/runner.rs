// SPDX-License-Identifier: GPL-2.0

//! Runs tests and prints their results.

use std::collections::BTreeMap;
use std::io::{stdout, Stdout, Write};

use kselftest::ktap::{Failure, Outcome, Printer};
use kselftest::process::Child;
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// A test. The parts of its name are separated by dots, the most general first.
pub(crate) struct Test<'a> {
    pub(crate) name: String,
    run: Box<dyn FnMut() -> Outcome + 'a>,
    /// The bug of current kernels that makes it fail.
    known: Option<&'static str>,
}

impl<'a> Test<'a> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> Outcome + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
            known: None,
        }
    }

    /// Expects a failure, for this reason.
    pub(crate) fn known(mut self, why: Option<&'static str>) -> Self {
        self.known = why;
        self
    }

    fn run(mut self) -> Finished {
        let (status, text) = match ((self.run)(), self.known) {
            (Ok(()), _) => (Status::Passed, String::new()),
            (Err(Failure::Skipped(why)), _) => (Status::Skipped, why),
            (Err(Failure::Failed(what)), None) => (Status::Failed, what),
            (Err(Failure::Failed(what)), Some(why)) => (Status::Expected, format!("{what}\n{why}")),
        };
        Finished {
            name: self.name,
            status,
            text,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Passed,
    Failed,
    Skipped,
    /// Failed, as expected.
    Expected,
}

impl Status {
    const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::Skipped, Self::Expected];
}

/// A test that has run.
struct Finished {
    name: String,
    status: Status,
    /// The message of the failure, or the reason to skip the test. The last line is the reason of
    /// an expected failure.
    text: String,
}

impl Finished {
    fn print(self, printer: &mut Printer<Stdout>) {
        let Self { name, status, text } = self;
        match status {
            Status::Passed => printer.result(&name, &Ok(())),
            Status::Failed => printer.result(&name, &Err(Failure::Failed(text))),
            Status::Skipped => printer.result(&name, &Err(Failure::Skipped(text))),
            Status::Expected => {
                let (message, reason) = text.rsplit_once('\n').unwrap_or(("", &text));
                printer.expected_failure(&name, message, reason);
            }
        }
    }

    /// Encodes the result for the other process.
    fn encode(&self) -> String {
        let status = Status::ALL.iter().position(|status| *status == self.status);
        let status = status.unwrap_or_default();
        format!("{}\x1f{status}\x1f{}\x1e", self.name, self.text)
    }

    fn decode(text: &str) -> Option<Self> {
        let mut fields = text.splitn(3, '\x1f');
        Some(Self {
            name: fields.next()?.to_owned(),
            status: *Status::ALL.get(fields.next()?.parse::<usize>().ok()?)?,
            text: fields.next()?.to_owned(),
        })
    }
}

/// Moves this process to the `nth` of several processors. The tests of the page cache need this:
/// folios in the per-CPU batches of another processor cannot be reclaimed.
fn stay_on(processors: &CpuSet, nth: usize) {
    let all: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|processor| processors.is_set(*processor))
        .collect();
    if let ([_, _, ..], Some(processor)) = (&all[..], all.get(nth)) {
        let mut one = CpuSet::new();
        one.set(*processor);
        // Without the permission the kernel chooses the processor.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Runs groups of tests in two processes, each group in order. Returns whether none has failed.
pub(crate) fn run(mut groups: Vec<Vec<Test<'_>>>) -> bool {
    let total: usize = groups.iter().map(Vec::len).sum();
    let mut printer = Printer::new(stdout(), total);
    // The largest groups first, each to the process with fewer tests.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for group in groups {
        let smaller = if here.len() <= there.len() {
            &mut here
        } else {
            &mut there
        };
        smaller.extend(group);
    }
    let processors = sched_getaffinity(None).unwrap_or_default();
    let other = Child::start(|output| {
        stay_on(&processors, 1);
        for test in there {
            // The parent detects missing results by their number.
            let _ = output.write_all(test.run().encode().as_bytes());
        }
    });
    stay_on(&processors, 0);
    let mut counts = Counts::default();
    let mut report = |finished: Finished| {
        counts.add(&finished);
        finished.print(&mut printer);
    };
    here.into_iter().map(Test::run).for_each(&mut report);
    let output = other.and_then(Child::output).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let finished = output.split_terminator('\x1e').filter_map(Finished::decode);
    finished.for_each(&mut report);
    counts.print(&mut printer);
    printer.is_good()
}

/// The number of tests with each status, by the first part of their names.
#[derive(Default)]
struct Counts(BTreeMap<String, [usize; 4]>);

impl Counts {
    fn add(&mut self, finished: &Finished) {
        let part = finished.name.split('.').next().unwrap_or_default();
        self.0.entry(part.to_owned()).or_default()[finished.status as usize] += 1;
    }

    fn print(&self, printer: &mut Printer<Stdout>) {
        let mut sum = [0; 4];
        for (part, counts) in &self.0 {
            let [passed, failed, skipped, known] = counts;
            printer.comment(format_args!(
                "{part}: {passed} passed, {failed} failed, {skipped} skipped, {known} known"
            ));
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        let [passed, failed, skipped, known] = sum;
        printer.comment(format_args!(
            "Totals: pass:{passed} fail:{failed} xfail:{known} xpass:0 skip:{skipped} error:0"
        ));
    }
}
