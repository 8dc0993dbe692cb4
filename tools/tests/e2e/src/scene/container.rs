// SPDX-License-Identifier: GPL-2.0

//! A tree owned by 20000 and up is the root of a container that begins with 10000.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use idmap::{IdMaps, UserNs};
use kselftest::process::unshare;
use rustix::{
    io::Errno,
    mount::{MountPropagationFlags, UnmountFlags, mount_bind_recursive, mount_change, unmount},
    process::{chdir, pivot_root},
    thread::UnshareFlags,
};

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Owner, Show, SyscallResult},
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const DISK: u32 = 20000;
const HOST: u32 = 10000;
const USER: u32 = 1000;
const ROOTFS: &str = "f2";
/// A program in the container that is run set-user-id.
const PROGRAM: &str = "usr/bin/ids";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The root filesystem of a container; ids begin with 20000:");
    let disk = fixture.disk(fill)?;
    let disk = disk.join(ROOTFS);
    fixture.run(0, &format!("ls -ln {}", disk.display()))?;
    let rootfs = fixture.idmap("b:20000:10000:100000", &disk, "rootfs")?;
    fixture.run(0, &format!("ls -ln {}", rootfs.display()))?;
    for (name, id) in TREE.iter().map(|(name, _, id, _)| (name, id)) {
        let owner = Owner(HOST + id, HOST + id);
        fixture.check(
            &format!("on the host: {name}"),
            inspect::owner(rootfs.join(name)),
            Ok(owner),
        );
    }

    fixture.say(
        "A process in a user namespace \"0 10000 10000\" makes it its root; owner, type and mode:",
    );
    let seen = enter(&rootfs)?;
    inside_checks(fixture, &disk, &seen)?;

    fixture.say("On the host:");
    let owner = |id| Ok(Owner(DISK + id, DISK + id));
    fixture.run(0, &format!("ls -ln {0}/my-file {0}/given", disk.display()))?;
    fixture.check(
        "my-file on disk",
        inspect::owner(disk.join("my-file")),
        owner(0),
    );
    fixture.check(
        "the directory on disk",
        inspect::owner(disk.join("my-directory")),
        owner(0),
    );
    fixture.check(
        "the file given away, on disk",
        inspect::owner(disk.join("given")),
        owner(USER),
    );
    fixture.check(
        "user 1000's file on disk",
        inspect::owner(disk.join("tmp/own")),
        owner(USER),
    );
    fixture.check(
        "root's file in /tmp is still there",
        inspect::owner(disk.join("tmp/of-root")),
        owner(0),
    );
    let chown = syscalls::chown(rootfs.join("my-file"), 5);
    fixture.check(
        "the host's root gives a file to 5, beyond the map",
        chown,
        Err(Errno::OVERFLOW),
    );
    fixture.check(
        "my-file on disk, still",
        inspect::owner(disk.join("my-file")),
        owner(0),
    );
    Ok(())
}

type Line = (&'static str, Entry<'static>, u32, u32);

/// The tree: name, type, id in the container, mode bits.
const TREE: &[Line] = &[
    (".", Entry::Directory, 0, 0o755),
    ("dev", Entry::Directory, 0, 0o755),
    ("dev/null", Entry::Device(1, 3), 0, 0o666),
    ("dev/initctl", Entry::Fifo, 0, 0o600),
    ("etc", Entry::Directory, 0, 0o755),
    ("etc/shadow", Entry::File(b"root:*\n"), 0, 0o640),
    ("home", Entry::Directory, 0, 0o755),
    ("home/ubuntu", Entry::Directory, USER, 0o700),
    ("root", Entry::Directory, 0, 0o700),
    ("tmp", Entry::Directory, 0, 0o1777),
    ("tmp/of-root", Entry::File(b""), 0, 0o644),
    ("usr", Entry::Directory, 0, 0o755),
    ("usr/bin", Entry::Directory, 0, 0o755),
    ("usr/games", Entry::Directory, 0, 0o2755),
    ("bin", Entry::Link("usr/bin"), 0, 0o777),
];

fn fill(root: &Path) -> Result<(), Failure> {
    make(root, ROOTFS, &Entry::Directory, DISK, 0o755)?;
    let root = &root.join(ROOTFS);
    for (name, entry, id, mode) in TREE {
        make(root, name, entry, DISK + id, *mode)?;
    }
    let program = env::current_exe()
        .and_then(fs::read)
        .context("reading this program")?;
    make(root, PROGRAM, &Entry::File(&program), DISK, 0o4755)
}

/// The results of the process in the container.
struct Seen {
    entries: Vec<(String, String, String)>,
    answers: BTreeMap<String, String>,
}

/// Runs [`inside`] in a container with this root.
fn enter(rootfs: &Path) -> Result<Seen, Failure> {
    let maps: IdMaps = "b:0:10000:10000".parse().context("the container's map")?;
    let userns = UserNs::new(&maps).context("making the container's user namespace")?;
    let mut command = userns
        .command("/proc/self/exe")
        .context("entering the container")?;
    let output = command
        .arg("in-container")
        .arg(rootfs)
        .output()
        .context("starting the container")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Failed(format!(
            "in the container: {}: {words}",
            output.status
        )));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut seen = Seen {
        entries: Vec::new(),
        answers: BTreeMap::new(),
    };
    for line in text.lines() {
        let words: Vec<String> = line.split('\t').map(str::to_owned).collect();
        match <[String; 4]>::try_from(words) {
            Ok([what, name, kind, owner]) if what == "entry" => {
                seen.entries.push((name, kind, owner));
            }
            Ok([what, name, value, _]) if what == "answer" => {
                seen.answers.insert(name, value);
            }
            _ => {
                return Err(Failure::Failed(format!(
                    "in the container: '{line}' is no line of it"
                )));
            }
        }
    }
    Ok(seen)
}

