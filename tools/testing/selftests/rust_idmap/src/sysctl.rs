// SPDX-License-Identifier: GPL-2.0

//! Settings of the machine that tests depend on, put back at the end.

use kselftest::ktap::{Context, Failure};
use std::fs;

/// A setting, put back when this is dropped.
pub(crate) struct Sysctl {
    path: String,
    before: String,
}

impl Sysctl {
    /// Changes the setting of this name, such as `fs/protected_symlinks`.
    pub(crate) fn set(name: &str, value: &str) -> Result<Self, Failure> {
        let path = format!("/proc/sys/{name}");
        let before = fs::read_to_string(&path).context(format_args!("reading {path}"))?;
        fs::write(&path, value).context(format_args!("writing {path}"))?;
        Ok(Self { path, before })
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.before) {
            eprintln!("{} is not as it was: {error}", self.path);
        }
    }
}
