// SPDX-License-Identifier: GPL-2.0

//! `make lint`: rules of Coccinelle that find where a filesystem in C does not use the idmap of a
//! mount, and their tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::report::{Case, Verdict};
use crate::fetch::{source, tools};
use crate::lab::Lab;
use crate::{run, tree};

/// The directory of the rules, in the checkout and in the kernel.
const RULES: &str = "scripts/coccinelle/fs";
/// Files with a comment on each line that a rule must report.
const FIXTURES: &str = "scripts/coccinelle/tests/idmap";
/// The comment.
const EXPECTED: &str = "/* finds */";

/// A line of code that a rule reports.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: PathBuf,
    line: usize,
    message: String,
    rule: String,
}

/// Prints the findings in a directory or file of the kernel tree, or of a path of its own. The
/// exit status is 1 if there are any.
pub(crate) fn lint(lab: &Lab, path: &Path) -> Result<u8> {
    source::check(lab)?;
    let tree = {
        let _lock = lab.cache.lock()?;
        tools::ensure_program(lab, "spatch", "coccinelle")?;
        tree::make(lab)?
    };
    let absolute = tree.path.join(path);
    ensure!(
        absolute.exists(),
        "FS={}: no such file or directory in {}; for example: FS=fs/minix",
        path.display(),
        tree.path.display()
    );
    let mut findings = Vec::new();
    for rule in rules(lab)? {
        findings.extend(apply(&rule, &tree.path, path)?);
    }
    findings.sort();
    for Finding {
        path,
        line,
        message,
        rule,
    } in &findings
    {
        println!("{}:{line}: {message} [{rule}]", path.display());
    }
    println!("{} findings", findings.len());
    Ok(u8::from(!findings.is_empty()))
}

/// Applies each rule to its fixtures.
pub(crate) fn run(lab: &Lab) -> Result<Vec<Case>> {
    tools::ensure_program(lab, "spatch", "coccinelle")?;
    let rules = rules(lab)?;
    let mut cases = Vec::new();
    for fixture in files(&lab.checkout.join(FIXTURES), "c")? {
        let name = stem(&fixture);
        let rule = rules
            .iter()
            .find(|rule| name.starts_with(stem(rule).trim_start_matches("idmap_")))
            .with_context(|| format!("{}: no rule of this name", fixture.display()))?;
        let text = fs::read_to_string(&fixture)?;
        let found = apply(rule, &lab.checkout.join(FIXTURES), &fixture)?;
        let found: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        let verdict = match compare(&expected(&text), &found) {
            None => Verdict::Passed,
            Some(why) => Verdict::Failed(why),
        };
        cases.push(Case::new(&name, verdict));
    }
    ensure!(!cases.is_empty(), "no fixtures in {FIXTURES}");
    Ok(cases)
}

/// The rules of the checkout.
fn rules(lab: &Lab) -> Result<Vec<PathBuf>> {
    let mut rules = files(&lab.checkout.join(RULES), "cocci")?;
    rules.retain(|rule| stem(rule).starts_with("idmap_"));
    ensure!(!rules.is_empty(), "no rules in {RULES}");
    Ok(rules)
}

/// The files of a directory with an extension, by name.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Applies a rule to a file or directory, from the top of a tree.
fn apply(rule: &Path, top: &Path, path: &Path) -> Result<Vec<Finding>> {
    let mut spatch = run::command("spatch");
    spatch
        .current_dir(top)
        .args(["-D", "report", "--very-quiet"])
        .args(["--no-includes", "--include-headers", "--sp-file"])
        .arg(rule);
    if top.join(path).is_dir() {
        spatch.arg("--dir");
    }
    let output = spatch
        .arg(path)
        .output()
        .context("cannot run spatch of Coccinelle")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // A rule that fails on one file goes on with the next one, and succeeds.
    let failure = errors
        .lines()
        .find(|line| line.starts_with("EXN:") || line.contains("error"));
    if !output.status.success() || failure.is_some() {
        bail!(
            "{} failed on {}: {}",
            rule.display(),
            path.display(),
            failure.unwrap_or(errors.trim())
        );
    }
    let rule = stem(rule);
    let mut findings: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| parse(line, &rule))
        .collect();
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Parses "file:line:column-column: WARNING: message".
fn parse(line: &str, rule: &str) -> Option<Finding> {
    let (place, message) = line.split_once(": WARNING: ")?;
    let mut place = place.rsplitn(3, ':').skip(1);
    let line = place.next()?.parse().ok()?;
    Some(Finding {
        path: place.next()?.into(),
        line,
        message: message.to_owned(),
        rule: rule.to_owned(),
    })
}

/// The lines of a fixture that its rule must report.
fn expected(text: &str) -> Vec<usize> {
    let numbered = (1..).zip(text.lines());
    numbered
        .filter(|(_, line)| line.contains(EXPECTED))
        .map(|(number, _)| number)
        .collect()
}

/// Names the lines on which two lists differ.
fn compare(expected: &[usize], found: &[usize]) -> Option<String> {
    let missed = expected.iter().filter(|line| !found.contains(line));
    let missed = missed.map(|line| format!("line {line} is not reported"));
    let wrong = found.iter().filter(|line| !expected.contains(line));
    let wrong = wrong.map(|line| format!("line {line} is reported"));
    let all: Vec<String> = missed.chain(wrong).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_parsed() {
        let line = "fs/minix/file.c:32:26-39: WARNING: minix_setattr() is passed idmap";
        let finding = parse(line, "idmap_nop").unwrap();
        assert_eq!(finding.path, Path::new("fs/minix/file.c"));
        assert_eq!(finding.line, 32);
        assert_eq!(finding.message, "minix_setattr() is passed idmap");
        assert_eq!(parse("warning: line 7: no metavariable", "idmap_nop"), None);
    }

    #[test]
    fn missed_and_wrong_lines_are_named() {
        let expected = expected("a\nb /* finds */\nc\nd /* finds */\n");
        assert_eq!(expected, [2, 4]);
        assert_eq!(compare(&expected, &[2, 4]), None);
        let why = compare(&expected, &[2, 3]).unwrap();
        assert_eq!(why, "line 4 is not reported, line 3 is reported");
    }
}
