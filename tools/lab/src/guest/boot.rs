// SPDX-License-Identifier: GPL-2.0

//! Boots a guest for one job and says how it ended.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::guest::cpio::Archive;
use crate::guest::disks::{self, Disk};
use crate::guest::qemu::{self, Accelerator};
use crate::kernel::arch::Arch;
use crate::scratch::{self, Scratch};
use crate::ui;
use crate::ui::terminal;

const TICK: Duration = Duration::from_millis(10);
/// How often a guest is booted at most, and what the host is given in between to calm down.
const BOOTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10);
/// For how long a guest may say nothing, or for a sixth of its time if that is longer.
const SILENCE: Duration = Duration::from_secs(600);

/// What is booted.
pub(crate) struct Machine {
    pub(crate) arch: Arch,
    pub(crate) kernel: PathBuf,
    /// The root filesystem; a job of kind [`Job::Halt`] needs none.
    pub(crate) image: Option<PathBuf>,
    /// The programs of this project, by name; `guest-init` is among them.
    pub(crate) programs: Vec<(String, PathBuf)>,
}

/// What the guest does.
pub(crate) enum Job {
    /// Runs a command with `/bin/sh -c`.
    Exec(OsString),
    /// Gives a prompt on the user's terminal.
    Shell,
    /// Nothing after the boot.
    Halt,
}

/// A folder of this machine that the guest sees.
pub(crate) struct Share {
    pub(crate) host: PathBuf,
    pub(crate) guest: &'static str,
    pub(crate) writable: bool,
}

/// Where the guest's output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To our own stdout and stderr, as it comes.
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
    /// When QEMU is ended; `None` is never.
    pub(crate) limit: Option<Duration>,
    pub(crate) accelerator: Accelerator,
    /// The stem of the kernel log's name.
    pub(crate) log: String,
}

impl Options {
    /// A boot for one job, with nothing else asked for.
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

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ran, with this exit status.
    Exited(i32),
    /// The time was up.
    TimedOut,
    /// The kernel did not survive; the lines of its log that say so.
    Panicked(String),
    /// The job could not be started; why.
    Failed(String),
}

/// What came of a boot.
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// Whether the guest came as far as its job.
    pub(crate) began: bool,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
    pub(crate) kernel_log: PathBuf,
}

impl Outcome {
    /// The exit status of the job; an error if it did not come to an end.
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

/// Boots a guest and waits for its end; again if it was the emulated machine that did not come up,
/// as it happens where the host is busy.
pub(crate) fn boot(cache: &Cache, machine: &Machine, options: &Options) -> Result<Outcome> {
    for number in 1..BOOTS {
        let outcome = boot_once(cache, machine, options)?;
        let log = fs::read(&outcome.kernel_log).unwrap_or_default();
        let Some(sign) = stillborn(&outcome, &String::from_utf8_lossy(&log)) else {
            return Ok(outcome);
        };
        let kept = cache.log(&format!("{}-boot-{number}", options.log))?;
        fs::rename(&outcome.kernel_log, &kept)?;
        ui::say(format!(
            "the guest did not come up ({sign}) and is booted once more; kernel log: {}",
            kept.display()
        ));
        thread::sleep(PAUSE);
    }
    boot_once(cache, machine, options)
}

/// What is said of a guest that says nothing.
const SILENT: &str = "nothing was heard of it";

/// The sign by which a guest that never began its job is known for one whose machine had not all of
/// its devices: ACPI gives up on a program that runs for too long by the clock.
fn stillborn(outcome: &Outcome, log: &str) -> Option<&'static str> {
    const SIGNS: [&str; 3] = ["AE_AML_LOOP_TIMEOUT", "did not appear", SILENT];
    let why = match &outcome.end {
        _ if outcome.began => return None,
        End::Exited(_) | End::Panicked(_) => return None,
        End::Failed(why) => why.as_str(),
        End::TimedOut => "",
    };
    let said = |sign: &&str| log.contains(sign) || why.contains(sign);
    SIGNS.into_iter().find(said)
}

