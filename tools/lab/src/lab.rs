// SPDX-License-Identifier: GPL-2.0

//! What every part of the program needs to know.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cache::Cache;

/// Which implementation answers in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Engine {
    /// Ours.
    Rust,
    /// The stock kernel's.
    C,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::C => "c",
        })
    }
}

/// The state of one run of the program.
pub(crate) struct Lab {
    pub(crate) cache: Cache,
    /// Where cargo builds the tools of this checkout.
    pub(crate) target: PathBuf,
    /// The checkout of this project.
    pub(crate) checkout: PathBuf,
    /// The kernel asked for: "7.3".
    pub(crate) kernel: String,
    /// The user's own kernel tree, instead of a downloaded one.
    pub(crate) kdir: Option<PathBuf>,
    pub(crate) verbose: bool,
}

impl Lab {
    /// The tree that a task changes or restores.
    pub(crate) fn own_tree(&self) -> Result<&Path> {
        self.kdir
            .as_deref()
            .context("which tree? say KDIR=/path/to/a/kernel/tree")
    }

    /// How many jobs to run at once.
    pub(crate) fn jobs() -> usize {
        std::thread::available_parallelism().map_or(2, usize::from)
    }
}
