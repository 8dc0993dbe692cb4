// SPDX-License-Identifier: GPL-2.0

//! The results of a run of the tests.

use crate::ui;

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// The reason, in one or more lines.
    Failed(String),
    /// The reason.
    Skipped(String),
}

impl Verdict {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
}

impl Case {
    pub(crate) fn new(name: &str, verdict: Verdict) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
        }
    }
}

/// Returns whether a name is `prefix` or below it.
pub(crate) fn is_below(name: &str, prefix: &str) -> bool {
    match name.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.is_empty() || rest.starts_with(['.', ':']),
        None => false,
    }
}

/// The results so far.
pub(crate) struct Report {
    cases: Vec<Case>,
    /// The command that runs the test of a name again.
    again: fn(&str) -> String,
}

impl Report {
    pub(crate) fn new(again: fn(&str) -> String) -> Self {
        Self {
            cases: Vec::new(),
            again,
        }
    }

    /// Adds the cases of a step, and prints its result.
    pub(crate) fn add(&mut self, step: &str, took: std::time::Duration, cases: Vec<Case>) {
        let (passed, failed, skipped) = counts(&cases);
        let text = sentence(passed, failed, skipped);
        println!("{step}: {text} ({})", ui::time(took));
        for case in &cases {
            if let Verdict::Failed(why) = &case.verdict {
                println!("  FAILED {}", case.name);
                for line in why.lines().filter(|line| !line.is_empty()) {
                    println!("    {line}");
                }
            }
        }
        self.cases.extend(cases);
    }

    /// Prints the closing lines. Returns whether nothing failed.
    pub(crate) fn close(&self) -> bool {
        let (passed, failed, skipped) = counts(&self.cases);
        println!();
        if skipped > 0 {
            println!("Skipped:");
            for case in &self.cases {
                if let Verdict::Skipped(reason) = &case.verdict {
                    println!("  {}: {reason}", case.name);
                }
            }
        }
        if failed > 0 {
            println!("Failed:");
            for case in self.cases.iter().filter(|case| case.verdict.is_failure()) {
                println!("  {}\n    again: {}", case.name, (self.again)(&case.name));
            }
        }
        println!("{}", sentence(passed, failed, skipped));
        failed == 0
    }
}

/// Quotes a name for a shell.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    match name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

/// The numbers of passed, failed and skipped tests.
fn counts(cases: &[Case]) -> (usize, usize, usize) {
    let count =
        |wanted: fn(&Verdict) -> bool| cases.iter().filter(|case| wanted(&case.verdict)).count();
    (
        count(|verdict| *verdict == Verdict::Passed),
        count(Verdict::is_failure),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
    )
}

/// The closing line.
fn sentence(passed: usize, failed: usize, skipped: usize) -> String {
    match skipped {
        0 => format!("{passed} passed, {failed} failed"),
        _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hierarchical() {
        assert!(is_below("kunit.uml", "kunit"));
        assert!(is_below("kunit.uml", ""));
        assert!(is_below("kunit.uml", "kunit.uml"));
        assert!(is_below("host.lab::a", "host.lab"));
        assert!(!is_below("kunit.uml2", "kunit.uml"));
        assert!(!is_below("kunit", "kunit.uml"));
    }

    #[test]
    fn the_closing_line_names_skips_only_if_there_are_any() {
        assert_eq!(sentence(3, 0, 0), "3 passed, 0 failed");
        assert_eq!(sentence(3, 1, 2), "3 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn names_with_blanks_are_quoted() {
        assert_eq!(quoted("a.b::c"), "a.b::c");
        assert_eq!(quoted("a (line 3)"), "'a (line 3)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
