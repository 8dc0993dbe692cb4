// SPDX-License-Identifier: GPL-2.0

//! The tool: its error messages and exit status, and the effect of its options.

mod explaining;
pub(crate) mod fuse;
mod killed;
mod more;
pub(crate) mod options;
mod plain;
pub(crate) mod subvolumes;

pub(crate) use plain::in_namespace;

use std::{fs, path::Path};

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Owner, Show, SyscallResult},
    syscalls,
    tree::{Entry, make},
};

/// Invalid uses: the arguments, the exit status, and some words of the message. S is a tree to
/// mount, T a directory to mount it on, M an idmapped mount.
const REFUSED: &[(&str, i32, &str)] = &[
    (
        "--map-mount=b:0:0:10 --map-mount=u:9:99:1 S T",
        2,
        "both have the id 9 on disk",
    ),
    (
        "--map-mount=b:0:0:10 --map-mount=g:99:9:1 S T",
        2,
        "both have the id 9 through the mount",
    ),
    ("--map-mount=u:0:0:10 S T", 2, "no ranges for groups"),
    ("--map-mount=g:0:0:10 S T", 2, "no ranges for users"),
    ("--map-mount=b:0:0:0 S T", 2, "RANGE is 0"),
    ("--map-mount=b:0:0 S T", 2, "expected three numbers"),
    ("--map-mount=x:0:0:1 S T", 2, "is not a kind of ids"),
    (
        "--map-mount=b:4294967295:0:1 S T",
        2,
        "FROM + RANGE is greater",
    ),
    (
        "--map-mount=b:0:0:4294967297 S T",
        2,
        "RANGE is '4294967297'",
    ),
    (
        "--map-mount=b:0:0:1 --map-mount=/proc/self/ns/user S T",
        2,
        "either one path or ranges",
    ),
    ("--map-mount=b:0:0:1 S", 2, "<TARGET>"),
    ("--map-mount=b:0:0:1 S T true", 2, "--map-caller"),
    ("--loud S T", 2, "--loud"),
    ("mount S T", 2, "no map"),
    (
        "mount -o X-mount.idmap=b:0:0:1,loud S T",
        2,
        "'loud' is no option",
    ),
    (
        "--map-mount=b:0:0:1 S/nothing T",
        1,
        "there is no such source",
    ),
    (
        "--map-mount=b:0:0:1 S T/nothing",
        1,
        "there is no such target",
    ),
    (
        "--map-mount=b:0:0:1 S S/file",
        1,
        "the source is a directory and the target is a file",
    ),
    (
        "--map-mount=b:0:0:1 S/file T",
        1,
        "the source is a file and the target is a directory",
    ),
    (
        "--map-mount=b:0:0:1 /proc T",
        1,
        "proc does not support idmapped mounts",
    ),
    ("--map-mount=b:0:0:1 M T", 1, "is an idmapped mount already"),
    (
        "--map-mount=/proc/self/ns/user S T",
        1,
        "the initial user namespace is no map",
    ),
    (
        "--map-mount=/proc/self/ns/mnt S T",
        1,
        "this is no user namespace",
    ),
    (
        "--map-mount=/etc/passwd S T",
        1,
        "this is no user namespace",
    ),
    (
        "--map-mount=/proc/4194305/ns/user S T",
        1,
        "there is no such process",
    ),
    (
        "--map-mount=b:0:0:1 --map-caller=b:0:0:1 S T /nothing",
        1,
        "running /nothing",
    ),
    (
        "--map-mount=b:0:0:1 --map-caller=b:1:0:1 S T true",
        1,
        "must have the id 0 in FROM",
    ),
    ("umount S", 1, "nothing is mounted at"),
    ("umount T", 1, "nothing is mounted at"),
    ("check /proc", 1, "proc does not support idmapped mounts"),
    (
        "compose b:0:5:1 b:6:0:1",
        1,
        "no id that the first map shows",
    ),
    ("list S/nothing", 1, "there is no such file"),
];

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(|root| {
        make(root, "tree", &Entry::Directory, 1000, 0o755)?;
        make(root, "tree/file", &Entry::File(b""), 1000, 0o644)?;
        make(root, "tree/below", &Entry::Directory, 1000, 0o755)
    })?;
    let tree = disk.join("tree");
    let target = fixture.directory("target")?;
    let mapped = fixture.idmap("b:1000:7:1", &tree, "mapped")?;
    let before = mounts()?;
    for (arguments, status, words) in REFUSED {
        let path = |word: &str| {
            [("S", &tree), ("T", &target), ("M", &mapped)]
                .iter()
                .find_map(|(letter, path)| Some((path, word.strip_prefix(letter)?)))
                .filter(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
                .map_or(word.to_owned(), |(path, rest)| {
                    format!("{}{rest}", path.display())
                })
        };
        let words_of: Vec<String> = arguments.split(' ').map(path).collect();
        let line = format!("mount-idmapped {}", words_of.join(" "));
        let ran = fixture.run(0, &line)?;
        let good = ran.status == *status && ran.errors.contains(words);
        let seen = format!("exit status {}: {}", ran.status, ran.errors);
        let seen = if good {
            format!("exit status {status}: {words}")
        } else {
            seen
        };
        let expected = format!("exit status {status}: {words}");
        fixture
            .report
            .check(&format!("mount-idmapped {arguments}"), good, seen, expected);
    }
    let line = format!(
        "mount-idmapped --map-mount=b:0:0:1 {} {}",
        tree.display(),
        target.display()
    );
    fixture.refused("a user who is not root", 2000, &line, "EPERM")?;
    fixture.check(
        "the table of mounts is as before all that",
        mounts().map_err(|_| Errno::IO),
        Ok(before),
    );

    options(fixture, &tree, &target)?;
    many_ranges(fixture, &tree, &target)?;
    caller(fixture, &tree, &target)?;
    explaining::run(fixture, &tree)?;
    more::run(fixture, &tree, &target)?;
    plain::run(fixture)
}

