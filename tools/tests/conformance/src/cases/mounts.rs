// SPDX-License-Identifier: GPL-2.0

//! Attributes of mounts: read-only, nodev, noexec, unmapped ids, busy mounts.

use std::path::PathBuf;

use idmap::{Attributes, Detached};
use kselftest::credentials::as_user;
use kselftest::errno;
use kselftest::syscalls;
use rustix::{
    fs::{Access, AtFlags, CWD, FileType, OFlags as O, RenameFlags},
    io::Errno,
    mount::{MountFlags, UnmountFlags},
};

use super::{GROUP, OTHER, OWNER};
use crate::{
    test::{Case, Named, Stop, Test},
    test_mount::in_mount,
};

pub(super) const TESTS: &[Named] = &[
    ("mount.read_only", read_only),
    ("mount.remount_read_only", remount_read_only),
    ("mount.no_devices", no_devices),
    ("mount.no_programs", no_programs),
    ("mount.no_symlinks", no_symlinks),
    ("mount.unmapped_caller", unmapped_caller),
    ("mount.unmapped_files", unmapped_files),
    ("mount.busy", busy),
    ("mount.point", point),
];

/// Another mount; that there is none is noted.
fn mounted(
    t: &Test,
    mount: Result<Detached, Box<dyn std::error::Error>>,
) -> Result<Detached, Stop> {
    mount.map_err(|error| {
        t.same("mounting it again", error.to_string(), String::new());
        Stop
    })
}

/// Every call that changes something must be refused below this directory, which has a `file`, a
/// `dir` and a `link`.
fn all_refused(t: &Test, dir: PathBuf, errno: Errno) -> Case {
    let at = |name: &str| dir.join(name);
    let (file, new) = (at("file"), at("new"));
    let answers = [
        ("creat", syscalls::create(&new, 0o644).map(drop)),
        (
            "tmpfile",
            syscalls::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop),
        ),
        ("write", syscalls::open(&file, O::WRONLY, 0).map(drop)),
        ("truncate", syscalls::truncate(&file, 0)),
        ("mkdir", syscalls::mkdir(&new, 0o755)),
        ("mknod", syscalls::mknod(&new, FileType::Fifo, 0o644, 0)),
        ("symlink", syscalls::symlink("x", &new)),
        ("link", syscalls::link(&file, &new)),
        ("unlink", syscalls::unlink(&file)),
        ("rmdir", syscalls::rmdir(at("dir"))),
        ("rename", syscalls::rename(&file, &new)),
        (
            "exchange",
            syscalls::rename_with(&file, at("dir"), RenameFlags::EXCHANGE),
        ),
        ("chmod", syscalls::chmod(&file, 0o600)),
        ("chown", syscalls::give(&file, OTHER)),
        ("xattr", syscalls::set_xattr(&file, "user.a", b"v")),
        ("remove xattr", syscalls::remove_xattr(&file, "user.b")),
        ("ACL", super::acl::set_some(&file)),
        (
            "access",
            rustix::fs::accessat(CWD, &file, Access::WRITE_OK, AtFlags::empty()),
        ),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, errno);
    }
    t.same("read", syscalls::read_file(&file), Ok(b"text".to_vec()));
    t.done("list", syscalls::names(&dir))?;
    t.done("xattr", syscalls::get_xattr(&file, "user.b"))?;
    t.refused(
        "mkdir over one",
        syscalls::mkdir(at("dir"), 0o755),
        Errno::EXIST,
    );
    Ok(())
}

fn filled(t: &Test) -> Case {
    t.done("write", syscalls::write_file(t.at("file"), b"text"))?;
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done("xattr", syscalls::set_xattr(t.at("file"), "user.b", b"v"))
}

fn read_only(t: &Test) -> Case {
    filled(t)?;
    let mount = t.mount.with(Attributes::READ_ONLY);
    let mount = mounted(t, mount)?;
    let dir = in_mount(t.mount, &mount, t.dir());
    all_refused(t, dir, Errno::ROFS)?;
    t.done(
        "elsewhere it can be written",
        syscalls::write_file(t.at("file"), b"new"),
    )
}

