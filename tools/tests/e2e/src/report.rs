// SPDX-License-Identifier: GPL-2.0

//! The report of a scene, and its printed forms.

use std::{io, io::Write};

use kselftest::ktap::{self, Printer};

pub(crate) use kselftest::ktap::{Context, Failure};

enum Line {
    /// A step, or the output of a program.
    Text(String),
    Check(Check),
}

struct Check {
    what: String,
    expected: String,
    seen: String,
    good: bool,
}

/// A scene on one filesystem.
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) filesystem: &'static str,
    lines: Vec<Line>,
    /// Why it was not run.
    skipped: Option<String>,
}

impl Report {
    pub(crate) fn new(name: &'static str, title: &'static str, filesystem: &'static str) -> Self {
        Self {
            name,
            title,
            filesystem,
            lines: Vec::new(),
            skipped: None,
        }
    }

    pub(crate) fn skip(&mut self, reason: String) {
        self.skipped = Some(reason);
    }

    pub(crate) fn text(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Text(text.into()));
    }

    pub(crate) fn check(&mut self, what: &str, good: bool, seen: String, expected: String) {
        self.lines.push(Line::Check(Check {
            what: what.to_owned(),
            expected,
            seen,
            good,
        }));
    }

    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.lines.iter().filter_map(|line| match line {
            Line::Check(check) => Some(check),
            Line::Text(_) => None,
        })
    }

    pub(crate) fn is_skipped(&self) -> bool {
        self.skipped.is_some()
    }

    /// The number of checks, and of those that were as expected.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let good = self.checks().filter(|check| check.good).count();
        (self.checks().count(), good)
    }

    /// Whether something was checked, and all of it was as expected.
    pub(crate) fn is_good(&self) -> bool {
        let (all, good) = self.counts();
        all > 0 && all == good
    }

    /// Prints everything, for people.
    pub(crate) fn print_whole(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{}  {}  [{}]\n",
            self.name, self.title, self.filesystem
        )?;
        if let Some(reason) = &self.skipped {
            writeln!(out, "  - left out: {reason}\n")?;
        }
        let mut after_check = false;
        for line in &self.lines {
            match line {
                Line::Text(text) => {
                    if after_check {
                        writeln!(out)?;
                    }
                    writeln!(out, "  {text}")?;
                }
                Line::Check(check) => check.print(out)?,
            }
            after_check = matches!(line, Line::Check(_));
        }
        writeln!(out)
    }

    /// Prints a line, and the failed checks.
    pub(crate) fn print_short(&self, out: &mut impl Write) -> io::Result<()> {
        let name = format!("{}  {}  [{}]", self.name, self.title, self.filesystem);
        if let Some(reason) = &self.skipped {
            return writeln!(out, "- {name}: left out: {reason}");
        }
        let (all, good) = self.counts();
        let mark = if self.is_good() {
            '\u{2713}'
        } else {
            '\u{2717}'
        };
        writeln!(out, "{mark} {name}: {good} of {all} as expected")?;
        self.checks()
            .filter(|check| !check.good)
            .try_for_each(|check| check.print(out))
    }

    /// Prints it as a subtest in KTAP, and its result as a test of `all`.
    pub(crate) fn print_ktap<W: Write>(&self, all: &mut Printer<W>, out: impl Write) {
        let name = format!("{}.{}", self.name, self.filesystem);
        if let Some(reason) = &self.skipped {
            return all.result(&name, &Err(ktap::skipped(reason)));
        }
        let mut printer = Printer::subtest(out, &name, self.counts().0);
        for check in self.checks() {
            let outcome = match check.good {
                true => Ok(()),
                false => Err(ktap::failed(format_args!(
                    "expected {}, seen {}",
                    check.expected, check.seen
                ))),
            };
            printer.result(&check.what, &outcome);
        }
        let (all_checks, good) = self.counts();
        let outcome = match self.is_good() {
            true => Ok(()),
            false => Err(ktap::failed(format_args!(
                "{good} of {all_checks} checks passed"
            ))),
        };
        all.result(&name, &outcome);
    }
}

impl Check {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self {
            what,
            expected,
            seen,
            good,
        } = self;
        if *good {
            writeln!(out, "    \u{2713} {what}: {seen}")
        } else {
            writeln!(
                out,
                "    \u{2717} {what}: {seen}\n      expected: {expected}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(good: bool) -> Report {
        let mut report = Report::new("A", "A title", "ext4");
        report.text("$ true");
        report.check("first", true, "1".to_owned(), "1".to_owned());
        report.check("second #", good, "2".to_owned(), "3".to_owned());
        report
    }

    fn printed(print: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_wrong_check_makes_a_report_wrong() {
        assert!(report(true).is_good());
        assert!(!report(false).is_good());
        assert_eq!(report(false).counts(), (2, 1));
        let short = printed(|out| report(false).print_short(out));
        assert!(short.contains("1 of 2 as expected"));
        assert!(short.contains("second #: 2\n      expected: 3"));
    }

    #[test]
    fn a_report_without_checks_is_not_good() {
        assert!(!Report::new("A", "A title", "ext4").is_good());
    }

    #[test]
    fn ktap_has_a_subtest_for_each_check() {
        let (mut all, mut own) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut all, 2);
        report(false).print_ktap(&mut printer, &mut own);
        let mut skipped = report(true);
        skipped.skip("no disk".to_owned());
        skipped.print_ktap(&mut printer, &mut own);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(own),
            "    KTAP version 1\n    # Subtest: A.ext4\n    1..2\n    ok 1 first\n\
             \x20   # expected 3, seen 2\n    not ok 2 second no.\n"
        );
        assert_eq!(
            text(all),
            "KTAP version 1\n1..2\n# 1 of 2 checks passed\nnot ok 1 A.ext4\n\
             ok 2 A.ext4 # SKIP no disk\n"
        );
    }
}