/// How many mounts there are.
fn mounts() -> Result<u32, Failure> {
    let mounts = inspect::mounts_below("").context("reading the table of mounts")?;
    u32::try_from(mounts.len()).context("counting mounts")
}

/// Mounts, looks, and unmounts with the tool.
fn tried<T: Show + PartialEq>(
    fixture: &mut Fixture,
    line: &str,
    what: &str,
    look: impl FnOnce() -> SyscallResult<T>,
    expected: SyscallResult<T>,
    target: &Path,
) -> Result<(), Failure> {
    fixture.prepare(line)?;
    fixture.check(what, look(), expected);
    fixture.prepare(&format!(
        "mount-idmapped umount --lazy {}",
        target.display()
    ))
}

fn options(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    let (s, t) = (tree.display(), target.display());
    let owner = || inspect::owner(target);
    let mount = "mount-idmapped mount";
    let line = format!("{mount} --map=u:1000:5:1 --map=g:1000:6:1 {s} {t}");
    tried(
        fixture,
        &line,
        "users and groups apart",
        owner,
        Ok(Owner(5, 6)),
        target,
    )?;
    let line = format!("mount-idmapped {s} {t} --map-mount u:1000:5:1 -map-mount gid:1000:6:1");
    tried(
        fixture,
        &line,
        "the same with old spellings",
        owner,
        Ok(Owner(5, 6)),
        target,
    )?;
    let line = format!("{mount} -o X-mount.idmap=1000:5:1,ro,nosuid,nodev,noexec {s} {t}");
    let create = || syscalls::create(target.join("new"));
    tried(
        fixture,
        &line,
        "a file is made on a read-only one",
        create,
        Err(Errno::ROFS),
        target,
    )?;
    let flags = || inspect::mount_options(target);
    let expected = "ro,nosuid,nodev,noexec,relatime,idmapped".to_owned();
    tried(
        fixture,
        &line,
        "its attributes",
        flags,
        Ok(expected),
        target,
    )?;
    let line = format!("{mount} --like /mnt/mapped {s} {t}");
    tried(
        fixture,
        &line,
        "the map of another mount",
        owner,
        Ok(Owner(7, 7)),
        target,
    )?;
    let line = format!("{mount} --replace --map=b:1000:8:1 /mnt/mapped {t}");
    tried(
        fixture,
        &line,
        "a map in place of another",
        owner,
        Ok(Owner(8, 8)),
        target,
    )?;
    fixture.prepare(&format!("{mount} --replace /mnt/mapped {t}"))?;
    fixture.check(
        "no map in place of one",
        inspect::is_idmapped(target),
        Ok(false),
    );
    fixture.refused(
        "such a mount is left alone",
        0,
        &format!("mount-idmapped umount {t}"),
        "has no map",
    )?;
    fixture.prepare(&format!("umount {t}"))?;

    fixture.prepare(&format!("mount -t tmpfs tmpfs {s}/below"))?;
    let below = || inspect::owner(target.join("below"));
    let line = format!("{mount} --map=b:1000:5:1 --map=b:0:9:1 {s} {t}");
    tried(
        fixture,
        &line,
        "what is mounted below is left behind",
        below,
        Ok(Owner(5, 5)),
        target,
    )?;
    let line = format!("mount-idmapped --recursive --map-mount=b:0:9:1 {s} {t}");
    tried(
        fixture,
        &line,
        "or comes along, mapped",
        below,
        Ok(Owner(9, 9)),
        target,
    )?;
    fixture.prepare(&format!("mount -t proc proc {s}/below"))?;
    let words = "below: proc does not support idmapped mounts";
    fixture.refused("unless it cannot be", 0, &line, words)?;
    fixture.prepare(&format!("umount {s}/below"))?;
    fixture.prepare(&format!("umount {s}/below"))
}