fn remount_read_only(t: &Test) -> Case {
    filled(t)?;
    let root = t.mount.root().to_owned();
    let remount = |flags| rustix::mount::mount_remount(&root, flags, "");
    let fd = t.done("open", syscalls::open_rw(t.at("file")))?;
    t.refused("while one writes", remount(MountFlags::RDONLY), Errno::BUSY);
    drop(fd);
    t.done("remount", remount(MountFlags::RDONLY))?;
    let dir = t.dir().to_owned();
    let end = all_refused(t, dir, Errno::ROFS);
    t.done("remount back", remount(MountFlags::empty()))?;
    end?;
    t.done("write", syscalls::write_file(t.at("file"), b"new"))?;
    Ok(())
}

fn no_devices(t: &Test) -> Case {
    let whiteout = syscalls::mknod(t.at("dev"), FileType::CharacterDevice, 0o666, 0);
    t.done("whiteout", whiteout)?;
    let mount = t.mount.with(Attributes::NO_DEV);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.mount, &mount, &t.at("dev"));
    t.refused("open", syscalls::open_ro(&path), Errno::ACCESS);
    t.done("stat", syscalls::stat(&path))?;
    // Mounted in a user namespace no device opens, whatever it is.
    if t.mount.manner.in_userns() {
        t.refused(
            "in a user namespace",
            syscalls::open_ro(t.at("dev")),
            Errno::ACCESS,
        );
    }
    Ok(())
}

fn no_programs(t: &Test) -> Case {
    t.done(
        "write",
        syscalls::write_file(t.at("p"), b"#!/bin/sh\nexit 0\n"),
    )?;
    t.done("chmod", syscalls::chmod(t.at("p"), 0o755))?;
    let mount = t.mount.with(Attributes::NO_EXEC);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.mount, &mount, &t.at("p"));
    let run = |path: PathBuf| {
        let status = std::process::Command::new(path).status();
        status.map(drop).map_err(errno::from_io)
    };
    t.refused("run", run(path.clone()), Errno::ACCESS);
    t.done("run elsewhere", run(t.at("p")))?;
    let map = kselftest::mapping::Mapping::new;
    let fd = t.done("open", syscalls::open_ro(&path))?;
    let mapped = map(
        std::os::fd::AsFd::as_fd(&fd),
        4096,
        false,
        libc::MAP_PRIVATE,
    );
    t.done("read in memory", mapped.map(drop))
}

fn no_symlinks(t: &Test) -> Case {
    filled(t)?;
    let mount = t.mount.with(Attributes::NO_SYMFOLLOW);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.mount, &mount, &t.at("link"));
    t.refused("open", syscalls::open_ro(&path), Errno::LOOP);
    let target = syscalls::readlink(&path, 99);
    t.same("readlink", target, Ok(b"file".to_vec()));
    Ok(())
}

/// A caller whose ids are unmapped can create no file.
fn unmapped_caller(t: &Test) -> Case {
    filled(t)?;
    t.done("directory for all", syscalls::chmod(t.dir(), 0o777))?;
    t.done("file for all", syscalls::chmod(t.at("file"), 0o666))?;
    let mount = t.mount.through(0, OWNER);
    let mount = mounted(t, mount)?;
    let dir = in_mount(t.mount, &mount, t.dir());
    let new = dir.join("new");
    let whiteout = || {
        let flags = RenameFlags::WHITEOUT;
        syscalls::rename_with(dir.join("file"), dir.join("moved"), flags)
    };
    let answers = [
        (
            "creat",
            as_user(OWNER, || syscalls::create(&new, 0o644).map(drop)),
        ),
        (
            "tmpfile",
            as_user(OWNER, || {
                syscalls::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop)
            }),
        ),
        ("mkdir", as_user(OWNER, || syscalls::mkdir(&new, 0o755))),
        (
            "mknod",
            as_user(OWNER, || syscalls::mknod(&new, FileType::Fifo, 0o644, 0)),
        ),
        ("symlink", as_user(OWNER, || syscalls::symlink("x", &new))),
        ("whiteout", as_user(OWNER, whiteout)),
        ("chown to it", syscalls::give(dir.join("file"), OWNER)),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, Errno::OVERFLOW);
    }
    t.done(
        "write",
        as_user(OWNER, || syscalls::write_file(dir.join("file"), b"text")),
    )?;
    t.done(
        "by one who has",
        as_user(OWNER - 1, || syscalls::mkdir(&new, 0o755)),
    )?;
    t.same(
        "its owner",
        syscalls::owner(t.at("new")),
        Ok((OWNER - 1, OWNER - 1)),
    );
    Ok(())
}

