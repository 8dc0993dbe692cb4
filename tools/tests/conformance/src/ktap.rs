// SPDX-License-Identifier: GPL-2.0

//! Prints results in KTAP (Documentation/dev-tools/ktap.rst): parts, and tests in each.

/// A part while its tests run.
pub(crate) struct Part {
    planned: usize,
    done: usize,
    good: bool,
}

impl Part {
    /// Begins a part of so many tests.
    pub(crate) fn begin(name: &str, planned: usize) -> Self {
        println!("    KTAP version 1\n    # Subtest: {name}\n    1..{planned}");
        Self {
            planned,
            done: 0,
            good: true,
        }
    }

    /// Says something that is no result.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            println!("    # {line}");
        }
    }

    /// The result of the next test: what was wrong with it, if anything.
    pub(crate) fn result(&mut self, name: &str, wrong: &[String]) {
        self.done += 1;
        self.good &= wrong.is_empty();
        for line in wrong {
            self.say(line);
        }
        println!("    {} {} {name}", verdict(wrong.is_empty()), self.done);
    }

    /// Whether all tests were run and passed.
    pub(crate) fn end(self) -> bool {
        self.good && self.done == self.planned && self.done > 0
    }
}

/// The word for a result.
pub(crate) fn verdict(good: bool) -> &'static str {
    if good { "ok" } else { "not ok" }
}
