// SPDX-License-Identifier: GPL-2.0

//! mount(8): its option X-mount.idmap= in all its forms.

use std::path::Path;

use kselftest::filesystem::{EXT4, VFAT};
use rustix::io::Errno;

use super::{
    Must::{Do, Refuse, Say},
    calls, owners, run_lines,
};
use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::Failure,
    show::Owner,
    syscalls::{self, as_user},
    tree::{Entry, make},
};

const OVERFLOW: &str = "Value too large for defined data type";
const DENIED: &str = "Permission denied";
const INVALID: &str = "Invalid argument";
const NONE: u32 = 65534;

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    if fixture.filesystem == VFAT {
        return vfat(fixture);
    }
    let disk = fixture.disk(fill)?;
    let (from, to) = (disk.join("d"), fixture.directory("dst")?);
    fixture.prepare(&format!(
        "setfacl -m u:1000:rw,u:7777:r {}",
        from.join("g1000").display()
    ))?;
    let line = "mount --bind -o X-mount.idmap=b:1000:2000:1 @ %";
    run_lines(fixture, [&from, &to], &[(0, line, Say(""))])?;
    let mapped = inspect::is_idmapped(&to);
    fixture.check("the mount has a map, says the kernel", mapped, Ok(true));
    fixture.run(0, &format!("ls -ln {}", to.display()))?;
    let seen = [
        ("", 2000),
        ("f1000", 2000),
        ("g1000", 2000),
        ("f0", NONE),
        ("f3000", NONE),
    ];
    owners(fixture, &to, &seen);
    made(fixture, &from, &to)?;
    permitted(fixture, &from, &to)?;
    extended(fixture, &from, &to)?;
    again(fixture, &from, &to)?;
    if fixture.filesystem == EXT4 {
        called(fixture, &from)?;
        forms(fixture, &disk)?;
        unsupported(fixture)?;
        callers(fixture, &from)?;
    }
    Ok(())
}

fn fill(root: &Path) -> Result<(), Failure> {
    make(root, "d", &Entry::Directory, 1000, 0o777)?;
    for (name, owner) in [
        ("d/f1000", 1000),
        ("d/g1000", 1000),
        ("d/r1000", 1000),
        ("d/f0", 0),
        ("d/f3000", 3000),
    ] {
        make(root, name, &Entry::File(b"x\n"), owner, 0o644)?;
    }
    Ok(())
}

fn made(fixture: &mut Fixture, from: &Path, to: &Path) -> Result<(), Failure> {
    run_lines(
        fixture,
        [from, to],
        &[
            (2000, "touch %/new", Do),
            (2000, "mkdir %/directory", Do),
            (2000, "ln -s x %/link", Do),
            (2000, "mkfifo %/pipe", Do),
            (0, "touch %/not", Refuse(OVERFLOW)),
            (1000, "touch %/not", Refuse(OVERFLOW)),
        ],
    )?;
    let nameless = as_user(2000, || syscalls::tmpfile(to.join("tmpfile")));
    fixture.check("2000: O_TMPFILE, then linkat()", nameless, Ok(()));
    for name in ["new", "directory", "link", "pipe", "tmpfile"] {
        owners(fixture, from, &[(name, 1000)]);
        owners(fixture, to, &[(name, 2000)]);
    }
    Ok(())
}

fn permitted(fixture: &mut Fixture, from: &Path, to: &Path) -> Result<(), Failure> {
    let append = |user, name: &str| as_user(user, || syscalls::append(to.join(name), "x\n"));
    fixture.check(
        "1000 writes to f1000",
        append(1000, "f1000"),
        Err(Errno::ACCESS),
    );
    fixture.check("2000 writes to f1000", append(2000, "f1000"), Ok(()));
    fixture.check(
        "root writes to f3000",
        append(0, "f3000"),
        Err(Errno::ACCESS),
    );
    run_lines(
        fixture,
        [from, to],
        &[
            (1000, "cat %/r1000", Say("x")),
            (2000, "chmod 640 %/f1000", Do),
            (2000, "touch -d 2001-01-01 %/f1000", Do),
            (2000, "mv %/f1000 %/moved", Do),
            (0, "chown 2000:2000 %/f0", Do),
            (0, "chown 3000:3000 %/r1000", Refuse(OVERFLOW)),
            (0, "chmod 600 %/f3000", Refuse(OVERFLOW)),
            (0, "rm -f %/f3000", Refuse(OVERFLOW)),
        ],
    )?;
    owners(
        fixture,
        from,
        &[
            ("moved", 1000),
            ("f0", 1000),
            ("r1000", 1000),
            ("f3000", 3000),
        ],
    );
    Ok(())
}

