// SPDX-License-Identifier: GPL-2.0

//! systemd-nspawn in systemd-nspawn: the inner container's root is mapped rather than changed.
//!
//! With nested idmaps systemd-nspawn 257 makes the idmapped mount. It starts no container with a user
//! namespace in another one: it makes device files afterwards, whatever the owners are.

use std::{path::Path, process::Command};

use crate::{
    client::{owners, rootfs::make_rootfs},
    fixture::Fixture,
    inspect,
    report::Failure,
    tree::{Entry, make},
};

/// The first id of the outer container on the host.
const OUTER: u32 = 1_048_576;
/// The first id of the inner container on the host.
const INNER: u32 = OUTER + 65_536;
/// With a network of its own, a container can mount sysfs.
const OPTIONS: &str = "--register=no --keep-unit --quiet --timezone=off --private-network";
/// The error messages of systemd-nspawn 257.
const MAP_REFUSED: &str = "Failed to set up ID mapped mounts: Operation not permitted";
const DEVICE_REFUSED: &str = "Failed to mknod(/image/rootfs/dev/null): Operation not permitted";

pub(in crate::client) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    if !Path::new("/etc/machine-id").exists() || inspect::size("/etc/machine-id") == Ok(0) {
        fixture.prepare("systemd-machine-id-setup")?;
    }
    let outer = fixture.directory("outer")?;
    fixture.prepare(&format!("mount --bind / {}", outer.display()))?;
    let disk = fixture.disk(|root| {
        for (name, owner) in [("shifted", OUTER), ("changed", INNER), ("stored", 0)] {
            make(root, name, &Entry::Directory, owner, 0o755)?;
            // Below the bind mount: the inner container cannot replace a mount of the outer one.
            let rootfs = root.join(name).join("rootfs");
            make(&root.join(name), "rootfs", &Entry::Directory, owner, 0o755)?;
            make_rootfs(&rootfs, owner)?;
            // It makes missing directories as root around the container, who has no id there.
            for name in ["root", "var"] {
                make(&rootfs, name, &Entry::Directory, owner, 0o755)?;
            }
        }
        Ok(())
    })?;
    super::with_and_without(fixture, |fixture, is_offered| {
        let (shifted, stored) = (disk.join("shifted"), disk.join("stored"));
        let bind = |name| format!("--bind={}:/image", disk.join(name).display());
        // The idmapped mount is the step before the devices.
        let words = if is_offered {
            DEVICE_REFUSED
        } else {
            MAP_REFUSED
        };
        let what = "an image of the outer ids";
        nested(fixture, &outer, (&bind("shifted"), "map"), (what, words))?;
        let what = "an image of the inner ids, not mapped";
        nested(
            fixture,
            &outer,
            (&bind("changed"), "off"),
            (what, DEVICE_REFUSED),
        )?;
        // It copies a mount and sets an idmap in two calls. The kernel changes no idmap of a mount,
        // and composes in a new copy only.
        let bind = format!("{}:idmap", bind("stored"));
        let what = "an image on an idmapped mount";
        nested(fixture, &outer, (&bind, "map"), (what, MAP_REFUSED))?;
        for (image, owner) in [(shifted, OUTER), (stored, 0)] {
            owners(fixture, &image.join("rootfs"), &[("bin/busybox", owner)]);
        }
        Ok(())
    })
}

/// Runs the inner container in the outer one, whose root is that of the host, idmapped. It must be
/// refused with these words. Both containers print to one terminal.
fn nested(
    fixture: &mut Fixture,
    outer: &Path,
    (bind, ownership): (&str, &str),
    (what, words): (&str, &str),
) -> Result<(), Failure> {
    let line = format!(
        "systemd-nspawn {OPTIONS} --private-users-ownership=map --directory={} \
         --private-users={OUTER}:131072 {bind} --capability=all \
         systemd-nspawn {OPTIONS} --private-users-ownership={ownership} \
         --directory=/image/rootfs --private-users=65536:65536 /bin/sh -c true",
        outer.display()
    );
    let mut command = Command::new("systemd-nspawn");
    command.args(line.split_whitespace().skip(1));
    let ran = fixture.run_in("root#", &line, command)?;
    let printed = format!("{} {}", ran.output, ran.errors);
    let refused = printed.contains(words);
    let seen = if refused { words.to_owned() } else { printed };
    fixture.report.check(what, refused, seen, words.to_owned());
    Ok(())
}
