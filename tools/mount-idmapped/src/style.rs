// SPDX-License-Identifier: GPL-2.0

//! Colour, on terminals only.

use std::{env, io::IsTerminal};

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Good,
    Bad,
}

/// Whether there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(bool);

impl Paint {
    /// There is on a terminal, unless `NO_COLOR` is set and not empty, or the terminal has none.
    pub(crate) fn for_stdout() -> Self {
        Self(std::io::stdout().is_terminal() && is_allowed())
    }

    pub(crate) fn style(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Good => 32,
            Style::Bad => 31,
        };
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[m"),
            false => text.to_owned(),
        }
    }
}

/// Whether terminals may have colour.
pub(crate) fn is_allowed() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    !is_set("NO_COLOR") && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terminal_no_colour() {
        assert_eq!(Paint(false).style(Style::Bad, "no"), "no");
        assert_eq!(Paint(true).style(Style::Bad, "no"), "\x1b[31mno\x1b[m");
    }
}