/// Files with an unmapped owner cannot be written to.
fn unmapped_files(t: &Test) -> Case {
    filled(t)?;
    t.done(
        "give",
        syscalls::chown(t.at("file"), Some(GROUP), Some(GROUP)),
    )?;
    t.done("for all", syscalls::chmod(t.at("file"), 0o666))?;
    t.done("xattr", syscalls::set_xattr(t.at("file"), "user.a", b"v"))?;
    let mount = t.mount.through(0, OTHER);
    let mount = mounted(t, mount)?;
    let file = in_mount(t.mount, &mount, &t.at("file"));
    t.same(
        "shown as nobody's",
        syscalls::owner(&file),
        Ok((65534, 65534)),
    );
    t.done("read", syscalls::read_file(&file))?;
    t.refused("write", syscalls::open(&file, O::WRONLY, 0), Errno::ACCESS);
    t.refused("truncate", syscalls::truncate(&file, 0), Errno::ACCESS);
    let new = file.with_file_name("new");
    t.refused(
        "xattr",
        syscalls::set_xattr(&file, "user.a", b"w"),
        Errno::PERM,
    );
    let answers = [
        ("chmod", syscalls::chmod(&file, 0o600)),
        ("link", syscalls::link(&file, &new)),
        ("rename", syscalls::rename(&file, &new)),
        (
            "rename over it",
            syscalls::rename(file.with_file_name("link"), &file),
        ),
        ("unlink", syscalls::unlink(&file)),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, Errno::OVERFLOW);
    }
    t.same("as before", syscalls::mode(t.at("file")), Ok(0o666));
    let answer = as_user(OWNER, || syscalls::give(&file, OWNER));
    t.refused("chown by a user", answer, Errno::PERM);
    // A caller with capabilities over the filesystem may change the owner.
    t.done("chown by root", syscalls::give(&file, OWNER))?;
    t.same(
        "its owner",
        syscalls::owner(t.at("file")),
        Ok((OWNER, OWNER)),
    );
    t.done("then", syscalls::chmod(&file, 0o600))
}

/// A busy filesystem cannot be unmounted.
fn busy(t: &Test) -> Case {
    let mount = t.mount.again();
    let mount = mounted(t, mount)?;
    let target = crate::test_mount::spare("busy");
    let target = t.done("directory", target)?;
    let attached = mount.attach(&target);
    t.holds("attached", attached.is_ok());
    let umount = |flags| rustix::mount::unmount(&target, flags | UnmountFlags::NOFOLLOW);
    t.done("write", syscalls::write_file(t.at("file"), b"text"))?;
    let inside = target.join(t.dir().strip_prefix(t.mount.root()).unwrap_or(t.dir()));
    let fd = t.done("open", syscalls::open_ro(inside.join("file")))?;
    t.refused("a file is open", umount(UnmountFlags::empty()), Errno::BUSY);
    drop(fd);
    t.done("closed", umount(UnmountFlags::empty()))?;
    t.refused("not mounted", umount(UnmountFlags::empty()), Errno::INVAL);
    Ok(())
}

/// A place where something is mounted is not removed or renamed.
fn point(t: &Test) -> Case {
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let bind = |what: &str| rustix::mount::mount_bind(t.at(what), t.at(what));
    let bound = (bind("dir"), bind("file"));
    t.done("bind", bound.0)?;
    t.done("bind", bound.1)?;
    t.refused("rmdir", syscalls::rmdir(t.at("dir")), Errno::BUSY);
    t.refused("unlink", syscalls::unlink(t.at("file")), Errno::BUSY);
    t.refused(
        "rename",
        syscalls::rename(t.at("dir"), t.at("new")),
        Errno::BUSY,
    );
    t.done("creat", syscalls::create(t.at("other"), 0o644))?;
    let over = syscalls::rename(t.at("other"), t.at("file"));
    t.refused("rename over it", over, Errno::BUSY);
    let umount = |what: &str| rustix::mount::unmount(t.at(what), UnmountFlags::NOFOLLOW);
    let ended = (umount("dir"), umount("file"));
    t.done("umount", ended.0)?;
    t.done("umount", ended.1)?;
    t.done("rmdir", syscalls::rmdir(t.at("dir")))?;
    t.done("unlink", syscalls::unlink(t.at("file")))
}
