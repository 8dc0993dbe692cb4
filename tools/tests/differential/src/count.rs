// SPDX-License-Identifier: GPL-2.0

//! How often each kind of operation had each result.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// The counts of a run.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<(&'static str, String), u64>);

impl Counts {
    pub(crate) fn add(&mut self, kind: &'static str, result: &str) {
        *self.0.entry((kind, result.to_owned())).or_default() += 1;
    }

    /// Writes a line for each.
    pub(crate) fn write(&self, trace: &mut impl Write) -> io::Result<()> {
        for ((kind, result), count) in &self.0 {
            writeln!(trace, "count {kind} {result} {count}")?;
        }
        Ok(())
    }
}