/// The expected results in the container: key, description, value.
const INSIDE: &[(&str, &str, &str)] = &[
    ("create", "root makes /my-file", "done"),
    ("created", "/my-file", "0:0"),
    ("mkdir", "root makes /my-directory", "done"),
    ("chown", "root gives a file to 1000", "done"),
    ("given", "the file given away", "1000:1000"),
    (
        "chown-unmapped",
        "root gives a file to 12000, which the container has not",
        "EINVAL",
    ),
    ("shadow", "user 1000 reads /etc/shadow", "EACCES"),
    ("home", "user 1000 makes a file at home", "done"),
    ("own", "user 1000 makes a file in /tmp", "done"),
    ("own-owner", "user 1000's file in /tmp", "1000:1000"),
    (
        "sticky",
        "user 1000 removes root's file from /tmp, which is sticky",
        "EPERM",
    ),
    (
        "foreign-mode",
        "user 1000 changes the mode of root's file",
        "EPERM",
    ),
    ("follow", "user 1000 follows /bin", "done"),
    (
        "setuid",
        "user 1000 runs /usr/bin/ids, which is set-user-id root; its ids are",
        "1000 0",
    ),
];

fn inside_checks(fixture: &mut Fixture, disk: &Path, seen: &Seen) -> Result<(), Failure> {
    let ids = TREE
        .iter()
        .map(|(name, _, id, _)| (Path::new("/").join(name), *id));
    let ids: BTreeMap<PathBuf, u32> = ids.chain([(Path::new("/").join(PROGRAM), 0)]).collect();
    let count = u32::try_from(seen.entries.len()).unwrap_or(u32::MAX);
    let expected = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    fixture.check("the number of entries", Ok(count), Ok(expected));
    for (name, kind, owner) in &seen.entries {
        let id = ids.get(Path::new(name)).copied().unwrap_or(u32::MAX);
        // Everything but the owner is as on disk.
        let on_disk = inspect::kind(&disk.join(name.trim_start_matches('/')));
        let expected = on_disk.map(|kind| format!("{} {kind}", Owner(id, id).show()));
        fixture.check(
            &format!("in the container: {name}"),
            Ok(format!("{owner} {kind}")),
            expected,
        );
    }
    for (name, what, expected) in INSIDE {
        let answer = seen
            .answers
            .get(*name)
            .cloned()
            .unwrap_or_else(|| "no answer".to_owned());
        fixture.check(
            &format!("in the container: {what}"),
            Ok(answer),
            Ok((*expected).to_owned()),
        );
    }
    Ok(())
}

/// Runs in the container and prints results for [`inside_checks`].
pub(crate) fn inside(rootfs: &Path) -> Result<(), Failure> {
    become_root(rootfs).context("making it the root")?;
    for path in inspect::tree(Path::new("/")).context("listing the container")? {
        let owner = inspect::owner(&path).show();
        let kind = inspect::kind(&path).show();
        println!("entry\t{}\t{kind}\t{owner}", path.display());
    }

    answer("create", syscalls::create("/my-file"));
    answer("created", inspect::owner("/my-file"));
    answer("mkdir", syscalls::mkdir("/my-directory"));
    syscalls::create("/given").context("making /given")?;
    answer("chown", syscalls::chown("/given", USER));
    answer("given", inspect::owner("/given"));
    answer("chown-unmapped", syscalls::chown("/my-file", 12000));

    let user = |call: fn() -> SyscallResult<()>| as_user(USER, call);
    answer("shadow", user(|| syscalls::open("/etc/shadow")));
    answer("home", user(|| syscalls::create("/home/ubuntu/file")));
    answer("own", user(|| syscalls::create("/tmp/own")));
    answer("own-owner", inspect::owner("/tmp/own"));
    answer("sticky", user(|| syscalls::unlink("/tmp/of-root")));
    answer(
        "foreign-mode",
        user(|| syscalls::chmod("/tmp/of-root", 0o600)),
    );
    answer("follow", user(|| syscalls::open("/bin/ids")));
    let ran = Command::new("/usr/bin/ids")
        .arg("ids")
        .uid(USER)
        .gid(USER)
        .output();
    let ran = ran.context("running the program")?;
    answer(
        "setuid",
        Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned()),
    );
    Ok(())
}

fn answer<T: Show>(name: &str, answer: SyscallResult<T>) {
    println!("answer\t{name}\t{}\t", answer.show());
}

/// As container managers do it, in a mount namespace of our own.
fn become_root(rootfs: &Path) -> SyscallResult<()> {
    unshare(UnshareFlags::NEWNS)?;
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", downstream)?;
    // The mounts that came along may not be moved; a copy of one may.
    mount_bind_recursive(rootfs, rootfs)?;
    chdir(rootfs)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")
}
