// SPDX-License-Identifier: GPL-2.0

//! Test results in the Kernel Test Anything Protocol (`Documentation/dev-tools/ktap.rst`).

use std::fmt::{self, Display};
use std::io::Write;

/// The reason why a test did not pass.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A message of one or more lines.
    Failed(String),
    /// The reason why the test cannot run here.
    Skipped(String),
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(text) | Self::Skipped(text)) = self;
        f.write_str(text)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The result of a test.
pub type Outcome = Result<(), Failure>;

/// Returns a failure with this message.
pub fn failed(message: impl Display) -> Failure {
    Failure::Failed(message.to_string())
}

/// Returns the reason to skip a test.
pub fn skipped(reason: impl Display) -> Failure {
    Failure::Skipped(reason.to_string())
}

/// Converts errors of the set-up of a test to failures.
pub trait Context<T> {
    /// Prefixes the message of the error.
    fn context(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Failed(format!("{what}: {error}")))
    }
}

/// Requires two values to be equal.
pub fn check_eq<T: PartialEq + fmt::Debug>(what: &str, seen: T, expected: T) -> Outcome {
    match seen == expected {
        true => Ok(()),
        false => Err(failed(format_args!("{what}: {seen:?}, not {expected:?}"))),
    }
}

/// Prints a list of results, as the whole output or as one test of it.
pub struct Printer<W> {
    out: W,
    indent: &'static str,
    planned: usize,
    done: usize,
    good: bool,
}

impl<W: Write> Printer<W> {
    /// Prints the version and the plan.
    pub fn new(out: W, planned: usize) -> Self {
        let mut printer = Self {
            out,
            indent: "",
            planned,
            done: 0,
            good: true,
        };
        printer.line(format_args!("KTAP version 1\n1..{planned}"));
        printer
    }

    /// Prints the version, the name and the plan of a subtest.
    pub fn subtest(out: W, name: &str, planned: usize) -> Self {
        let mut printer = Self {
            out,
            indent: "    ",
            planned,
            done: 0,
            good: true,
        };
        printer.line(format_args!(
            "KTAP version 1\n# Subtest: {name}\n1..{planned}"
        ));
        printer
    }

    /// Prints lines. Ignores errors: the reader detects missing results by the plan.
    fn line(&mut self, text: impl Display) {
        for line in text.to_string().lines() {
            let _ = writeln!(self.out, "{}{line}", self.indent);
        }
        let _ = self.out.flush();
    }

    /// Prints a diagnostic message.
    pub fn comment(&mut self, text: impl Display) {
        for line in text.to_string().lines() {
            self.line(format_args!("# {line}"));
        }
    }

    /// Prints the result of the next test.
    pub fn result(&mut self, name: &str, outcome: &Outcome) {
        self.done += 1;
        // A hash would start a directive.
        let name = name.replace('#', "no.");
        let number = self.done;
        match outcome {
            Ok(()) => self.line(format_args!("ok {number} {name}")),
            Err(Failure::Skipped(reason)) => {
                self.line(format_args!("ok {number} {name} # SKIP {reason}"));
            }
            Err(Failure::Failed(message)) => {
                self.good = false;
                self.comment(message);
                self.line(format_args!("not ok {number} {name}"));
            }
        }
    }

    /// Prints the result of a test that failed as expected.
    pub fn expected_failure(&mut self, name: &str, message: &str, reason: &str) {
        self.done += 1;
        self.comment(message);
        let number = self.done;
        self.line(format_args!("ok {number} {name} # XFAIL {reason}"));
    }

    /// Returns whether all planned tests have run and none has failed.
    pub fn is_good(&self) -> bool {
        self.good && self.done == self.planned && self.done > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(outcomes: &[(&str, Outcome)], planned: usize) -> (String, bool) {
        let mut out = Vec::new();
        let mut printer = Printer::subtest(&mut out, "part", planned);
        for (name, outcome) in outcomes {
            printer.result(name, outcome);
        }
        let good = printer.is_good();
        (String::from_utf8(out).unwrap(), good)
    }

    #[test]
    fn failure_is_printed_before_its_result() {
        let outcomes = [
            ("first", Ok(())),
            ("second #", Err(failed("a\nb"))),
            ("third", Err(skipped("no disk"))),
        ];
        let (text, good) = printed(&outcomes, 3);
        assert_eq!(
            text,
            "    KTAP version 1\n    # Subtest: part\n    1..3\n    ok 1 first\n    # a\n    # b\n\
             \x20   not ok 2 second no.\n    ok 3 third # SKIP no disk\n"
        );
        assert!(!good);
    }

    #[test]
    fn missing_results_are_not_good() {
        assert!(printed(&[("a", Ok(()))], 1).1);
        assert!(!printed(&[("a", Ok(()))], 2).1);
        assert!(!printed(&[], 0).1);
    }
}