fn many_ranges(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    let ranges = |count| (0..count).map(|n| format!(" --map-mount=b:{0}:{1}:1", n * 2, n * 3));
    let line = |count| {
        let ranges: String = ranges(count).collect();
        format!(
            "mount-idmapped{ranges} {} {}",
            tree.display(),
            target.display()
        )
    };
    fixture.refused("341 ranges", 0, &line(341), "the kernel takes up to 340")?;
    fixture.prepare(&line(340))?;
    let file = tree.join("file");
    for (id, seen) in [(0, 0), (2, 3), (338, 507), (678, 1017)] {
        syscalls::chown(&file, id).context("giving a file away")?;
        let what = format!("with 340 ranges, what is {id} on disk");
        fixture.check(
            &what,
            inspect::owner(target.join("file")),
            Ok(Owner(seen, seen)),
        );
    }
    for id in [1, 677, 679, 680] {
        syscalls::chown(&file, id).context("giving a file away")?;
        let what = format!("with 340 ranges, {id}, which none has");
        fixture.check(
            &what,
            inspect::owner(target.join("file")),
            Ok(inspect::overflow_owner()),
        );
    }
    let json = fixture.run(
        0,
        &format!("mount-idmapped list --json {}", target.display()),
    )?;
    let count = u32::try_from(json.output.matches("\"range\":1}").count()).unwrap_or(u32::MAX);
    fixture.check(
        "ranges in list --json, of users and of groups",
        Ok(count),
        Ok(680),
    );
    fixture.prepare(&format!("mount-idmapped umount {}", target.display()))
}

fn caller(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    fs::write(tree.join("script"), "id -u; stat -c %u:%g $1; exit 7\n")
        .context("writing a script")?;
    syscalls::chown(tree, 1000).context("giving the tree back")?;
    let t = target.display();
    let line = format!(
        "mount-idmapped --map-caller=b:0:10000:10 --map-mount=b:1000:10000:1 --map-mount=b:0:0:1 \
         {} {t} sh {t}/script {t}",
        tree.display()
    );
    let ran = fixture.run(0, &line)?;
    fixture.check(
        "the exit status of a command as the caller",
        Ok(ran.status.to_string()),
        Ok("7".to_owned()),
    );
    let seen = ran.output.replace('\n', " ");
    fixture.check(
        "who it is, and whose tree it sees",
        Ok(seen),
        Ok("0 0:0".to_owned()),
    );
    fixture.prepare(&format!("mount-idmapped umount {t}"))
}
