// SPDX-License-Identifier: GPL-2.0

//! What depends on the mount: read-only, no devices, no programs, ids that it does not have, use.

use std::path::PathBuf;

use mount_idmapped::{Attribute, Detached};
use rustix::{
    fs::{Access, AtFlags, CWD, FileType, OFlags as O, RenameFlags},
    io::Errno,
    mount::{MountFlags, UnmountFlags},
};

use super::{GROUP, OTHER, OWNER};
use crate::{
    call::{self, as_user},
    place::in_mount,
    test::{Case, Named, Stop, Test},
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

/// Every call that changes something must be refused below this folder, which has a `file`, a
/// `dir` and a `link`.
fn all_refused(t: &Test, dir: PathBuf, errno: Errno) -> Case {
    let at = |name: &str| dir.join(name);
    let (file, new) = (at("file"), at("new"));
    let answers = [
        ("creat", call::create(&new, 0o644).map(drop)),
        (
            "tmpfile",
            call::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop),
        ),
        ("write", call::open(&file, O::WRONLY, 0).map(drop)),
        ("truncate", crate::sys::truncate(&file, 0)),
        ("mkdir", call::mkdir(&new, 0o755)),
        ("mknod", call::mknod(&new, FileType::Fifo, 0o644, 0)),
        ("symlink", call::symlink("x", &new)),
        ("link", call::link(&file, &new)),
        ("unlink", call::unlink(&file)),
        ("rmdir", call::rmdir(at("dir"))),
        ("rename", call::rename(&file, &new)),
        (
            "exchange",
            call::rename_with(&file, at("dir"), RenameFlags::EXCHANGE),
        ),
        ("chmod", call::chmod(&file, 0o600)),
        ("chown", call::give(&file, OTHER)),
        ("xattr", call::set_xattr(&file, "user.a", b"v")),
        ("remove xattr", call::remove_xattr(&file, "user.b")),
        ("ACL", super::acl::set_some(&file)),
        (
            "access",
            rustix::fs::accessat(CWD, &file, Access::WRITE_OK, AtFlags::empty()),
        ),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, errno);
    }
    t.same("read", call::read_file(&file), Ok(b"text".to_vec()));
    t.done("list", call::names(&dir))?;
    t.done("xattr", call::get_xattr(&file, "user.b"))?;
    t.refused(
        "mkdir over one",
        call::mkdir(at("dir"), 0o755),
        Errno::EXIST,
    );
    Ok(())
}

fn filled(t: &Test) -> Case {
    t.done("write", call::write_file(t.at("file"), b"text"))?;
    t.done("mkdir", call::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", call::symlink("file", t.at("link")))?;
    t.done("xattr", call::set_xattr(t.at("file"), "user.b", b"v"))
}

fn read_only(t: &Test) -> Case {
    filled(t)?;
    let mount = t.place.with(Attribute::ReadOnly);
    let mount = mounted(t, mount)?;
    let dir = in_mount(t.place, &mount, t.dir());
    all_refused(t, dir, Errno::ROFS)?;
    t.done(
        "elsewhere it can be written",
        call::write_file(t.at("file"), b"new"),
    )
}

fn remount_read_only(t: &Test) -> Case {
    filled(t)?;
    let root = t.place.root().to_owned();
    let remount = |flags| rustix::mount::mount_remount(&root, flags, "");
    let fd = t.done("open", call::open_rw(t.at("file")))?;
    t.refused("while one writes", remount(MountFlags::RDONLY), Errno::BUSY);
    drop(fd);
    t.done("remount", remount(MountFlags::RDONLY))?;
    let dir = t.dir().to_owned();
    let end = all_refused(t, dir, Errno::ROFS);
    t.done("remount back", remount(MountFlags::empty()))?;
    end?;
    t.done("write", call::write_file(t.at("file"), b"new"))?;
    Ok(())
}

fn no_devices(t: &Test) -> Case {
    let whiteout = call::mknod(t.at("dev"), FileType::CharacterDevice, 0o666, 0);
    t.done("whiteout", whiteout)?;
    let mount = t.place.with(Attribute::NoDev);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.place, &mount, &t.at("dev"));
    t.refused("open", call::open_ro(&path), Errno::ACCESS);
    t.done("stat", call::stat(&path))?;
    // Mounted in a user namespace no device opens, whatever it is.
    if t.place.manner.in_userns() {
        t.refused(
            "in a user namespace",
            call::open_ro(t.at("dev")),
            Errno::ACCESS,
        );
    }
    Ok(())
}

fn no_programs(t: &Test) -> Case {
    t.done("write", call::write_file(t.at("p"), b"#!/bin/sh\nexit 0\n"))?;
    t.done("chmod", call::chmod(t.at("p"), 0o755))?;
    let mount = t.place.with(Attribute::NoExec);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.place, &mount, &t.at("p"));
    let run = |path: PathBuf| {
        let status = std::process::Command::new(path).status();
        status
            .map(drop)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    t.refused("run", run(path.clone()), Errno::ACCESS);
    t.done("run elsewhere", run(t.at("p")))?;
    let map = crate::sys::Mapping::new;
    let fd = t.done("open", call::open_ro(&path))?;
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
    let mount = t.place.with(Attribute::NoSymfollow);
    let mount = mounted(t, mount)?;
    let path = in_mount(t.place, &mount, &t.at("link"));
    t.refused("open", call::open_ro(&path), Errno::LOOP);
    let target = crate::sys::readlink(&path, 99);
    t.same("readlink", target, Ok(b"file".to_vec()));
    Ok(())
}

