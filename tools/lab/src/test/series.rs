// SPDX-License-Identifier: GPL-2.0

//! The series to mail. checkpatch must accept each patch, and the kernel must compile after each
//! patch that changes a file of Linux. A patch that only adds files is compiled with the next patch
//! that names the files.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use anyhow::{Context, Result};

use super::report::{Case, Verdict};
use crate::fetch::source::{self, Source};
use crate::fetch::toolchain::Toolchain;
use crate::kernel;
use crate::kernel::dry::{self, Bench};
use crate::kernel::matrix::LINES;
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;
use crate::tree::change::{Change, Wanted};
use crate::tree::series::{BASE, Repository, Senders};
use crate::{run, tree};

/// Checks and compiles all steps.
pub(crate) fn run(lab: &Lab) -> Result<Vec<Case>> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    let toolchain = Toolchain::find(lab)?;
    let whole = tree::make(lab)?;
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let (dir, out) = (scratch.path().join("git"), scratch.path().join("out"));
    fs::create_dir(&dir)?;
    fs::create_dir(&out)?;
    let senders = Senders::default();
    let repository = Repository::of_series(lab, &whole.source, &dir, &senders)?;
    repository.format(lab, &out)?;
    let known = repository.git(&["ls-tree", "-r", "--name-only", BASE])?;
    let known: HashSet<&str> = known.lines().collect();
    let mut cases = Vec::new();
    for (number, commit) in (1..).zip(repository.commits()?) {
        let subject = repository.git(&["log", "-1", "--format=%f", &commit])?;
        let name = format!("{number:02}-{}", subject.trim());
        let patch = fs::read_dir(&out)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&format!("{number:04}-"))
            })
            .with_context(|| format!("no patch {number}"))?;
        let mut perl = run::command("perl");
        perl.current_dir(&whole.path)
            .arg(whole.path.join("scripts/checkpatch.pl"))
            .arg(format!("--root={}", whole.path.display()))
            .args(["--strict", "--quiet", "--no-summary", "--show-types"])
            // MAINTAINERS names a new file by a pattern that another patch adds, and rustfmt
            // decides how long a line of Rust is.
            .args(["--ignore", "FILE_PATH_CHANGES,LONG_LINE,LONG_LINE_COMMENT"])
            .arg(&patch);
        let output = run::finished(&mut perl)?;
        let verdict = match output.status.success() && output.stdout.is_empty() {
            true => Verdict::Passed,
            false => Verdict::Failed(String::from_utf8_lossy(&output.stdout).into_owned()),
        };
        cases.push(Case::new(&format!("checkpatch.{name}"), verdict));

        let range = format!("{commit}^..{commit}");
        let changed = repository.git(&["diff", "--name-only", "--diff-filter=M", &range])?;
        let built = changed.lines().any(|path| !path.starts_with("Doc"));
        if !built {
            continue;
        }
        repository.git(&["checkout", "-q", &commit])?;
        let files = repository.git(&["ls-files"])?;
        let mut change = Change::new();
        for path in files.lines() {
            let ours = !known.contains(path);
            change.insert(path.into(), Some(Wanted::read(&dir.join(path), ours)?));
        }
        let verdict = compile(lab, &whole.source, &toolchain, change)?;
        cases.push(Case::new(&format!("compile.{name}"), verdict));
    }
    Ok(cases)
}

/// Compiles the kernel with a change, in the usual configuration, without code generation.
fn compile(lab: &Lab, source: &Source, toolchain: &Toolchain, change: Change) -> Result<Verdict> {
    let options: BTreeMap<&str, bool> = dry::OWN_OPTIONS
        .iter()
        .map(|(option, file)| {
            let text = change
                .get(std::path::Path::new(file))
                .and_then(|wanted| wanted.as_ref())
                .map(|wanted| String::from_utf8_lossy(&wanted.contents));
            let declared = format!("config {option}\n");
            (*option, text.is_some_and(|text| text.contains(&declared)))
        })
        .collect();
    let mut source = source.clone();
    let seed = kernel::dir_of(lab, &source.key, &Engine::Rust.into());
    source.key = format!("{}-series", source.key);
    let tree = tree::place(lab, source, change)?;
    let bench = Bench::with_seed(lab, &tree, toolchain, seed)?;
    let line = LINES.first().context("no configuration")?;
    Ok(match bench.check_with(line, &options)? {
        dry::Verdict::Good | dry::Verdict::Unchanged => Verdict::Passed,
        dry::Verdict::Bad(errors, log) => {
            Verdict::Failed(format!("{errors}\nlog: {}", log.display()))
        }
    })
}
