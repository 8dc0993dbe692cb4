// SPDX-License-Identifier: GPL-2.0

//! podman: user namespaces that it chooses by `--userns`. As root it takes an unused one, and
//! mounts the layers of an image with its idmap. For unprivileged users it takes their own, in
//! which no mount of the host can become idmapped.

use std::{fs, io::Write, os::unix::process::CommandExt, path::Path, process::Command};

use super::{OPTIONS, SCRIPT, monitors_end};
use crate::{
    client::{
        owners,
        rootfs::{make_data, make_rootfs},
    },
    fixture::{Fixture, Ran},
    inspect,
    report::{Context, Failure},
    show::Owner,
    tree::{Entry, make},
};

const IMAGE: &str = "localhost/scene";
pub(in crate::client) const USER: u32 = 1000;
pub(in crate::client) const NAME: &str = "rootless";
/// The end of the output of each script.
pub(in crate::client) const MAP: &str = "cat /proc/self/uid_map";

/// The options, the expected output, and the expected owners of new files on disk.
type Case = (&'static str, &'static str, &'static [(&'static str, u32)]);

/// Options of the volume.
const AUTO: [Case; 2] = [
    (
        "",
        "0:0 65534:65534 65534:65534 65534:65534 0 300000 1024",
        &[],
    ),
    (
        ":idmap",
        "0:0 0:0 0:0 1000:1000 0:0 5:5 0 300000 1024",
        &[("new", 5)],
    ),
];

/// Kinds of namespaces, with a volume that has no map.
const ROOTLESS: [Case; 2] = [
    (
        "keep-id",
        "1000:1000 65534:65534 1000:1000 1000:1000 0 1 1000 1000 0 1 1001 1001 64536",
        &[("new", USER)],
    ),
    (
        "nomap",
        "65534:65534 65534:65534 65534:65534 0 1 65536",
        &[],
    ),
];

pub(super) fn run(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    by_root(fixture, disk)?;
    by_user(fixture, disk)
}

/// Gives a user ids for namespaces, if it has none.
fn subordinate_ids(user: &str, first: u32) -> Result<(), Failure> {
    for path in ["/etc/subuid", "/etc/subgid"] {
        let has = fs::read_to_string(path).unwrap_or_default();
        if has.lines().any(|line| line.split(':').next() == Some(user)) {
            continue;
        }
        let mut file = fs::OpenOptions::new();
        let file = file.append(true).create(true).open(path);
        file.and_then(|mut file| writeln!(file, "{user}:{first}:65536"))
            .context(path)?;
    }
    Ok(())
}

/// Returns the output, with single blanks.
pub(in crate::client) fn words(ran: &Ran) -> String {
    let words: Vec<&str> = ran.output.split_whitespace().collect();
    words.join(" ")
}

fn by_root(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("A namespace that is free, for an image in podman's own storage:");
    subordinate_ids("containers", 300_000)?;
    let root = fixture.directory("image-root")?;
    make_rootfs(&root, 0)?;
    let archive = fixture.path("image.tar").display().to_string();
    fixture.prepare(&format!(
        "tar -C {} --numeric-owner -cf {archive} .",
        root.display()
    ))?;
    fixture.prepare(&format!(
        "podman --cgroup-manager=cgroupfs import --quiet {archive} {IMAGE}"
    ))?;
    let script = format!("stat -c %u:%g /bin; {SCRIPT}; {MAP}");
    for (option, prints, stored) in AUTO {
        let name = format!("auto{}", option.replace(':', "-"));
        make(disk, &name, &Entry::Directory, 0, 0o755)?;
        let data = disk.join(&name);
        make_data(&data, 0)?;
        let line = format!(
            "podman --cgroup-manager=cgroupfs run {OPTIONS} --userns=auto -v={}:/data{option} \
             {IMAGE}",
            data.display()
        );
        let ran = shell(fixture, "root#", &line, &script, None)?;
        fixture.check(&name, Ok(words(&ran)), Ok(prints.to_owned()));
        owners(fixture, &data, stored);
        owners(fixture, &data, &[("f0", 0), ("f1000", 1000)]);
    }
    // Files that the container sees as its root user's are unchanged on disk.
    let found = "find /var/lib/containers/storage/overlay -path */diff/bin/busybox";
    let layer = fixture.succeeds("the layer of the image", 0, found)?.output;
    let owner = inspect::owner(layer.lines().next().unwrap_or_default());
    fixture.check("its program on disk", owner, Ok(Owner(0, 0)));
    monitors_end()?;
    fixture.prepare(&format!("podman --cgroup-manager=cgroupfs rmi {IMAGE}"))
}

/// Makes a user without rights, who has subordinate ids.
pub(in crate::client) fn make_user(fixture: &mut Fixture) -> Result<(), Failure> {
    if fixture.run(0, &format!("id -u {NAME}"))?.status != 0 {
        fixture.prepare(&format!("useradd --create-home --uid {USER} {NAME}"))?;
    }
    subordinate_ids(NAME, 400_000)?;
    fixture.prepare(&format!(
        "install -d -o {USER} -g {USER} -m 700 /run/user/{USER}"
    ))
}

/// Ends the process that keeps the user's namespace, and in it the mounts of the fixture.
pub(in crate::client) fn end_user(fixture: &mut Fixture) -> Result<(), Failure> {
    monitors_end()?;
    let ran = shell(fixture, "1000$", "podman system migrate", "", Some(USER))?;
    fixture.check_success("no namespace is left", &ran);
    Ok(())
}

fn by_user(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("By a user without rights:");
    make_user(fixture)?;
    make(disk, "rootfs-of-user", &Entry::Directory, USER, 0o755)?;
    let rootfs = disk.join("rootfs-of-user");
    make_rootfs(&rootfs, USER)?;
    let script = format!(
        "stat -c %u:%g /data /data/f0 /data/f1000; \
         touch /data/new && stat -c %u:%g /data/new; {MAP}"
    );
    for (kind, prints, stored) in ROOTLESS {
        make(disk, kind, &Entry::Directory, USER, 0o755)?;
        let data = disk.join(kind);
        make_data(&data, USER)?;
        for option in ["", ":idmap"] {
            let line = format!(
                "podman --cgroup-manager=cgroupfs run {OPTIONS} --userns={kind} \
                 -v={}:/data{option} --rootfs {}",
                data.display(),
                rootfs.display()
            );
            let ran = shell(fixture, "1000$", &line, &script, Some(USER))?;
            let what = format!("{kind}{option}");
            if option.is_empty() {
                fixture.check(&what, Ok(words(&ran)), Ok(prints.to_owned()));
                owners(fixture, &data, stored);
            } else {
                let words = "mount_setattr `/data`: Operation not permitted";
                fixture.check_refusal(&what, ran, words);
            }
        }
        owners(fixture, &data, &[("f0", 0), ("f1000", 1000)]);
    }
    end_user(fixture)
}

/// Runs a command line as root or as the user; a script runs in the container.
pub(in crate::client) fn shell(
    fixture: &mut Fixture,
    prompt: &str,
    line: &str,
    script: &str,
    user: Option<u32>,
) -> Result<Ran, Failure> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    let mut told = line.to_owned();
    if !script.is_empty() {
        command.args(["/bin/sh", "-c", script]);
        told += &format!(" /bin/sh -c '{script}'");
    }
    if let Some(user) = user {
        command.uid(user).gid(user);
        command.env("USER", NAME);
        command.env("HOME", format!("/home/{NAME}"));
        command.env("XDG_RUNTIME_DIR", format!("/run/user/{user}"));
    }
    fixture.run_in(prompt, &told, command)
}
