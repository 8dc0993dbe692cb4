// SPDX-License-Identifier: GPL-2.0

//! `chown()`, setgid and sticky directories, and the mode bits that a change of owner clears.

use kselftest::credentials::as_member;
use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use kselftest::syscalls::chmod;
use kselftest::syscalls::chown;
use kselftest::syscalls::give;
use rustix::{
    fs::{AtFlags, CWD, FileType, OFlags as O},
    io::Errno,
    process::Uid,
};

use super::{GROUP, OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("chown.by_root", by_root),
    ("chown.by_users", by_users),
    ("chown.refused", refused),
    ("chown.drops_bits", drops_bits),
    ("write.drops_bits", write_drops_bits),
    ("setgid.directory", setgid_directory),
    ("setgid.stranger", setgid_stranger),
    ("sticky.removal", sticky_removal),
    ("sticky.renaming", sticky_renaming),
    ("sticky.opening", sticky_opening),
];

fn by_root(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("both", chown(&file, Some(OWNER), Some(GROUP)))?;
    t.same("owner", syscalls::owner(&file), Ok((OWNER, GROUP)));
    t.done("user", chown(&file, Some(OTHER), None))?;
    t.same("owner", syscalls::owner(&file), Ok((OTHER, GROUP)));
    t.done("group", chown(&file, None, Some(0)))?;
    t.same("owner", syscalls::owner(&file), Ok((OTHER, 0)));
    t.done("none", chown(&file, None, None))?;
    t.same("owner", syscalls::owner(&file), Ok((OTHER, 0)));
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done("of a symlink", chown(t.at("link"), Some(OWNER), None))?;
    t.same("its own", syscalls::owner(t.at("link")), Ok((OWNER, 0)));
    t.same("not the file's", syscalls::owner(&file), Ok((OTHER, 0)));
    let user = Some(Uid::from_raw(GROUP));
    let followed = rustix::fs::chownat(CWD, t.at("link"), user, None, AtFlags::empty());
    t.done("followed", followed)?;
    t.same("the file's", syscalls::owner(&file), Ok((GROUP, 0)));
    let fd = t.done("open", syscalls::open_ro(&file))?;
    t.done("fchown", rustix::fs::fchown(&fd, Some(Uid::ROOT), None))?;
    t.same("owner", syscalls::owner(&file), Ok((0, 0)));
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.done("of a pipe", give(t.at("pipe"), OWNER))?;
    let stored = syscalls::owner(t.mount.stored(&t.at("pipe")));
    let id = t.mount.stored_id(OWNER);
    t.same("as stored", stored, Ok((id, id)));
    Ok(())
}

fn by_users(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", give(&file, OWNER))?;
    let answer = as_member(OWNER, &[GROUP], || chown(&file, None, Some(GROUP)));
    t.done("to a group one is in", answer)?;
    t.same("owner", syscalls::owner(&file), Ok((OWNER, GROUP)));
    let answer = as_user(OWNER, || chown(&file, None, Some(OWNER)));
    t.done("to one's own group", answer)?;
    let answer = as_user(OWNER, || chown(&file, None, Some(GROUP)));
    t.refused("to another group", answer, Errno::PERM);
    let answer = as_user(OWNER, || chown(&file, Some(OTHER), None));
    t.refused("to another user", answer, Errno::PERM);
    let answer = as_user(OWNER, || chown(&file, Some(OWNER), None));
    t.done("to oneself", answer)?;
    let answer = as_member(OTHER, &[OWNER], || chown(&file, None, Some(OWNER)));
    t.refused("by another", answer, Errno::PERM);
    let answer = as_user(OTHER, || chown(&file, Some(OTHER), None));
    t.refused("taking it", answer, Errno::PERM);
    t.same("owner", syscalls::owner(&file), Ok((OWNER, OWNER)));
    Ok(())
}

fn refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.refused("nothing", give(t.at("no"), 1), Errno::NOENT);
    t.refused("below a file", give(t.at("file/f"), 1), Errno::NOTDIR);
    t.refused(
        "long name",
        give(t.at(&"n".repeat(256)), 1),
        Errno::NAMETOOLONG,
    );
    t.done("close the directory", chmod(t.dir(), 0o700))?;
    t.refused(
        "no search",
        as_user(OWNER, || give(t.at("file"), 1)),
        Errno::ACCESS,
    );
    // An id that is not mapped where the caller is, or not in the mount.
    let expected = match t.mount.manner {
        crate::test_mount::Manner::Plain => Ok(()),
        crate::test_mount::Manner::Idmapped => Err(Errno::OVERFLOW),
        _ => Err(Errno::INVAL),
    };
    t.answers(
        "to an id out of reach",
        give(t.at("file"), 3_000_000),
        expected,
    );
    Ok(())
}

