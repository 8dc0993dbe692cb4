// SPDX-License-Identifier: GPL-2.0

//! Boots a guest for one job, and returns how the job ended.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::guest::disks::Disk;
use crate::guest::end::{self, End, Ended};
use crate::guest::initramfs::initramfs;
use crate::guest::port::Port;
use crate::guest::qemu::{self, Accelerator};
use crate::kernel::arch::Arch;
use crate::scratch::{self, Scratch};
use crate::ui;
use crate::ui::terminal;

const TICK: Duration = Duration::from_millis(10);
/// The maximum number of boots of a guest.
const BOOTS: u32 = 3;
/// The pause before another boot, in which the load of the host can fall.
const PAUSE: Duration = Duration::from_secs(10);
/// The time in which a guest must send its first message, or a sixth of its time limit if that is
/// longer.
const SILENCE: Duration = Duration::from_secs(600);

/// A kernel, and the files that a guest boots from.
pub(crate) struct Machine {
    pub(crate) arch: Arch,
    pub(crate) kernel: PathBuf,
    /// The root filesystem; a job of kind [`Job::Halt`] needs none.
    pub(crate) image: Option<PathBuf>,
    /// The programs of this project, by name; `guest-init` is among them.
    pub(crate) programs: Vec<(String, PathBuf)>,
}

/// The task of a guest.
pub(crate) enum Job {
    /// Runs a command with `/bin/sh -c`.
    Exec(OsString),
    /// Boots the image with its own init, and runs the command as a service of it.
    Boot {
        /// The script that `/bin/sh -e` runs in the image before its init.
        prepare: OsString,
        command: OsString,
    },
    /// Runs a shell on the user's terminal.
    Shell,
    /// Halts after the boot.
    Halt,
}

/// A directory of the host that the guest mounts.
pub(crate) struct Share {
    pub(crate) host: PathBuf,
    pub(crate) guest: &'static str,
    pub(crate) writable: bool,
}

/// Where the guest's output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To stdout and stderr of this program, at once.
    Pass,
    /// Into the [`Outcome`].
    Keep,
}

/// One boot.
pub(crate) struct Options {
    pub(crate) job: Job,
    pub(crate) output: Output,
    pub(crate) disks: Vec<Disk>,
    pub(crate) shares: Vec<Share>,
    pub(crate) environment: Vec<(String, String)>,
    /// Added to the kernel's command line.
    pub(crate) parameters: Vec<String>,
    /// The time after which QEMU is ended.
    pub(crate) limit: Option<Duration>,
    pub(crate) accelerator: Accelerator,
    /// The stem of the kernel log's name.
    pub(crate) log: String,
}

impl Options {
    /// A boot for one job, with the default of each other option.
    pub(crate) fn new(job: Job, log: &str) -> Self {
        Self {
            job,
            output: Output::Keep,
            disks: Vec::new(),
            shares: Vec::new(),
            environment: Vec::new(),
            parameters: Vec::new(),
            limit: None,
            accelerator: Accelerator::Tcg,
            log: log.to_owned(),
        }
    }
}

/// The result of a boot.
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Whether the guest has started the job.
    pub(crate) began: bool,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    pub(crate) kernel_log: PathBuf,
}

impl Outcome {
    /// The exit status of the job, or an error if the job did not exit.
    pub(crate) fn status(&self) -> Result<i32> {
        let log = self.kernel_log.display();
        match &self.end {
            End::Exited(code) => Ok(*code),
            End::TimedOut => bail!("the time limit was reached; kernel log: {log}"),
            End::Panicked(lines) => {
                bail!("the guest kernel panicked:\n\n{lines}\nkernel log: {log}")
            }
            End::Failed(why) => {
                bail!("the guest could not start the job: {why}\nkernel log: {log}")
            }
        }
    }
}

