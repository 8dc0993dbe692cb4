// SPDX-License-Identifier: GPL-2.0

//! Where a scene is run: a directory of its own, whose mounts go when the scene is over.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::Args;
use kselftest::filesystem::Filesystem;
use kselftest::mounts;
use kselftest::target::{Mounted, Target};
use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount, unmount},
};

use crate::{
    inspect,
    report::{Context, Failure, Report},
    show::{Show, SyscallResult},
};

/// The directory, in a mount namespace of this program and its children.
pub(crate) const DIRECTORY: &str = "/mnt";

/// Leaves the mounts of the machine to themselves.
pub(crate) fn leave_machine() -> Result<(), Failure> {
    mounts::new_namespace().context("creating a mount namespace (this needs root)")
}

/// The result of a program.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Ran {
    /// Whether a line of the output is this one, but for blanks around it.
    pub(crate) fn has_line(&self, line: &str) -> bool {
        self.output.lines().any(|it| it.trim() == line)
    }
}

/// The effort of scenes that are random.
#[derive(Args, Clone, Copy)]
pub(crate) struct Effort {
    /// The seed of the random numbers
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The number of random trees in which operations are explained
    #[arg(long, default_value_t = 54)]
    pub(crate) worlds: u32,
}

/// The fixture of one scene on one filesystem.
pub(crate) struct Fixture {
    pub(crate) effort: Effort,
    pub(crate) filesystem: Filesystem,
    pub(crate) report: Report,
    /// The filesystem that the user has named.
    pub(crate) mounted: Option<Mounted>,
    /// Files to remove from the machine at the end.
    made: Vec<PathBuf>,
}

impl Fixture {
    /// Makes an empty fixture.
    pub(crate) fn new(
        filesystem: Filesystem,
        effort: Effort,
        report: Report,
    ) -> Result<Self, Failure> {
        mount(
            "fixture",
            DIRECTORY,
            "tmpfs",
            MountFlags::empty(),
            c"mode=755",
        )
        .context(format_args!("mounting a tmpfs on {DIRECTORY}"))?;
        Ok(Self {
            effort,
            filesystem,
            report,
            mounted: None,
            made: Vec::new(),
        })
    }

    /// Mounts the filesystem that the user has named.
    pub(crate) fn mount(&mut self, target: &Target) -> Result<(), Failure> {
        let mounted = target.mount(&self.path("target"))?;
        self.filesystem = mounted.filesystem;
        self.mounted = Some(mounted);
        Ok(())
    }

