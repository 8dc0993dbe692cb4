// SPDX-License-Identifier: GPL-2.0

//! `make exec` and `make shell`: a command of the user in the guest.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::GuestArgs;
use crate::fetch::toolchain::Toolchain;
use crate::fetch::{source, tools};
use crate::guest::boot::{self, Job, Machine, Options, Outcome, Output, Share};
use crate::guest::end::End;
use crate::guest::image::{self, Image};
use crate::guest::qemu::Accelerator;
use crate::guest::{board, disks, kvm, programs};
use crate::lab::{Engine, Flavour, Lab};
use crate::{kernel, tree, ui};

/// The exit status of timeout(1) for a command that takes too long.
const TIMED_OUT: u8 = 124;
/// The mount point of the user's directory in the guest.
const SHARE: &str = "/share";

/// Runs a command in the guest, and returns its exit status.
pub(crate) fn exec(lab: &Lab, guest: &GuestArgs, command: OsString, seconds: u64) -> Result<u8> {
    let mut options = options(guest, Job::Exec(command), "exec")?;
    options.output = Output::Pass;
    options.limit = Some(Duration::from_secs(seconds));
    let machine = machine_with(lab, guest.engine, guest.image)?;
    accelerate(lab, guest, &machine, &mut options)?;
    let outcome = boot::boot(&lab.cache, &machine, &options)?;
    if outcome.end == End::TimedOut {
        ui::print(format!(
            "the command was ended after {seconds} s (TIMEOUT=seconds changes that); kernel log: {}",
            outcome.kernel_log.display()
        ));
        return Ok(TIMED_OUT);
    }
    code(&outcome)
}

/// Runs a shell in the guest, and returns its exit status.
pub(crate) fn shell(lab: &Lab, guest: &GuestArgs) -> Result<u8> {
    let mut options = options(guest, Job::Shell, "shell")?;
    if let Ok(terminal) = std::env::var("TERM") {
        options.environment.push(("TERM".to_owned(), terminal));
    }
    let machine = machine_with(lab, guest.engine, guest.image)?;
    accelerate(lab, guest, &machine, &mut options)?;
    ui::print("booting; the guest ends with its shell (exit, or Ctrl-D)");
    code(&boot::boot(&lab.cache, &machine, &options)?)
}

/// Demonstrates idmapped mounts on the engine in Rust, and checks each line.
pub(crate) fn tour(lab: &Lab) -> Result<u8> {
    let mut options = Options::new(Job::Exec("exec e2e tour".into()), "tour");
    options.output = Output::Pass;
    options.disks = disks::parse("ext4 vfat")?;
    options.limit = Some(Duration::from_secs(600));
    let machine = machine(lab, Engine::Rust)?;
    options.accelerator = kvm::best(&lab.cache, &machine)?;
    ui::print("booting; a guest takes some seconds");
    code(&boot::boot(&lab.cache, &machine, &options)?)
}

/// Returns whether a character of a name is not special to a shell.
pub(crate) fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_:/=,.".contains(c)
}

/// The scenes of real programs.
pub(crate) const CLIENTS: &str = "mount overlay crun podman nspawn homed copies \
                                  nested-podman nested-crun nested-nspawn";

/// Scenes that are run in full.
pub(crate) struct Play<'a> {
    /// The names, separated by blanks.
    pub(crate) scenes: &'a str,
    /// The only filesystem, if not all.
    pub(crate) on: Option<&'a str>,
    /// The guest that the scenes need.
    pub(crate) image: &'a Image,
}

impl Play<'_> {
    /// Runs the scenes. Returns 1 if a result was not as expected.
    pub(crate) fn run(&self, lab: &Lab, engine: Engine) -> Result<u8> {
        let mut command = format!("exec e2e run {}", self.scenes);
        if let Some(filesystem) = self.on {
            command += &format!(" --on {filesystem}");
        }
        // A shell parses the command.
        ensure!(
            command.chars().all(|c| c == ' ' || is_of_word(c)),
            "S and ON are names, such as S='A B' ON=ext4, or ON=TYPE:OPTIONS"
        );
        let mut options = Options::new(Job::Exec(command.into()), "play");
        options.output = Output::Pass;
        // All clients take more than half an hour where there is no KVM.
        options.limit = Some(Duration::from_secs(7200));
        let machine = machine_with(lab, engine, self.image)?;
        options.accelerator = kvm::best(&lab.cache, &machine)?;
        code(&boot::boot(&lab.cache, &machine, &options)?)
    }
}

/// Returns the exit status of this program for a job.
fn code(outcome: &Outcome) -> Result<u8> {
    Ok(u8::try_from(outcome.status()?).unwrap_or(u8::MAX))
}

/// Returns the boot for the arguments of the command line.
fn options(guest: &GuestArgs, job: Job, log: &str) -> Result<Options> {
    let mut options = Options::new(job, log);
    options.disks = disks::parse(&guest.disks)?;
    if let Some(dir) = &guest.share {
        options.shares.push(share(dir)?);
    }
    Ok(options)
}

/// Selects KVM or emulation of the processor.
fn accelerate(
    lab: &Lab,
    guest: &GuestArgs,
    machine: &Machine,
    options: &mut Options,
) -> Result<()> {
    options.accelerator = match guest.icount {
        true => Accelerator::Icount,
        false => kvm::best(&lab.cache, machine)?,
    };
    Ok(())
}

/// The user's directory.
fn share(dir: &Path) -> Result<Share> {
    let failed = || format!("SHARE={}", dir.display());
    let host = dir.canonicalize().with_context(failed)?;
    ensure!(host.is_dir(), "{} is not a directory", failed());
    Ok(Share {
        host,
        guest: SHARE,
        writable: true,
    })
}

/// Returns the files that a guest of this kernel boots from. Builds the missing ones.
pub(crate) fn machine(lab: &Lab, flavour: impl Into<Flavour>) -> Result<Machine> {
    machine_with(lab, flavour, &image::USUAL)
}

/// Likewise, with a root filesystem of its own.
pub(crate) fn machine_with(
    lab: &Lab,
    flavour: impl Into<Flavour>,
    image: &Image,
) -> Result<Machine> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    if let Some(board) = board::of(lab.arch) {
        tools::ensure_program(lab, board.program, board.package)?;
    }
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;
    let kernel = kernel::build(lab, &tree, &toolchain, &flavour.into())?;
    Ok(Machine {
        arch: lab.arch,
        kernel: kernel.join(lab.arch.image_name()),
        image: Some(image.get(lab)?),
        programs: programs::build(lab, programs::ALL)?,
    })
}
