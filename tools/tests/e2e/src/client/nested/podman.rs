// SPDX-License-Identifier: GPL-2.0

//! podman without root: volumes with the option idmap.

use crate::{
    client::{
        owners,
        podman::{
            OPTIONS,
            chosen::{MAP, USER, end_user, make_user, shell, words},
        },
        rootfs::{make_data, make_rootfs},
    },
    fixture::Fixture,
    report::Failure,
    tree::{Entry, make},
};

/// The options of the namespace and of the volume, and the expected output. Each container makes a
/// file as the user that the volume shows as the owner. The owner on disk is the plain user.
const CASES: [(&str, &str, &str); 4] = [
    ("auto", "idmap", "0:0 65534:65534 0:0 0:0 0 1 1024"),
    ("nomap", "idmap", "0:0 65534:65534 0:0 0:0 0 1 65536"),
    (
        "keep-id --user=0:0",
        "idmap",
        "0:0 65534:65534 0:0 0:0 0 1 1000 1000 0 1 1001 1001 64536",
    ),
    (
        "keep-id --user=999:999",
        "idmap=uids=0-1000-1;gids=0-1000-1",
        "999:999 65534:65534 999:999 999:999 0 1 1000 1000 0 1 1001 1001 64536",
    ),
];

/// The files on which podman mounts its own. The root user of a namespace in which the owner of the
/// root filesystem has no id cannot create them.
const MOUNTED: [&str; 4] = [
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
    "run/.containerenv",
];

pub(in crate::client) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    make_user(fixture)?;
    let disk = fixture.disk(|root| {
        make(root, "rootfs", &Entry::Directory, USER, 0o755)?;
        let root = root.join("rootfs");
        make_rootfs(&root, USER)?;
        MOUNTED
            .iter()
            .try_for_each(|name| make(&root, name, &Entry::File(b""), USER, 0o644))
    })?;
    let script = format!(
        "stat -c %u:%g /data /data/f0 /data/f1000; \
         touch /data/new && stat -c %u:%g /data/new; {MAP}"
    );
    super::with_and_without(fixture, |fixture, is_offered| {
        for (number, (namespace, option, prints)) in CASES.iter().enumerate() {
            let name = format!("data-{number}-{is_offered}");
            make(&disk, &name, &Entry::Directory, USER, 0o755)?;
            let data = disk.join(name);
            make_data(&data, USER)?;
            let line = format!(
                "podman --cgroup-manager=cgroupfs run {OPTIONS} --userns={namespace} \
                 -v={}:/data:{option} --rootfs {}",
                data.display(),
                disk.join("rootfs").display()
            );
            let ran = shell(fixture, "1000$", &line, &script, Some(USER))?;
            let what = format!("{namespace}, {option}");
            if is_offered {
                fixture.check(&what, Ok(words(&ran)), Ok((*prints).to_owned()));
                owners(fixture, &data, &[("new", USER)]);
            } else {
                let words = "mount_setattr `/data`: Operation not permitted";
                fixture.check_refusal(&what, ran, words);
            }
            owners(fixture, &data, &[("f0", 0), ("f1000", 1000)]);
        }
        // It does not try idmapped layers without root: this is its own decision.
        let ran = shell(fixture, "1000$", "podman info", "", Some(USER))?;
        let says = ran.has_line("Supports shifting: \"false\"");
        fixture.check("podman supports no idmapped layers", Ok(says), Ok(true));
        Ok(())
    })?;
    end_user(fixture)
}
