// SPDX-License-Identifier: GPL-2.0

//! The root user of a container writes to an image, which is shifted on disk (1) or owned by the
//! real root user (2). The scene checks that this grants no rights on the host.

use std::{env, fs, path::Path};

use rustix::io::Errno;

use crate::{
    container::Container,
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Mode, Owner, Show, SyscallResult},
    syscalls,
    tree::{Entry, make},
};

const COUNT: u32 = 65536;
/// On the host, without any rights.
const ACCOMPLICE: u32 = 1000;
const DENIED: &str = "Permission denied";

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.disk(fill)?;
    unprivileged(fixture, &disk)?;
    privileged(fixture, &disk)
}

/// The contents of an image: name, type, id in the image, mode bits.
const IMAGE: &[(&str, Entry<'static>, u32, u32)] = &[
    (".", Entry::Directory, 0, 0o755),
    ("etc", Entry::Directory, 0, 0o755),
    ("etc/passwd", Entry::File(b"root\n"), 0, 0o644),
    ("home", Entry::Directory, 0, 0o755),
    ("home/user", Entry::Directory, 1000, 0o755),
    ("bin", Entry::Directory, 0, 0o755),
];

/// The program in the image, which prints its user.
const PROGRAM: &str = "bin/whoami";

fn fill(root: &Path) -> Result<(), Failure> {
    for (name, entry, mode) in [
        (".", Entry::Directory, 0o755),
        ("shifted", Entry::Directory, 0o755),
        ("host-secret", Entry::File(b"secret\n"), 0o600),
        ("vault", Entry::Directory, 0o700),
        ("vault/image", Entry::Directory, 0o755),
    ] {
        make(root, name, &entry, 0, mode)?;
    }
    image(&root.join("vault/image"))
}

/// Makes the files of an image, with the ids that they have in it.
fn image(root: &Path) -> Result<(), Failure> {
    for (name, entry, id, mode) in IMAGE {
        make(root, name, entry, *id, *mode)?;
    }
    let program = env::current_exe()
        .and_then(fs::read)
        .context("reading this program")?;
    make(root, PROGRAM, &Entry::File(&program), 0, 0o755)
}

fn unprivileged(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("(1) An archive, and an unpacker that is root only in its user namespace:");
    let source = fixture.directory("source")?;
    image(&source)?;
    let archive = fixture.path("archive.tar");
    let image = disk.join("shifted");
    fixture.prepare(&format!(
        "tar -C {} --numeric-owner -cf {} .",
        source.display(),
        archive.display()
    ))?;
    let unpacker = Container::start(100_000, COUNT)?;
    syscalls::chown(&image, unpacker.first).context("giving the directory to the unpacker")?;
    let line = format!(
        "tar -C {} --numeric-owner -xpf {}",
        image.display(),
        archive.display()
    );
    unpacker.succeeds(fixture, "the unpacker unpacks", &line)?;
    fixture.run(0, &format!("ls -ln {0} {0}/home", image.display()))?;
    for (name, _, id, _) in IMAGE {
        let owner = Owner(unpacker.first + id, unpacker.first + id);
        fixture.check(
            &format!("unpacked, on disk: {name}"),
            inspect::owner(image.join(name)),
            Ok(owner),
        );
    }

    fixture.say("A container with another shift; only its namespace is handed over:");
    let container = Container::start(500_000, COUNT)?;
    let rootfs = fixture.directory("rootfs-1")?;
    let shift = format!(
        "mount-idmapped shift --for {} {}",
        container.pid(),
        image.display()
    );
    let map = fixture.run(0, &shift)?;
    fixture.check(
        "the map, which nobody computed by hand",
        Ok(map.output),
        Ok("b:100000:500000:65536".to_owned()),
    );
    fixture.prepare(&format!("{shift} {}", rootfs.display()))?;
    writes(fixture, &container, &rootfs, &image, unpacker.first)?;
    let seen = unpacker.ask("owner", &image.join("of-root"))?;
    fixture.check(
        "the unpacker sees what the container's root made as",
        Ok(seen),
        Ok("0:0".to_owned()),
    );

    fixture.say("What is set-user-id in the image is not root's outside of it:");
    let trap = trap(fixture, &container, &rootfs)?;
    let on_disk = image.join(trap);
    let stored = (inspect::owner(&on_disk), inspect::mode(&on_disk));
    fixture.check("its owner on disk", stored.0, Ok(Owner(100_000, 100_000)));
    fixture.check("its mode on disk", stored.1, Ok(Mode(0o4755)));
    runs_as(fixture, "on disk", &on_disk, "1000 100000")
}

/// Files that are created through the mount are stored with the ids of the image.
fn writes(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
    image: &Path,
    stored: u32,
) -> Result<(), Failure> {
    for (name, seen) in [
        (".", "0:0"),
        ("etc/passwd", "0:0"),
        ("home/user", "1000:1000"),
    ] {
        let answer = container.ask("owner", &rootfs.join(name))?;
        let what = format!("the container sees {name} as");
        fixture.check(&what, Ok(answer), Ok(seen.to_owned()));
    }
    let done = || Ok(().show());
    for (user, what, name, id) in [
        (0, "create", "of-root", 0),
        (0, "mkdir", "directory-of-root", 0),
        (0, "create", "given", 0),
        (0, "chown 1000", "given", 1000),
        (1000, "create", "home/user/of-user", 1000),
    ] {
        let answer = container.ask_as(user, what, &rootfs.join(name))?;
        let told = format!("user {user} of the container: {what} {name}");
        fixture.check(&told, Ok(answer), done());
        let owner = Owner(stored + id, stored + id);
        let told = format!("{name} on disk");
        fixture.check(&told, inspect::owner(image.join(name)), Ok(owner));
    }
    let answer = container.ask_as(1000, "create", &rootfs.join("etc/of-user"))?;
    let refused = SyscallResult::<()>::Err(Errno::ACCESS).show();
    fixture.check(
        "user 1000 of it: create etc/of-user",
        Ok(answer),
        Ok(refused),
    );
    Ok(())
}

/// Fake root makes a program set-user-id root; the answer is its name in the image.
fn trap(
    fixture: &mut Fixture,
    container: &Container,
    rootfs: &Path,
) -> Result<&'static str, Failure> {
    let trap = rootfs.join("bin/trap");
    let line = format!("cp {} {}", rootfs.join(PROGRAM).display(), trap.display());
    container.succeeds(fixture, "the container's root copies a program", &line)?;
    let line = format!("chmod 4755 {}", trap.display());
    container.succeeds(fixture, "and makes it set-user-id", &line)?;
    let inside = format!(
        "setpriv --reuid=1000 --regid=1000 --clear-groups {} ids",
        trap.display()
    );
    let ran = container.run(fixture, &inside)?;
    fixture.check(
        "in the container user 1000 runs it as root",
        Ok(ran.output),
        Ok("1000 0".to_owned()),
    );
    Ok("bin/trap")
}

