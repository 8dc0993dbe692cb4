// SPDX-License-Identifier: GPL-2.0

//! Parses KTAP, the kernel's format of test results
//! (Documentation/dev-tools/ktap.rst). KTAP can be between the lines of a kernel
//! log.

use super::report::{Case, Verdict};

/// A test that contains tests and has no result yet.
#[derive(Default)]
struct Open {
    /// The name from a comment, in case the result is missing.
    name: String,
    planned: Option<usize>,
    seen: usize,
    cases: Vec<Case>,
    /// The comments since the last result, which explain the next failure.
    comments: Vec<String>,
}

impl Open {
    /// Returns the cases, and a failure if the number of cases is not as planned.
    fn close(mut self) -> Vec<Case> {
        let seen = self.seen;
        match self.planned {
            Some(planned) if planned == seen => {}
            planned => {
                let planned = planned.map_or("an unknown number".to_owned(), |n| n.to_string());
                let comments = self.comments.join("\n");
                let why = format!(
                    "stopped after {seen} of {planned} tests
{comments}"
                );
                self.cases.push(Case::new("all", Verdict::Failed(why)));
            }
        }
        self.cases
    }
}

/// Returns the results of the innermost tests, with names joined by dots. A test
/// that stops early is a failure, and so is text without tests.
pub(crate) fn parse(text: &str) -> Vec<Case> {
    let unit = unit(text);
    let mut stack: Vec<Open> = Vec::new();
    for line in text.lines() {
        let line = bare(line);
        let content = line.trim_start_matches(' ');
        let depth = (line.len() - content.len()) / unit;
        if content.starts_with("KTAP version ") || content.starts_with("TAP version ") {
            // Open tests at a greater depth have no result: they stopped.
            close_to(&mut stack, depth);
            if stack.len() == depth {
                stack.push(Open::default());
            }
        } else if let Some(result) = Line::read(content) {
            if depth < stack.len() {
                finish(&mut stack, depth, result);
            }
        } else if let Some(planned) = content.strip_prefix("1..").and_then(|n| n.parse().ok()) {
            // Some programs print no version.
            if stack.is_empty() && depth == 0 {
                stack.push(Open::default());
            }
            if let Some(open) = stack.get_mut(depth) {
                open.planned = Some(planned);
            }
        } else if let Some(comment) = content.strip_prefix('#') {
            // A comment on a test may stand at the level of its own tests.
            let at = depth.min(stack.len().saturating_sub(1));
            if let Some(open) = stack.get_mut(at) {
                match comment.trim().strip_prefix("Subtest: ") {
                    Some(name) => open.name = name.to_owned(),
                    None => open.comments.push(comment.trim().to_owned()),
                }
            }
        }
    }
    close_to(&mut stack, 1);
    match stack.pop() {
        Some(open) => open.close(),
        None => {
            let why = "no test results were printed".to_owned();
            vec![Case::new("all", Verdict::Failed(why))]
        }
    }
}

/// Returns the indentation of a level: two blanks by the specification, four in
/// KUnit.
fn unit(text: &str) -> usize {
    let indents = text.lines().map(bare).filter_map(|line| {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        (indent > 0 && content.starts_with("KTAP version ")).then_some(indent)
    });
    indents.min().unwrap_or(4)
}

/// Closes the open tests below a depth, which get no more results.
fn close_to(stack: &mut Vec<Open>, depth: usize) {
    while stack.len() > depth.max(1) {
        if let Some(open) = stack.pop() {
            let name = open.name.clone();
            let cases = below(&name, open.close());
            if let Some(parent) = stack.last_mut() {
                parent.cases.extend(cases);
            }
        }
    }
}

/// Ends the open test at a depth with a result.
fn finish(stack: &mut Vec<Open>, depth: usize, result: Line) {
    let mut inner = None;
    while stack.len() > depth + 1 {
        let open = stack.pop().unwrap_or_default();
        let name = open.name.clone();
        let cases = open.close();
        match stack.len() == depth + 1 {
            true => inner = Some(cases),
            false => {
                if let Some(parent) = stack.last_mut() {
                    parent.cases.extend(below(&name, cases));
                }
            }
        }
    }
    let Some(open) = stack.last_mut() else {
        return;
    };
    open.seen += 1;
    let comments = std::mem::take(&mut open.comments);
    match inner {
        Some(cases) => {
            let failed_inside = cases.iter().any(|case| case.verdict.is_failure());
            open.cases.extend(below(result.name, cases));
            if !result.ok && !failed_inside {
                let why = comments.join("\n");
                open.cases
                    .push(Case::new(result.name, Verdict::Failed(why)));
            }
        }
        None => open
            .cases
            .push(Case::new(result.name, result.verdict(&comments))),
    }
}

/// Cases under the name of the test that holds them.
fn below(name: &str, cases: Vec<Case>) -> Vec<Case> {
    let mut cases = cases;
    for case in &mut cases {
        case.name = format!("{name}.{}", case.name);
    }
    cases
}

