// SPDX-License-Identifier: GPL-2.0

//! Expected verdicts of tests, in files of `pass NAME`, `skip NAME`, `fail NAME` or `fail NAME:
//! TEXT`. The last part of a name may be `*`. Each other verdict is a failure, also a better one.
//! If a name has texts, each line of the output of the failed test must contain one of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::report::{Case, Verdict};

/// The expected verdicts.
pub(super) struct Expected {
    verdicts: BTreeMap<String, Wanted>,
    /// The verdict of tests that the file does not name.
    others: Wanted,
}

/// The expected verdict of a test.
#[derive(Clone, Default, PartialEq, Eq)]
struct Wanted {
    verdict: String,
    /// The texts of a failure.
    texts: Vec<String>,
}

impl Wanted {
    fn new(verdict: &str) -> Self {
        Self {
            verdict: verdict.to_owned(),
            texts: Vec::new(),
        }
    }

    fn is(&self, verdict: &Verdict) -> bool {
        word(verdict) == self.verdict
            && match verdict {
                Verdict::Failed(why) => self.has_texts_of(why),
                _ => true,
            }
    }

    fn has_texts_of(&self, why: &str) -> bool {
        // The reason of an expected failure is not a part of the failure.
        let mut lines = why
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("XFAIL "))
            .peekable();
        let known = |line: &str| self.texts.iter().any(|text| line.contains(text));
        self.texts.is_empty() || lines.peek().is_some() && lines.all(known)
    }
}

impl Expected {
    /// Reads a file that names every test.
    pub(super) fn all(checkout: &Path, file: &str) -> Result<Self> {
        Self::read(checkout, file, "unknown")
    }

    /// Reads a file that names the tests that do not pass.
    pub(super) fn exceptions(checkout: &Path, file: &str) -> Result<Self> {
        Self::read(checkout, file, "pass")
    }

    fn read(checkout: &Path, file: &str, others: &'static str) -> Result<Self> {
        let text = fs::read_to_string(checkout.join(file))
            .with_context(|| format!("cannot read {file}"))?;
        Self::parse(&text, others).with_context(|| file.to_owned())
    }

    fn parse(text: &str, others: &str) -> Result<Self> {
        let mut verdicts: BTreeMap<String, Wanted> = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((verdict @ ("pass" | "fail" | "skip"), name)) = line.split_once(' ') else {
                bail!("not 'pass NAME', 'fail NAME' or 'skip NAME': {line}");
            };
            let (name, text) = match name.split_once(": ") {
                Some((name, text)) if verdict == "fail" => (name, Some(text)),
                _ => (name, None),
            };
            let wanted = verdicts
                .entry(name.trim().to_owned())
                .or_insert_with(|| Wanted::new(verdict));
            if wanted.verdict != verdict {
                bail!("two verdicts for one name: {line}");
            }
            wanted.texts.extend(text.map(|text| text.trim().to_owned()));
        }
        let others = Wanted::new(others);
        Ok(Self { verdicts, others })
    }

    /// Expects the failing tests to pass: their bugs are fixed.
    pub(super) fn without_failures(&mut self) {
        let known = self.verdicts.values_mut();
        known
            .filter(|wanted| wanted.verdict == "fail")
            .for_each(|wanted| *wanted = Wanted::new("pass"));
    }

    /// Expects the verdicts of another file as well.
    pub(super) fn more(&mut self, other: Self) {
        self.verdicts.extend(other.verdicts);
    }

    /// Removes the tests of a program.
    pub(super) fn forget(&mut self, program: &str) {
        let of = |name: &str| {
            name.strip_prefix(program)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        self.verdicts.retain(|name, _| !of(name));
    }

    /// Compares verdicts with the expected ones. A test with the expected verdict passes, except
    /// that an expected skip stays a skip with its reason.
    pub(super) fn compare(&self, seen: &[Case]) -> Vec<Case> {
        let mut left = self.verdicts.clone();
        let mut cases: Vec<Case> = seen
            .iter()
            .map(|case| {
                let is = word(&case.verdict);
                let group = case
                    .name
                    .rsplit_once('.')
                    .map(|(group, _)| format!("{group}.*"));
                let wanted = left.remove(&case.name).or_else(|| {
                    let group = group?;
                    left.remove(&group);
                    self.verdicts.get(&group).cloned()
                });
                let wanted = wanted.as_ref().unwrap_or(&self.others);
                let verdict = match &case.verdict {
                    right @ Verdict::Skipped(_) if wanted.is(right) => right.clone(),
                    right if wanted.is(right) => Verdict::Passed,
                    other => {
                        let detail = match other {
                            Verdict::Failed(why) | Verdict::Skipped(why) => why.as_str(),
                            Verdict::Passed => "",
                        };
                        let reason = match wanted.verdict == is {
                            true => " for another reason",
                            false => "",
                        };
                        let wanted = &wanted.verdict;
                        Verdict::Failed(format!("expected: {wanted}, seen: {is}{reason}\n{detail}"))
                    }
                };
                Case::new(&case.name, verdict)
            })
            .collect();
        for (name, wanted) in left {
            let why = format!("expected: {}, and it did not run", wanted.verdict);
            cases.push(Case::new(&name, Verdict::Failed(why)));
        }
        cases
    }
}