/// Checks the credentials of a program that a user executes on the host.
fn runs_as(fixture: &mut Fixture, place: &str, program: &Path, ids: &str) -> Result<(), Failure> {
    let ran = fixture.run(ACCOMPLICE, &format!("{} ids", program.display()))?;
    let what = format!("user 1000 of the host runs it {place}, as");
    fixture.check(&what, Ok(ran.output), Ok(ids.to_owned()));
    Ok(())
}

fn privileged(fixture: &mut Fixture, disk: &Path) -> Result<(), Failure> {
    fixture.say("(2) An image that is real root's on disk, in a directory that is root's alone:");
    let image = disk.join("vault/image");
    fixture.run(
        0,
        &format!(
            "ls -ldn {} {}",
            disk.join("vault").display(),
            image.display()
        ),
    )?;
    let container = Container::start(200_000, COUNT)?;
    let rootfs = fixture.idmap(&container.namespace(), &image, "rootfs-2")?;
    writes(fixture, &container, &rootfs, &image, 0)?;

    fixture.say("Fake root prepares a trap, for an accomplice on the host to become real root by:");
    let trap = trap(fixture, &container, &rootfs)?;
    let able = "bin/able";
    let paths = [PROGRAM, able].map(|name| rootfs.join(name).display().to_string());
    let copy = format!("cp {}", paths.join(" "));
    container.succeeds(fixture, "the container's root copies another", &copy)?;
    let line = format!("setcap cap_setuid+ep {}", paths[1]);
    container.succeeds(fixture, "and gives it a capability", &line)?;
    let on_disk = [trap, able].map(|name| image.join(name));
    fixture.check(
        "the trap on disk",
        inspect::owner(&on_disk[0]),
        Ok(Owner(0, 0)),
    );
    fixture.check("its mode", inspect::mode(&on_disk[0]), Ok(Mode(0o4755)));
    let root = inspect::capability_root(&on_disk[1]);
    fixture.check("the capability on disk is for namespaces of", root, Ok(0));

    unreachable(fixture, &on_disk)?;
    through_the_mount(fixture, &[trap, able].map(|name| rootfs.join(name)))?;
    fake_root_tries(fixture, disk, &container, &rootfs)?;
    opened_up(fixture, disk, &on_disk)
}

