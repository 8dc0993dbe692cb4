// SPDX-License-Identifier: GPL-2.0

//! Runs parts, each in a process of its own, some of them in a user namespace.

use std::{
    cell::Cell, error::Error, ffi::OsString, io::stdout, path::PathBuf, process::Command, rc::Rc,
};

use clap::ValueEnum;
use kselftest::ktap::{self, Printer};
use kselftest::mounts;
use kselftest::syscalls;

use crate::{
    apps, cases, cycles, limits, memory, mix, options,
    test::{Case, Named, Test},
    test_mount::{self, Manner, TestMount},
};

/// A part of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Each call and each error of it, as root
    Plain,
    /// The same through an idmapped mount
    Idmapped,
    /// The same, mounted in a user namespace
    Userns,
    /// The same, mounted in a user namespace, through an idmapped mount
    UsernsIdmapped,
    /// Limits and options
    Limits,
    /// The same in a user namespace
    UsernsLimits,
    /// All operations by several threads at once
    Mix,
    /// Mounting and unmounting, and loading the module, again and again
    Cycles,
    /// Each operation with each of its allocations failing
    Faults,
    /// Programs that people use, which need an image of their own
    Apps,
    /// The same through an idmapped mount
    AppsIdmapped,
}

/// How long the parts take that may take long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Effort {
    /// Only tests whose name begins with this
    #[arg(long, default_value = "")]
    pub(crate) only: String,
    /// How many seconds the mix goes on
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How many cycles there are of a kind, and as many before to fill caches
    #[arg(long, default_value_t = 300)]
    pub(crate) cycles: usize,
    /// The filesystem's module, which is loaded, to be unloaded and loaded again as often
    #[arg(long)]
    pub(crate) module: Option<PathBuf>,
}

impl Effort {
    /// As the arguments that it was read from.
    fn arguments(&self) -> Vec<OsString> {
        let mut all = vec![
            format!("--only={}", self.only).into(),
            format!("--seconds={}", self.seconds).into(),
            format!("--cycles={}", self.cycles).into(),
        ];
        if let Some(module) = &self.module {
            all.extend(["--module".into(), module.into()]);
        }
        all
    }
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn in_userns(self) -> bool {
        matches!(
            self,
            Self::Userns | Self::UsernsIdmapped | Self::UsernsLimits
        )
    }

    /// Runs it in this process, which is where it belongs; the answer is whether all is well.
    pub(crate) fn run(self, kind: &str, effort: &Effort) -> Result<bool, Box<dyn Error>> {
        mounts::new_namespace()?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let manner = match self {
            Self::Idmapped | Self::AppsIdmapped => Manner::Idmapped,
            Self::Userns | Self::UsernsLimits => Manner::Userns,
            Self::UsernsIdmapped => Manner::UsernsIdmapped,
            _ => Manner::Plain,
        };
        let test_mount = TestMount::new(kind, manner, "mode=755")?;
        let mut tests = self.tests(effort);
        tests.retain(|(name, _)| name.starts_with(&effort.only));
        let mut printer = Printer::subtest(stdout(), &self.name(), tests.len());
        let mut all = 0;
        for (name, call) in tests {
            let dir = test_mount.root().join(&name);
            syscalls::mkdir(&dir, 0o755)?;
            let test = Test::new(&test_mount, dir.clone());
            let end = call(&test);
            let (checks, wrong) = test.close(end);
            all += checks;
            let outcome = match wrong.is_empty() {
                true => Ok(()),
                false => Err(ktap::failed(wrong.join("\n"))),
            };
            printer.result(&name, &outcome);
            std::fs::remove_dir_all(&dir)?;
        }
        printer.comment(format_args!("{all} checks on {kind}"));
        let ended = test_mount.end();
        if let Err(error) = &ended {
            // Outside of the tests, as the reason for the part's own result.
            println!("# the filesystem cannot be unmounted: {error}");
        }
        Ok(printer.is_good() && ended.is_ok())
    }

