// SPDX-License-Identifier: GPL-2.0

//! `utimensat()`, and the timestamps that each system call changes.

use std::{path::Path, time::Duration};

use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use kselftest::syscalls::set_times;
use rustix::{
    fs::{Timespec, UTIME_NOW, UTIME_OMIT},
    io::Errno,
    time::{ClockId, clock_gettime},
};

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("utimensat.values", values),
    ("utimensat.refused", refused),
    ("times.of_files", of_files),
    ("times.of_directories", of_directories),
    ("times.of_both_names", of_both_names),
    ("times.of_reading", of_reading),
];

/// Waits until the clock that most time stamps are taken from, which goes on by ticks, has passed
/// all that could be taken before.
pub(super) fn pause() {
    let now = clock_gettime(ClockId::Realtime);
    while clock_gettime(ClockId::RealtimeCoarse) <= now {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Access, modification and change.
type Times = [(i64, u64); 3];

fn times(path: impl AsRef<Path>) -> SyscallResult<Times> {
    syscalls::stat(path).map(|stat| {
        [
            (stat.st_atime, stat.st_atime_nsec),
            (stat.st_mtime, stat.st_mtime_nsec),
            (stat.st_ctime, stat.st_ctime_nsec),
        ]
    })
}

fn at(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
}

fn values(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    for (access, change) in [
        ((1_000_000_000, 1), (2_000_000_000, 999_999_999)),
        ((0, 0), (-1, 5)),
        ((1 << 33, 3), (1 << 40, 4)),
    ] {
        let (atime, mtime) = (at(access.0, access.1), at(change.0, change.1));
        t.done("utimensat", set_times(&file, atime, mtime))?;
        let seen = t.done("stat", times(&file))?;
        t.same("access", seen[0], (access.0, access.1 as u64));
        t.same("modification", seen[1], (change.0, change.1 as u64));
    }
    let before = t.done("stat", times(&file))?;
    pause();
    t.done(
        "omit both",
        set_times(&file, at(0, UTIME_OMIT), at(0, UTIME_OMIT)),
    )?;
    t.same("all as before", times(&file), Ok(before));
    t.done(
        "one now",
        set_times(&file, at(0, UTIME_OMIT), at(0, UTIME_NOW)),
    )?;
    let seen = t.done("stat", times(&file))?;
    t.same("access stays", seen[0], before[0]);
    t.same("now is now", seen[1], seen[2]);
    t.holds("change goes on", seen[2] > before[2]);
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done("of a symlink", set_times(t.at("link"), at(5, 0), at(6, 0)))?;
    t.same(
        "its own",
        times(t.at("link")).map(|times| times[1]),
        Ok((6, 0)),
    );
    t.same(
        "not the file's",
        times(&file).map(|times| times[1]),
        Ok(seen[1]),
    );
    Ok(())
}

fn refused(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("give", syscalls::give(&file, OWNER))?;
    let set = || set_times(&file, at(1, 0), at(2, 0));
    let now = || set_times(&file, at(0, UTIME_NOW), at(0, UTIME_NOW));
    t.done("by the owner", as_user(OWNER, set))?;
    t.refused("set by another", as_user(OTHER, set), Errno::PERM);
    t.refused("now without right", as_user(OTHER, now), Errno::ACCESS);
    t.done("chmod", syscalls::chmod(&file, 0o666))?;
    t.done("now by who may write", as_user(OTHER, now))?;
    t.refused("set by who may write", as_user(OTHER, set), Errno::PERM);
    let answer = set_times(&file, at(0, 1_000_000_000), at(0, 0));
    t.refused("a second of nanoseconds", answer, Errno::INVAL);
    t.refused(
        "nothing",
        set_times(t.at("no"), at(0, 0), at(0, 0)),
        Errno::NOENT,
    );
    Ok(())
}

/// Does something, and checks which of modification and change went on.
fn moves(
    t: &Test,
    what: &str,
    path: &Path,
    expected: [bool; 2],
    call: impl FnOnce() -> SyscallResult<()>,
) -> Case {
    let before = t.done("stat", times(path))?;
    pause();
    t.done(what, call())?;
    let after = t.done("stat", times(path))?;
    let went = [after[1] > before[1], after[2] > before[2]];
    t.same(&format!("{what}: modification, change"), went, expected);
    Ok(())
}

const BOTH: [bool; 2] = [true, true];
const CHANGE: [bool; 2] = [false, true];
const NONE: [bool; 2] = [false, false];

fn of_files(t: &Test) -> Case {
    let (file, dir) = (t.at("file"), t.dir().to_owned());
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    let path = &file;
    moves(t, "write", path, BOTH, || syscalls::write_all(&fd, b"text"))?;
    moves(t, "write of nothing", path, NONE, || {
        syscalls::write_all(&fd, b"")
    })?;
    moves(t, "truncate", path, BOTH, || syscalls::truncate(path, 1))?;
    // Whether truncate() to the same size is a change POSIX leaves open; this one is.
    moves(t, "ftruncate", path, BOTH, || rustix::fs::ftruncate(&fd, 1))?;
    moves(t, "chmod", path, CHANGE, || syscalls::chmod(path, 0o600))?;
    moves(t, "chown", path, CHANGE, || syscalls::give(path, OWNER))?;
    moves(t, "link", path, CHANGE, || {
        syscalls::link(path, dir.join("l"))
    })?;
    moves(t, "unlink", path, CHANGE, || {
        syscalls::unlink(dir.join("l"))
    })?;
    moves(t, "xattr", path, CHANGE, || {
        syscalls::set_xattr(path, "security.a", b"v")
    })?;
    moves(t, "ACL", path, CHANGE, || super::acl::set_some(path))?;
    moves(t, "stat", path, NONE, || syscalls::stat(path).map(drop))?;
    moves(t, "open", path, NONE, || syscalls::open_rw(path).map(drop))?;
    Ok(())
}

fn of_directories(t: &Test) -> Case {
    let dir = t.at("dir");
    t.done("mkdir", syscalls::mkdir(&dir, 0o755))?;
    let path = &dir;
    let fifo = || syscalls::mknod(path.join("p"), rustix::fs::FileType::Fifo, 0o644, 0);
    moves(t, "creat in it", path, BOTH, || {
        syscalls::create(path.join("f"), 0o644).map(drop)
    })?;
    moves(t, "write in it", path, NONE, || {
        syscalls::write_file(path.join("f"), b"x")
    })?;
    moves(t, "link in it", path, BOTH, || {
        syscalls::link(path.join("f"), path.join("l"))
    })?;
    moves(t, "rename in it", path, BOTH, || {
        syscalls::rename(path.join("l"), path.join("m"))
    })?;
    moves(t, "unlink in it", path, BOTH, || {
        syscalls::unlink(path.join("m"))
    })?;
    moves(t, "mkdir in it", path, BOTH, || {
        syscalls::mkdir(path.join("d"), 0o755)
    })?;
    moves(t, "rmdir in it", path, BOTH, || {
        syscalls::rmdir(path.join("d"))
    })?;
    moves(t, "symlink in it", path, BOTH, || {
        syscalls::symlink("x", path.join("s"))
    })?;
    moves(t, "mknod in it", path, BOTH, fifo)?;
    moves(t, "a call refused", path, NONE, || {
        syscalls::mkdir(path.join("f"), 0o755).err();
        Ok(())
    })?;
    let out = t.at("out");
    moves(t, "rename out of it", path, BOTH, || {
        syscalls::rename(path.join("f"), &out)
    })?;
    moves(t, "rename into it", path, BOTH, || {
        syscalls::rename(&out, path.join("f"))
    })?;
    moves(t, "tmpfile in it", path, NONE, || {
        let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR;
        syscalls::open(path, flags, 0o600).map(drop)
    })?;
    Ok(())
}

/// A file that is renamed, replaced or exchanged gets a new change time.
fn of_both_names(t: &Test) -> Case {
    let (a, b) = (t.at("a"), t.at("b"));
    t.done("creat", syscalls::create(&a, 0o644))?;
    t.done("creat", syscalls::create(&b, 0o644))?;
    t.done("link", syscalls::link(&b, t.at("other")))?;
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    let before = (times(&a), times(&b));
    pause();
    t.done("exchange", syscalls::rename_with(&a, &b, exchange))?;
    let after = (times(&b), times(&a));
    let later = |after: SyscallResult<Times>, before: SyscallResult<Times>| {
        after.is_ok_and(|after| before.is_ok_and(|before| after[2] > before[2]))
    };
    t.holds("first changed", later(after.0, before.0));
    t.holds("second changed", later(after.1, before.1));
    t.done("exchange", syscalls::rename_with(&a, &b, exchange))?;
    let before = (times(&a), times(t.at("other")));
    pause();
    t.done("rename", syscalls::rename(&a, &b))?;
    t.holds("renamed one changed", later(times(&b), before.0));
    let replaced = times(t.at("other"));
    t.holds("replaced one changed", later(replaced, before.1));
    Ok(())
}

/// Under `relatime` reading moves an access time that is not after the modification.
fn of_reading(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.done("set", set_times(&file, at(1000, 0), at(2000, 0)))?;
    t.done("read", syscalls::read_file(&file))?;
    let seen = t.done("stat", times(&file))?;
    t.holds("access went on", seen[0].0 > 2000);
    t.same("modification stays", seen[1], (2000, 0));
    t.done("set", set_times(&file, at(1000, 0), at(2000, 0)))?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOATIME;
    let fd = t.done("O_NOATIME", syscalls::open(&file, flags, 0))?;
    t.done("read", syscalls::pread(&fd, 4, 0))?;
    t.same(
        "access stays",
        times(&file).map(|times| times[0]),
        Ok((1000, 0)),
    );
    Ok(())
}