/// Returns a line without the prefix of printk: "<6>[    1.234567] ".
fn bare(line: &str) -> &str {
    let line = line.trim_end();
    let line = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((level, rest)) if level.parse::<u8>().is_ok() => rest,
        _ => line,
    };
    let time = |text: &str| text.trim_start().parse::<f64>().is_ok();
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((stamp, rest)) if time(stamp) => rest,
        _ => line,
    }
}

/// A line with a result.
struct Line<'a> {
    ok: bool,
    name: &'a str,
    directive: &'a str,
}

impl<'a> Line<'a> {
    fn read(content: &'a str) -> Option<Self> {
        let (ok, rest) = match content.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, content.strip_prefix("ok ")?),
        };
        let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        number.parse::<usize>().ok()?;
        let rest = rest.trim_start_matches("- ");
        let (name, directive) = rest.split_once(" #").unwrap_or((rest, ""));
        Some(Self {
            ok,
            name: name.trim(),
            directive: directive.trim(),
        })
    }

    fn verdict(&self, comments: &[String]) -> Verdict {
        if let Some(reason) = self.directive.strip_prefix("SKIP") {
            return Verdict::Skipped(match reason.trim() {
                "" => "no reason given".to_owned(),
                reason => reason.to_owned(),
            });
        }
        // An expected failure (XFAIL) is a failure here.
        match self.ok && !self.directive.starts_with("XFAIL") {
            true => Verdict::Passed,
            false => {
                let mut why = comments.join("\n");
                if !self.directive.is_empty() {
                    why = format!("{}\n{why}", self.directive);
                }
                Verdict::Failed(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names with P, F or S.
    fn seen(text: &str) -> Vec<String> {
        let letter = |case: &Case| match case.verdict {
            Verdict::Passed => 'P',
            Verdict::Failed(_) => 'F',
            Verdict::Skipped(_) => 'S',
        };
        parse(text)
            .iter()
            .map(|case| format!("{} {}", letter(case), case.name))
            .collect()
    }

    #[test]
    fn a_kernel_log_is_read_through_its_noise() {
        let text = "\
[    0.100000] Linux version 7.3.4
[    1.000000] KTAP version 1
[    1.000001] 1..2
[    1.000002]     KTAP version 1
[    1.000003]     # Subtest: suite
[    1.000004]     # module: x
[    1.000005]     1..3
[    1.000006]     ok 1 first
[    1.000007] something else
[    1.000008]     # second: EXPECTATION FAILED at a.c:1
[    1.000009]     not ok 2 second
[    1.000010]     ok 3 third # SKIP no such thing
[    1.000011] # suite: pass:1 fail:1 skip:1 total:3
[    1.000012] not ok 1 suite
[    1.000013]     KTAP version 1
[    1.000014]     # Subtest: other
[    1.000015]     1..1
[    1.000016]         KTAP version 1
[    1.000017]         # Subtest: with_parameters
[    1.000018]         ok 1 a
[    1.000019]         ok 2 b
[    1.000020]         1..2
[    1.000021]     ok 1 with_parameters
[    1.000022] ok 2 other
";
        let expected = [
            "P suite.first",
            "F suite.second",
            "S suite.third",
            "P other.with_parameters.a",
            "P other.with_parameters.b",
        ];
        assert_eq!(seen(text), expected);
        let cases = parse(text);
        let Verdict::Failed(why) = &cases[1].verdict else {
            panic!()
        };
        assert!(why.contains("EXPECTATION FAILED"));
        assert_eq!(
            cases[2].verdict,
            Verdict::Skipped("no such thing".to_owned())
        );
    }

    #[test]
    fn the_flat_form_of_kselftest_is_read() {
        let text = "\
TAP version 13
1..4
#  RUN           fixture.one ...
#            OK  fixture.one
ok 1 fixture.one
not ok 2 fixture.two
ok 3 fixture.three # SKIP only for the basic case
ok 4 fixture.four # XFAIL known
# FAILED: 2 / 4 tests passed.
";
        assert_eq!(
            seen(text),
            [
                "P fixture.one",
                "F fixture.two",
                "S fixture.three",
                "F fixture.four"
            ]
        );
    }

    #[test]
    fn levels_may_be_two_blanks_apart() {
        let text = "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 a\n  \
                    ok 2 b\nok 1 s\n";
        assert_eq!(seen(text), ["P s.a", "P s.b"]);
    }

    #[test]
    fn what_stopped_early_is_a_failure() {
        assert_eq!(seen("TAP version 13\n1..2\nok 1 a\n"), ["P a", "F all"]);
        let nested =
            "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n";
        assert_eq!(seen(nested), ["P s.a", "F s.all", "F all"]);
        assert_eq!(seen("Linux version 7.3.4\n"), ["F all"]);
        assert_eq!(seen("TAP version 13\nok 1 a\n"), ["P a", "F all"]);
        assert_eq!(seen("1..1\nok 1 a\n"), ["P a"]);
    }

    #[test]
    fn a_suite_that_fails_without_a_failed_test_is_a_failure() {
        let text = "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 a\nnot ok 1 s\n";
        assert_eq!(seen(text), ["P s.a", "F s"]);
    }
}
