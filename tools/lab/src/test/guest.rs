// SPDX-License-Identifier: GPL-2.0

//! Programs of this project that run in the guest and print KTAP.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::ktap;
use super::report::Case;
use crate::guest::boot::{self, Job, Options, Outcome, Share};
use crate::guest::image::{self, Image};
use crate::guest::{disks, exec, kvm};
use crate::lab::{Engine, Flavour, Lab};

/// Many times the duration of each program on a busy machine without KVM.
pub(super) const LIMIT: Duration = Duration::from_secs(3600);

/// A program, and the guest that it needs.
pub(super) struct Program<'a> {
    pub(super) name: &'static str,
    pub(super) command: &'a str,
    pub(super) disks: &'static str,
    /// For the kernel's command line.
    pub(super) parameters: &'static str,
    pub(super) limit: Duration,
    /// The script that is run in the image before its own init, of which the program is then a
    /// service.
    pub(super) prepare: Option<&'static str>,
    /// A directory that the guest sees at /share.
    pub(super) share: Option<PathBuf>,
}

impl<'a> Program<'a> {
    /// A program that needs no disks and no share.
    pub(super) fn new(name: &'static str, command: &'a str) -> Self {
        Self {
            name,
            command,
            disks: "",
            parameters: "",
            limit: LIMIT,
            prepare: None,
            share: None,
        }
    }
}

/// Runs the acceptance scenes, with 500 random explanations on each filesystem, other ones for each
/// engine.
pub(crate) fn scenes(lab: &Lab, flavour: impl Into<Flavour>) -> Result<Vec<Case>> {
    let flavour = flavour.into();
    let seed = match flavour.engine {
        Engine::Rust => 1,
        Engine::C => 2,
    };
    let command = format!("e2e all --ktap --worlds 10 --seed {seed}");
    Program::new("scenes", &command).run(lab, flavour)
}

/// Explains 10,000 random operations on each filesystem, and tries them.
pub(crate) fn explain_long(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let command = "e2e run explain --ktap --worlds 200 --seed 3";
    Program::new("explain-long", command).run(lab, engine)
}

/// Creates idmapped mounts while each allocation in turn fails.
pub(crate) fn faults(lab: &Lab, flavour: impl Into<Flavour>) -> Result<Vec<Case>> {
    Program::new("faults", "stress faults").run(lab, flavour)
}

/// Attacks nested idmapped mounts by `operations` random operations on each filesystem.
pub(crate) fn attack(lab: &Lab, flavour: impl Into<Flavour>, operations: u64) -> Result<Vec<Case>> {
    let command = format!("attack --ops {operations}");
    let program = Program {
        limit: Duration::from_secs(operations / 20 + 600),
        ..Program::new("attack", &command)
    };
    program.run(lab, flavour)
}

/// Tests filesystems in memory: each system call with both engines, and the parts that do not
/// depend on the engine with the engine in Rust.
pub(crate) fn posix(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let command = match engine {
        Engine::Rust => "conformance run rust_idmapfs tmpfs --seconds 3 --cycles 100",
        Engine::C => {
            "conformance run rust_idmapfs tmpfs --parts plain,idmapped,userns,userns-idmapped"
        }
    };
    Program::new("posix", command).run(lab, engine)
}

/// Tests the filesystem in Rust for minutes.
pub(crate) fn posix_long(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    Program::new(
        "posix-long",
        "exec conformance run rust_idmapfs --parts mix,cycles --seconds 300 --cycles 5000",
    )
    .run(lab, engine)
}

/// Tests the filesystem in Rust on a kernel with sanitizers: by several threads, with failing
/// allocations, and each system call once.
pub(super) fn posix_checked(lab: &Lab, flavour: Flavour) -> Result<Vec<Case>> {
    Program::new(
        "posix",
        "conformance run rust_idmapfs --seconds 60 --cycles 100 \
                  --parts idmapped,userns-idmapped,limits,mix,cycles,faults",
    )
    .run(lab, flavour)
}

/// Tests the filesystem in Rust as a module that is built outside of the kernel tree. Loads and
/// unloads the module.
pub(crate) fn module(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    with_module(lab, engine.into(), "--seconds 3 --cycles 1000")
}

/// Loads and unloads the module, and mounts and unmounts it, on a kernel with sanitizers.
pub(super) fn module_checked(lab: &Lab, flavour: Flavour) -> Result<Vec<Case>> {
    with_module(lab, flavour, "--parts cycles --cycles 500")
}

fn with_module(lab: &Lab, flavour: Flavour, effort: &str) -> Result<Vec<Case>> {
    const FILE: &str = "/module/rust_idmapfs.ko";
    let command = format!("insmod {FILE} && conformance run rust_idmapfs {effort} --module {FILE}");
    let flavour = Flavour {
        module: true,
        ..flavour
    };
    Program::new("posix", &command).run(lab, flavour)
}

/// Runs programs in the filesystem in Rust.
pub(crate) fn apps(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program::new(
        "apps",
        "exec conformance run rust_idmapfs --parts apps,apps-idmapped",
    );
    program.run_in(lab, engine.into(), &image::APPS)
}

impl Program<'_> {
    pub(super) fn run(&self, lab: &Lab, flavour: impl Into<Flavour>) -> Result<Vec<Case>> {
        self.run_in(lab, flavour.into(), &image::USUAL)
    }

    /// Runs the program in a guest with another root filesystem.
    pub(super) fn run_in(&self, lab: &Lab, flavour: Flavour, image: &Image) -> Result<Vec<Case>> {
        let (output, outcome) = self.output(lab, flavour, image)?;
        let mut cases = ktap::parse(&output);
        cases.extend(super::around(&outcome, &cases));
        Ok(cases)
    }

    /// Runs the program. Returns its output and the end of the guest.
    pub(super) fn output(
        &self,
        lab: &Lab,
        flavour: Flavour,
        image: &Image,
    ) -> Result<(String, Outcome)> {
        let machine = exec::machine_with(lab, flavour.clone(), image)?;
        let log = format!("{}-{}", self.name, lab.name(&flavour));
        let command = format!("{}{}", self.command, flavour.epilogue());
        let command = command.into();
        let job = match self.prepare {
            None => Job::Exec(command),
            Some(prepare) => Job::Boot {
                prepare: prepare.into(),
                command,
            },
        };
        let mut options = Options::new(job, &log);
        options.limit = Some(self.limit * flavour.patience());
        options.disks = disks::parse(self.disks)?;
        let dir = machine.kernel.parent().filter(|_| flavour.module);
        options.shares.extend(dir.map(|dir| Share {
            host: dir.to_owned(),
            guest: "/module",
            writable: false,
        }));
        options.shares.extend(self.share.clone().map(|host| Share {
            host,
            guest: "/share",
            writable: false,
        }));
        let parameters = self.parameters.split_whitespace();
        options.parameters.extend(parameters.map(str::to_owned));
        options.parameters.extend(flavour.parameters());
        options.accelerator = kvm::best(&lab.cache, &machine)?;
        let outcome = boot::boot(&lab.cache, &machine, &options)?;
        let mut output = String::from_utf8_lossy(&outcome.output).into_owned();
        output.push_str(&String::from_utf8_lossy(&outcome.errors));
        fs::write(lab.cache.log(&format!("{log}-output"))?, &output)?;
        Ok((output, outcome))
    }
}