fn extended(fixture: &mut Fixture, from: &Path, to: &Path) -> Result<(), Failure> {
    let lines = [
        (0, "setfacl -m u:2000:rwx,g:2000:rx %/r1000", Do),
        (0, "setfacl -m u:5000:rwx %/r1000", Refuse(INVALID)),
        (
            0,
            "setcap cap_net_raw+ep %/r1000",
            Refuse("for capability operation"),
        ),
        (0, "getcap @/r1000", Say("")),
    ];
    run_lines(fixture, [from, to], &lines)?;
    for (path, name, line) in [
        (from, "r1000", "user:1000:rwx"),
        (from, "r1000", "group:1000:r-x"),
        (from, "g1000", "user:7777:r--"),
        (to, "g1000", "user:4294967295:r--"),
        (to, "g1000", "user:2000:rw-"),
    ] {
        let path = path.join(name).display().to_string();
        let ran = fixture.run(0, &format!("getfacl -n -p {path}"))?;
        let what = format!("{path} has {line}");
        fixture.check(&what, Ok(ran.has_line(line)), Ok(true));
    }
    Ok(())
}

/// A copy of the mount keeps the map, and cannot get another.
fn again(fixture: &mut Fixture, from: &Path, to: &Path) -> Result<(), Failure> {
    let copy = fixture.directory("copy")?;
    run_lines(fixture, [to, &copy], &[(0, "mount --bind @ %", Do)])?;
    fixture.check("the copy has a map", inspect::is_idmapped(&copy), Ok(true));
    owners(fixture, &copy, &[("new", 2000)]);
    let words = "mount_setattr() failed: cannot set ID-mapping: Operation not permitted.";
    let line = "mount --bind -o X-mount.idmap=b:1000:3000:1 @ %";
    run_lines(fixture, [to, &copy], &[(0, line, Refuse(words))])?;
    owners(fixture, from, &[("new", 1000)]);
    Ok(())
}

/// The calls that it makes.
fn called(fixture: &mut Fixture, from: &Path) -> Result<(), Failure> {
    let to = fixture.directory("called")?;
    let (from, to) = (from.display(), to.display());
    let line = format!("mount --bind -o X-mount.idmap=b:1000:2000:1 {from} {to}");
    let calls = [
        "unshare(CLONE_NEWUSER",
        &format!("open_tree(AT_FDCWD, \"{from}\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC"),
        calls::SET_MAP,
        &format!("\"\", AT_FDCWD, \"{to}\", MOVE_MOUNT_F_EMPTY_PATH"),
    ];
    calls::made(fixture, &line, &calls)?;
    fixture.prepare(&format!("umount {to}"))
}