/// Returns the word for a verdict.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "pass",
        Verdict::Failed(_) => "fail",
        Verdict::Skipped(_) => "skip",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_verdict_passes() {
        let text = "# x\npass p.a\nfail p.b\nskip p.c\npass p.d\npass p.e\n";
        let expected = Expected::parse(text, "unknown").unwrap();
        let failed = || Verdict::Failed("because".into());
        let seen = [
            Case::new("p.a", Verdict::Passed),
            Case::new("p.b", failed()),
            Case::new("p.c", Verdict::Skipped("no".into())),
            Case::new("p.d", failed()),
            Case::new("p.f", Verdict::Passed),
        ];
        let result = expected.compare(&seen);
        let words: Vec<String> = result
            .iter()
            .map(|case| format!("{} {}", word(&case.verdict), case.name))
            .collect();
        let wanted = [
            "pass p.a", "pass p.b", "skip p.c", "fail p.d", "fail p.f", "fail p.e",
        ];
        assert_eq!(words, wanted);
        let better = expected.compare(&[Case::new("p.b", Verdict::Passed)]);
        assert!(better[0].verdict.is_failure());
    }

    #[test]
    fn exceptions_are_all_that_may_not_pass() {
        let expected = Expected::parse("fail p.a\n", "pass").unwrap();
        let failed = || Verdict::Failed("because".into());
        let seen = [
            Case::new("p.a", failed()),
            Case::new("p.b", Verdict::Passed),
        ];
        assert!(
            expected
                .compare(&seen)
                .iter()
                .all(|case| case.verdict == Verdict::Passed)
        );
        let skipped = Verdict::Skipped("no".into());
        let seen = [
            Case::new("p.a", Verdict::Passed),
            Case::new("p.b", failed()),
            Case::new("p.c", skipped),
        ];
        assert!(
            expected
                .compare(&seen)
                .iter()
                .all(|case| case.verdict.is_failure())
        );
    }

    #[test]
    fn a_star_is_one_name_or_more() {
        let expected = Expected::parse("fail p.a.*\nskip q.*\n", "pass").unwrap();
        let failed = || Verdict::Failed("because".into());
        let seen = [
            Case::new("p.a.x", failed()),
            Case::new("p.a.y", failed()),
            Case::new("p.a.b.x", Verdict::Passed),
            Case::new("p.a.z", Verdict::Passed),
        ];
        let result = expected.compare(&seen);
        let failures: Vec<&str> = result
            .iter()
            .filter(|case| case.verdict.is_failure())
            .map(|case| case.name.as_str())
            .collect();
        assert_eq!(failures, ["p.a.z", "q.*"]);
    }

    #[test]
    fn a_failure_for_another_reason_is_one() {
        let text = "fail p.*: owner: 4, not 0\nfail p.*: member: 0, not 4\n";
        let expected = Expected::parse(text, "pass").unwrap();
        let seen = |why: &str| {
            let case = Case::new("p.a", Verdict::Failed(why.to_owned()));
            expected.compare(&[case]).remove(0).verdict
        };
        assert_eq!(seen("XFAIL known\nowner: 4, not 0"), Verdict::Passed);
        assert_eq!(seen("owner: 4, not 0\nmember: 0, not 4\n"), Verdict::Passed);
        for other in [
            "XFAIL known",
            "owner: it died",
            "owner: 4, not 0\nstranger: 0, not 4",
        ] {
            let Verdict::Failed(why) = seen(other) else {
                panic!("taken for the known failure: {other}");
            };
            assert!(why.starts_with("expected: fail, seen: fail for another reason\n"));
        }
    }

    #[test]
    fn a_line_that_says_nothing_is_refused() {
        assert!(Expected::parse("maybe p.a\n", "pass").is_err());
        assert!(Expected::parse("skip p.a\nfail p.a\n", "pass").is_err());
    }
}
