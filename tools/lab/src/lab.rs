// SPDX-License-Identifier: GPL-2.0

//! The state that all parts of the program share.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::cache::Cache;
use crate::kernel::arch::Arch;

/// The implementation of id mappings in a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Engine {
    /// The implementation in Rust.
    Rust,
    /// The implementation of the stock kernel.
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

/// The flavour of a kernel: its engine, and its sanitizers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Flavour {
    pub(crate) engine: Engine,
    /// The sanitizers, each of which has a fragment of the configuration.
    pub(crate) sanitizers: Vec<String>,
    /// Whether the filesystem in Rust is a module, which is built outside of the tree.
    pub(crate) module: bool,
    /// Whether the kernel has unit tests and their C oracles.
    pub(crate) kunit: bool,
    /// Whether the engine in Rust has nested idmaps, which is not the default of the kernel.
    pub(crate) nested: bool,
}

impl From<Engine> for Flavour {
    fn from(engine: Engine) -> Self {
        Self {
            engine,
            sanitizers: Vec::new(),
            module: false,
            kunit: false,
            nested: true,
        }
    }
}

impl Flavour {
    /// The fragments of the configuration, after those that every kernel has.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = &str> {
        let module = self.module.then_some("module");
        let kunit = self.kunit.then_some("kunit");
        let no_nested = (!self.nested).then_some("no-nested");
        module
            .into_iter()
            .chain(kunit)
            .chain(no_nested)
            .chain(self.sanitizers.iter().map(String::as_str))
    }

    /// Returns the name of the build directory. Kernels with another engine, with sanitizers and
    /// with unit tests have other directories.
    pub(crate) fn dir(&self, arch: Arch) -> String {
        let engine = match (self.engine, self.nested) {
            (Engine::Rust, true) => "",
            (Engine::Rust, false) => "-no-nested",
            (Engine::C, _) => "-c",
        };
        match (self.sanitizers.is_empty(), self.kunit) {
            (true, false) => format!("{arch}{engine}"),
            (true, true) => format!("{arch}{engine}-kunit"),
            (false, _) => format!("{arch}{engine}-sanitize"),
        }
    }

    /// Returns the flavour with the other engine.
    pub(crate) fn with_other_engine(&self) -> Self {
        let engine = match self.engine {
            Engine::Rust => Engine::C,
            Engine::C => Engine::Rust,
        };
        Self {
            engine,
            nested: true,
            ..self.clone()
        }
    }

    /// Returns the factor of the time limits of a guest.
    pub(crate) fn patience(&self) -> u32 {
        match self.sanitizers.is_empty() {
            true => 1,
            false => 4,
        }
    }

    /// Returns the parameters for the command line of the kernel.
    ///
    /// `no5lvl`: until the kernel has detected the number of levels of page tables, KASAN reports
    /// an interrupt as an access to wild memory. `kasan_multi_shot`: after the first report, KASAN
    /// and lockdep report nothing else without it.
    ///
    /// `pci=noacpi`: with KASAN and kmemleak, ACPI's method for PCI interrupts exceeds its time
    /// limit. Without ACPI for PCI interrupts the guest has one processor.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> {
        let has = |name| self.sanitizers.iter().any(|other| other == name);
        let words: &[&str] = match (has("kasan"), has("kmemleak")) {
            (true, true) => &["no5lvl", "kasan_multi_shot", "pci=noacpi"],
            (true, false) => &["no5lvl", "kasan_multi_shot"],
            (false, _) => &[],
        };
        words.iter().map(|word| (*word).to_owned())
    }

    /// Returns shell code for the end of a command in the guest. With kmemleak it scans for leaks.
    /// kmemleak reports only objects that are some seconds old. A scan can miss a pointer that
    /// moves at this time, so only the last of several scans counts.
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
    /// The requested kernel: "7.3".
    pub(crate) kernel: String,
    /// The architecture of the kernel and of the guest.
    pub(crate) arch: Arch,
    /// The user's own kernel tree, instead of a downloaded one.
    pub(crate) kdir: Option<PathBuf>,
    /// Whether the fixes of Linux are applied.
    pub(crate) fixes: bool,
    pub(crate) verbose: bool,
}

impl Lab {
    /// The tree that a task changes or restores.
    pub(crate) fn own_tree(&self) -> Result<&Path> {
        self.kdir
            .as_deref()
            .context("no kernel tree: set KDIR=/path/to/a/kernel/tree")
    }

    /// Returns a copy.
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

    /// Returns the number of parallel jobs.
    pub(crate) fn jobs() -> usize {
        std::thread::available_parallelism().map_or(2, usize::from)
    }
}