/// Whoever has no id in the mount can make nothing.
fn unmapped_caller(t: &Test) -> Case {
    filled(t)?;
    t.done("folder for all", call::chmod(t.dir(), 0o777))?;
    t.done("file for all", call::chmod(t.at("file"), 0o666))?;
    let mount = t.place.through(0, OWNER);
    let mount = mounted(t, mount)?;
    let dir = in_mount(t.place, &mount, t.dir());
    let new = dir.join("new");
    let whiteout = || {
        let flags = RenameFlags::WHITEOUT;
        call::rename_with(dir.join("file"), dir.join("moved"), flags)
    };
    let answers = [
        (
            "creat",
            as_user(OWNER, || call::create(&new, 0o644).map(drop)),
        ),
        (
            "tmpfile",
            as_user(OWNER, || {
                call::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop)
            }),
        ),
        ("mkdir", as_user(OWNER, || call::mkdir(&new, 0o755))),
        (
            "mknod",
            as_user(OWNER, || call::mknod(&new, FileType::Fifo, 0o644, 0)),
        ),
        ("symlink", as_user(OWNER, || call::symlink("x", &new))),
        ("whiteout", as_user(OWNER, whiteout)),
        ("chown to it", call::give(dir.join("file"), OWNER)),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, Errno::OVERFLOW);
    }
    t.done(
        "write",
        as_user(OWNER, || call::write_file(dir.join("file"), b"text")),
    )?;
    t.done(
        "by one who has",
        as_user(OWNER - 1, || call::mkdir(&new, 0o755)),
    )?;
    t.same(
        "its owner",
        call::owner(t.at("new")),
        Ok((OWNER - 1, OWNER - 1)),
    );
    Ok(())
}

/// Nobody writes to files whose owner has no id in the mount.
fn unmapped_files(t: &Test) -> Case {
    filled(t)?;
    t.done("give", call::chown(t.at("file"), Some(GROUP), Some(GROUP)))?;
    t.done("for all", call::chmod(t.at("file"), 0o666))?;
    t.done("xattr", call::set_xattr(t.at("file"), "user.a", b"v"))?;
    let mount = t.place.through(0, OTHER);
    let mount = mounted(t, mount)?;
    let file = in_mount(t.place, &mount, &t.at("file"));
    t.same("shown as nobody's", call::owner(&file), Ok((65534, 65534)));
    t.done("read", call::read_file(&file))?;
    t.refused("write", call::open(&file, O::WRONLY, 0), Errno::ACCESS);
    t.refused("truncate", crate::sys::truncate(&file, 0), Errno::ACCESS);
    let new = file.with_file_name("new");
    t.refused("xattr", call::set_xattr(&file, "user.a", b"w"), Errno::PERM);
    let answers = [
        ("chmod", call::chmod(&file, 0o600)),
        ("link", call::link(&file, &new)),
        ("rename", call::rename(&file, &new)),
        (
            "rename over it",
            call::rename(file.with_file_name("link"), &file),
        ),
        ("unlink", call::unlink(&file)),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, Errno::OVERFLOW);
    }
    t.same("as before", call::mode(t.at("file")), Ok(0o666));
    let answer = as_user(OWNER, || call::give(&file, OWNER));
    t.refused("chown by a user", answer, Errno::PERM);
    // Whoever is privileged where the filesystem was mounted may give it an owner.
    t.done("chown by root", call::give(&file, OWNER))?;
    t.same("its owner", call::owner(t.at("file")), Ok((OWNER, OWNER)));
    t.done("then", call::chmod(&file, 0o600))
}

/// What is in use is not unmounted.
fn busy(t: &Test) -> Case {
    let mount = t.place.again();
    let mount = mounted(t, mount)?;
    let target = crate::place::spare("busy");
    let target = t.done("folder", target)?;
    let attached = mount.attach(&target);
    t.holds("attached", attached.is_ok());
    let umount = |flags| rustix::mount::unmount(&target, flags | UnmountFlags::NOFOLLOW);
    t.done("write", call::write_file(t.at("file"), b"text"))?;
    let inside = target.join(t.dir().strip_prefix(t.place.root()).unwrap_or(t.dir()));
    let fd = t.done("open", call::open_ro(inside.join("file")))?;
    t.refused("a file is open", umount(UnmountFlags::empty()), Errno::BUSY);
    drop(fd);
    t.done("closed", umount(UnmountFlags::empty()))?;
    t.refused("not mounted", umount(UnmountFlags::empty()), Errno::INVAL);
    Ok(())
}

/// A place where something is mounted is not removed or renamed.
fn point(t: &Test) -> Case {
    t.done("mkdir", call::mkdir(t.at("dir"), 0o755))?;
    t.done("creat", call::create(t.at("file"), 0o644))?;
    let bind = |what: &str| rustix::mount::mount_bind(t.at(what), t.at(what));
    let bound = (bind("dir"), bind("file"));
    t.done("bind", bound.0)?;
    t.done("bind", bound.1)?;
    t.refused("rmdir", call::rmdir(t.at("dir")), Errno::BUSY);
    t.refused("unlink", call::unlink(t.at("file")), Errno::BUSY);
    t.refused(
        "rename",
        call::rename(t.at("dir"), t.at("new")),
        Errno::BUSY,
    );
    t.done("creat", call::create(t.at("other"), 0o644))?;
    let over = call::rename(t.at("other"), t.at("file"));
    t.refused("rename over it", over, Errno::BUSY);
    let umount = |what: &str| rustix::mount::unmount(t.at(what), UnmountFlags::NOFOLLOW);
    let ended = (umount("dir"), umount("file"));
    t.done("umount", ended.0)?;
    t.done("umount", ended.1)?;
    t.done("rmdir", call::rmdir(t.at("dir")))?;
    t.done("unlink", call::unlink(t.at("file")))
}