fn drops_bits(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    for (before, after) in [(0o6755, 0o755), (0o2755, 0o755), (0o4644, 0o644)] {
        t.done("take", give(&file, OWNER))?;
        t.done("chmod", chmod(&file, before))?;
        t.done("chown", give(&file, OTHER))?;
        t.same(
            &format!("{before:o} after chown"),
            syscalls::mode(&file),
            Ok(after),
        );
    }
    // Without the group's right to run it the bit is none of privilege.
    t.done("chmod", chmod(&file, 0o2644))?;
    t.done("chown", chown(&file, Some(OWNER), None))?;
    let kept = syscalls::mode(&file);
    t.same("2644 by who may have it", kept, Ok(0o2644));
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("chmod", chmod(t.at("dir"), 0o6755))?;
    t.done("chown", give(t.at("dir"), OTHER))?;
    t.same(
        "of a directory they stay",
        syscalls::mode(t.at("dir")),
        Ok(0o6755),
    );
    Ok(())
}

fn write_drops_bits(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", give(&file, OWNER))?;
    let write = || syscalls::write_all(syscalls::open(&file, O::WRONLY, 0)?, b"x");
    let cut = || syscalls::truncate(&file, 0);
    for (before, after) in [(0o6777, 0o777), (0o4766, 0o766), (0o2677, 0o677)] {
        t.done("chmod", chmod(&file, before))?;
        t.done("write", as_user(OTHER, write))?;
        t.same(
            &format!("{before:o} written"),
            syscalls::mode(&file),
            Ok(after),
        );
        t.done("chmod", chmod(&file, before))?;
        t.done("truncate", as_user(OTHER, cut))?;
        t.same(
            &format!("{before:o} truncated"),
            syscalls::mode(&file),
            Ok(after),
        );
    }
    t.done("chmod", chmod(&file, 0o6777))?;
    t.done("write by root", write())?;
    // The right to keep them is that of the first user namespace.
    let kept = match t.mount.manner.in_userns() {
        true => 0o777,
        false => 0o6777,
    };
    t.same("after root", syscalls::mode(&file), Ok(kept));
    Ok(())
}

fn setgid_directory(t: &Test) -> Case {
    t.done("chown", chown(t.dir(), Some(OWNER), Some(GROUP)))?;
    t.done("chmod", chmod(t.dir(), 0o2777))?;
    let member = |call: &(dyn Fn() -> SyscallResult<()> + Sync)| as_member(OTHER, &[GROUP], call);
    let file = || syscalls::create(t.at("file"), 0o644).map(drop);
    let dir = || syscalls::mkdir(t.at("dir"), 0o755);
    let pipe = || syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0);
    let link = || syscalls::symlink("x", t.at("link"));
    let tmpfile = || {
        let fd = syscalls::open(t.dir(), O::TMPFILE | O::RDWR, 0o644)?;
        syscalls::link_open(fd, t.at("tmpfile"))
    };
    let made = [
        ("file", member(&file)),
        ("dir", member(&dir)),
        ("pipe", member(&pipe)),
        ("link", member(&link)),
        ("tmpfile", member(&tmpfile)),
    ];
    for (name, made) in made {
        t.done(name, made)?;
        let owner = syscalls::owner(t.at(name));
        t.same(
            &format!("{name} has the directory's group"),
            owner,
            Ok((OTHER, GROUP)),
        );
    }
    t.same(
        "a directory has the bit",
        syscalls::mode(t.at("dir")),
        Ok(0o2755),
    );
    t.same("a file has not", syscalls::mode(t.at("file")), Ok(0o644));
    let program = || syscalls::create(t.at("program"), 0o2755).map(drop);
    t.done("setgid by a member", as_member(OTHER, &[GROUP], program))?;
    t.same("kept", syscalls::mode(t.at("program")), Ok(0o2755));
    t.done("chmod", chmod(t.dir(), 0o777))?;
    let plain = || syscalls::create(t.at("plain"), 0o644).map(drop);
    t.done("without the bit", member(&plain))?;
    t.same(
        "its own group",
        syscalls::owner(t.at("plain")),
        Ok((OTHER, OTHER)),
    );
    Ok(())
}