    /// Its tests.
    fn tests(self, effort: &Effort) -> Vec<(String, Call)> {
        let named = |(name, call): &Named| -> (String, Call) {
            let call = *call;
            ((*name).to_owned(), Box::new(move |t: &Test| call(t)))
        };
        let (seconds, cycles) = (effort.seconds, effort.cycles);
        match self {
            Self::Plain | Self::Idmapped | Self::Userns | Self::UsernsIdmapped => {
                cases::tests().map(named).collect()
            }
            Self::Limits | Self::UsernsLimits => {
                let tests = limits::TESTS.iter().chain(options::TESTS);
                tests.map(named).collect()
            }
            Self::Mix => vec![(
                "mix.threads".into(),
                Box::new(move |t| mix::run(t, seconds)),
            )],
            Self::Cycles => {
                let mut tests: Vec<(String, Call)> = vec![
                    (
                        "cycles.empty".into(),
                        Box::new(move |t| cycles::mounts(t, cycles, false)),
                    ),
                    (
                        "cycles.filled".into(),
                        Box::new(move |t| cycles::mounts(t, cycles, true)),
                    ),
                    (
                        "cycles.refused".into(),
                        Box::new(move |t| cycles::refused_mounts(t, cycles)),
                    ),
                ];
                if let Some(file) = effort.module.clone() {
                    tests.push((
                        "cycles.module".into(),
                        Box::new(move |t| cycles::module(t, &file, cycles)),
                    ));
                }
                tests
            }
            Self::Apps | Self::AppsIdmapped => {
                let scripts = apps::SCRIPTS
                    .iter()
                    .map(|(name, script)| -> (String, Call) {
                        let call = move |t: &Test| apps::run(t, name, script);
                        ((*name).to_owned(), Box::new(call))
                    });
                scripts.collect()
            }
            Self::Faults => {
                let refused = Rc::new(Cell::new(0));
                let (mounting, all) = (Rc::clone(&refused), Rc::clone(&refused));
                let operations =
                    memory::OPERATIONS
                        .iter()
                        .map(|(name, prepare)| -> (String, Call) {
                            let (prepare, refused) = (*prepare, Rc::clone(&refused));
                            let call = move |t: &Test| memory::operation(t, prepare, &refused);
                            (format!("faults.{name}"), Box::new(call))
                        });
                let rest: [(String, Call); 2] = [
                    (
                        "faults.mount".into(),
                        Box::new(move |t| memory::mounting(t, &mounting)),
                    ),
                    // After all the others.
                    (
                        "faults.refusals".into(),
                        Box::new(move |t| memory::enough(t, &all)),
                    ),
                ];
                operations.chain(rest).collect()
            }
        }
    }
}

/// The function of a test.
type Call = Box<dyn Fn(&Test) -> Case>;

/// Runs parts on each type of filesystem; the answer is whether all is well.
pub(crate) fn all(
    kinds: &[String],
    parts: &[Part],
    effort: &Effort,
) -> Result<bool, Box<dyn Error>> {
    let usual = |part: &&Part| !matches!(part, Part::Apps | Part::AppsIdmapped);
    let parts: Vec<Part> = match parts {
        [] => Part::value_variants()
            .iter()
            .filter(usual)
            .copied()
            .collect(),
        some => some.to_vec(),
    };
    let mut printer = Printer::new(stdout(), kinds.len() * parts.len());
    let userns = test_mount::userns()?;
    for kind in kinds {
        for part in &parts {
            let program = "/proc/self/exe";
            let mut command = match part.in_userns() {
                true => userns.command(program)?,
                false => Command::new(program),
            };
            let name = part.name();
            let status = command
                .args(["part", kind, &name])
                .args(effort.arguments())
                .status()?
                .success();
            let outcome = match status {
                true => Ok(()),
                false => Err(ktap::failed("the part failed")),
            };
            printer.result(&format!("{kind}.{name}"), &outcome);
        }
    }
    Ok(printer.is_good())
}