/// The forms of an idmap, and options that can be combined with it.
fn forms(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("The forms of a map:");
    let (from, to) = (disk.join("d"), fixture.directory("form")?);
    let namespace = Container::start(1500, 2000)?;
    let of_namespace = namespace.namespace();
    for (map, seen) in [
        ("b:1000:2000:1 b:0:0:1", Owner(2000, 2000)),
        ("u:1000:2000:1 g:0:0:65536", Owner(2000, 1000)),
        ("1000:2000:1", Owner(2000, 2000)),
        ("b:1000:2000:1:5", Owner(2000, 2000)),
        (&of_namespace, Owner(2500, 2500)),
    ] {
        mount(
            fixture,
            &format!("--bind -o X-mount.idmap={map}"),
            &from,
            &to,
        )?;
        fixture.check("r1000 there", inspect::owner(to.join("r1000")), Ok(seen));
        fixture.prepare(&format!("umount {}", to.display()))?;
    }
    for (map, words) in [
        (
            "u:1000:2000:1",
            "mount_setattr() failed: cannot set ID-mapping: Invalid argument.",
        ),
        ("/proc/1/ns/user", "Operation not permitted"),
        ("b:1000:2000:0", "Invalid argument."),
        ("b:1000:2000:2 b:1001:3000:1", "Invalid argument."),
    ] {
        refused(
            fixture,
            &format!("--bind -o X-mount.idmap={map}"),
            &from,
            &to,
            words,
        )?;
    }
    let map = "X-mount.idmap=b:1000:2000:1";
    mount(fixture, &format!("--bind -o ro,{map}"), &from, &to)?;
    let made = as_user(2000, || syscalls::create(to.join("not")));
    fixture.check("2000 makes a file, read-only", made, Err(Errno::ROFS));
    fixture.prepare(&format!("umount {}", to.display()))?;
    mount(fixture, &format!("--rbind -o {map}"), &from, &to)?;
    owners(fixture, &to, &[("r1000", 2000)]);
    fixture.prepare(&format!("umount {}", to.display()))?;
    let new = fixture.directory("new")?;
    mount(
        fixture,
        &format!("-t tmpfs -o uid=1000,gid=1000,{map}"),
        Path::new("none"),
        &new,
    )?;
    owners(fixture, &new, &[("", 2000)]);
    fixture.prepare(&format!("umount {}", new.display()))?;
    mount(
        fixture,
        "-t tmpfs -o uid=1000,gid=1000",
        Path::new("none"),
        &new,
    )?;
    let line = format!("mount -o remount,{map} {}", new.display());
    fixture.succeeds("a map for a mount that is there", 0, &line)?;
    owners(fixture, &new, &[("", 2000)]);
    fixture.prepare(&format!("umount {}", new.display()))?;
    new_mounts(fixture, disk, &to)
}

/// Idmaps of new mounts: of a disk, and of an overlay.
fn new_mounts(fixture: &mut Fixture, disk: &Path, to: &Path) -> Result<(), Failure> {
    let image = fixture.path("new-image").display().to_string();
    fixture.prepare(&format!("truncate -s 16M {image}"))?;
    fixture.prepare(&format!("mkfs.ext4 -q -F {image}"))?;
    mount(
        fixture,
        "-t ext4 -o loop,X-mount.idmap=b:0:2000:1",
        Path::new(&image),
        to,
    )?;
    fixture.check("the disk has a map", inspect::is_idmapped(to), Ok(true));
    owners(fixture, to, &[("", 2000), ("lost+found", 2000)]);
    fixture.prepare(&format!("umount {}", to.display()))?;
    let other = fixture.directory("other")?;
    let layers = format!("{}:{}", disk.join("d").display(), other.display());
    mount(
        fixture,
        &format!("-t overlay -o lowerdir={layers},X-mount.idmap=b:1000:2000:1"),
        Path::new("overlay"),
        to,
    )?;
    fixture.check("the overlay has a map", inspect::is_idmapped(to), Ok(true));
    owners(fixture, to, &[("", 2000), ("r1000", 2000)]);
    fixture.prepare(&format!("umount {}", to.display()))
}

/// Types that take no map.
fn unsupported(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("Filesystems that take no map:");
    let to = fixture.directory("unsupported")?;
    let words = "mount_setattr() failed: cannot set ID-mapping: Invalid argument.";
    for kind in ["proc", "sysfs", "devtmpfs", "devpts", "ramfs", "securityfs"] {
        let options = format!("-t {kind} -o X-mount.idmap=b:0:1000:1");
        refused(fixture, &options, Path::new("none"), &to, words)?;
    }
    Ok(())
}

