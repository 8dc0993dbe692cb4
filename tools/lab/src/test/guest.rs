// SPDX-License-Identifier: GPL-2.0

//! Programs of ours that run in the guest and print KTAP.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::ktap;
use super::report::Case;
use crate::boot::{self, Job, Options};
use crate::lab::{Engine, Lab};
use crate::{disks, exec, kvm};

/// What to run, and what it needs.
pub(super) struct Program<'a> {
    pub(super) name: &'static str,
    pub(super) command: &'a str,
    pub(super) disks: &'static str,
    pub(super) limit: Duration,
}

/// Plays the acceptance scenes.
pub(crate) fn scenes(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        name: "scenes",
        command: "exec scenes all --ktap",
        disks: "",
        limit: Duration::from_secs(900),
    };
    program.run(lab, engine)
}

/// Fails each allocation of making an idmapped mount.
pub(crate) fn faults(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        name: "faults",
        command: "exec faults",
        disks: "",
        limit: Duration::from_secs(300),
    };
    program.run(lab, engine)
}

/// Tries every call on the filesystems that keep their files in memory.
pub(crate) fn posix(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        name: "posix",
        command: "exec posix run tmpfs",
        disks: "",
        limit: Duration::from_secs(600),
    };
    program.run(lab, engine)
}

impl Program<'_> {
    pub(super) fn run(&self, lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
        let machine = exec::machine(lab, engine)?;
        let log = format!("{}-{engine}", self.name);
        let mut options = Options::new(Job::Exec(self.command.into()), &log);
        options.limit = Some(self.limit);
        options.disks = disks::parse(self.disks)?;
        options.accelerator = kvm::best(&lab.cache, &machine)?;
        let outcome = boot::boot(&lab.cache, &machine, &options)?;
        let mut output = String::from_utf8_lossy(&outcome.output).into_owned();
        output.push_str(&String::from_utf8_lossy(&outcome.errors));
        fs::write(lab.cache.log(&format!("{log}-output"))?, &output)?;
        let mut cases = ktap::parse(&output);
        cases.extend(super::around(&outcome));
        Ok(cases)
    }
}