/// A caller that is not in the group of a setgid directory cannot create a set-group-id program in
/// it.
fn setgid_stranger(t: &Test) -> Case {
    t.done("chown", chown(t.dir(), Some(OWNER), Some(GROUP)))?;
    t.done("chmod", chmod(t.dir(), 0o2777))?;
    let made = as_user(OTHER, || {
        syscalls::create(t.at("program"), 0o2755)?;
        syscalls::mknod(t.at("node"), FileType::RegularFile, 0o2755, 0)?;
        syscalls::create(t.at("data"), 0o2644)?;
        let fd = syscalls::open(t.dir(), O::TMPFILE | O::RDWR, 0o2755)?;
        syscalls::link_open(fd, t.at("tmpfile"))?;
        syscalls::mkdir(t.at("dir"), 0o755)
    });
    t.done("make", made)?;
    for name in ["program", "node", "tmpfile"] {
        t.same(name, syscalls::mode(t.at(name)), Ok(0o755));
        t.same("its group", syscalls::owner(t.at(name)), Ok((OTHER, GROUP)));
    }
    t.same("data nobody runs", syscalls::mode(t.at("data")), Ok(0o2644));
    t.same(
        "directories have the bit",
        syscalls::mode(t.at("dir")),
        Ok(0o2755),
    );
    Ok(())
}

/// A sticky directory of `OWNER` with a file of `OTHER` and a directory of root.
fn sticky(t: &Test) -> Case {
    t.done("give", give(t.dir(), OWNER))?;
    t.done("chmod", chmod(t.dir(), 0o1777))?;
    t.done("creat", syscalls::create(t.at("file"), 0o666))?;
    t.done("give", give(t.at("file"), OTHER))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o777))?;
    Ok(())
}

fn sticky_removal(t: &Test) -> Case {
    sticky(t)?;
    let unlink = || syscalls::unlink(t.at("file"));
    let rmdir = || syscalls::rmdir(t.at("dir"));
    t.refused("another's file", as_user(GROUP, unlink), Errno::PERM);
    t.refused("another's directory", as_user(OTHER, rmdir), Errno::PERM);
    t.done("one's own file", as_user(OTHER, unlink))?;
    t.done("by the sticky directory's owner", as_user(OWNER, rmdir))?;
    sticky(t)?;
    t.done("by root", syscalls::unlink(t.at("file")))?;
    t.done("chmod", chmod(t.dir(), 0o777))?;
    t.done(
        "without the bit",
        as_user(GROUP, || syscalls::rmdir(t.at("dir"))),
    )?;
    Ok(())
}

fn sticky_renaming(t: &Test) -> Case {
    sticky(t)?;
    let to = |new: &str| syscalls::rename(t.at("file"), t.at(new));
    t.refused("another's file", as_user(GROUP, || to("new")), Errno::PERM);
    t.done("one's own", as_user(OTHER, || to("new")))?;
    let over = || {
        syscalls::create(t.at("mine"), 0o644)?;
        syscalls::rename(t.at("mine"), t.at("new"))
    };
    t.refused("over another's file", as_user(GROUP, over), Errno::PERM);
    let swap =
        || syscalls::rename_with(t.at("mine"), t.at("new"), rustix::fs::RenameFlags::EXCHANGE);
    t.refused("exchange with it", as_user(GROUP, swap), Errno::PERM);
    t.done(
        "by the directory's owner",
        as_user(OWNER, || syscalls::rename(t.at("new"), t.at("old"))),
    )?;
    Ok(())
}

/// `protected_regular` and `protected_symlinks`, where they are set.
fn sticky_opening(t: &Test) -> Case {
    sticky(t)?;
    let set = |name: &str| {
        syscalls::read_file(format!("/proc/sys/fs/{name}")).map(|text| text.first() > Some(&b'0'))
    };
    let regular = t.done("setting", set("protected_regular"))?;
    let symlinks = t.done("setting", set("protected_symlinks"))?;
    t.done("chmod", chmod(t.at("file"), 0o666))?;
    let open = || syscalls::open(t.at("file"), O::WRONLY | O::CREATE, 0o644).map(drop);
    let expected = if regular { Err(Errno::ACCESS) } else { Ok(()) };
    t.answers("creat of another's file", as_user(GROUP, open), expected);
    t.done("of one's own", as_user(OTHER, open))?;
    let plain = || syscalls::open(t.at("file"), O::WRONLY, 0).map(drop);
    t.done("plain open", as_user(GROUP, plain))?;
    let link = || syscalls::symlink("file", t.at("link"));
    t.done("symlink", as_user(OTHER, link))?;
    let follow = || syscalls::open_ro(t.at("link")).map(drop);
    let expected = if symlinks { Err(Errno::ACCESS) } else { Ok(()) };
    t.answers("another's symlink", as_user(GROUP, follow), expected);
    t.done("one's own symlink", as_user(OTHER, follow))?;
    Ok(())
}
