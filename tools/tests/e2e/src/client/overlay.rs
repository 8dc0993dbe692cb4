// SPDX-License-Identifier: GPL-2.0

//! Overlayfs on layers that mount(8) has mounted with `X-mount.idmap=b:10000:0:10000`.

mod variants;

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::{
    Must::{Do, Refuse, Say},
    owners, run,
};
use crate::{
    filesystem::Filesystem,
    fixture::Stage,
    inspect::{self, AclUser},
    report::Failure,
    show::{Mode, Owner},
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const OVERFLOW: &str = "Value too large for defined data type";
const MAP: &str = "X-mount.idmap=b:10000:0:10000";

/// The lower layer: name, what it is, its owner on disk, its permissions.
const LOWER: &[(&str, Entry<'static>, u32, u32)] = &[
    ("a", Entry::File(b"a\n"), 10000, 0o644),
    ("acl", Entry::File(b"acl\n"), 10000, 0o644),
    ("b", Entry::File(b"b\n"), 10005, 0o644),
    ("c", Entry::File(b"c\n"), 10000, 0o644),
    ("cap", Entry::File(b"cap\n"), 10000, 0o755),
    ("gone", Entry::File(b"gone\n"), 10000, 0o644),
    ("old", Entry::Folder, 10000, 0o755),
    ("old/file", Entry::File(b""), 10000, 0o644),
    ("open", Entry::Folder, 10000, 0o1777),
    ("suid", Entry::File(b"suid\n"), 10000, 0o4755),
    ("unmapped", Entry::File(b"unmapped\n"), 500, 0o644),
];

pub(super) fn play(stage: &mut Stage) -> Result<(), Failure> {
    if stage.filesystem == Filesystem::Vfat {
        return vfat(stage);
    }
    let disk = stage.disk(|root| {
        make(root, "lower", &Entry::Folder, 10000, 0o755)?;
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
    run(stage, [&lower, &lower], &lines)?;
    let (ol, ou) = (stage.folder("ol")?, stage.folder("ou")?);
    for (from, to) in [(&lower, &ol), (&changes, &ou)] {
        let line = format!("mount --bind -o {MAP} @ %");
        let line = line.replace('@', &from.display().to_string());
        stage.prepare(&line.replace('%', &to.display().to_string()))?;
    }
    let merged = stage.folder("merged")?;
    stage.overlay(&ol, &ou.join("upper"), &ou.join("work"), "", &merged)?;
    before(stage, &merged)?;
    change(stage, &merged)?;
    for mount in [&merged, &ol, &ou] {
        stage.prepare(&format!("umount {}", mount.display()))?;
    }
    after(stage, &changes.join("upper"))?;
    let work = inspect::owner(changes.join("work/work"));
    stage.check("work/work on disk", work, Ok(Owner(10000, 10000)));
    two_mounts(stage, &disk)?;
    variants::play(stage, &disk)
}

/// Makes the folders of an upper layer.
fn make_changes(root: &Path, name: &str, owner: u32) -> Result<PathBuf, Failure> {
    for below in ["", "/upper", "/work"] {
        make(
            root,
            &format!("{name}{below}"),
            &Entry::Folder,
            owner,
            0o755,
        )?;
    }
    Ok(root.join(name))
}

fn before(stage: &mut Stage, merged: &Path) -> Result<(), Failure> {
    stage.say("Merged, before anything is changed:");
    stage.run(0, &format!("ls -ln {}", merged.display()))?;
    let ids = [
        ("a", 0),
        ("b", 5),
        ("c", 0),
        ("cap", 0),
        ("suid", 0),
        ("unmapped", 65534),
    ];
    owners(stage, merged, &ids);
    has_lines(stage, &merged.join("acl"), &["user:7:rw-", "group:8:r--"])?;
    let says = [(0, "getcap @/cap", Say("@/cap cap_net_raw=ep"))];
    run(stage, [merged, merged], &says)
}

/// What getfacl prints of a file.
fn has_lines(stage: &mut Stage, path: &Path, lines: &[&str]) -> Result<(), Failure> {
    let ran = stage.run(0, &format!("getfacl -n -p {}", path.display()))?;
    for line in lines {
        let what = format!("{} has {line}", path.display());
        stage.check(&what, Ok(ran.has_line(line)), Ok(true));
    }
    Ok(())
}

fn change(stage: &mut Stage, merged: &Path) -> Result<(), Failure> {
    stage.say("What is made and changed:");
    run(
        stage,
        [merged, merged],
        &[
            (0, "touch @/new", Do),
            (0, "mkdir @/folder", Do),
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
            (0, "setfacl -d -m u:9:rwx @/folder", Do),
            (0, "touch @/folder/file", Do),
            (0, "mkdir @/folder/below", Do),
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
    stage.check("O_TMPFILE, then linkat()", nameless, Ok(()));
    let append = |name: &str| syscalls::append(merged.join(name), "x\n");
    stage.check(
        "root writes to unmapped",
        append("unmapped"),
        Err(Errno::ACCESS),
    );
    stage.check("root writes to cap", append("cap"), Ok(()));
    let says = [(0, "getcap @/cap", Say(""))];
    run(stage, [merged, merged], &says)?;
    let outsider = as_user(12000, || syscalls::open(merged.join("a")));
    stage.check("user 12000 reads a", outsider, Ok(()));
    Ok(())
}

fn after(stage: &mut Stage, upper: &Path) -> Result<(), Failure> {
    stage.say("The upper layer, without any map:");
    stage.run(0, &format!("ls -lnR {}", upper.display()))?;
    let roots = [
        "new", "folder", "pipe", "null", "link", "tmpfile", "a", "c", "cap", "suid", "acl",
    ];
    let roots = roots.map(|name| (name, 10000));
    owners(stage, upper, &roots);
    owners(stage, upper, &[("open/of77", 10077)]);
    let both = Ok(Owner(10005, 10006));
    for name in ["given", "hard"] {
        stage.check(name, inspect::owner(upper.join(name)), both);
    }
    stage.check(
        "b",
        inspect::owner(upper.join("b")),
        Ok(Owner(10003, 10004)),
    );
    stage.check(
        "the mode of suid",
        inspect::mode(upper.join("suid")),
        Ok(Mode(0o4755)),
    );
    has_lines(
        stage,
        &upper.join("new"),
        &["user:10007:rwx", "group:10008:r-x"],
    )?;
    has_lines(stage, &upper.join("folder"), &["default:user:10009:rwx"])?;
    has_lines(
        stage,
        &upper.join("folder/below"),
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
        ("folder/file", &[(10009, 7)][..]),
        ("acl", &[(10007, 6), (10011, 6)]),
    ] {
        let what = format!("the ACL of {name}");
        stage.check(&what, inspect::acl_users(upper.join(name)), users(entries));
    }
    run(
        stage,
        [upper, upper],
        &[(0, "find @/hard -links 2", Say("@/hard"))],
    )?;
    let root = inspect::capability_root(upper.join("c"));
    stage.check("the root of c's capability", root, Ok(10000));
    let none = inspect::has_xattr(upper.join("cap"), "security.capability");
    stage.check("cap has a capability", none, Ok(false));
    let kind = inspect::kind(&upper.join("gone"));
    stage.check("the whiteout", kind, Ok("c 0000 0:0".to_owned()));
    owners(stage, upper, &[("gone", 10000)]);
    let opaque = inspect::has_xattr(upper.join("old"), "trusted.overlay.opaque");
    stage.check("old is opaque", opaque, Ok(true));
    let origin = |name: &str| inspect::has_xattr(upper.join(name), "trusted.overlay.origin");
    for name in ["a", "acl", "b", "c", "cap", "suid"] {
        stage.check(&format!("{name} has its origin"), origin(name), Ok(true));
    }
    Ok(())
}

/// Both folders of the upper layer have to be on one mount.
fn two_mounts(stage: &mut Stage, disk: &Path) -> Result<(), Failure> {
    stage.say("The upper folder and the work folder on two mounts:");
    let (a, b) = (stage.folder("a")?, stage.folder("b")?);
    let changes = disk.join("changes");
    for target in [&a, &b] {
        let line = format!(
            "mount --bind -o {MAP} {} {}",
            changes.display(),
            target.display()
        );
        stage.prepare(&line)?;
    }
    let line = format!(
        "mount -t overlay -o lowerdir={},upperdir={}/upper,workdir={}/work overlay {}",
        disk.join("lower").display(),
        a.display(),
        b.display(),
        stage.path("merged").display()
    );
    stage.refused("mounting", 0, &line, "bad superblock on overlay")?;
    let said = stage.run(0, "dmesg --kernel --notime --level=err")?;
    let last = said.output.lines().last().map(str::to_owned);
    let words = "overlayfs: workdir and upperdir must reside under the same mount";
    stage.check(
        "the kernel says",
        Ok(last.unwrap_or_default()),
        Ok(words.to_owned()),
    );
    Ok(())
}

/// What overlayfs takes for no layer, with a map or without.
fn vfat(stage: &mut Stage) -> Result<(), Failure> {
    let disk = stage.plain("disk")?;
    for name in ["upper", "work"] {
        stage.prepare(&format!("mkdir {}", disk.join(name).display()))?;
    }
    let mapped = stage.folder("ol")?;
    let line = format!(
        "mount --bind -o X-mount.idmap=b:0:1000:1 {} {}",
        disk.display(),
        mapped.display()
    );
    stage.prepare(&line)?;
    let other = stage.folder("other")?;
    let merged = stage.folder("merged")?;
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
            stage.refused(&what, 0, &line, "not supported")?;
        }
    }
    Ok(())
}
