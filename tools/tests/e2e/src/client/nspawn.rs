// SPDX-License-Identifier: GPL-2.0

//! systemd-nspawn: a container whose root is mapped rather than changed.

use std::{path::Path, process::Command};

use super::{
    owners,
    rootfs::{make_data, make_rootfs},
};
use crate::{
    fixture::Fixture,
    inspect,
    report::Failure,
    tree::{Entry, make},
};

const SCRIPT: &str = "stat -c %u:%g / /bin /data /data/f1000; \
                      touch /made /data/new && stat -c %u:%g /made /data/new; \
                      chown 5:5 /made && stat -c %u:%g /made; \
                      cat /proc/self/uid_map; \
                      grep -c idmapped /proc/self/mountinfo";

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| {
        make(root, "rootfs", &Entry::Directory, 0, 0o755)?;
        make_rootfs(&root.join("rootfs"), 0)?;
        make(root, "data", &Entry::Directory, 0, 0o755)?;
        make_data(&root.join("data"), 0)
    })?;
    if !Path::new("/etc/machine-id").exists() || inspect::size("/etc/machine-id") == Ok(0) {
        fixture.prepare("systemd-machine-id-setup")?;
    }
    let (rootfs, data) = (disk.join("rootfs"), disk.join("data"));
    let line = format!(
        "systemd-nspawn --register=no --keep-unit --quiet --timezone=off --directory={} \
         --private-users=300000:65536 --private-users-ownership=map --bind={}:/data:idmap",
        rootfs.display(),
        data.display()
    );
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(["/bin/sh", "-c", SCRIPT]);
    let ran = fixture.run_in("root#", &format!("{line} /bin/sh -c '{SCRIPT}'"), command)?;
    fixture.check_success("the container", &ran);
    let printed: Vec<String> = ran
        .output
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.join(" ")
        })
        .collect();
    for (index, (what, expected)) in [
        ("its root is", "0:0"),
        ("/bin is", "0:0"),
        ("the bound directory is", "0:0"),
        ("a file of 1000 in it is", "1000:1000"),
        ("what root makes is", "0:0"),
        ("what root makes in the directory is", "0:0"),
        ("what root gave to 5 is", "5:5"),
        ("its map", "0 300000 65536"),
        ("mounts with a map", "2"),
    ]
    .iter()
    .enumerate()
    {
        let seen = printed.get(index).cloned().unwrap_or_default();
        fixture.check(what, Ok(seen), Ok((*expected).to_owned()));
    }
    fixture.say("On the host:");
    fixture.run(0, &format!("ls -ln {}", rootfs.display()))?;
    owners(
        fixture,
        &rootfs,
        &[("", 0), ("bin", 0), ("bin/busybox", 0), ("made", 5)],
    );
    owners(fixture, &data, &[("f0", 0), ("f1000", 1000), ("new", 0)]);
    let line = format!("find {} -uid +299999 -o -gid +299999", rootfs.display());
    let changed = fixture.run(0, &line)?;
    fixture.check(
        "what was changed on disk",
        Ok(changed.output),
        Ok(String::new()),
    );
    Ok(())
}
