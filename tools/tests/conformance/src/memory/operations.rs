// SPDX-License-Identifier: GPL-2.0

//! The operations whose allocations are made to fail.

use std::{
    cell::Cell,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    rc::Rc,
};

use kselftest::errno::SyscallResult;
use kselftest::handle;
use kselftest::mapping::Mapping;
use kselftest::syscalls;
use rustix::{
    fs::{FallocateFlags, FileType, OFlags as O, RenameFlags, Timespec},
    io::Errno,
};

use super::OPTIONS;
use crate::small;

pub(super) type Call = Box<dyn Fn() -> SyscallResult<()>>;

/// A single call, which is taken back if it is done: by name, and how to prepare it in a directory.
pub(crate) type Operation = (&'static str, fn(&Path) -> SyscallResult<(Call, Call)>);

pub(crate) const OPERATIONS: &[Operation] = &[
    ("creat", |dir| {
        let (file, gone) = (dir.join("new"), dir.join("new"));
        call(
            move || syscalls::create(&file, 0o644).map(drop),
            move || syscalls::unlink(&gone),
        )
    }),
    ("mkdir", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        call(
            move || syscalls::mkdir(&new, 0o755),
            move || syscalls::rmdir(&gone),
        )
    }),
    ("mknod", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        call(
            move || syscalls::mknod(&new, FileType::Fifo, 0o644, 0),
            move || syscalls::unlink(&gone),
        )
    }),
    ("symlink", |dir| {
        let (new, gone) = (dir.join("new"), dir.join("new"));
        call(
            move || syscalls::symlink("a target", &new),
            move || syscalls::unlink(&gone),
        )
    }),
    ("symlink_long", |dir| {
        let (new, gone, target) = (dir.join("new"), dir.join("new"), "t".repeat(3000));
        call(
            move || syscalls::symlink(&target, &new),
            move || syscalls::unlink(&gone),
        )
    }),
    ("rmdir", |dir| {
        let (gone, back) = (dir.join("gone"), dir.join("gone"));
        syscalls::mkdir(&gone, 0o755)?;
        call(
            move || syscalls::rmdir(&gone),
            move || syscalls::mkdir(&back, 0o755),
        )
    }),
    ("readlink", |dir| {
        let link = dir.join("link");
        syscalls::symlink("t".repeat(3000), &link)?;
        call(move || syscalls::readlink(&link, 4096).map(drop), || Ok(()))
    }),
    ("follow", |dir| {
        let link = dir.join("link");
        syscalls::symlink("dir", &link)?;
        call(move || syscalls::names(&link).map(drop), || Ok(()))
    }),
    ("link", |dir| {
        let (file, new, gone) = (dir.join("file"), dir.join("new"), dir.join("new"));
        call(
            move || syscalls::link(&file, &new),
            move || syscalls::unlink(&gone),
        )
    }),
    ("tmpfile", |dir| {
        let dir = dir.to_owned();
        let open = move || syscalls::open(&dir, O::TMPFILE | O::RDWR, 0o600).map(drop);
        call(open, || Ok(()))
    }),
    ("link_tmpfile", |dir| {
        let (dir, new, gone) = (dir.to_owned(), dir.join("new"), dir.join("new"));
        let named = move || {
            let fd = syscalls::open(&dir, O::TMPFILE | O::RDWR, 0o600)?;
            syscalls::link_open(&fd, &new)
        };
        call(named, move || syscalls::unlink(&gone))
    }),
    ("creat_with_acl", |dir| {
        let within = dir.join("dir");
        crate::cases::set_default_acl(&within)?;
        let (file, gone) = (within.join("new"), within.join("new"));
        call(
            move || syscalls::create(&file, 0o644).map(drop),
            move || syscalls::unlink(&gone),
        )
    }),
    ("mkdir_with_acl", |dir| {
        let within = dir.join("dir");
        crate::cases::set_default_acl(&within)?;
        let (new, gone) = (within.join("new"), within.join("new"));
        call(
            move || syscalls::mkdir(&new, 0o755),
            move || syscalls::rmdir(&gone),
        )
    }),
    ("rename", |dir| renaming(dir, RenameFlags::empty())),
    ("rename_noreplace", |dir| {
        renaming(dir, RenameFlags::NOREPLACE)
    }),
    ("rename_over", |dir| {
        let (a, b) = (dir.join("file"), dir.join("dir/file"));
        let (c, d) = (a.clone(), b.clone());
        syscalls::create(&b, 0o600)?;
        let back = move || {
            syscalls::rename(&d, &c)?;
            syscalls::create(&d, 0o600).map(drop)
        };
        call(move || syscalls::rename(&a, &b), back)
    }),
    ("rename_whiteout", |dir| {
        let (a, b) = (dir.join("file"), dir.join("dir/file"));
        let (c, d) = (a.clone(), b.clone());
        let back = move || syscalls::rename(&d, &c);
        call(
            move || syscalls::rename_with(&a, &b, RenameFlags::WHITEOUT),
            back,
        )
    }),
    ("rename_exchange", |dir| {
        let (a, b) = (dir.join("file"), dir.join("dir"));
        let (c, d) = (a.clone(), b.clone());
        let swap = |a: &Path, b: &Path| syscalls::rename_with(a, b, RenameFlags::EXCHANGE);
        call(move || swap(&a, &b), move || swap(&c, &d))
    }),
    ("write", |dir| {
        let fd = syscalls::create(dir.join("written"), 0o644)?;
        let same = rustix::io::dup(&fd)?;
        let back = move || rustix::fs::ftruncate(&same, 0);
        call(
            move || rustix::io::pwrite(&fd, &[1; 20_000], 10_000).map(drop),
            back,
        )
    }),
    ("fallocate", |dir| {
        let fd = syscalls::create(dir.join("allocated"), 0o644)?;
        let same = rustix::io::dup(&fd)?;
        let back = move || rustix::fs::ftruncate(&same, 0);
        let none = FallocateFlags::empty();
        call(move || rustix::fs::fallocate(&fd, none, 0, 20_000), back)
    }),
    ("punch", |dir| {
        let (file, back) = (dir.join("punched"), dir.join("punched"));
        syscalls::write_file(&file, &[1; 20_000])?;
        let punch = move || {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(syscalls::open_rw(&file)?, flags, 3000, 10_000)
        };
        call(punch, move || syscalls::write_file(&back, &[1; 20_000]))
    }),
    ("read_hole", |dir| {
        let (file, (_fd, undo)) = (dir.join("hole"), hole(dir)?);
        let read = move || syscalls::pread(syscalls::open_ro(&file)?, 1, HOLE / 2).map(drop);
        call(read, undo)
    }),
    ("map", |dir| {
        let (fd, _undo) = hole(dir)?;
        let mapped = Rc::new(Cell::new(None));
        let kept = Rc::clone(&mapped);
        let map = move || {
            let map = Mapping::new(fd.as_fd(), HOLE as usize, true, libc::MAP_SHARED)?;
            // To unmap it takes memory, too.
            kept.set(Some(map));
            Ok(())
        };
        let unmap = move || {
            mapped.set(None);
            Ok(())
        };
        call(map, unmap)
    }),
    ("store", |dir| {
        let (fd, undo) = hole(dir)?;
        let map = Mapping::new(fd.as_fd(), HOLE as usize, true, libc::MAP_SHARED)?;
        let zero = syscalls::open_ro("/dev/zero")?;
        // By the kernel, which may not do without: a program that does is sent back to try again.
        let store = move || match map.fill_from(HOLE as usize / 2, zero.as_fd()) {
            Err(Errno::FAULT) => Err(Errno::NOMEM),
            other => other.map(drop),
        };
        call(store, undo)
    }),
    ("send", |dir| {
        let (from, fd) = (
            syscalls::open_ro(dir.join("file"))?,
            syscalls::create(dir.join("sent"), 0o644)?,
        );
        let same = rustix::io::dup(&fd)?;
        let back = move || rustix::fs::ftruncate(&same, 0);
        let send = move || {
            rustix::fs::seek(&fd, rustix::fs::SeekFrom::Start(0))?;
            rustix::fs::sendfile(&fd, &from, Some(&mut 0), 4).map(drop)
        };
        call(send, back)
    }),
    ("truncate", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        call(
            move || syscalls::truncate(&file, 9000),
            move || syscalls::truncate(&back, 4),
        )
    }),
    ("setxattr", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        let set = move || syscalls::set_xattr(&file, "user.a", &[1; 300]);
        call(set, move || syscalls::remove_xattr(&back, "user.a"))
    }),
    ("setxattr_over_one", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        syscalls::set_xattr(&file, "user.b", b"old")?;
        let set = move || syscalls::set_xattr(&file, "user.b", &[1; 300]);
        call(set, move || syscalls::set_xattr(&back, "user.b", b"old"))
    }),
    ("getxattr", |dir| {
        let file = dir.join("file");
        syscalls::set_xattr(&file, "user.c", &[1; 300])?;
        let get = move || rustix::fs::lgetxattr(&file, "user.c", &mut [0; 400]).map(drop);
        call(get, || Ok(()))
    }),
    ("list_xattr", |dir| {
        let file = dir.join("file");
        syscalls::set_xattr(&file, "user.d", b"value")?;
        call(move || syscalls::list_xattr(&file).map(drop), || Ok(()))
    }),
    ("removexattr", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        syscalls::set_xattr(&file, "user.e", b"value")?;
        call(
            move || syscalls::remove_xattr(&file, "user.e"),
            move || syscalls::set_xattr(&back, "user.e", b"value"),
        )
    }),
    ("set_acl", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        let undo = move || {
            syscalls::remove_xattr(&back, "system.posix_acl_access")?;
            syscalls::chmod(&back, 0o644)
        };
        call(move || crate::cases::set_acl(&file), undo)
    }),
    ("get_acl", |dir| {
        let file = dir.join("acl");
        syscalls::create(&file, 0o644)?;
        crate::cases::set_acl(&file)?;
        let name = "system.posix_acl_access";
        let get = move || rustix::fs::lgetxattr(&file, name, &mut [0; 400]).map(drop);
        call(get, || Ok(()))
    }),
    ("remove_acl", |dir| {
        let (file, back) = (dir.join("acl"), dir.join("acl"));
        syscalls::create(&file, 0o644)?;
        crate::cases::set_acl(&file)?;
        call(
            move || syscalls::remove_xattr(&file, "system.posix_acl_access"),
            move || crate::cases::set_acl(&back),
        )
    }),
    ("set_default_acl", |dir| {
        let (within, back) = (dir.join("dir"), dir.join("dir"));
        call(
            move || crate::cases::set_default_acl(&within),
            move || syscalls::remove_xattr(&back, "system.posix_acl_default"),
        )
    }),
    ("chmod_with_acl", |dir| {
        let (file, back) = (dir.join("acl"), dir.join("acl"));
        syscalls::create(&file, 0o644)?;
        crate::cases::set_acl(&file)?;
        call(
            move || syscalls::chmod(&file, 0o717),
            move || syscalls::chmod(&back, 0o760),
        )
    }),
    ("chown", |dir| {
        let (file, back) = (dir.join("file"), dir.join("file"));
        call(
            move || syscalls::give(&file, 1000),
            move || syscalls::give(&back, 0),
        )
    }),
    ("utimes", |dir| {
        let file = dir.join("file");
        let time = Timespec {
            tv_sec: 1,
            tv_nsec: 2,
        };
        call(move || syscalls::set_times(&file, time, time), || Ok(()))
    }),
    ("stat", |dir| {
        let file = dir.join("file");
        call(move || syscalls::statx(&file).map(drop), || Ok(()))
    }),
    ("lookup", |dir| {
        let none = dir.join("none");
        let look = move || match syscalls::stat(&none) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map(drop),
        };
        call(look, || Ok(()))
    }),
    ("open", |dir| {
        let file = dir.join("file");
        call(move || syscalls::open_rw(&file).map(drop), || Ok(()))
    }),
    ("list", |dir| {
        let dir = dir.to_owned();
        call(move || syscalls::names(&dir).map(drop), || Ok(()))
    }),
    ("unlink", |dir| {
        let (file, back) = (dir.join("gone"), dir.join("gone"));
        syscalls::create(&file, 0o644)?;
        call(
            move || syscalls::unlink(&file),
            move || syscalls::create(&back, 0o644).map(drop),
        )
    }),
    ("handle", |dir| {
        let file = dir.join("file");
        let mount = syscalls::open_ro(dir)?;
        let (handle, answer) = handle::name_to_handle(&file, 128, 0);
        answer?;
        let open = move || handle::open(&mount, &handle, libc::O_RDONLY).map(drop);
        call(open, || Ok(()))
    }),
    ("handle_of", |dir| {
        let file = dir.join("file");
        call(move || handle::name_to_handle(&file, 128, 0).1, || Ok(()))
    }),
    ("statfs", |dir| {
        let dir = dir.to_owned();
        call(move || rustix::fs::statfs(&dir).map(drop), || Ok(()))
    }),
    ("show_options", |_| {
        let show = || syscalls::read_file("/proc/self/mountinfo").map(drop);
        call(show, || Ok(()))
    }),
    ("remount", |dir| {
        let (dir, same) = (dir.to_owned(), dir.to_owned());
        call(
            move || small::remount(&dir, "size=2m,nr_inodes=200"),
            move || small::remount(&same, OPTIONS),
        )
    }),
];

/// The size of a file that is one hole. Its pages would be below nodes of three levels.
const HOLE: u64 = 4096 * 64 * 64 * 2;

/// A file that is a hole, and how to make it one again.
fn hole(dir: &Path) -> SyscallResult<(Rc<OwnedFd>, impl Fn() -> SyscallResult<()> + 'static)> {
    let fd = Rc::new(syscalls::create(dir.join("hole"), 0o644)?);
    let same = Rc::clone(&fd);
    let empty = move || {
        rustix::fs::ftruncate(&*same, 0)?;
        rustix::fs::ftruncate(&*same, HOLE)
    };
    empty()?;
    Ok((fd, empty))
}

fn call(
    call: impl Fn() -> SyscallResult<()> + 'static,
    undo: impl Fn() -> SyscallResult<()> + 'static,
) -> SyscallResult<(Call, Call)> {
    Ok((Box::new(call), Box::new(undo)))
}

fn renaming(dir: &Path, flags: RenameFlags) -> SyscallResult<(Call, Call)> {
    let (a, b) = (dir.join("file"), dir.join("dir/file"));
    let (c, d) = (a.clone(), b.clone());
    call(
        move || syscalls::rename_with(&a, &b, flags),
        move || syscalls::rename(&d, &c),
    )
}
