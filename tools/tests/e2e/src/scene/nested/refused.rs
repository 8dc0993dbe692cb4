// SPDX-License-Identifier: GPL-2.0

//! What the kernel refuses, and the words of the tool.

use std::path::Path;

use super::{INNER, OUTER, Sysctl};

use crate::{container::Container, fixture::Fixture, report::Failure};

/// Has root of a container idmap its root filesystem, which must fail with these words.
pub(super) fn idmap(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
    words: &str,
) -> Result<(), Failure> {
    let at = fixture.directory("refused")?;
    let line = format!(
        "unshare --mount mount-idmapped mount --replace --map=b:0:5000:1000 {} {}",
        rootfs.join("srv").display(),
        at.display()
    );
    container.refused(fixture, "an idmap of its root filesystem", &line, words)?;
    let line = format!("unshare --mount mount-idmapped check {}", at.display());
    container.refused(fixture, "check of a directory of the host", &line, words)?;
    explained(fixture, container, &at, "unshare --mount", words)
}

/// Has root of a container explain why a mount gets no idmap, or that it gets one.
fn explained(
    fixture: &mut Fixture,
    container: &Container,
    at: &Path,
    with: &str,
    words: &str,
) -> Result<(), Failure> {
    let line = format!("{with} mount-idmapped explain {} --op idmap", at.display());
    let ran = container.run(fixture, &line)?;
    let text: Vec<&str> = ran.output.split_whitespace().collect();
    let explains = text.join(" ").contains(words);
    fixture.check("explain has these words", Ok(explains), Ok(true));
    Ok(())
}

pub(super) fn run(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
) -> Result<(), Failure> {
    fixture.say("With fs.mount_idmap_nested=0:");
    let off = Sysctl::set("0")?;
    let words =
        "the sysctl fs.mount_idmap_nested is 0: the administrator of the machine may set it";
    idmap(fixture, container, rootfs, words)?;
    super::rootless::refused(fixture, words)?;
    drop(off);
    fixture.say("With fs.mount_idmap_nested=1:");
    let _on = Sysctl::set("1")?;
    let few = Container::start(OUTER, 8192)?;
    let words = "too few user ids: it has 8192 users and needs more than 8192; /etc/subuid usually";
    idmap(fixture, &few, rootfs, words)?;
    let directory = fixture.directory("refused")?;
    let (from, at) = (rootfs.join("srv"), directory.display());
    let from = from.display();
    for (what, line, words) in [
        (
            "without a capability",
            format!(
                "setpriv --bounding-set=-fsetid unshare --mount mount-idmapped mount --replace \
                 --map={INNER} {from} {at}"
            ),
            "the caller has no CAP_FSETID over its user namespace: run it as root",
        ),
        (
            "the removal of the map",
            format!("unshare --mount mount-idmapped mount --replace {from} {at}"),
            "to leave a map out takes CAP_SYS_ADMIN in the user namespace that the filesystem was",
        ),
        (
            "a map in place of one, in two calls",
            format!("unshare --mount mount-idmapped --map-mount={INNER} {from} {at}"),
            "it is an idmapped mount already: 'mount --replace' makes one",
        ),
        (
            "no id that the mount shows",
            format!(
                "unshare --mount mount-idmapped mount --replace --map=b:65536:5000:10 {from} {at}"
            ),
            "no user or no group that the mount shows is both in this user namespace and in FROM",
        ),
        (
            "a filesystem without idmaps",
            format!("unshare --mount mount-idmapped --map-mount={INNER} /proc/self/net {at}"),
            "proc does not support idmapped mounts",
        ),
    ] {
        container.refused(fixture, what, &line, words)?;
    }
    let with = "setpriv --bounding-set=-fsetid unshare --mount";
    let words = "the caller has no CAP_FSETID over its user namespace: run it as root";
    explained(fixture, container, &directory, with, words)?;
    let line = format!("unshare --mount mount-idmapped check {at}");
    container.succeeds(fixture, "check of a directory of the host", &line)?;
    explained(
        fixture,
        container,
        &directory,
        "unshare --mount",
        "(can_idmap_mount) it works",
    )
}
