// SPDX-License-Identifier: GPL-2.0

//! The selftests of this project, tools/testing/selftests/rust_idmap: each system call on idmapped
//! mounts, on each filesystem.

use anyhow::Result;

use super::expected::Expected;
use super::guest::Program;
use super::report::Case;
use crate::lab::{Engine, Lab};

/// The tests that do not pass.
const EXPECTED: &str = "tools/lab/expected/rust_idmap.txt";
/// The additional ones with the engine in C.
const EXPECTED_IN_C: &str = "tools/lab/expected/rust_idmap-c.txt";

/// The security modules of each guest, and AppArmor.
const LSM: &str = "lsm=landlock,lockdown,yama,integrity,apparmor";

/// Runs the selftests on one engine.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        parameters: LSM,
        ..Program::new("rust_idmap", "exec rust_idmap")
    };
    let mut expected = Expected::exceptions(&lab.checkout, EXPECTED)?;
    if lab.fixes {
        expected.without_failures();
    }
    if engine == Engine::C {
        expected.more(Expected::exceptions(&lab.checkout, EXPECTED_IN_C)?);
    }
    Ok(expected.compare(&program.run(lab, engine)?))
}