    /// A path on the fixture.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(DIRECTORY).join(name)
    }

    /// Adds a description of the next step to the report.
    pub(crate) fn say(&mut self, text: &str) {
        self.report.text(format!("# {text}"));
    }

    /// Compares an answer with the expected one.
    pub(crate) fn check<T>(
        &mut self,
        what: &str,
        seen: SyscallResult<T>,
        expected: SyscallResult<T>,
    ) where
        T: Show + PartialEq,
    {
        let good = seen == expected;
        self.report.check(what, good, seen.show(), expected.show());
    }

    /// Runs a command line as a user, and adds its output to the report.
    pub(crate) fn run(&mut self, user: u32, line: &str) -> Result<Ran, Failure> {
        let prompt = if user == 0 {
            "root#".to_owned()
        } else {
            format!("{user}$")
        };
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        if user != 0 {
            // As root, std leaves all other groups.
            command.uid(user).gid(user);
        }
        self.run_in(&prompt, line, command)
    }

    /// Runs a command and adds its line, after a prompt, and its output to the report.
    pub(crate) fn run_in(
        &mut self,
        prompt: &str,
        line: &str,
        mut command: Command,
    ) -> Result<Ran, Failure> {
        for line in line.lines() {
            self.report.text(format!("{prompt} {line}"));
        }
        command
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        let output = command.output().context(format_args!("running {line}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let ran = Ran {
            status: output.status.code().unwrap_or(-1),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        };
        for line in ran.output.lines().chain(ran.errors.lines()) {
            self.report.text(format!("      {line}"));
        }
        Ok(ran)
    }

    /// Runs a program that must succeed, which is a check.
    pub(crate) fn succeeds(&mut self, what: &str, user: u32, line: &str) -> Result<Ran, Failure> {
        let ran = self.run(user, line)?;
        self.check_success(what, &ran);
        Ok(ran)
    }

    /// Checks that a program has succeeded.
    pub(crate) fn check_success(&mut self, what: &str, ran: &Ran) {
        let seen = format!("exit status {}", ran.status);
        self.report
            .check(what, ran.status == 0, seen, "exit status 0".to_owned());
    }

    /// Runs a program that must be refused with these words, which is a check.
    pub(crate) fn refused(
        &mut self,
        what: &str,
        user: u32,
        line: &str,
        words: &str,
    ) -> Result<(), Failure> {
        let ran = self.run(user, line)?;
        self.check_refusal(what, ran, words);
        Ok(())
    }

    /// Checks that a program was refused with these words.
    pub(crate) fn check_refusal(&mut self, what: &str, ran: Ran, words: &str) {
        let good = ran.status != 0 && ran.errors.contains(words);
        let seen = match ran.status {
            0 => "exit status 0".to_owned(),
            _ if good => words.to_owned(),
            _ => ran.errors,
        };
        self.report.check(what, good, seen, words.to_owned());
    }

    /// Runs a program that the scene cannot do without.
    pub(crate) fn prepare(&mut self, line: &str) -> Result<(), Failure> {
        let ran = self.run(0, line)?;
        match ran.status {
            0 => Ok(()),
            status => Err(Failure::Failed(format!(
                "{line}: exit status {status}: {}",
                ran.errors
            ))),
        }
    }

    /// Mounts `source` idmapped on a new directory of the fixture, with our tool.
    pub(crate) fn idmap(
        &mut self,
        map: &str,
        source: &Path,
        name: &str,
    ) -> Result<PathBuf, Failure> {
        let target = self.path(name);
        fs::create_dir_all(&target).context(format_args!("making {}", target.display()))?;
        let (from, to) = (source.display(), target.display());
        let maps: String = map
            .split(' ')
            .map(|range| format!("--map-mount={range} "))
            .collect();
        self.prepare(&format!("mount-idmapped {maps}{from} {to}"))?;
        self.check(
            &format!("{to} has a map, says the kernel"),
            inspect::is_idmapped(&target),
            Ok(true),
        );
        Ok(target)
    }

    /// Has something of the machine itself removed at the end.
    pub(crate) fn remove_later(&mut self, path: &Path) {
        self.made.push(path.to_owned());
    }

    /// Unmounts everything. A failure to do so is a failed check.
    pub(crate) fn close(mut self, run: Result<(), Failure>) -> Report {
        if let Err(failure) = run {
            let expected = "the scene is run to its end".to_owned();
            self.report
                .check("set-up", false, failure.to_string(), expected);
        }
        let taken_down = self.take_down();
        let seen = taken_down
            .as_ref()
            .map_or_else(Failure::to_string, |()| ().show());
        self.report.check(
            "everything is taken down",
            taken_down.is_ok(),
            seen,
            ().show(),
        );
        self.report
    }

    fn take_down(&mut self) -> Result<(), Failure> {
        for path in self.made.drain(..).rev() {
            let removed = if path.is_dir() {
                fs::remove_dir(&path)
            } else {
                fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).context(format_args!("removing {}", path.display()))?;
                }
                _ => {}
            }
        }
        let mounts = inspect::mounts_below(DIRECTORY).context("reading the table of mounts")?;
        let mut failed = Ok(());
        for point in mounts {
            // The mounts in the filesystem that the user has named are gone by then.
            let is_here = |mounted: &mut Mounted| mounted.directory.starts_with(&point);
            if let Some(mounted) = self.mounted.take_if(is_here) {
                mounted.remove()?;
            }
            if let Err(errno) = unmount(&*point, UnmountFlags::empty()) {
                failed = Err(errno).context(format_args!("unmounting {point}"));
                // The next scene needs the place all the same.
                let _: Result<(), Errno> = unmount(&*point, UnmountFlags::DETACH);
            }
        }
        failed
    }
}
