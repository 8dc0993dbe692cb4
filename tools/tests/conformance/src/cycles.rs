// SPDX-License-Identifier: GPL-2.0

//! Mounts and unmounts thousands of times, and looks for leaks.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use kselftest::errno;
use kselftest::errno::SyscallResult;
use kselftest::filesystem;
use kselftest::syscalls;
use rustix::{
    fs::FileType,
    io::Errno,
    mount::{FsOpenFlags, MountFlags, UnmountFlags, fsopen},
};

use crate::{
    leaks,
    small::Small,
    test::{Case, Test},
};

/// Mounts, makes one of each kind of file, and unmounts.
fn cycle(kind: &str, fill: bool) -> SyscallResult<()> {
    let small = Small::new(kind, "cycle", "size=64k,nr_inodes=20")?;
    if fill {
        syscalls::write_file(small.at("file"), b"text")?;
        syscalls::link(small.at("file"), small.at("link"))?;
        syscalls::mkdir(small.at("dir"), 0o755)?;
        syscalls::symlink("t".repeat(200), small.at("dir/symlink"))?;
        syscalls::mknod(small.at("dir/pipe"), FileType::Fifo, 0o644, 0)?;
        syscalls::set_xattr(small.at("file"), "user.a", &[1; 500])?;
        crate::cases::set_acl(&small.at("file"))?;
        syscalls::set_xattr(small.at("dir"), "security.a", b"v")?;
    }
    small.end()
}

/// Runs `count` cycles. Memory that is in use must not grow with their number.
pub(crate) fn mounts(t: &Test, count: usize, fill: bool) -> Case {
    let kind = t.mount.kind.clone();
    repeat(t, count, || cycle(&kind, fill))
}

/// A mount that is refused midway leaves nothing behind either.
pub(crate) fn refused_mounts(t: &Test, count: usize) -> Case {
    let kind = t.mount.kind.clone();
    let refused = move || match Small::new(&kind, "cycle", "size=64k,uid=1,nr_inodes=x") {
        Ok(_) => Err(Errno::IO),
        Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    };
    repeat(t, count, refused)
}

/// Loads and unloads the filesystem's module; while it is mounted it must stay.
pub(crate) fn module(t: &Test, file: &Path, count: usize) -> Case {
    let kind = t.mount.kind.clone();
    let stays = |when: &str| {
        let unloaded = run("rmmod", kind.as_ref());
        t.same(&format!("unload {when}"), unloaded, Ok(false));
        t.holds(
            "still known to the kernel",
            filesystem::is_registered(&kind),
        );
    };
    stays("while mounted");
    // The place of this test is one that is mounted; a file in it outlives the mount.
    let test_mount = t.mount.root().to_owned();
    let open = t.done("creat", syscalls::create(t.at("open"), 0o644))?;
    let unmount = |path: &Path| rustix::mount::unmount(path, UnmountFlags::DETACH);
    t.done("umount", unmount(&test_mount))?;
    stays("while a file is open");
    t.done("write to it", syscalls::write_all(&open, b"text"))?;
    drop(open);
    let context = fsopen(&kind[..], FsOpenFlags::FSOPEN_CLOEXEC);
    let context = t.done("fsopen", context)?;
    stays("while a mount is being made");
    drop(context);
    let end = repeat(t, count, || {
        if run("rmmod", kind.as_ref()) != Ok(true) || filesystem::is_registered(&kind) {
            return Err(Errno::BUSY);
        }
        if run("insmod", file) != Ok(true) || !filesystem::is_registered(&kind) {
            return Err(Errno::NODEV);
        }
        cycle(&kind, true)
    });
    let flags = MountFlags::empty();
    t.done(
        "mount",
        rustix::mount::mount(&kind[..], &test_mount, &kind[..], flags, None),
    )?;
    t.done("directory", syscalls::mkdir(t.dir(), 0o755))?;
    end
}

/// Runs a program with an argument; the answer is whether it succeeded.
fn run(program: &str, argument: &Path) -> SyscallResult<bool> {
    let status = Command::new(program)
        .arg(argument)
        .stderr(Stdio::null())
        .status();
    let success = status.map(|status| status.success());
    success.map_err(errno::from_io)
}

/// Does it `count` times to fill the allocator's caches, and again to look for leaks.
fn repeat(t: &Test, count: usize, mut call: impl FnMut() -> SyscallResult<()>) -> Case {
    let mut pass = || -> Case {
        for _ in 0..count {
            t.done("cycle", call())?;
        }
        Ok(())
    };
    pass()?;
    leaks::none(t, count, pass)
}
