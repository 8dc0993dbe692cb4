// SPDX-License-Identifier: GPL-2.0

//! The series to mail. checkpatch must accept each patch. After each patch that changes a file of
//! Linux, the kernel must compile, and the unit tests that exist by then must pass on User Mode
//! Linux. A patch that only adds files is compiled with the next patch that names the files.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::kunit;
use super::report::{Case, Verdict};
use crate::fetch::source::{self, Source};
use crate::fetch::toolchain::Toolchain;
use crate::kernel;
use crate::kernel::dry::{self, Bench};
use crate::kernel::matrix::LINES;
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;
use crate::tree::Tree;
use crate::tree::change::{Change, Wanted};
use crate::tree::series::{BASE, Repository, Senders};
use crate::{run, tree, ui};

/// The options of the tests, and the files that declare them.
const TEST_OPTIONS: [(&str, &str); 2] = [
    ("RUST_MNT_IDMAPPING_KUNIT_TEST", "rust/kernel/Kconfig.test"),
    ("RUST_FS_KUNIT_TEST", "rust/kernel/Kconfig.test"),
];

/// Checks, compiles and tests all steps.
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
    let of_series = format!("tools/lab/config/kunit-{}.config", whole.source.series);
    let of_series = fs::read_to_string(lab.checkout.join(of_series)).unwrap_or_default();
    let tests = whole.path.join(kunit::CONFIG).join(".kunitconfig");
    let tests = fs::read_to_string(tests)? + &of_series;
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
        let step = At::new(lab, &whole.source, &toolchain, change)?;
        cases.push(Case::new(&format!("compile.{name}"), step.compile()?));
        let config = scratch.path().join("kunitconfig");
        fs::write(&config, step.options_of(&tests))?;
        cases.push(Case::new(&format!("kunit.{name}"), step.tests(config)?));
    }
    Ok(cases)
}

/// The tree after one of the patches.
struct At<'a> {
    lab: &'a Lab,
    toolchain: &'a Toolchain,
    tree: Tree,
    /// The programs of the whole kernel.
    seed: PathBuf,
    /// The options of this project, and whether the tree declares them.
    options: BTreeMap<&'static str, bool>,
}

impl<'a> At<'a> {
    fn new(
        lab: &'a Lab,
        source: &Source,
        toolchain: &'a Toolchain,
        change: Change,
    ) -> Result<Self> {
        let declares = |option: &str, file: &str| {
            let wanted = change.get(Path::new(file))?.as_ref()?;
            let text = String::from_utf8_lossy(&wanted.contents);
            Some(text.contains(&format!("config {option}\n")))
        };
        let options = dry::OWN_OPTIONS.iter().chain(&TEST_OPTIONS);
        let options = options
            .map(|(option, file)| (*option, declares(option, file) == Some(true)))
            .collect();
        let mut source = source.clone();
        let seed = kernel::dir_of(lab, &source.key, &Engine::Rust.into());
        source.key = format!("{}-series", source.key);
        Ok(Self {
            lab,
            toolchain,
            tree: tree::place(lab, source, change)?,
            seed,
            options,
        })
    }

    /// Compiles the kernel in the usual configuration, without code generation.
    fn compile(&self) -> Result<Verdict> {
        let bench = Bench::with_seed(self.lab, &self.tree, self.toolchain, self.seed.clone())?;
        let line = LINES.first().context("no configuration")?;
        Ok(match bench.check_with(line, &self.options)? {
            dry::Verdict::Good | dry::Verdict::Unchanged => Verdict::Passed,
            dry::Verdict::Bad(errors, log) => {
                Verdict::Failed(format!("{errors}\nlog: {}", log.display()))
            }
        })
    }

    /// Returns those of the options of the tests that the tree declares.
    fn options_of(&self, tests: &str) -> String {
        let mut text = String::new();
        for line in tests.lines() {
            let option = line
                .strip_prefix("CONFIG_")
                .and_then(|it| it.strip_suffix("=y"));
            if option.is_some_and(|option| self.options.get(option) != Some(&false)) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Runs the unit tests with the options of a file.
    fn tests(&self, config: PathBuf) -> Result<Verdict> {
        let (results, _) = kunit::in_uml(self.lab, &self.tree, self.toolchain, &[config])?;
        let failed: Vec<String> = results
            .iter()
            .filter_map(|case| match &case.verdict {
                Verdict::Failed(why) => Some(format!("{}: {why}", case.name)),
                _ => None,
            })
            .collect();
        ui::print(format!("{} results of unit tests", results.len()));
        Ok(match failed.is_empty() {
            true => Verdict::Passed,
            false => Verdict::Failed(failed.join("\n")),
        })
    }
}
