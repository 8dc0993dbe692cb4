// SPDX-License-Identifier: GPL-2.0

//! Overlayfs on layers that mount(8) has mounted with `X-mount.idmap=b:10000:0:10000`.

mod variants;

use std::path::{Path, PathBuf};

use kselftest::filesystem::VFAT;
use rustix::io::Errno;

use super::{
    Must::{Do, Refuse, Say},
    owners, run_lines,
};
use crate::{
    fixture::Fixture,
    inspect::{self, AclUser},
    report::Failure,
    show::{Mode, Owner},
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const OVERFLOW: &str = "Value too large for defined data type";
const MAP: &str = "X-mount.idmap=b:10000:0:10000";

/// The lower layer: name, type, owner on disk, mode bits.
const LOWER: &[(&str, Entry<'static>, u32, u32)] = &[
    ("a", Entry::File(b"a\n"), 10000, 0o644),
    ("acl", Entry::File(b"acl\n"), 10000, 0o644),
    ("b", Entry::File(b"b\n"), 10005, 0o644),
    ("c", Entry::File(b"c\n"), 10000, 0o644),
    ("cap", Entry::File(b"cap\n"), 10000, 0o755),
    ("gone", Entry::File(b"gone\n"), 10000, 0o644),
    ("old", Entry::Directory, 10000, 0o755),
    ("old/file", Entry::File(b""), 10000, 0o644),
    ("open", Entry::Directory, 10000, 0o1777),
    ("suid", Entry::File(b"suid\n"), 10000, 0o4755),
    ("unmapped", Entry::File(b"unmapped\n"), 500, 0o644),
];

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    if fixture.filesystem == VFAT {
        return vfat(fixture);
    }
    let disk = fixture.disk(|root| {
        make(root, "lower", &Entry::Directory, 10000, 0o755)?;
        for (name, entry, owner, mode) in LOWER {
            make(&root.join("lower"), name, entry, *owner, *mode)?;
        }
        make_changes(root, "changes", 10000).map(drop)
    })?;
    let (lower, changes) = (disk.join("lower"), disk.join("changes"));
    let lines = [
        (0, "setfacl -m u:10007:rw,g:10008:r @/acl", Do),
        (0, "setcap -n 10000 cap_net_raw+ep @/cap", Do),
    ];
    run_lines(fixture, [&lower, &lower], &lines)?;
    let (ol, ou) = (fixture.directory("ol")?, fixture.directory("ou")?);
    for (from, to) in [(&lower, &ol), (&changes, &ou)] {
        let line = format!("mount --bind -o {MAP} @ %");
        let line = line.replace('@', &from.display().to_string());
        fixture.prepare(&line.replace('%', &to.display().to_string()))?;
    }
    let merged = fixture.directory("merged")?;
    fixture.overlay(&ol, &ou.join("upper"), &ou.join("work"), "", &merged)?;
    before(fixture, &merged)?;
    change(fixture, &merged)?;
    for mount in [&merged, &ol, &ou] {
        fixture.prepare(&format!("umount {}", mount.display()))?;
    }
    after(fixture, &changes.join("upper"))?;
    let work = inspect::owner(changes.join("work/work"));
    fixture.check("work/work on disk", work, Ok(Owner(10000, 10000)));
    two_mounts(fixture, &disk)?;
    variants::run(fixture, &disk)
}

/// Makes the directories of an upper layer.
fn make_changes(root: &Path, name: &str, owner: u32) -> Result<PathBuf, Failure> {
    for below in ["", "/upper", "/work"] {
        make(
            root,
            &format!("{name}{below}"),
            &Entry::Directory,
            owner,
            0o755,
        )?;
    }
    Ok(root.join(name))
}

fn before(fixture: &mut Fixture, merged: &Path) -> Result<(), Failure> {
    fixture.say("Merged, before anything is changed:");
    fixture.run(0, &format!("ls -ln {}", merged.display()))?;
    let ids = [
        ("a", 0),
        ("b", 5),
        ("c", 0),
        ("cap", 0),
        ("suid", 0),
        ("unmapped", 65534),
    ];
    owners(fixture, merged, &ids);
    has_lines(fixture, &merged.join("acl"), &["user:7:rw-", "group:8:r--"])?;
    let says = [(0, "getcap @/cap", Say("@/cap cap_net_raw=ep"))];
    run_lines(fixture, [merged, merged], &says)
}

/// Checks the output of getfacl.
fn has_lines(fixture: &mut Fixture, path: &Path, lines: &[&str]) -> Result<(), Failure> {
    let ran = fixture.run(0, &format!("getfacl -n -p {}", path.display()))?;
    for line in lines {
        let what = format!("{} has {line}", path.display());
        fixture.check(&what, Ok(ran.has_line(line)), Ok(true));
    }
    Ok(())
}

fn change(fixture: &mut Fixture, merged: &Path) -> Result<(), Failure> {
    fixture.say("What is made and changed:");
    run_lines(
        fixture,
        [merged, merged],
        &[
            (0, "touch @/new", Do),
            (0, "mkdir @/directory", Do),
            (0, "mkfifo @/pipe", Do),
            (0, "mknod @/null c 1 3", Do),
            (0, "ln -s a @/link", Do),
            (0, "touch @/given", Do),
            (0, "chown 5:6 @/given", Do),
            (0, "ln @/given @/hard", Do),
            (77, "touch @/open/of77", Do),
            (0, "touch @/a @/c @/suid", Do),
            (0, "chown 3:4 @/b", Do),
            (0, "setfacl -m u:7:rwx,g:8:rx @/new", Do),
            (0, "setfacl -m u:11:rw @/acl", Do),
            (0, "setfacl -d -m u:9:rwx @/directory", Do),
            (0, "touch @/directory/file", Do),
            (0, "mkdir @/directory/below", Do),
            (0, "setcap cap_net_raw+ep @/c", Do),
            (0, "rm @/gone", Do),
            (0, "rm -r @/old", Do),
            (0, "mkdir @/old", Do),
            (0, "chown 20000 @/new", Refuse(OVERFLOW)),
            (0, "chown 1:1 @/unmapped", Refuse(OVERFLOW)),
            (0, "setfacl -m u:20001:r @/new", Refuse("Invalid argument")),
            (12000, "touch @/open/not", Refuse(OVERFLOW)),
            (12000, "cat @/b", Say("b")),
        ],
    )?;
    let nameless = syscalls::tmpfile(merged.join("tmpfile"));
    fixture.check("O_TMPFILE, then linkat()", nameless, Ok(()));
    let append = |name: &str| syscalls::append(merged.join(name), "x\n");
    fixture.check(
        "root writes to unmapped",
        append("unmapped"),
        Err(Errno::ACCESS),
    );
    fixture.check("root writes to cap", append("cap"), Ok(()));
    let says = [(0, "getcap @/cap", Say(""))];
    run_lines(fixture, [merged, merged], &says)?;
    let outsider = as_user(12000, || syscalls::open(merged.join("a")));
    fixture.check("user 12000 reads a", outsider, Ok(()));
    Ok(())
}

fn after(fixture: &mut Fixture, upper: &Path) -> Result<(), Failure> {
    fixture.say("The upper layer, without any map:");
    fixture.run(0, &format!("ls -lnR {}", upper.display()))?;
    let roots = [
        "new",
        "directory",
        "pipe",
        "null",
        "link",
        "tmpfile",
        "a",
        "c",
        "cap",
        "suid",
        "acl",
    ];
    let roots = roots.map(|name| (name, 10000));
    owners(fixture, upper, &roots);
    owners(fixture, upper, &[("open/of77", 10077)]);
    let both = Ok(Owner(10005, 10006));
    for name in ["given", "hard"] {
        fixture.check(name, inspect::owner(upper.join(name)), both);
    }
    fixture.check(
        "b",
        inspect::owner(upper.join("b")),
        Ok(Owner(10003, 10004)),
    );
    fixture.check(
        "the mode of suid",
        inspect::mode(upper.join("suid")),
        Ok(Mode(0o4755)),
    );
    has_lines(
        fixture,
        &upper.join("new"),
        &["user:10007:rwx", "group:10008:r-x"],
    )?;
    has_lines(
        fixture,
        &upper.join("directory"),
        &["default:user:10009:rwx"],
    )?;
    has_lines(
        fixture,
        &upper.join("directory/below"),
        &["default:user:10009:rwx"],
    )?;
    let users = |entries: &[(u32, u16)]| {
        let entry = |(user, permissions): &(u32, u16)| AclUser {
            user: *user,
            permissions: *permissions,
        };
        Ok(entries.iter().map(entry).collect::<Vec<_>>())
    };
    for (name, entries) in [
        ("directory/file", &[(10009, 7)][..]),
        ("acl", &[(10007, 6), (10011, 6)]),
    ] {
        let what = format!("the ACL of {name}");
        fixture.check(&what, inspect::acl_users(upper.join(name)), users(entries));
    }
    run_lines(
        fixture,
        [upper, upper],
        &[(0, "find @/hard -links 2", Say("@/hard"))],
    )?;
    let root = inspect::capability_root(upper.join("c"));
    fixture.check("the root of c's capability", root, Ok(10000));
    let none = inspect::has_xattr(upper.join("cap"), "security.capability");
    fixture.check("cap has a capability", none, Ok(false));
    let kind = inspect::kind(&upper.join("gone"));
    fixture.check("the whiteout", kind, Ok("c 0000 0:0".to_owned()));
    owners(fixture, upper, &[("gone", 10000)]);
    let opaque = inspect::has_xattr(upper.join("old"), "trusted.overlay.opaque");
    fixture.check("old is opaque", opaque, Ok(true));
    let origin = |name: &str| inspect::has_xattr(upper.join(name), "trusted.overlay.origin");
    for name in ["a", "acl", "b", "c", "cap", "suid"] {
        fixture.check(&format!("{name} has its origin"), origin(name), Ok(true));
    }
    Ok(())
}

/// Both directories of the upper layer have to be on one mount.
fn two_mounts(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("The upper directory and the work directory on two mounts:");
    let (a, b) = (fixture.directory("a")?, fixture.directory("b")?);
    let changes = disk.join("changes");
    for target in [&a, &b] {
        let line = format!(
            "mount --bind -o {MAP} {} {}",
            changes.display(),
            target.display()
        );
        fixture.prepare(&line)?;
    }
    let line = format!(
        "mount -t overlay -o lowerdir={},upperdir={}/upper,workdir={}/work overlay {}",
        disk.join("lower").display(),
        a.display(),
        b.display(),
        fixture.path("merged").display()
    );
    fixture.refused("mounting", 0, &line, "bad superblock on overlay")?;
    let said = fixture.run(0, "dmesg --kernel --notime --level=err")?;
    let last = said.output.lines().last().map(str::to_owned);
    let words = "overlayfs: workdir and upperdir must reside under the same mount";
    fixture.check(
        "the kernel says",
        Ok(last.unwrap_or_default()),
        Ok(words.to_owned()),
    );
    Ok(())
}

/// FAT cannot be a layer, with an idmap or without.
fn vfat(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.plain("disk")?;
    for name in ["upper", "work"] {
        fixture.prepare(&format!("mkdir {}", disk.join(name).display()))?;
    }
    let mapped = fixture.directory("ol")?;
    let line = format!(
        "mount --bind -o X-mount.idmap=b:0:1000:1 {} {}",
        disk.display(),
        mapped.display()
    );
    fixture.prepare(&line)?;
    let other = fixture.directory("other")?;
    let merged = fixture.directory("merged")?;
    for layer in [&disk, &mapped] {
        let (layer, other) = (layer.display(), other.display());
        for (what, layers) in [
            ("lower", format!("lowerdir={layer}:{other}")),
            (
                "upper",
                format!("lowerdir={other},upperdir={layer}/upper,workdir={layer}/work"),
            ),
        ] {
            let line = format!("mount -t overlay -o {layers} overlay {}", merged.display());
            let what = format!("{layer} as the {what} layer");
            fixture.refused(&what, 0, &line, "not supported")?;
        }
    }
    Ok(())
}
