// SPDX-License-Identifier: GPL-2.0

//! Runs the job and waits for it, as a first process must for every orphan.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::job::{Job, Kind};
use crate::ports::Ports;
use crate::{Doing, Failure};

const PATH: &str = "/opt/idmap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the job; the answer is its exit status as a shell would give it.
pub(crate) fn run(job: &Job, ports: &mut Ports) -> Result<i32, Failure> {
    match job.kind {
        Kind::Halt => Ok(0),
        Kind::Exec | Kind::Boot => exec(job, ports),
        Kind::Shell => shell(job, ports),
    }
}

/// A command with the environment of a login of root.
pub(crate) fn command(program: &str, job: &Job) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("SHELL", "/bin/bash")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .envs(job.environment.iter().cloned())
        .current_dir("/root");
    command
}

/// Runs a command with its output on the ports.
///
/// The command gets pipes, not the ports: a port can be opened only once, so
/// that `echo >/dev/stderr` would fail.
fn exec(job: &Job, ports: &mut Ports) -> Result<i32, Failure> {
    let ended = Arc::new(AtomicBool::new(false));
    let (output, output_pump) = pump(ports.output.take(), &ended)?;
    let (errors, errors_pump) = pump(ports.errors.take(), &ended)?;
    let mut command = command("/bin/sh", job);
    command
        .arg("-c")
        .arg(&job.command)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    ports.report("ready")?;
    let code = reap(&mut command)?;
    // Frees our ends of the pipes, or the pumps would never see their end.
    drop(command);
    ended.store(true, Ordering::Release);
    for pump in [output_pump, errors_pump] {
        let _ = pump.join();
    }
    Ok(code)
}

/// Runs a login shell on the console, with job control.
fn shell(job: &Job, ports: &mut Ports) -> Result<i32, Failure> {
    let console = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/hvc0")
        .doing(|| "opening the console".to_owned())?;
    if let Some((rows, columns)) = job.window {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&console, size).doing(|| "setting the window size".to_owned())?;
    }
    let twin = || {
        console
            .try_clone()
            .doing(|| "sharing the console".to_owned())
    };
    let mut command = command("/usr/bin/setsid", job);
    command
        .args(["--ctty", "--wait", "/bin/bash", "--login"])
        .stdin(twin()?)
        .stdout(twin()?)
        .stderr(twin()?);
    ports.report("ready")?;
    reap(&mut command)
}

/// Starts a command and waits for it and for every orphan until then.
fn reap(command: &mut Command) -> Result<i32, Failure> {
    let program: OsString = command.get_program().to_owned();
    let child = command
        .spawn()
        .doing(|| format!("starting {}", program.to_string_lossy()))?;
    let main = Pid::from_child(&child);
    loop {
        let waited = wait(WaitOptions::empty()).doing(|| "waiting for the job".to_owned())?;
        match waited {
            Some((pid, status)) if pid == main => return Ok(code(status)),
            _ => {} // An orphan.
        }
    }
}

/// The exit status as a shell gives it: 128 and the signal for a killed job.
fn code(status: WaitStatus) -> i32 {
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(255)
}

/// A pipe whose contents go to a port, and the thread that carries them.
///
/// A process left in the background may hold the pipe open for ever, so once
/// the job has `ended` the first pause is taken for the end.
fn pump(port: Option<File>, ended: &Arc<AtomicBool>) -> Result<(OwnedFd, JoinHandle<()>), Failure> {
    let mut port = port.ok_or_else(|| Failure("an output port is missing".to_owned()))?;
    let flags = rustix::pipe::PipeFlags::CLOEXEC;
    let (reader, writer) = rustix::pipe::pipe_with(flags).doing(|| "making a pipe".to_owned())?;
    let mut reader = File::from(reader);
    let ended = Arc::clone(ended);
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    let thread = thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let last_round = ended.load(Ordering::Acquire);
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            match poll(&mut fds, Some(&pause)) {
                Ok(0) if last_round => return,
                Ok(0) | Err(_) => continue,
                Ok(_) => {}
            }
            match reader.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if port.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            }
        }
    });
    Ok((writer, thread))
}
