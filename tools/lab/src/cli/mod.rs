// SPDX-License-Identifier: GPL-2.0

//! The command line: tasks and options. The Makefile passes its variables as
//! environment variables of the same names. Each of them is an option, too.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};

use crate::cache::Cache;
use crate::guest::{exec, image};
use crate::kernel::arch::Arch;
use crate::kernel::{docs, own_module};
use crate::lab::{Engine, Lab};
use crate::test::battery::{self, Wanted};
use crate::test::{bench, check, configs, lint};
use crate::tree::{series, undo};
use crate::{test, tree};

#[derive(Parser)]
#[command(name = "lab", about, version)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    task: Task,
}

#[derive(Args)]
struct Common {
    /// The directory of downloads and builds.
    #[arg(long, env = "CACHE", global = true)]
    cache: Option<PathBuf>,
    /// The kernel to use: 7.3 or 7.2.
    #[arg(long, env = "KERNEL", global = true, default_value = "7.3")]
    kernel: String,
    /// The architecture of the guest, or of a kernel for unit tests.
    #[arg(long, env = "ARCH", global = true, value_enum, default_value = "x86")]
    arch: Arch,
    /// A kernel tree of your own, which is copied and not changed.
    #[arg(long, env = "KDIR", global = true)]
    kdir: Option<PathBuf>,
    /// Apply the fixes of Linux (patches/fixes).
    #[arg(long, env = "FIXES", global = true, value_parser = FalseyValueParser::new())]
    fixes: bool,
    /// Print the output of every step.
    #[arg(long, env = "V", global = true, value_parser = FalseyValueParser::new())]
    verbose: bool,
    /// The target directory of cargo.
    #[arg(long, env = "CARGO_TARGET_DIR", global = true, hide = true)]
    target: Option<PathBuf>,
    /// The checkout of this project.
    #[arg(
        long,
        env = "LAB_CHECKOUT",
        global = true,
        hide = true,
        default_value = "."
    )]
    checkout: PathBuf,
}

