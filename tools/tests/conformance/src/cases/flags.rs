// SPDX-License-Identifier: GPL-2.0

//! `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS`, which chattr(1) uses.

use std::path::{Path, PathBuf};

use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use rustix::{
    fs::{IFlags, OFlags, StatxAttributes, ioctl_getflags, ioctl_setflags},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Stop, Test};

pub(super) const TESTS: &[Named] = &[
    ("flags.kept", kept),
    ("flags.refused", refused),
    ("flags.immutable", immutable),
    ("flags.append", append),
    ("flags.directory", directory),
];

fn get(path: &Path) -> SyscallResult<IFlags> {
    ioctl_getflags(syscalls::open_ro(path)?)
}

fn set(path: &Path, flags: IFlags) -> SyscallResult<()> {
    ioctl_setflags(syscalls::open_ro(path)?, flags)
}

/// A file of the owner's, that others may read.
fn file(t: &Test) -> Result<PathBuf, Stop> {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"contents"))?;
    t.done("give", syscalls::give(&file, OWNER))?;
    Ok(file)
}

fn kept(t: &Test) -> Case {
    let file = file(t)?;
    t.same("at first", get(&file), Ok(IFlags::empty()));
    let some = IFlags::NODUMP | IFlags::NOATIME;
    for flags in [IFlags::NODUMP, some, IFlags::NOATIME, IFlags::empty()] {
        let answer = as_user(OWNER, || set(&file, flags));
        t.answers("set by the owner", answer, Ok(()));
        t.same("flags", get(&file), Ok(flags));
        t.same("as stored", get(&t.mount.stored(&file)), Ok(flags));
    }
    Ok(())
}

fn refused(t: &Test) -> Case {
    let file = file(t)?;
    let answer = as_user(OTHER, || set(&file, IFlags::NODUMP));
    t.refused("by another user", answer, Errno::PERM);
    let locks = [IFlags::IMMUTABLE, IFlags::APPEND];
    for flags in locks {
        let answer = as_user(OWNER, || set(&file, flags));
        t.refused("without the capability", answer, Errno::PERM);
    }
    if t.mount.manner.in_userns() {
        for flags in locks {
            t.refused("by root of a namespace", set(&file, flags), Errno::PERM);
        }
    }
    let answer = set(&file, IFlags::COMPRESSED);
    t.refused("what there is not", answer, Errno::OPNOTSUPP);
    t.same("flags", get(&file), Ok(IFlags::empty()));
    Ok(())
}

fn immutable(t: &Test) -> Case {
    if t.mount.manner.in_userns() {
        // In a user namespace the flags cannot be set.
        return refused(t);
    }
    let file = file(t)?;
    t.done("set", set(&file, IFlags::IMMUTABLE))?;
    let shown = t.done("statx", syscalls::statx(&file))?;
    let attribute = StatxAttributes::IMMUTABLE;
    t.holds("shown", shown.stx_attributes.contains(attribute));
    t.holds("known", shown.stx_attributes_mask.contains(attribute));
    let p = Errno::PERM;
    t.refused("open", syscalls::open_rw(&file), p);
    t.refused("truncate", syscalls::truncate(&file, 1), p);
    t.refused("chmod", syscalls::chmod(&file, 0o600), p);
    t.refused("chown", syscalls::give(&file, OTHER), p);
    t.refused("link", syscalls::link(&file, t.at("link")), p);
    t.refused("rename", syscalls::rename(&file, t.at("other")), p);
    t.refused("unlink", syscalls::unlink(&file), p);
    t.refused("xattr", syscalls::set_xattr(&file, "user.a", b"1"), p);
    t.same(
        "contents",
        syscalls::read_file(&file),
        Ok(b"contents".to_vec()),
    );
    t.done("clear", set(&file, IFlags::empty()))?;
    t.done("unlink", syscalls::unlink(&file))
}

fn append(t: &Test) -> Case {
    if t.mount.manner.in_userns() {
        return refused(t);
    }
    let file = file(t)?;
    t.done("set", set(&file, IFlags::APPEND))?;
    let shown = t.done("statx", syscalls::statx(&file))?;
    let attribute = StatxAttributes::APPEND;
    t.holds("shown", shown.stx_attributes.contains(attribute));
    t.refused("open", syscalls::open_rw(&file), Errno::PERM);
    t.refused("truncate", syscalls::truncate(&file, 1), Errno::PERM);
    t.refused("unlink", syscalls::unlink(&file), Errno::PERM);
    let flags = OFlags::WRONLY | OFlags::APPEND;
    let fd = t.done("open to append", syscalls::open(&file, flags, 0))?;
    t.done("append", syscalls::write_all(&fd, b", more"))?;
    drop(fd);
    let all = b"contents, more".to_vec();
    t.same("contents", syscalls::read_file(&file), Ok(all));
    t.done("clear", set(&file, IFlags::empty()))
}

fn directory(t: &Test) -> Case {
    if t.mount.manner.in_userns() {
        return refused(t);
    }
    let dir = t.at("dir");
    t.done("mkdir", syscalls::mkdir(&dir, 0o755))?;
    t.done("creat", syscalls::create(dir.join("old"), 0o644))?;
    t.done("set", set(&dir, IFlags::APPEND))?;
    t.done("creat", syscalls::create(dir.join("new"), 0o644))?;
    t.refused("unlink", syscalls::unlink(dir.join("old")), Errno::PERM);
    t.done("set", set(&dir, IFlags::IMMUTABLE))?;
    t.refused(
        "creat",
        syscalls::create(dir.join("more"), 0o644),
        Errno::PERM,
    );
    t.refused(
        "mkdir",
        syscalls::mkdir(dir.join("more"), 0o755),
        Errno::PERM,
    );
    t.refused("unlink", syscalls::unlink(dir.join("old")), Errno::PERM);
    t.refused(
        "xattr",
        syscalls::set_xattr(&dir, "user.a", b"1"),
        Errno::PERM,
    );
    t.done("clear", set(&dir, IFlags::empty()))?;
    t.done("unlink", syscalls::unlink(dir.join("old")))
}
