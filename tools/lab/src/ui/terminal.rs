// SPDX-License-Identifier: GPL-2.0

//! The user's terminal.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The settings of the terminal, which are restored when the value is dropped.
pub(crate) struct Saved(Option<Termios>);

impl Saved {
    /// Saves the settings, if there is a terminal.
    pub(crate) fn take() -> Self {
        Self(tcgetattr(std::io::stdin()).ok())
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
    }
}

/// Rows and columns.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdin()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
