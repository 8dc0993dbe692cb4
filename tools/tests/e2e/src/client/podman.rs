// SPDX-License-Identifier: GPL-2.0

//! podman: volumes with the option idmap, and user namespaces.

pub(super) mod chosen;

use std::{fs, path::Path, process::Command, thread, time::Duration};

use super::{
    owners,
    rootfs::{make_data, make_rootfs},
};
use crate::{
    fixture::{Fixture, Ran},
    report::{Context, Failure},
    tree::{Entry, make},
};

const FIRST: u32 = 200_000;
const SCRIPT: &str = "stat -c %u:%g /data /data/f0 /data/f1000; \
                      touch /data/new && stat -c %u:%g /data/new; \
                      chown 5:5 /data/new && stat -c %u:%g /data/new";
/// As a manager of containers starts it where systemd runs no services.
pub(super) const OPTIONS: &str =
    "--rm --network=none --cgroups=disabled --security-opt=seccomp=unconfined";

/// Name, options, the expected output, and the expected owners on disk.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, u32)],
);

const CASES: &[Case] = &[
    (
        "a namespace and a volume without a map",
        "--uidmap=0:200000:65536 --gidmap=0:200000:65536 -v=@:/data",
        "65534:65534 65534:65534 65534:65534",
        &[],
    ),
    (
        "with the map of the container",
        "--uidmap=0:200000:65536 --gidmap=0:200000:65536 -v=@:/data:idmap",
        "0:0 0:0 1000:1000 0:0 5:5",
        &[("new", 5)],
    ),
];

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| {
        make(root, "rootfs", &Entry::Directory, FIRST, 0o755)?;
        make_rootfs(&root.join("rootfs"), FIRST)
    })?;
    for (index, (name, options, prints, stored)) in CASES.iter().enumerate() {
        fixture.say(&format!("{name}:"));
        let data = format!("data{index}");
        make(&disk, &data, &Entry::Directory, 0, 0o755)?;
        let data = disk.join(data);
        make_data(&data, 0)?;
        let ran = podman(fixture, options, &data, &disk.join("rootfs"))?;
        let what = format!("{name}: it prints");
        fixture.check(
            &what,
            Ok(ran.output.replace('\n', " ")),
            Ok((*prints).to_owned()),
        );
        owners(fixture, &data, stored);
        owners(fixture, &data, &[("f0", 0), ("f1000", 1000)]);
    }
    monitors_end()?;
    chosen::run(fixture, &disk)
}

/// Waits for the monitors of containers, which exit after them.
fn monitors_end() -> Result<(), Failure> {
    for _ in 0..200 {
        let mut left = false;
        for entry in fs::read_dir("/proc").context("listing processes")? {
            let name = entry.map(|entry| fs::read_to_string(entry.path().join("comm")));
            left |= matches!(name, Ok(Ok(name)) if name.trim() == "conmon");
        }
        if !left {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::Failed("conmon does not end".to_owned()))
}

fn podman(
    fixture: &mut Fixture,
    options: &str,
    data: &Path,
    rootfs: &Path,
) -> Result<Ran, Failure> {
    let options = options.replace('@', &data.display().to_string());
    let line = format!(
        "podman --cgroup-manager=cgroupfs run {OPTIONS} {options} --rootfs {}",
        rootfs.display()
    );
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(["/bin/sh", "-c", SCRIPT]);
    fixture.run_in("root#", &format!("{line} /bin/sh -c '{SCRIPT}'"), command)
}