/// Boots a guest and waits for its end. Boots it again if the emulated machine did not start, as it
/// happens on a busy host.
pub(crate) fn boot(cache: &Cache, machine: &Machine, options: &Options) -> Result<Outcome> {
    for number in 1..BOOTS {
        let outcome = boot_once(cache, machine, options)?;
        let log = fs::read(&outcome.kernel_log).unwrap_or_default();
        let Some(sign) = end::failed_start(&outcome, &String::from_utf8_lossy(&log)) else {
            return Ok(outcome);
        };
        let kept = cache.log(&format!("{}-boot-{number}", options.log))?;
        fs::rename(&outcome.kernel_log, &kept)?;
        ui::print(format!(
            "the guest did not come up ({sign}) and is booted once more; kernel log: {}",
            kept.display()
        ));
        thread::sleep(PAUSE);
    }
    boot_once(cache, machine, options)
}

fn boot_once(cache: &Cache, machine: &Machine, options: &Options) -> Result<Outcome> {
    let start = Instant::now();
    let runs = cache.path("run");
    scratch::sweep(&runs);
    let dir = Scratch::below(&runs)
        .with_context(|| format!("cannot make a directory in {}", runs.display()))?;
    let dir = dir.path();
    fs::write(dir.join("initramfs"), initramfs(machine, options)?)
        .with_context(|| format!("cannot write the initramfs to {}", dir.display()))?;

    let mut ports = vec![Port::listen(dir, "status", false)?];
    if let Job::Exec(_) | Job::Boot { .. } = options.job {
        let pass = options.output == Output::Pass;
        ports.push(Port::listen(dir, "output", pass)?);
        ports.push(Port::listen(dir, "errors", pass)?);
    }
    let mut qemu = qemu::command(machine, options, options.accelerator, dir)?;
    let qemu_log = dir.join("qemu.log");
    let is_shell = matches!(options.job, Job::Shell);
    if is_shell {
        qemu.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    } else {
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
    }
    qemu.stderr(fs::File::create(&qemu_log)?);
    // QEMU sets the terminal to raw mode. The guard restores it, also after an error.
    let _terminal = is_shell.then(terminal::Saved::take);
    let mut child = Running(qemu.spawn().context("cannot run QEMU")?);

    let silence = match options.job {
        // KUnit tests run before init, which sends the first message.
        Job::Halt => None,
        _ => options.limit.map(|limit| SILENCE.max(limit / 6)),
    };
    let limits = (options.limit, silence);
    let ended = wait(&mut child.0, &mut ports, start, limits)?;
    let mut received = ports.into_iter().map(Port::finish);
    let status = received.next().unwrap_or_default();
    let output = received.next().unwrap_or_default();
    let errors = received.next().unwrap_or_default();

    let kernel_log = cache.log(&options.log)?;
    let kernel_text = fs::read(dir.join("kernel.log")).unwrap_or_default();
    fs::write(&kernel_log, &kernel_text)?;
    let qemu_errors = fs::read_to_string(&qemu_log).unwrap_or_default();
    let end = end::of_boot(
        ended,
        &String::from_utf8_lossy(&status),
        &String::from_utf8_lossy(&kernel_text),
        &qemu_errors,
    );
    Ok(Outcome {
        end,
        began: String::from_utf8_lossy(&status)
            .lines()
            .any(|line| line == "ready"),
        output,
        errors,
        kernel_log,
    })
}

/// The process of QEMU, which is killed when the value is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the end of QEMU. Kills QEMU after the first of the limits, or after the second one if
/// the first port has received nothing: the guest sends a message there before it starts the job.
fn wait(
    child: &mut Child,
    ports: &mut [Port],
    start: Instant,
    (limit, silence): (Option<Duration>, Option<Duration>),
) -> Result<Ended> {
    let over = |time: Option<Duration>| time.is_some_and(|time| start.elapsed() > time);
    loop {
        for port in &mut *ports {
            port.accept()?;
        }
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        let ended = match ports.first().is_some_and(Port::has_received) {
            _ if over(limit) => Some(Ended::TimeUp),
            false if over(silence) => Some(Ended::Silent),
            _ => None,
        };
        if let Some(ended) = ended {
            child.kill()?;
            child.wait()?;
            return Ok(ended);
        }
        thread::sleep(TICK);
    }
}
