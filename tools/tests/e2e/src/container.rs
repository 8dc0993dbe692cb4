// SPDX-License-Identifier: GPL-2.0

//! Containers, and operations inside of them.
//!
//! A container here is a user namespace: nothing else matters to idmapped mounts. Its processes see
//! the mounts of the fixture.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use idmap::{IdMaps, UserNs};

use crate::{
    fixture::{Fixture, Ran},
    inspect,
    report::{Context, Failure},
    show::{Show, SyscallResult},
    syscalls,
};

/// A container with a process that does nothing.
pub(crate) struct Container {
    /// Its root on the host.
    pub(crate) first: u32,
    userns: UserNs,
    process: Child,
}

impl Container {
    /// Starts one whose ids from 0 on are those from `first` on of the host.
    pub(crate) fn start(first: u32, count: u32) -> Result<Self, Failure> {
        let maps: IdMaps = format!("b:0:{first}:{count}")
            .parse()
            .context("a container's map")?;
        let userns = UserNs::new(&maps).context("making a container's user namespace")?;
        let mut command = userns.command("sleep").context("entering a container")?;
        let process = command
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .context("starting sleep")?;
        Ok(Self {
            first,
            userns,
            process,
        })
    }

    /// Of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The path of its user namespace.
    pub(crate) fn namespace(&self) -> String {
        format!("/proc/{}/ns/user", self.pid())
    }

    /// A program that will run as its root.
    fn command(&self, program: &str) -> Result<Command, Failure> {
        self.userns.command(program).context("entering a container")
    }

    /// Runs an operation of [`answer`] as the root user of the container, and returns the result.
    pub(crate) fn ask(&self, what: &str, path: &Path) -> Result<String, Failure> {
        self.ask_as(0, what, path)
    }

    /// Likewise one of its users.
    pub(crate) fn ask_as(&self, user: u32, what: &str, path: &Path) -> Result<String, Failure> {
        let mut command = self.command("/proc/self/exe")?;
        command.args(["syscall", &user.to_string(), what]).arg(path);
        let output = command.output().context("asking a container")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a program as its root, with a line such as a user types.
    pub(crate) fn run(&self, fixture: &mut Fixture, line: &str) -> Result<Ran, Failure> {
        let mut words = line.split(' ');
        let mut command = self.command(words.next().unwrap_or_default())?;
        command.args(words);
        fixture.run_in(&self.prompt(), line, command)
    }

    /// Runs lines of a shell as its root, in a mount namespace of its own.
    pub(crate) fn script(&self, fixture: &mut Fixture, lines: &str) -> Result<Ran, Failure> {
        let mut command = self.command("unshare")?;
        command.args(["--mount", "sh", "-e", "-c", lines]);
        fixture.run_in(&self.prompt(), lines, command)
    }

    fn prompt(&self) -> String {
        format!("root of {}#", self.first)
    }

    /// Runs a program as its root that must succeed, which is a check.
    pub(crate) fn succeeds(
        &self,
        fixture: &mut Fixture,
        what: &str,
        line: &str,
    ) -> Result<Ran, Failure> {
        let ran = self.run(fixture, line)?;
        fixture.check_success(what, &ran);
        Ok(ran)
    }

    /// Runs a program as its root that must be refused with these words, which is a check.
    pub(crate) fn refused(
        &self,
        fixture: &mut Fixture,
        what: &str,
        line: &str,
        words: &str,
    ) -> Result<(), Failure> {
        let ran = self.run(fixture, line)?;
        fixture.check_refusal(what, ran, words);
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // It is ours and has not been waited for, so it is there.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs one operation in the container, as one of its users, and formats the result.
pub(crate) fn answer(user: u32, what: &str, path: &Path) -> String {
    let call = |call: &(dyn Fn() -> SyscallResult<()> + Sync)| syscalls::as_user(user, call).show();
    let (verb, number) = what.split_once(' ').unwrap_or((what, ""));
    let number = || u32::from_str_radix(number, if verb == "chmod" { 8 } else { 10 });
    match verb {
        "owner" => inspect::owner(path).show(),
        "capability" => inspect::capability_root(path).show(),
        "create" => call(&|| syscalls::create(path)),
        "mkdir" => call(&|| syscalls::mkdir(path)),
        "device" => call(&|| syscalls::device(path)),
        "open" => call(&|| syscalls::open(path)),
        "append" => call(&|| syscalls::append(path, "more\n")),
        "unlink" => call(&|| syscalls::unlink(path)),
        "chmod" | "chown" => match number() {
            Ok(mode) if verb == "chmod" => call(&|| syscalls::chmod(path, mode)),
            Ok(owner) => call(&|| syscalls::chown(path, owner)),
            Err(error) => format!("'{what}': {error}"),
        },
        _ => format!("'{what}' is nothing to ask for"),
    }
}
