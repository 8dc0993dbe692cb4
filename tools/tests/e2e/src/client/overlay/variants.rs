// SPDX-License-Identifier: GPL-2.0

//! Other ways of putting maps and overlayfs together: a map for the lower layer only, one for the
//! overlay itself, and an overlay that is mounted in a user namespace.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{MAP, make_changes};
use crate::{
    client::owners,
    container::Container,
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

/// The lower layer: name, type, owner on disk, mode bits.
const LOWER: &[(&str, Entry<'static>, u32, u32)] = &[
    ("a", Entry::File(b"a\n"), 10000, 0o644),
    ("b", Entry::File(b"b\n"), 10005, 0o644),
    ("open", Entry::Directory, 10000, 0o1777),
];

pub(super) fn run(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    let lower = disk.join("lower-2");
    make(disk, "lower-2", &Entry::Directory, 10000, 0o755)?;
    for (name, entry, owner, mode) in LOWER {
        make(&lower, name, entry, *owner, *mode)?;
    }
    lower_only(fixture, disk, &lower)?;
    on_top(fixture, disk, &lower)?;
    in_namespace(fixture, disk, &lower)
}

/// Mounts a directory with a map on a directory of the fixture.
fn mapped(fixture: &mut Fixture, map: &str, from: &Path, name: &str) -> Result<PathBuf, Failure> {
    let to = fixture.directory(name)?;
    let (from, at) = (from.display(), to.display());
    fixture.prepare(&format!("mount --bind -o {map} {from} {at}"))?;
    Ok(to)
}

fn unmount(fixture: &mut Fixture, paths: &[&Path]) -> Result<(), Failure> {
    for path in paths {
        fixture.prepare(&format!("umount {}", path.display()))?;
    }
    Ok(())
}

fn lower_only(fixture: &mut Fixture, disk: &Path, lower: &Path) -> Result<(), Failure> {
    fixture.say("Only the lower layer has a map:");
    let changes = make_changes(disk, "changes-of-lower", 0)?;
    let upper = changes.join("upper");
    let below = mapped(fixture, MAP, lower, "lower-only")?;
    let merged = fixture.directory("merged-of-lower")?;
    fixture.overlay(&below, &upper, &changes.join("work"), "", &merged)?;
    owners(fixture, &merged, &[("a", 0), ("b", 5)]);
    for name in ["a", "b"] {
        let wrote = syscalls::append(merged.join(name), "x\n");
        fixture.check(&format!("root writes to {name}"), wrote, Ok(()));
    }
    unmount(fixture, &[&merged, &below])?;
    fixture.say("What was copied up has the ids that were seen:");
    owners(fixture, &upper, &[("a", 0), ("b", 5)]);
    owners(fixture, lower, &[("a", 10000), ("b", 10005)]);
    Ok(())
}

fn on_top(fixture: &mut Fixture, disk: &Path, lower: &Path) -> Result<(), Failure> {
    fixture.say("The overlay itself has a map, on layers with maps:");
    let changes = make_changes(disk, "changes-of-top", 10000)?;
    let below = mapped(fixture, MAP, lower, "top-lower")?;
    let above = mapped(fixture, MAP, &changes, "top-changes")?;
    let merged = fixture.directory("merged-of-top")?;
    let (upper, work) = (above.join("upper"), above.join("work"));
    fixture.overlay(&below, &upper, &work, "", &merged)?;
    let top = mapped(fixture, "X-mount.idmap=b:0:5000:1000", &merged, "top")?;
    fixture.check(
        "the overlay has a map",
        inspect::is_idmapped(&top),
        Ok(true),
    );
    owners(fixture, &top, &[("", 5000), ("a", 5000), ("b", 5005)]);
    for (user, expected) in [(5000, Ok(())), (5003, Ok(())), (0, Err(Errno::OVERFLOW))] {
        let path = top.join(format!("open/of{user}"));
        let made = as_user(user, || syscalls::create(&path));
        fixture.check(&format!("{user} makes a file"), made, expected);
    }
    let wrote = as_user(5005, || syscalls::append(top.join("b"), "x\n"));
    fixture.check("5005 writes to b", wrote, Ok(()));
    let seen = [("open/of5000", 0), ("open/of5003", 3), ("b", 5)];
    owners(fixture, &merged, &seen);
    unmount(fixture, &[&top, &merged, &below, &above])?;
    let stored = seen.map(|(name, id)| (name, 10000 + id));
    owners(fixture, &changes.join("upper"), &stored);
    Ok(())
}

fn in_namespace(fixture: &mut Fixture, disk: &Path, lower: &Path) -> Result<(), Failure> {
    fixture.say("A container mounts an overlay of layers that are mapped to its ids:");
    let changes = make_changes(disk, "changes-of-container", 10000)?;
    let map = "X-mount.idmap=b:10000:100000:10000";
    let below = mapped(fixture, map, lower, "container-lower")?;
    let above = mapped(fixture, map, &changes, "container-changes")?;
    let merged = fixture.directory("merged-of-container")?;
    let container = Container::start(100_000, 10_000)?;
    let at = merged.display();
    let lines = format!(
        "mount -t overlay -o userxattr,lowerdir={},upperdir={}/upper,workdir={}/work overlay {at}\n\
         stat -c %u:%g {at}/a {at}/b\n\
         touch {at}/new {at}/given {at}/a {at}/b\n\
         chown 7:7 {at}/given\n\
         setfacl -m u:9:rw {at}/new",
        below.display(),
        above.display(),
        above.display(),
    );
    let ran = container.script(fixture, &lines)?;
    fixture.check_success("what it does there", &ran);
    let printed = Ok(ran.output.replace('\n', " "));
    fixture.check("it sees", printed, Ok("0:0 5:5".to_owned()));
    unmount(fixture, &[&below, &above])?;
    let upper = changes.join("upper");
    let stored = [("new", 10000), ("given", 10007), ("a", 10000), ("b", 10005)];
    owners(fixture, &upper, &stored);
    let entry = AclUser {
        user: 10009,
        permissions: 6,
    };
    let acl = inspect::acl_users(upper.join("new"));
    fixture.check("the ACL of new", acl, Ok(vec![entry]));
    let upper = inspect::owner(&changes);
    fixture.check("the directory on disk", upper, Ok(Owner(10000, 10000)));
    Ok(())
}