fn boot_once(cache: &Cache, machine: &Machine, options: &Options) -> Result<Outcome> {
    let start = Instant::now();
    let runs = cache.path("run");
    scratch::sweep(&runs);
    let folder = Scratch::below(&runs)
        .with_context(|| format!("cannot make a folder in {}", runs.display()))?;
    let folder = folder.path();
    fs::write(folder.join("initramfs"), initramfs(machine, options)?)
        .with_context(|| format!("cannot write the initramfs to {}", folder.display()))?;

    let mut ports = vec![Port::listen(folder, "status", false)?];
    if let Job::Exec(_) = options.job {
        let pass = options.output == Output::Pass;
        ports.push(Port::listen(folder, "output", pass)?);
        ports.push(Port::listen(folder, "errors", pass)?);
    }
    let mut qemu = qemu::command(machine, options, options.accelerator, folder)?;
    let complaints = folder.join("qemu.log");
    let is_shell = matches!(options.job, Job::Shell);
    if is_shell {
        qemu.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    } else {
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
    }
    qemu.stderr(fs::File::create(&complaints)?);
    // QEMU puts the terminal into raw mode; this puts it back, whatever comes.
    let _terminal = is_shell.then(terminal::Saved::take);
    let mut child = Running(qemu.spawn().context("cannot run QEMU")?);

    let silence = match options.job {
        // The kernel's own tests run before there is anybody to say anything.
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
    let kernel_text = fs::read(folder.join("kernel.log")).unwrap_or_default();
    fs::write(&kernel_log, &kernel_text)?;
    let said = fs::read_to_string(&complaints).unwrap_or_default();
    let end = verdict(
        ended,
        &String::from_utf8_lossy(&status),
        &String::from_utf8_lossy(&kernel_text),
        &said,
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

/// QEMU; it does not outlive its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One end of a port of the guest.
struct Port {
    listener: UnixListener,
    pass_to: Option<fn(&[u8])>,
    reader: Option<JoinHandle<Vec<u8>>>,
    /// Whether anything was received.
    heard: Arc<AtomicBool>,
}

impl Port {
    /// Makes the socket to which QEMU will connect.
    fn listen(folder: &Path, name: &str, pass: bool) -> Result<Self> {
        // A socket's path may be no longer than 107 bytes: go by the folder's
        // descriptor, the cache may be deep.
        let handle = fs::File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{name}", handle.as_raw_fd());
        let listener = UnixListener::bind(path).context("cannot make a socket")?;
        listener.set_nonblocking(true)?;
        let to: fn(&[u8]) = if name == "errors" {
            |bytes| drop(std::io::stderr().write_all(bytes))
        } else {
            |bytes| {
                let mut out = std::io::stdout();
                drop(out.write_all(bytes).and_then(|()| out.flush()));
            }
        };
        Ok(Self {
            listener,
            pass_to: pass.then_some(to),
            reader: None,
            heard: Arc::default(),
        })
    }

    /// Takes the connection once it is there.
    fn accept(&mut self) -> Result<()> {
        if self.reader.is_some() {
            return Ok(());
        }
        let Ok((mut stream, _)) = self.listener.accept() else {
            return Ok(());
        };
        let pass_to = self.pass_to;
        let heard = Arc::clone(&self.heard);
        let thread = thread::spawn(move || {
            let mut all = Vec::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                heard.store(true, Ordering::Relaxed);
                match pass_to {
                    Some(pass) => pass(&buffer[..count]),
                    None => all.extend_from_slice(&buffer[..count]),
                }
            }
            all
        });
        self.reader = Some(thread);
        Ok(())
    }

    /// What was received and not passed on. QEMU has ended, and its end of the
    /// socket with it, so that the reader comes to an end too.
    fn finish(self) -> Vec<u8> {
        let reader = self.reader.map(|reader| reader.join().unwrap_or_default());
        reader.unwrap_or_default()
    }
}

/// How QEMU ended.
enum Ended {
    Itself(ExitStatus),
    /// It had to be ended, as its time was up.
    TimeUp,
    /// It had to be ended, as nothing was heard of the guest.
    Silent,
}

/// Waits for QEMU's end, for no longer than the first of the limits; for no longer than the second,
/// if nothing is heard by the first port, at which the guest says that it has begun.
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
        let heard = |port: &Port| port.heard.load(Ordering::Relaxed);
        let ended = match ports.first().is_some_and(heard) {
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

/// How it ended, by what the guest and QEMU said.
fn verdict(ended: Ended, status: &str, kernel_log: &str, said: &str) -> End {
    let mut lines = status.lines();
    let told = lines.find_map(|line| match line.split_once(' ') {
        Some(("exit", code)) => code.parse().ok().map(End::Exited),
        Some(("failed", why)) => Some(End::Failed(why.to_owned())),
        _ => None,
    });
    if let Some(end) = told {
        return end;
    }
    if let Some(lines) = panic_lines(kernel_log) {
        return End::Panicked(lines);
    }
    let ended = match ended {
        Ended::Itself(status) => status,
        Ended::TimeUp => return End::TimedOut,
        Ended::Silent => return End::Failed(SILENT.to_owned()),
    };
    let complaint = kernel_log
        .lines()
        .find_map(|line| line.split_once("guest-init: "));
    End::Failed(match complaint {
        Some((_, why)) => why.to_owned(),
        None => format!(
            "QEMU ended ({ended}) without a word from the guest: {}",
            said.trim()
        ),
    })
}

/// The lines of a kernel log from the first sign of a panic.
fn panic_lines(log: &str) -> Option<String> {
    const SIGNS: [&str; 3] = ["BUG: ", "Oops: ", "Kernel panic"];
    let lines: Vec<&str> = log.lines().collect();
    lines
        .iter()
        .position(|line| line.contains("Kernel panic"))?;
    let first = lines
        .iter()
        .position(|line| SIGNS.iter().any(|sign| line.contains(sign)))?;
    let last = (first + 30).min(lines.len());
    Some(
        lines[first..last]
            .iter()
            .map(|line| format!("  {}\n", line.trim_end()))
            .collect(),
    )
}

/// The initramfs of one boot: our programs and the job.
fn initramfs(machine: &Machine, options: &Options) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    // Without it the first process has no descriptors 0 to 2.
    archive.device("dev/console", 5, 1);
    for (name, path) in &machine.programs {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        match name.as_str() {
            "guest-init" => archive.file("init", &contents),
            _ => archive.file(&format!("opt/idmap/bin/{name}"), &contents),
        }
    }
    let kind = match &options.job {
        Job::Exec(command) => {
            archive.file("job/command", command.as_bytes());
            "exec"
        }
        Job::Shell => "shell",
        Job::Halt => "halt",
    };
    archive.file("job/kind", kind.as_bytes());
    let environment: String = disks::environment(&options.disks)
        .iter()
        .chain(&options.environment)
        .map(|(name, value)| format!("{name}={value}\0"))
        .collect();
    archive.file("job/environment", environment.as_bytes());
    let disks: String = options
        .disks
        .iter()
        .map(|disk| format!("{}\t{}\t{}\n", disk.device, disk.kind, disk.path))
        .collect();
    archive.file("job/disks", disks.as_bytes());
    let shares: String = options
        .shares
        .iter()
        .enumerate()
        .map(|(index, share)| {
            let mode = if share.writable { "rw" } else { "ro" };
            format!("share{index}\t{}\t{mode}\n", share.guest)
        })
        .collect();
    archive.file("job/shares", shares.as_bytes());
    if let Some((rows, columns)) = terminal::size() {
        archive.file("job/window", format!("{rows}\t{columns}\n").as_bytes());
    }
    Ok(archive.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn ended() -> Ended {
        Ended::Itself(ExitStatus::from_raw(0))
    }

    #[test]
    fn the_guest_says_how_it_ended() {
        let end = verdict(ended(), "ready\nexit 143\n", "", "");
        assert_eq!(end, End::Exited(143));
        let end = verdict(ended(), "failed mkfs.xfs: too small\n", "", "");
        assert_eq!(end, End::Failed("mkfs.xfs: too small".to_owned()));
        assert_eq!(verdict(Ended::TimeUp, "ready\n", "", ""), End::TimedOut);
    }

    #[test]
    fn a_panic_is_shown_from_its_first_sign() {
        let log = "[1.0] fine\n[2.0] BUG: unable to handle\n[2.1] RIP: x\n\
                   [2.2] Kernel panic - not syncing: Fatal exception\n";
        let End::Panicked(lines) = verdict(ended(), "ready\n", log, "") else {
            panic!("not taken for a panic");
        };
        assert!(lines.starts_with("  [2.0] BUG") && lines.contains("Kernel panic"));
        // Whatever came before the panic, the job had ended well.
        assert_eq!(verdict(ended(), "exit 0\n", log, ""), End::Exited(0));
        // A sign alone is a complaint, not an end.
        let log = "[2.0] BUG: sleeping function\n";
        assert_eq!(verdict(Ended::TimeUp, "", log, ""), End::TimedOut);
    }

    #[test]
    fn only_a_machine_without_devices_is_booted_again() {
        let outcome = |end, began| Outcome {
            end,
            began,
            output: Vec::new(),
            errors: Vec::new(),
            kernel_log: PathBuf::new(),
        };
        let failed = |why: &str| End::Failed(why.to_owned());
        let log = "ACPI Error: Aborting method \\_SB.PCI0._PRT (AE_AML_LOOP_TIMEOUT)\n";
        let disk = failed("/dev/vda did not appear");
        assert!(stillborn(&outcome(disk, false), "quiet\n").is_some());
        assert!(stillborn(&outcome(failed("QEMU ended"), false), log).is_some());
        assert!(stillborn(&outcome(End::TimedOut, false), log).is_some());
        let silent = || verdict(Ended::Silent, "", "quiet\n", "");
        assert!(stillborn(&outcome(silent(), false), "quiet\n").is_some());
        assert_eq!(stillborn(&outcome(silent(), true), "quiet\n"), None);
        let other = failed("mkfs.xfs: too small");
        assert_eq!(stillborn(&outcome(other, false), "quiet\n"), None);
        assert_eq!(stillborn(&outcome(End::TimedOut, true), log), None);
        assert_eq!(stillborn(&outcome(End::Exited(0), false), log), None);
        let panicked = End::Panicked(String::new());
        assert_eq!(stillborn(&outcome(panicked, false), log), None);
    }

    #[test]
    fn a_guest_that_says_nothing_is_a_failure() {
        let end = verdict(ended(), "", "guest-init: /dev/vda did not appear\n", "");
        assert_eq!(end, End::Failed("/dev/vda did not appear".to_owned()));
        let End::Failed(why) = verdict(ended(), "", "", "no such accelerator\n") else {
            panic!("not taken for a failure");
        };
        assert!(why.contains("no such accelerator"));
    }
}