/// The options of a guest.
#[derive(Args)]
pub(crate) struct GuestArgs {
    /// The implementation of id mappings.
    #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
    pub(crate) engine: Engine,
    /// A directory that the guest mounts at /share.
    #[arg(long, env = "SHARE")]
    pub(crate) share: Option<PathBuf>,
    /// Disks to format and mount: ext4 xfs:1G btrfs vfat msdos raw.
    #[arg(long, env = "DISKS", default_value = "")]
    pub(crate) disks: String,
    /// The guest's root filesystem: usual, or with more programs: apps, clients.
    #[arg(long, env = "IMAGE", default_value = "usual", value_parser = image::named)]
    pub(crate) image: &'static image::Image,
    /// Count instructions: one processor whose nanosecond is an instruction.
    #[arg(long, env = "ICOUNT", value_parser = FalseyValueParser::new())]
    pub(crate) icount: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Boot, run a command in the guest, and exit with its status.
    Exec {
        #[command(flatten)]
        guest: GuestArgs,
        /// The command, for /bin/sh.
        #[arg(long, env = "CMD")]
        cmd: Option<OsString>,
        /// Seconds after which the guest is ended.
        #[arg(long, env = "TIMEOUT", default_value_t = 600)]
        timeout: u64,
    },
    /// Boot and run a shell in the guest.
    Shell {
        #[command(flatten)]
        guest: GuestArgs,
    },
    /// Boot the Rust engine and demonstrate idmapped mounts.
    Run,
    /// Boot and run some of the acceptance scenes in full.
    Scene {
        /// The names of the scenes: "E", or "A B".
        #[arg(long, env = "S")]
        scenes: Option<String>,
        /// Only on this filesystem.
        #[arg(long, env = "ON")]
        on: Option<String>,
        /// The implementation of id mappings.
        #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
        engine: Engine,
    },
    /// Boot and run programs that use idmapped mounts.
    Clients {
        /// Only these: "mount crun".
        #[arg(long, env = "S", default_value = exec::CLIENTS)]
        clients: String,
        /// Only on this filesystem.
        #[arg(long, env = "ON")]
        on: Option<String>,
        /// The implementation of id mappings.
        #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
        engine: Engine,
    },
    /// Check formatting, lints, patches and documentation.
    Check {
        /// Skip the checks that build the kernel.
        #[arg(long)]
        quick: bool,
        /// Only those whose name begins with this.
        #[arg(long, env = "T", default_value = "")]
        only: String,
    },
    /// Find where a filesystem in C does not use the idmap of a mount.
    Lint {
        /// A directory or file of the kernel, such as fs/minix.
        #[arg(long, env = "FS")]
        fs: PathBuf,
    },
    /// Check the kernel in a set of configurations, without building it.
    Configs {
        /// Only these: "no-acl arm64".
        #[arg(long, env = "T", default_value = "")]
        only: String,
    },
    /// Build the documentation.
    Docs,
    /// Write the change as patches to mail.
    Series {
        /// The directory of the patches.
        #[arg(long, env = "OUT")]
        out: Option<PathBuf>,
        /// The person who sends and signs off: "Name <address>".
        #[arg(long, env = "SENDER")]
        sender: Option<String>,
        /// The tools that have helped: "LLM coccinelle".
        #[arg(long, env = "ASSISTED")]
        assisted: Option<String>,
    },
    /// Build a module of your own against the guest's kernel.
    Module {
        /// The directory with its Kbuild.
        #[arg(long, env = "M")]
        m: Option<PathBuf>,
        /// The directory for the .ko, which the guest of make exec mounts at /share.
        #[arg(long, env = "SHARE")]
        share: Option<PathBuf>,
        /// The implementation of id mappings.
        #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
        engine: Engine,
    },
    /// Run the tests.
    Test {
        /// Only those whose name is, or starts with, this.
        #[arg(long, env = "T", default_value = "")]
        only: String,
        /// How many parts run at once (by default as many as processors and memory allow).
        #[arg(long, env = "JOBS", value_parser = clap::value_parser!(u8).range(1..=64))]
        jobs: Option<u8>,
    },
    /// Run random operations by random users, and compare both engines.
    Battery {
        /// The seed of the random numbers.
        #[arg(long, env = "SEED", default_value_t = 1)]
        seed: u64,
        /// The number of operations.
        #[arg(long, env = "OPS", default_value_t = 200_000)]
        ops: u64,
        /// The only world in which operations run.
        #[arg(long, env = "WORLD")]
        world: Option<u64>,
        /// The only filesystem: TYPE[:DEVICE|:OPTIONS].
        #[arg(long, env = "ON")]
        on: Option<String>,
    },
    /// Create and remove idmapped mounts on all processors, concurrently with readers.
    Storm {
        /// The duration.
        #[arg(long, env = "MINUTES", default_value_t = 60)]
        minutes: u64,
        /// The implementation of id mappings.
        #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
        engine: Engine,
    },
    /// Run common programs in the filesystem in Rust.
    Apps,
    /// Call the system calls for idmapped mounts with random arguments.
    Fuzz {
        /// The number of calls.
        #[arg(long, env = "CALLS", default_value_t = 1_000_000)]
        calls: u64,
        /// The seed of the arguments.
        #[arg(long, env = "SEED", default_value_t = 1)]
        seed: u64,
        /// The implementation of id mappings.
        #[arg(long, env = "ENGINE", value_enum, default_value = "rust")]
        engine: Engine,
    },
    /// Count the instructions of system calls on idmapped mounts, in both engines.
    Bench {
        /// The greatest number of mounts.
        #[arg(long, env = "MOUNTS", default_value_t = 1000)]
        mounts: u64,
        /// The number of files that containers share.
        #[arg(long, env = "FILES", default_value_t = 200)]
        files: u64,
        /// Only these parts: calls many saved native text files.
        #[arg(long, env = "T", default_value = "")]
        only: String,
    },
    /// Run unit tests, scenes and the battery on a kernel with sanitizers.
    Sanitize {
        /// The sanitizers: kasan lockdep atomic-sleep kmemleak ubsan, or kcsan.
        #[arg(
            long,
            env = "FRAGMENTS",
            default_value = "kasan lockdep atomic-sleep kmemleak"
        )]
        fragments: String,
        /// The number of operations of the battery.
        #[arg(long, env = "OPS", default_value_t = 20_000)]
        ops: u64,
        /// The number of calls with random arguments.
        #[arg(long, env = "CALLS", default_value_t = 20_000)]
        calls: u64,
        /// Only one part: kunit battery scenes posix module faults storm fuzz.
        #[arg(long, env = "T", default_value = "")]
        only: String,
    },
    /// Create the kernel tree with the files and patches of the project.
    Tree,
    /// Apply the change to a kernel tree of yours.
    Apply,
    /// Revert the change.
    Unapply,
    /// Remove all downloads and builds.
    Clean,
}

