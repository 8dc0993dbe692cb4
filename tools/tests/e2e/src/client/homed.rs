// SPDX-License-Identifier: GPL-2.0

//! systemd-homed: a home directory that the user nobody owns on disk, and its user after the login.
//!
//! It runs with the bus that it needs and no other part of systemd.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::owners;
use crate::{
    fixture::{Fixture, Ran},
    inspect,
    report::{Context, Failure},
    show::Owner,
    syscalls::{self, as_user},
};

const USER: u32 = 60100;
const NOBODY: u32 = 65534;
const HOME: &str = "/home/anna";
/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    if inspect::size("/etc/machine-id").unwrap_or(0) == 0 {
        fixture.prepare("systemd-machine-id-setup")?;
    }
    let disk = fixture.disk(|_| Ok(()))?;
    for directory in [
        "/run/dbus",
        "/run/systemd/system",
        "/run/systemd/userdb",
        "/var/lib/systemd/home",
        "/var/cache/systemd/home",
    ] {
        fs::create_dir_all(directory).context(directory)?;
    }
    fixture
        .say("Its workers have mount namespaces of their own, from which the home has to spread:");
    fixture.prepare("mount --make-rshared /")?;
    // A reply shows that the service runs: sockets of earlier services still exist.
    let _bus = Service::start(&["dbus-daemon", "--system", "--nofork", "--nopidfile"])?;
    wait_for("org.freedesktop.DBus")?;
    let _homed = Service::start(&["/usr/lib/systemd/systemd-homed"])?;
    wait_for("org.freedesktop.home1")?;
    let run = home(fixture, &disk.join("anna.homedir"));
    // Removes the home after a failure as well.
    let _ = homectl(fixture, &["remove", "anna"]);
    fixture.prepare("mount --make-rprivate /")?;
    run
}

fn home(fixture: &mut Fixture, image: &Path) -> Result<(), Failure> {
    let path = format!("--image-path={}", image.display());
    let created = homectl(
        fixture,
        &[
            "create",
            "anna",
            "--storage=directory",
            "--uid=60100",
            &path,
            "--enforce-password-policy=no",
        ],
    )?;
    fixture.check_success("the home is made", &created);
    fixture
        .say("On disk it becomes nobody's, as on a stick that is carried from machine to machine:");
    fixture.prepare(&format!("chown -R 65534:65534 {}", image.display()))?;
    let activated = homectl(fixture, &["activate", "anna"])?;
    fixture.check_success("the user logs in", &activated);
    fixture.run(0, &format!("ls -lnA {HOME} {}", image.display()))?;
    let home = Path::new(HOME);
    fixture.check("the home has a map", inspect::is_idmapped(home), Ok(true));
    owners(fixture, home, &[("", USER), (".bashrc", USER)]);
    owners(fixture, image, &[("", NOBODY), (".bashrc", NOBODY)]);
    let letter = home.join("letter");
    let made = as_user(USER, || syscalls::create(&letter));
    fixture.check("the user makes a file", made, Ok(()));
    owners(fixture, home, &[("letter", USER)]);
    owners(fixture, image, &[("letter", NOBODY)]);
    let stranger = as_user(1000, || syscalls::open(&letter));
    let denied = Err(rustix::io::Errno::ACCESS);
    fixture.check("another user reads it", stranger, denied);
    let ran = homectl(fixture, &["deactivate", "anna"])?;
    fixture.check_success("the user logs out", &ran);
    let gone = inspect::owner(&letter);
    let none = Err::<Owner, _>(rustix::io::Errno::NOENT);
    fixture.check("the letter in the home", gone, none);
    owners(fixture, image, &[("letter", NOBODY)]);
    Ok(())
}

fn homectl(fixture: &mut Fixture, words: &[&str]) -> Result<Ran, Failure> {
    let mut command = Command::new("timeout");
    command.args(["120", "homectl"]).args(words);
    command.env("PASSWORD", "Xq7-tulip-9pear");
    command.env("NEWPASSWORD", "Xq7-tulip-9pear");
    fixture.run_in("root#", &format!("homectl {}", words.join(" ")), command)
}

/// Waits for the owner of a name on the bus.
fn wait_for(name: &str) -> Result<(), Failure> {
    let since = Instant::now();
    let there = || {
        let mut command = Command::new("busctl");
        command.args(["--system", "status", name]);
        command.output().context("busctl")
    };
    while !there()?.status.success() {
        if since.elapsed() > PATIENCE {
            return Err(Failure::Failed(format!("{name} did not appear")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A program that runs until this is dropped.
struct Service(Child);

impl Service {
    fn start(words: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command
            .spawn()
            .context(format_args!("starting {}", words[0]))?;
        Ok(Self(child))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It is ours and has not been waited for, so it is there.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
