// SPDX-License-Identifier: GPL-2.0

//! A test of `make module`: a copy of the smallest sample under another name is built, loaded and
//! tested.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::guest::Program;
use super::report::{Case, Verdict};
use crate::kernel::own_module;
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;

/// The sample that is copied.
const SAMPLE: &str = "samples/rust/rust_minimal_fs.rs";
/// The names of the sample and of the copy.
const NAMES: (&str, &str) = ("rust_minimal_fs", "own_fs");
/// An error, whose last line in the output of rustc names its explanation.
const MISTAKE: (&str, &str) = ("fn rmdir<'d>(", "fn rmdir(");
const WAY_OUT: &str = "undeclared lifetime";

/// Builds and tests the copy.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let (sources, share) = (scratch.path().join("own"), scratch.path().join("share"));
    let build = |mistake: Option<(&str, &str)>| -> Result<Vec<PathBuf>> {
        write(&lab.checkout, &sources, mistake)?;
        own_module::make(lab, &engine.into(), &sources, Some(&share))
    };
    let error = build(Some(MISTAKE)).map_or_else(|error| format!("{error:#}"), |_| String::new());
    let verdict = match error.contains(WAY_OUT) && error.contains("rustc --explain E0261") {
        true => Verdict::Passed,
        false => Verdict::Failed(format!("not a whole error of rustc:\n{error}")),
    };
    let mut cases = vec![Case::new("error", verdict)];
    build(None)?;
    let name = NAMES.1;
    let command = format!(
        "insmod /share/{name}.ko && rust_idmap --on={name} && rmmod {name} && \
         ! grep -q {name} /proc/filesystems"
    );
    let program = Program {
        share: Some(share),
        ..Program::new("own-module", &command)
    };
    cases.extend(program.run(lab, engine)?);
    Ok(cases)
}

/// Writes the copy and its Kbuild into a directory.
fn write(checkout: &Path, dir: &Path, mistake: Option<(&str, &str)>) -> Result<()> {
    fs::create_dir_all(dir)?;
    let sample = checkout.join(SAMPLE);
    let text =
        fs::read_to_string(&sample).with_context(|| format!("cannot read {}", sample.display()))?;
    let mut text = text.replace(NAMES.0, NAMES.1);
    if let Some((right, wrong)) = mistake {
        text = text.replace(right, wrong);
    }
    let name = NAMES.1;
    fs::write(dir.join(format!("{name}.rs")), text)?;
    Ok(fs::write(
        dir.join("Kbuild"),
        format!("# SPDX-License-Identifier: GPL-2.0\nobj-m += {name}.o\n"),
    )?)
}
