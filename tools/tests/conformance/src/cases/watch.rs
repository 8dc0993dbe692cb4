// SPDX-License-Identifier: GPL-2.0

//! `flock()` and other locks, leases, and `inotify`.

use std::{mem::MaybeUninit, os::fd::AsFd};

use kselftest::raw::lock_first_byte;
use kselftest::raw::set_lease;
use kselftest::syscalls;
use rustix::{
    fs::{FlockOperation, flock, inotify},
    io::Errno,
};

use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("flock.files", locks),
    ("flock.bytes", byte_locks),
    ("lease.files", leases),
    ("inotify.events", events),
];

fn locks(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let one = t.done("open", syscalls::open_ro(t.at("file")))?;
    let two = t.done("open", syscalls::open_ro(t.at("file")))?;
    let shared = FlockOperation::NonBlockingLockShared;
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    t.done("shared", flock(&one, shared))?;
    t.done("shared by two", flock(&two, shared))?;
    t.refused("exclusive meanwhile", flock(&one, exclusive), Errno::AGAIN);
    t.done("unlock", flock(&two, FlockOperation::NonBlockingUnlock))?;
    t.done("exclusive", flock(&one, exclusive))?;
    t.refused("shared meanwhile", flock(&two, shared), Errno::AGAIN);
    drop(one);
    t.done("closing unlocks", flock(&two, exclusive))?;
    let dir = t.done("open", syscalls::open_ro(t.dir()))?;
    t.done("of a directory", flock(&dir, exclusive))?;
    Ok(())
}

fn byte_locks(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let one = t.done("open", syscalls::open_rw(t.at("file")))?;
    let two = t.done("open", syscalls::open_rw(t.at("file")))?;
    t.done("write lock", lock_first_byte(one.as_fd(), libc::F_WRLCK))?;
    let answer = lock_first_byte(two.as_fd(), libc::F_RDLCK);
    t.refused("read lock meanwhile", answer, Errno::AGAIN);
    t.done("unlock", lock_first_byte(one.as_fd(), libc::F_UNLCK))?;
    t.done("read lock", lock_first_byte(two.as_fd(), libc::F_RDLCK))?;
    let read = t.done("open", syscalls::open_ro(t.at("file")))?;
    let answer = lock_first_byte(read.as_fd(), libc::F_WRLCK);
    t.refused("write lock of O_RDONLY", answer, Errno::BADF);
    Ok(())
}

fn leases(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let fd = t.done("open", syscalls::open_ro(t.at("file")))?;
    t.done("read lease", set_lease(fd.as_fd(), libc::F_RDLCK))?;
    t.done("give it back", set_lease(fd.as_fd(), libc::F_UNLCK))?;
    let writer = t.done("open", syscalls::open_rw(t.at("file")))?;
    let answer = set_lease(fd.as_fd(), libc::F_RDLCK);
    t.refused("while one writes", answer, Errno::AGAIN);
    drop(writer);
    t.done("then", set_lease(fd.as_fd(), libc::F_RDLCK))?;
    Ok(())
}

fn events(t: &Test) -> Case {
    use inotify::{ReadFlags, WatchFlags};
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let queue = t.done("inotify", inotify::init(flags))?;
    let wanted = WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVE
        | WatchFlags::MODIFY
        | WatchFlags::ATTRIB;
    t.done("watch", inotify::add_watch(&queue, t.dir(), wanted))?;
    t.done("write", syscalls::write_file(t.at("a"), b"text"))?;
    t.done("chmod", syscalls::chmod(t.at("a"), 0o600))?;
    t.done("rename", syscalls::rename(t.at("a"), t.at("b")))?;
    t.done("mkdir", syscalls::mkdir(t.at("d"), 0o755))?;
    t.done("unlink", syscalls::unlink(t.at("b")))?;
    t.done("rmdir", syscalls::rmdir(t.at("d")))?;
    let mut room = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&queue, &mut room);
    let mut seen = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        seen.push((event.events(), name.unwrap_or_default()));
    }
    let dir = ReadFlags::ISDIR;
    let expected = [
        (ReadFlags::CREATE, "a"),
        (ReadFlags::MODIFY, "a"),
        (ReadFlags::ATTRIB, "a"),
        (ReadFlags::MOVED_FROM, "a"),
        (ReadFlags::MOVED_TO, "b"),
        (ReadFlags::CREATE | dir, "d"),
        (ReadFlags::DELETE, "b"),
        (ReadFlags::DELETE | dir, "d"),
    ];
    let expected: Vec<_> = expected
        .map(|(flags, name)| (flags, name.to_owned()))
        .into();
    t.same("events", seen, expected);
    Ok(())
}
