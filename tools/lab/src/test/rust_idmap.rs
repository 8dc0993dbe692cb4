// SPDX-License-Identifier: GPL-2.0

//! Our own selftests, tools/testing/selftests/rust_idmap: what idmapped mounts do, call by call,
//! on every filesystem.

use anyhow::Result;

use super::expected::Expected;
use super::guest::Program;
use super::report::{Case, Verdict};
use crate::lab::{Engine, Lab};

/// The tests that are known not to pass.
const EXPECTED: &str = "tools/lab/expected/rust_idmap.txt";

/// The security modules of every guest, and AppArmor.
const LSM: &str = "lsm=landlock,lockdown,yama,integrity,apparmor";

/// The tests of nested idmaps, which C does not have.
const NESTED: &str = "nested.";

/// Runs them on one engine.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        parameters: LSM,
        ..Program::new("rust_idmap", "exec rust_idmap")
    };
    let mut expected = Expected::exceptions(&lab.checkout, EXPECTED)?;
    if lab.fixes {
        expected.without_failures();
    }
    let seen = program.run(lab, engine)?;
    let (skipped, seen): (Vec<_>, Vec<_>) = seen.into_iter().partition(|case| {
        let is_skip = matches!(case.verdict, Verdict::Skipped(_));
        engine == Engine::C && is_skip && case.name.starts_with(NESTED)
    });
    let mut cases = expected.compare(&seen);
    cases.extend(skipped);
    Ok(cases)
}