/// Callers that may not make idmapped mounts.
fn callers(fixture: &mut Fixture, from: &Path) -> Result<(), Failure> {
    fixture.say("Callers:");
    let to = fixture.directory("of-callers")?;
    let line = format!(
        "mount --bind -o X-mount.idmap=b:1000:2000:1 {} {}",
        from.display(),
        to.display()
    );
    fixture.refused("user 2000", 2000, &line, DENIED)?;
    let container = Container::start(100_000, 65536)?;
    let unshared = format!("unshare --mount {line}");
    let words = "Operation not permitted";
    container.refused(fixture, "root of a namespace", &unshared, words)?;
    let at = to.display();
    for seen in [0, 5] {
        let lines =
            format!("mount -t tmpfs -o X-mount.idmap=b:0:{seen}:1 none {at}\nstat -c %u:%g {at}");
        let ran = container.script(fixture, &lines)?;
        let what = "root of a namespace, on a filesystem of its own";
        fixture.check(what, Ok(ran.output), Ok(format!("{seen}:{seen}")));
    }
    Ok(())
}

/// A map may have blanks in it, so this is no line of words.
fn command(options: &str, from: &Path, to: &Path) -> (String, std::process::Command) {
    let mut command = std::process::Command::new("mount");
    match options.split_once(" -o ") {
        Some((before, map)) => command.args(before.split(' ')).args(["-o", map]),
        None => command.args(options.split(' ')),
    };
    command.args([from, to]);
    let line = format!("mount {options} {} {}", from.display(), to.display());
    (line, command)
}

fn mount(fixture: &mut Fixture, options: &str, from: &Path, to: &Path) -> Result<(), Failure> {
    let (line, command) = command(options, from, to);
    let ran = fixture.run_in("root#", &line, command)?;
    fixture.check_success(&line, &ran);
    Ok(())
}

fn refused(
    fixture: &mut Fixture,
    options: &str,
    from: &Path,
    to: &Path,
    words: &str,
) -> Result<(), Failure> {
    let (line, command) = command(options, from, to);
    let ran = fixture.run_in("root#", &line, command)?;
    fixture.check_refusal(&line, ran, words);
    Ok(())
}

/// A filesystem without owners: all is its mount option's.
fn vfat(fixture: &mut Fixture) -> Result<(), Failure> {
    let from = fixture.plain_with("disk", "uid=1000,gid=1000,umask=022,")?;
    make_plain(&from)?;
    let to = fixture.directory("dst")?;
    let refused = "Operation not permitted";
    run_lines(
        fixture,
        [&from, &to],
        &[
            (
                0,
                "mount --bind -o X-mount.idmap=b:1000:2000:1 @ %",
                Say(""),
            ),
            (2000, "touch %/new", Do),
            (2000, "mkdir %/directory", Do),
            (2000, "ln -s x %/link", Refuse(refused)),
            (2000, "mkfifo %/pipe", Refuse(refused)),
            (0, "touch %/not", Refuse(OVERFLOW)),
            (1000, "touch %/not", Refuse(OVERFLOW)),
            (2000, "chmod 640 %/file", Do),
            (2000, "mv %/file %/moved", Do),
            (0, "chown 2000:2000 %/moved", Do),
            (0, "chown 3000:3000 %/moved", Refuse(OVERFLOW)),
            (0, "chmod 644 %/moved", Do),
        ],
    )?;
    let nameless = as_user(2000, || syscalls::tmpfile(to.join("tmpfile")));
    fixture.check("2000: O_TMPFILE", nameless, Err(Errno::OPNOTSUPP));
    let append = |user| as_user(user, || syscalls::append(to.join("moved"), "x\n"));
    fixture.check("1000 writes to the file", append(1000), Err(Errno::ACCESS));
    fixture.check("2000 writes to the file", append(2000), Ok(()));
    let names = [
        ("", 2000),
        ("moved", 2000),
        ("new", 2000),
        ("directory", 2000),
    ];
    owners(fixture, &to, &names);
    owners(fixture, &from, &names.map(|(name, _)| (name, 1000)));
    run_lines(fixture, [&from, &to], &[(0, "rm %/moved", Do)])
}

fn make_plain(root: &Path) -> Result<(), Failure> {
    use crate::report::Context;
    std::fs::write(root.join("file"), "x\n").context("writing to the disk")
}
