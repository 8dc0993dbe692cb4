// SPDX-License-Identifier: GPL-2.0

//! The tests and their results, in the kernel's form (Documentation/dev-tools/ktap.rst).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

use crate::sys;

/// Why a test did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// What was wrong, in as many lines as there are.
    Wrong(String),
    /// Why it cannot be run here.
    Skip(String),
}

/// How a test ends.
pub(crate) type Outcome = Result<(), Failure>;

/// Says what could not be done.
pub(crate) fn wrong(what: impl Display) -> Failure {
    Failure::Wrong(what.to_string())
}

/// Says why a test cannot be run.
pub(crate) fn skip(why: impl Display) -> Failure {
    Failure::Skip(why.to_string())
}

/// Adds what was being done to an error that must not be.
pub(crate) trait Doing<T> {
    /// Turns the error into "what: error".
    fn doing(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Wrong(format!("{what}: {error}")))
    }
}

/// A test; its name is its part, what it is about, and where it is run, with dots between.
pub(crate) struct Test<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> Outcome + 'a>,
    /// Why it is known to fail on kernels of today.
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
}

impl Test<'_> {
    /// A failure is known, for this reason.
    pub(crate) fn known(mut self, why: Option<&'static str>) -> Self {
        self.known = why;
        self
    }
}

/// How a test ended: its name, the word for it, and what there is to say.
struct Ended {
    name: String,
    how: How,
    said: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Passed,
    Failed,
    Skipped,
    /// As it was known to.
    FailedAsKnown,
}

impl How {
    const ALL: [Self; 4] = [
        Self::Passed,
        Self::Failed,
        Self::Skipped,
        Self::FailedAsKnown,
    ];
}

impl Ended {
    fn of(mut test: Test<'_>) -> Self {
        let (how, said) = match ((test.run)(), test.known) {
            (Ok(()), _) => (How::Passed, String::new()),
            (Err(Failure::Skip(why)), _) => (How::Skipped, why),
            (Err(Failure::Wrong(what)), None) => (How::Failed, what),
            (Err(Failure::Wrong(what)), Some(why)) => {
                (How::FailedAsKnown, format!("{what}\n{why}"))
            }
        };
        Self {
            name: test.name,
            how,
            said,
        }
    }

    fn print(&self, number: usize) {
        let Self { name, how, said } = self;
        let (comments, end) = match how {
            How::Skipped => ("", said.as_str()),
            How::FailedAsKnown => said.rsplit_once('\n').unwrap_or(("", said)),
            _ => (said.as_str(), ""),
        };
        for line in comments.lines() {
            println!("# {line}");
        }
        match how {
            How::Passed => println!("ok {number} {name}"),
            How::Failed => println!("not ok {number} {name}"),
            How::Skipped => println!("ok {number} {name} # SKIP {end}"),
            How::FailedAsKnown => println!("ok {number} {name} # XFAIL {end}"),
        }
    }

    /// For [`Self::read`].
    fn write(&self) -> String {
        let how = How::ALL
            .iter()
            .position(|how| *how == self.how)
            .unwrap_or_default();
        format!("{}\x1f{how}\x1f{}\x1e", self.name, self.said)
    }

    fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(3, '\x1f');
        let name = fields.next()?.to_owned();
        let how = *How::ALL.get(fields.next()?.parse::<usize>().ok()?)?;
        Some(Self {
            name,
            how,
            said: fields.next()?.to_owned(),
        })
    }
}

/// Keeps this process, and those that it makes, on the `nth` of the processors that there are, if
/// there are two: what another processor holds back of the memory of files cannot be taken from it.
fn stay_on(processors: &CpuSet, nth: usize) {
    let all: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|processor| processors.is_set(*processor))
        .collect();
    if let ([_, _, ..], Some(processor)) = (&all[..], all.get(nth)) {
        let mut one = CpuSet::new();
        one.set(*processor);
        // Where it is not let, the kernel's own choice has to do.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Runs groups of tests in two processes, each group in order; the answer is whether none failed.
pub(crate) fn run(mut groups: Vec<Vec<Test<'_>>>) -> bool {
    let total: usize = groups.iter().map(Vec::len).sum();
    println!("KTAP version 1\n1..{total}");
    // The larger ones first, each to who has less to do.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for group in groups {
        let least = if here.len() <= there.len() {
            &mut here
        } else {
            &mut there
        };
        least.extend(group);
    }
    let processors = sched_getaffinity(None).unwrap_or_default();
    let other = sys::child_with_output(|output| {
        stay_on(&processors, 1);
        for test in there {
            // If nobody reads it, the missing tests will be noticed.
            let _ = output.write_all(Ended::of(test).write().as_bytes());
        }
    });
    stay_on(&processors, 0);
    let mut counts = Counts::default();
    let mut number = 0;
    let mut report = |ended: Ended| {
        number += 1;
        ended.print(number);
        counts.add(&ended);
    };
    here.into_iter().map(Ended::of).for_each(&mut report);
    let said = other.map(|other| other.output()).unwrap_or_default();
    said.split_terminator('\x1e')
        .filter_map(Ended::read)
        .for_each(&mut report);
    counts.print() && number == total
}

/// How many ended how, by part.
#[derive(Default)]
struct Counts(BTreeMap<String, [usize; 4]>);

impl Counts {
    fn add(&mut self, ended: &Ended) {
        let part = ended.name.split('.').next().unwrap_or_default().to_owned();
        self.0.entry(part).or_default()[ended.how as usize] += 1;
    }

    /// Prints them; the answer is whether none failed.
    fn print(&self) -> bool {
        let mut sum = [0; 4];
        for (part, counted) in &self.0 {
            let [passed, failed, skipped, known] = counted;
            println!(
                "# {part}: {passed} passed, {failed} failed, {skipped} skipped, {known} known"
            );
            sum.iter_mut()
                .zip(counted)
                .for_each(|(sum, counted)| *sum += counted);
        }
        let [passed, failed, skipped, known] = sum;
        println!(
            "# Totals: pass:{passed} fail:{failed} xfail:{known} xpass:0 skip:{skipped} error:0"
        );
        failed == 0
    }
}
