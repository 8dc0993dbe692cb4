// SPDX-License-Identifier: GPL-2.0

//! Random operations by random users, on both engines.

use anyhow::Result;

use super::super::report::{Case, Verdict};
use super::{Run, Wanted};
use crate::lab::{Engine, Lab};

/// The number of operations in a run of all tests; `make battery` has more.
const WANTED: Wanted<'static> = Wanted {
    seed: 1,
    ops: super::ENOUGH,
    world: None,
    on: None,
};

/// Runs the same operations on both engines, and compares the results.
pub(crate) fn run(lab: &Lab) -> Result<Vec<Case>> {
    let rust = super::run(lab, Engine::Rust, WANTED)?;
    let c = super::run(lab, Engine::C, WANTED)?;
    let same = match super::difference(&rust.trace, &c.trace, WANTED.seed) {
        None => Verdict::Passed,
        Some(difference) => Verdict::Failed(difference),
    };
    let unseen = super::unseen(&c.trace, WANTED);
    let variety = match unseen.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed(format!("never seen: {}", unseen.join(", "))),
    };
    let mut cases = vec![Case::new("same", same), Case::new("variety", variety)];
    for (engine, Run { outcome, .. }) in [(Engine::Rust, &rust), (Engine::C, &c)] {
        let around = super::super::around(outcome, &[]).into_iter();
        cases
            .extend(around.map(|case| Case::new(&format!("{}-{engine}", case.name), case.verdict)));
    }
    Ok(cases)
}