impl Common {
    fn lab(self) -> Result<Lab> {
        let root = match self.cache {
            Some(path) => path,
            None => default_cache().context("neither CACHE nor HOME is set")?,
        };
        let checkout = self
            .checkout
            .canonicalize()
            .with_context(|| format!("no checkout at {}", self.checkout.display()))?;
        let cache = Cache::open(root)?;
        Ok(Lab {
            target: self.target.unwrap_or_else(|| cache.path("target")),
            cache,
            checkout,
            kernel: self.kernel,
            arch: self.arch,
            kdir: self.kdir,
            fixes: self.fixes,
            verbose: self.verbose,
        })
    }
}

/// Returns the cache directory of the XDG specification.
fn default_cache() -> Option<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(base) if !base.is_empty() => PathBuf::from(base),
        _ => PathBuf::from(std::env::var_os("HOME")?).join(".cache"),
    };
    Some(base.join("rust-idmapping"))
}

/// Runs the task, and returns the exit status.
pub(crate) fn act(cli: Cli) -> Result<u8> {
    let mut lab = cli.common.lab()?;
    if let Task::Check { .. } | Task::Configs { .. } | Task::Docs = cli.task {
        // Each line of the matrix has an architecture of its own. The other checks are for x86.
        lab = lab.with_arch(Arch::X86)?;
    }
    match cli.task {
        Task::Exec {
            guest,
            cmd,
            timeout,
        } => {
            let cmd = cmd.context("no command: set CMD='...'")?;
            exec::exec(&lab, &guest, cmd, timeout)
        }
        Task::Shell { guest } => exec::shell(&lab, &guest),
        Task::Run => exec::tour(&lab),
        Task::Scene { scenes, on, engine } => {
            let scenes =
                scenes.context("no scene: set S=E; 'e2e list' in the guest lists the scenes")?;
            let play = exec::Play {
                scenes: &scenes,
                on: on.as_deref(),
                image: &image::USUAL,
            };
            play.run(&lab, engine)
        }
        Task::Clients {
            clients,
            on,
            engine,
        } => {
            let play = exec::Play {
                scenes: &clients,
                on: on.as_deref(),
                image: &image::CLIENTS,
            };
            play.run(&lab, engine)
        }
        Task::Check { quick, only } => Ok(u8::from(!check::run(&lab, quick, &only)?)),
        Task::Lint { fs } => lint::lint(&lab, &fs),
        Task::Configs { only } => Ok(u8::from(!configs::run(&lab, &only)?)),
        Task::Docs => docs::build(&lab).map(|()| 0),
        Task::Series {
            out,
            sender,
            assisted,
        } => series::write(&lab, out, &series::Senders { sender, assisted }).map(|()| 0),
        Task::Module { m, share, engine } => {
            let sources = m.context("no module: set M=/path/to/a/directory with a Kbuild")?;
            let modules = own_module::make(&lab, &engine.into(), &sources, share.as_deref())?;
            own_module::print_paths(&modules);
            Ok(0)
        }
        Task::Test { only, jobs } => Ok(u8::from(!test::run(&lab, &only, jobs)?)),
        Task::Battery {
            seed,
            ops,
            world,
            on,
        } => {
            let on = on.as_deref();
            let wanted = Wanted {
                seed,
                ops,
                world,
                on,
            };
            battery::battery(&lab, wanted)
        }
        Task::Storm { minutes, engine } => Ok(u8::from(!test::storm(&lab, engine, minutes)?)),
        Task::Fuzz {
            calls,
            seed,
            engine,
        } => Ok(u8::from(!test::fuzz(&lab, engine, calls, seed)?)),
        Task::Apps => Ok(u8::from(!test::run(&lab, "apps", Some(1))?)),
        Task::Bench {
            mounts,
            files,
            only,
        } => bench::bench(&lab, mounts, files, &bench::Part::named(&only)?),
        Task::Sanitize {
            fragments,
            ops,
            calls,
            only,
        } => {
            let request = test::Request {
                fragments: &fragments,
                only: &only,
                ops,
                calls,
            };
            Ok(u8::from(!test::sanitize(&lab, &request)?))
        }
        Task::Tree => {
            let tree = tree::get(&lab)?;
            println!("{}", tree.path.display());
            Ok(0)
        }
        Task::Apply => {
            undo::apply(&lab.checkout, lab.own_tree()?, &lab.cache.path("run")).map(|()| 0)
        }
        Task::Unapply => undo::unapply(lab.own_tree()?).map(|()| 0),
        Task::Clean => lab.cache.clean().map(|()| 0),
    }
}
