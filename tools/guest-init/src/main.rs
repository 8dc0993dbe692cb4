// SPDX-License-Identifier: GPL-2.0

//! The first process of the guest.
//!
//! It is started from the initramfs that the lab builds for each boot. It
//! makes the Debian image the root, mounts what a system has mounted, the
//! shared directories and the disks, runs one job, tells the lab how it ended and
//! powers the machine off. A job may also be a service of the image's init,
//! which then is the first process.

mod disks;
mod init;
mod job;
mod mounts;
mod ports;
mod run;

use std::fmt;
use std::fs;

use job::Job;
use ports::Ports;

/// What went wrong before the job could run, in words for the lab's user.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds what was being done to an error.
trait Doing<T> {
    /// Turns the error into "`what`: error".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}

/// Everything from the bare initramfs to the end of the job.
fn start() -> Result<(), Failure> {
    let job = Job::read()?;
    if std::env::args().nth(1).as_deref() == Some(init::SERVICE) {
        init::wait();
        return run_job(&job, || Ok(()));
    }
    mounts::kernel_filesystems()?;
    if job.kind == job::Kind::Boot {
        return init::boot(&job);
    }
    run_job(&job, || prepare(&job))
}

/// Runs the job after what comes before it, and sends its end to the lab.
fn run_job(job: &Job, prepare: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut ports = Ports::open(job.kind)?;
    let ended = prepare().and_then(|()| run::run(job, &mut ports));
    match ended {
        Ok(code) => ports.report(&format!("exit {code}")),
        Err(failure) => ports.report(&format!("failed {failure}")),
    }
}

/// Everything that a job expects to find.
fn prepare(job: &Job) -> Result<(), Failure> {
    if job.kind == job::Kind::Halt {
        return Ok(());
    }
    mounts::enter_image()?;
    mounts::rest()?;
    for share in &job.shares {
        mounts::share(share)?;
    }
    disks::attach(&job.disks)
}

fn main() {
    if let Err(failure) = start() {
        // Without ports the kernel log is the only way out.
        let _ = fs::write("/dev/kmsg", format!("guest-init: {failure}\n"));
    }
    mounts::flush();
    // The machine is started with -no-reboot, so either call ends it.
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
}
