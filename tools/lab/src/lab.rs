// SPDX-License-Identifier: GPL-2.0

//! What every part of the program needs to know.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cache::Cache;
use crate::kernel::arch::Arch;

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

/// Which kernel is built: an engine, and the kernel's own checkers with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flavour {
    pub(crate) engine: Engine,
    /// Fragments of the configuration that add one each.
    pub(crate) sanitizers: Vec<String>,
    /// Whether the filesystem in Rust is a module, made outside of the tree.
    pub(crate) module: bool,
    /// Whether the kernel has unit tests and their C oracles.
    pub(crate) kunit: bool,
}

impl From<Engine> for Flavour {
    fn from(engine: Engine) -> Self {
        Self {
            engine,
            sanitizers: Vec::new(),
            module: false,
            kunit: false,
        }
    }
}

impl Flavour {
    /// The fragments of the configuration, after those that every kernel has.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = &str> {
        let module = self.module.then_some("module");
        let kunit = self.kunit.then_some("kunit");
        module
            .into_iter()
            .chain(kunit)
            .chain(self.sanitizers.iter().map(String::as_str))
    }

    /// The directory for builds: engines, those with checkers and those with unit tests leave the
    /// others alone.
    pub(crate) fn dir(&self, arch: Arch) -> String {
        let engine = match self.engine {
            Engine::Rust => "",
            Engine::C => "-c",
        };
        match (self.sanitizers.is_empty(), self.kunit) {
            (true, false) => format!("{arch}{engine}"),
            (true, true) => format!("{arch}{engine}-kunit"),
            (false, _) => format!("{arch}{engine}-sanitize"),
        }
    }

    /// The same with the other engine.
    pub(crate) fn with_other_engine(&self) -> Self {
        let engine = match self.engine {
            Engine::Rust => Engine::C,
            Engine::C => Engine::Rust,
        };
        Self {
            engine,
            ..self.clone()
        }
    }

    /// How many times as long as usual a guest may take.
    pub(crate) fn patience(&self) -> u32 {
        match self.sanitizers.is_empty() {
            true => 1,
            false => 4,
        }
    }

    /// What the kernel's command line has for it.
    ///
    /// While a kernel finds out about the processor it does not know whether there are five levels
    /// of page tables, and KASAN takes an interrupt at that time for an access to wild memory. After
    /// a report neither KASAN nor lockdep looks any further, unless the former is told to.
    ///
    /// With kmemleak beside them ACPI's own program for the interrupts of PCI takes longer than it
    /// may. Where ACPI is not asked for these there is only one processor.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> {
        let has = |name| self.sanitizers.iter().any(|other| other == name);
        let words: &[&str] = match (has("kasan"), has("kmemleak")) {
            (true, true) => &["no5lvl", "kasan_multi_shot", "pci=noacpi"],
            (true, false) => &["no5lvl", "kasan_multi_shot"],
            (false, _) => &[],
        };
        words.iter().map(|word| (*word).to_owned())
    }

    /// What a command in the guest ends with: leaks of memory are looked for only when asked, and
    /// only what was made some seconds ago is taken for one. What is on its way from one place to
    /// another may be seen at neither once; it is the last of some scans that counts.
    pub(crate) fn epilogue(&self) -> &'static str {
        match self.sanitizers.iter().any(|name| name == "kmemleak") {
            false => "",
            true => concat!(
                "; status=$?; sleep 6; mount -t debugfs debugfs /sys/kernel/debug; ",
                "cd /sys/kernel/debug || exit 1; ",
                "echo scan >kmemleak && sleep 5 && echo scan >kmemleak && sleep 5 && ",
                "echo scan >kmemleak || exit 1; leaks=$(cat kmemleak); ",
                "[ -z \"$leaks\" ] || { echo \"$leaks\" >&2; exit 1; }; exit $status"
            ),
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)?;
        self.fragments().try_for_each(|name| write!(f, "-{name}"))
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
    /// The architecture of the kernel and of the guest.
    pub(crate) arch: Arch,
    /// The user's own kernel tree, instead of a downloaded one.
    pub(crate) kdir: Option<PathBuf>,
    /// Whether bugs that Linux has are fixed.
    pub(crate) fixes: bool,
    pub(crate) verbose: bool,
}

impl Lab {
    /// The tree that a task changes or restores.
    pub(crate) fn own_tree(&self) -> Result<&Path> {
        self.kdir
            .as_deref()
            .context("which tree? say KDIR=/path/to/a/kernel/tree")
    }

    /// The same once more.
    fn again(&self) -> Result<Self> {
        Ok(Self {
            cache: Cache::open(self.cache.path(""))?,
            target: self.target.clone(),
            checkout: self.checkout.clone(),
            kernel: self.kernel.clone(),
            arch: self.arch,
            kdir: self.kdir.clone(),
            fixes: self.fixes,
            verbose: self.verbose,
        })
    }

    /// The same for another kernel.
    pub(crate) fn with_kernel(&self, series: &str) -> Result<Self> {
        Ok(Self {
            kernel: series.to_owned(),
            kdir: None,
            ..self.again()?
        })
    }

    /// The same for another architecture.
    pub(crate) fn with_arch(&self, arch: Arch) -> Result<Self> {
        Ok(Self {
            arch,
            ..self.again()?
        })
    }

    /// The name of a kernel, in file names and messages.
    pub(crate) fn name(&self, flavour: &Flavour) -> String {
        match self.arch {
            Arch::X86 => flavour.to_string(),
            arch => format!("{arch}-{flavour}"),
        }
    }

    /// How many jobs to run at once.
    pub(crate) fn jobs() -> usize {
        std::thread::available_parallelism().map_or(2, usize::from)
    }
}
