// SPDX-License-Identifier: GPL-2.0

//! crun without root: mappings of a mount, and the option idmap.

use std::fs;

use crate::{
    client::{
        crun::{config, line},
        owners,
        podman::chosen::{NAME, USER, make_user, shell, words},
        rootfs::{make_data, make_rootfs},
    },
    fixture::Fixture,
    report::{Context, Failure},
    syscalls,
    tree::{Entry, make},
};

/// The ids of the container, by those of the user's namespace.
const SHIFT: &str = r#"[{"containerID":0,"hostID":1,"size":65535}]"#;
const SCRIPT: &str = "stat -c %u:%g /data /data/f0 /data/f1000; \
                      touch /data/new && stat -c %u:%g /data/new; \
                      chown 5:5 /data/new && stat -c %u:%g /data/new";
/// The name, and the options and mappings of the mount.
const CASES: [(&str, &str, Option<&str>); 2] = [
    ("mappings of the mount", "", Some(SHIFT)),
    ("the option idmap", ",\"idmap\"", None),
];

pub(in crate::client) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    make_user(fixture)?;
    let [users, groups] = ["/etc/subuid", "/etc/subgid"].map(first_of_user);
    let (first, groups) = (users?, groups?);
    // In this namespace 0 is the user, and the subordinate ids follow.
    let namespace = format!(
        "unshare --user --map-root-user --map-users=1:{first}:65536 \
         --map-groups=1:{groups}:65536 --mount"
    );
    let disk = fixture.disk(|_| Ok(()))?;
    super::with_and_without(fixture, |fixture, is_offered| {
        for (number, (name, options, maps)) in CASES.iter().enumerate() {
            let name_of_data = format!("data-{number}-{is_offered}");
            make(&disk, &name_of_data, &Entry::Directory, USER, 0o755)?;
            let data = disk.join(name_of_data);
            make_data(&data, USER)?;
            let bundle = fixture.directory(&format!("bundle-{number}-{is_offered}"))?;
            make(&bundle, "rootfs", &Entry::Directory, first, 0o755)?;
            make_rootfs(&bundle.join("rootfs"), first)?;
            let text = config(&data, Some(SHIFT), ("bind", options), *maps, SCRIPT);
            fs::write(bundle.join("config.json"), text).context("writing config.json")?;
            syscalls::chown(&bundle, USER).context("giving the bundle away")?;
            let line = format!("{namespace} {}", line(&bundle));
            let ran = shell(fixture, "1000$", &line, "", Some(USER))?;
            if is_offered {
                let prints = "0:0 65534:65534 0:0 0:0 5:5".to_owned();
                fixture.check(name, Ok(words(&ran)), Ok(prints));
                // 5 of the container is 6 of the user's namespace. The mount maps what that
                // namespace calls 5 there.
                owners(fixture, &data, &[("new", first + 4)]);
            } else {
                let words = "mount_setattr `/data`";
                fixture.check_refusal(name, ran, words);
            }
            owners(fixture, &data, &[("f0", 0), ("f1000", 1000)]);
        }
        Ok(())
    })
}

/// Returns the first subordinate id of the user.
fn first_of_user(path: &str) -> Result<u32, Failure> {
    let text = fs::read_to_string(path).context(path)?;
    let line = text.lines().find_map(|line| {
        let rest = line.strip_prefix(NAME)?.strip_prefix(':')?;
        rest.split(':').next()?.parse().ok()
    });
    line.ok_or_else(|| Failure::Failed(format!("{path} has no ids for {NAME}")))
}
