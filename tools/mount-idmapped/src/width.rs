// SPDX-License-Identifier: GPL-2.0

//! Lines that fit a terminal.

use std::os::fd::AsFd;

use rustix::termios::{isatty, tcgetwinsize};
use textwrap::{Options, WordSeparator, WordSplitter, core::display_width, wrap};

/// Narrower ones are taken for this one.
const NARROWEST: usize = 20;
/// The further indentation of the rest of a line.
const HANGING: usize = 4;

/// The columns of a terminal, if this is one that has a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width(Option<usize>);

impl Width {
    /// No terminal.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(file: impl AsFd) -> Self {
        let size = isatty(&file).then(|| tcgetwinsize(&file).ok()).flatten();
        let columns = size.map(|size| usize::from(size.ws_col));
        Self(
            columns
                .filter(|columns| *columns > 0)
                .map(|columns| columns.max(NARROWEST)),
        )
    }

    /// Whether each line of a text fits.
    pub(crate) fn has(self, text: &str) -> bool {
        self.0
            .is_none_or(|columns| text.lines().all(|line| display_width(line) <= columns))
    }

    /// Breaks lines that are longer at blanks. A word is not broken.
    pub(crate) fn wrapped(self, text: &str) -> String {
        let Some(columns) = self.0 else {
            return text.to_owned();
        };
        let mut all = String::new();
        for line in text.split_inclusive('\n') {
            let bare = line.strip_suffix('\n');
            let end = if bare.is_some() { "\n" } else { "" };
            all += &broken(bare.unwrap_or(line), columns);
            all += end;
        }
        all
    }
}

fn broken(line: &str, columns: usize) -> String {
    if display_width(line) <= columns {
        return line.to_owned();
    }
    let words = line.trim_start_matches(' ');
    let first = " ".repeat(line.len() - words.len());
    let rest = " ".repeat(first.len() + HANGING);
    let options = Options::new(columns)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    wrap(words, options).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks() {
        let width = Width(Some(20));
        let text = "short\n  a line of more words than fit\n\nno-blank-is-in-this-word\n";
        let expected =
            "short\n  a line of more\n      words than fit\n\nno-blank-is-in-this-word\n";
        assert_eq!(width.wrapped(text), expected);
        assert!(!width.has(text) && width.has("short\n"));
        assert_eq!(Width::NONE.wrapped(text), text);
        assert!(Width::NONE.has(text));
    }

    #[test]
    fn colour_has_no_width() {
        let text = "\x1b[32mok\x1b[m   12345678901234 y\n";
        assert_eq!(Width(Some(21)).wrapped(text), text);
    }
}