/// The protection of the image: it is accessible through the mount only.
fn unreachable(fixture: &mut Fixture, on_disk: &[std::path::PathBuf; 2]) -> Result<(), Failure> {
    fixture.say("On disk the trap is out of reach:");
    for (path, task) in on_disk.iter().zip(["ids", "capabilities"]) {
        let line = format!("env {} {task}", path.display());
        let what = format!("user 1000 of the host runs {}", path.display());
        fixture.refused(&what, ACCOMPLICE, &line, DENIED)?;
        let open = syscalls::as_user(ACCOMPLICE, || syscalls::open(path));
        fixture.check("and opens it", open, Err(Errno::ACCESS));
    }
    Ok(())
}

/// The mount grants no rights either: files of root on disk belong to the container's root user
/// there.
fn through_the_mount(fixture: &mut Fixture, seen: &[std::path::PathBuf; 2]) -> Result<(), Failure> {
    fixture.say("Through the mount it is the container's root's, and no capability for the host:");
    runs_as(fixture, "through the mount", &seen[0], "1000 200000")?;
    able_to(fixture, "through the mount", &seen[1], NOTHING)
}

/// The effective capabilities of a process without any, and with `CAP_SETUID`.
const NOTHING: &str = "0000000000000000";
const SETUID: &str = "0000000000000080";

/// Which capabilities a program has when the accomplice runs it on the host.
fn able_to(fixture: &mut Fixture, place: &str, program: &Path, set: &str) -> Result<(), Failure> {
    let ran = fixture.run(ACCOMPLICE, &format!("{} capabilities", program.display()))?;
    let what = format!("user 1000 of the host runs the other {place}, with capabilities");
    fixture.check(&what, Ok(ran.output), Ok(set.to_owned()));
    Ok(())
}

/// Fake root tries to get at the host without any help.
fn fake_root_tries(
    fixture: &mut Fixture,
    disk: &Path,
    container: &Container,
    rootfs: &Path,
) -> Result<(), Failure> {
    fixture.say("Fake root itself tries:");
    let show = |errno| SyscallResult::<()>::Err(errno).show();
    let (secret, vault) = (disk.join("host-secret"), disk.join("vault/image"));
    for (what, path, errno) in [
        ("open", &secret, Errno::ACCESS),
        ("append", &secret, Errno::ACCESS),
        ("chmod 666", &secret, Errno::PERM),
        ("chown 0", &secret, Errno::PERM),
        ("unlink", &secret, Errno::ACCESS),
        ("create", &disk.join("not"), Errno::ACCESS),
        ("create", &vault.join("not"), Errno::ACCESS),
        ("open", &vault.join("etc/passwd"), Errno::ACCESS),
        ("device", &rootfs.join("null"), Errno::PERM),
        ("chown 70000", &rootfs.join("given"), Errno::INVAL),
    ] {
        let answer = container.ask(what, path)?;
        let told = format!("{what} {}", path.display());
        fixture.check(&told, Ok(answer), Ok(show(errno)));
    }
    let (from, to) = (rootfs.display(), fixture.path("rootfs-3"));
    fs::create_dir(&to).context("making a directory")?;
    let line = format!(
        "unshare --mount mount-idmapped mount --replace {from} {}",
        to.display()
    );
    container.refused(
        fixture,
        "it takes the map away",
        &line,
        "Operation not permitted",
    )?;
    Ok(())
}

/// The control: without protection the trap works, and the other protection is enough too.
fn opened_up(
    fixture: &mut Fixture,
    disk: &Path,
    on_disk: &[std::path::PathBuf; 2],
) -> Result<(), Failure> {
    fixture.say("Were the directory open to all, user 1000 would be real root: the trap is real.");
    fixture.prepare(&format!("chmod 755 {}", disk.join("vault").display()))?;
    runs_as(fixture, "on disk", &on_disk[0], "1000 0")?;
    able_to(fixture, "on disk", &on_disk[1], SETUID)?;
    fixture.say("A mount with nosuid protects as well:");
    fixture.prepare(&format!("mount -o remount,bind,nosuid {}", disk.display()))?;
    runs_as(fixture, "on disk", &on_disk[0], "1000 1000")?;
    able_to(fixture, "on disk", &on_disk[1], NOTHING)?;
    let container = Container::start(200_000, COUNT)?;
    let line = format!(
        "unshare --mount mount -o remount,bind,suid {}",
        disk.display()
    );
    container.refused(
        fixture,
        "fake root takes nosuid away",
        &line,
        "permission denied",
    )?;
    let kind = match fixture.filesystem {
        // It has no device.
        kind if kind.mkfs.is_none() => return Ok(()),
        kind => kind.base().name,
    };
    let target = fixture.path("rootfs-3");
    let line = format!(
        "unshare --mount mount -t {kind} /dev/loop0 {}",
        target.display()
    );
    container.refused(
        fixture,
        "fake root mounts the disk anew",
        &line,
        "permission denied",
    )
}
