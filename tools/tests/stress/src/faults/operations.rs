// SPDX-License-Identifier: GPL-2.0

//! Fails each allocation of each operation of a filesystem in memory.
//!
//! An operation with a failed allocation must fail with `ENOMEM` or `ENOSPC`, or succeed. Once its
//! files are removed, the filesystem must have as many free pages and inodes as when it was empty.

use kselftest::acl;
use kselftest::failslab::Injection;
use rustix::{
    fs::{
        AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RenameFlags, XattrFlags, chmod,
        fallocate, ftruncate, linkat, mkdir, mknodat, open, renameat_with, setxattr, statvfs,
    },
    io::{Errno, pwrite},
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
};
use std::{
    error::Error,
    ffi::CString,
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// The counts of failed allocations.
#[derive(Default)]
pub(crate) struct Outcome {
    /// How many allocations were made to fail.
    pub(crate) injected: u32,
    /// How many operations failed for it.
    pub(crate) refused: u32,
}

type Call = fn(&Path) -> Result<(), Errno>;

/// The operations. Each runs in a directory with a file `f` and a directory `d`.
const OPERATIONS: &[(&str, Call)] = &[
    ("create", |at| make_file(&at.join("new"), OFlags::EXCL)),
    ("mkdir", |at| mkdir(at.join("new"), Mode::from(0o755))),
    ("mknod", |at| {
        mknodat(CWD, at.join("new"), FileType::Fifo, Mode::from(0o644), 0)
    }),
    ("symlink", |at| {
        rustix::fs::symlink("x".repeat(200), at.join("new"))
    }),
    ("link", |at| rustix::fs::link(at.join("f"), at.join("new"))),
    ("unlink", |at| rustix::fs::unlink(at.join("f"))),
    ("rmdir", |at| rustix::fs::rmdir(at.join("d"))),
    ("rename", |at| {
        rename(at, "f", "d/new", RenameFlags::NOREPLACE)
    }),
    ("rename over", |at| {
        make_file(&at.join("d/old"), OFlags::empty())?;
        rename(at, "f", "d/old", RenameFlags::empty())
    }),
    ("exchange", |at| rename(at, "f", "d", RenameFlags::EXCHANGE)),
    ("whiteout", |at| {
        rename(at, "f", "d/new", RenameFlags::WHITEOUT)
    }),
    ("tmpfile", |at| {
        let flags = OFlags::TMPFILE | OFlags::WRONLY;
        let file = open(at, flags, Mode::from(0o600))?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, link, CWD, at.join("new"), AtFlags::SYMLINK_FOLLOW)
    }),
    ("write", |at| {
        let file = open(at.join("f"), OFlags::WRONLY, Mode::empty())?;
        let page = [7; 4096];
        (0..20).try_for_each(|i| match pwrite(&file, &page, i * 8192)? {
            4096 => Ok(()),
            _ => Err(Errno::IO),
        })
    }),
    ("truncate", |at| {
        let file = open(at.join("f"), OFlags::WRONLY, Mode::empty())?;
        ftruncate(&file, 1 << 20)?;
        ftruncate(&file, 100)
    }),
    ("fallocate", |at| {
        let file = open(at.join("f"), OFlags::WRONLY, Mode::empty())?;
        fallocate(&file, FallocateFlags::empty(), 0, 80 << 10)
    }),
    ("xattr", |at| {
        let none = XattrFlags::empty();
        setxattr(at.join("f"), "user.a", &[1; 300], none)?;
        setxattr(at.join("f"), "trusted.b", &[2; 300], none)?;
        setxattr(at.join("f"), "user.a", &[3; 900], none)
    }),
    ("acl", |at| {
        let acl = acl::with_entry(7, (acl::USER, 7, 1000), 7, 5);
        let none = XattrFlags::empty();
        setxattr(at.join("d"), acl::DEFAULT, &acl, none)?;
        make_file(&at.join("d/heir"), OFlags::EXCL)?;
        chmod(at.join("d/heir"), Mode::from(0o600))
    }),
    ("remount", |at| {
        let options = CString::new("size=8m").unwrap_or_default();
        mount_remount(at, MountFlags::empty(), options.as_c_str())
    }),
];

fn make_file(path: &Path, flags: OFlags) -> Result<(), Errno> {
    open(
        path,
        flags | OFlags::CREATE | OFlags::WRONLY,
        Mode::from(0o644),
    )
    .map(|_| ())
}

fn rename(at: &Path, from: &str, to: &str, flags: RenameFlags) -> Result<(), Errno> {
    renameat_with(CWD, at.join(from), CWD, at.join(to), flags)
}

/// Free pages and inodes.
fn free(at: &Path) -> Result<(u64, u64), Errno> {
    statvfs(at).map(|all| (all.f_bfree, all.f_ffree))
}

/// Creates the files that the operations need.
fn prepare(at: &Path) -> std::io::Result<()> {
    fs::write(at.join("f"), b"contents")?;
    fs::create_dir(at.join("d"))
}

fn clean(at: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn mounted(kind: &str, at: &Path) -> Result<(), Errno> {
    let options = CString::new("size=4m,nr_inodes=100,mode=755").unwrap_or_default();
    mount(kind, at, kind, MountFlags::empty(), options.as_c_str())
}

/// Fails each allocation of mounting, then each of every operation.
pub(crate) fn run(kind: &str, at: &str) -> Result<Outcome, Box<dyn Error>> {
    let at = PathBuf::from(at);
    let injection = Injection::new()?;
    let mut outcome = Outcome::default();
    fail_each(&injection, &mut outcome, |fail| {
        let (result, injected) = fail(&|| mounted(kind, &at))?;
        if result.is_ok() {
            unmount(&at, UnmountFlags::empty())?;
        }
        Ok((result, injected))
    })
    .map_err(|error| format!("mount: {error}"))?;

    mounted(kind, &at)?;
    let empty = free(&at)?;
    for (name, call) in OPERATIONS {
        fail_each(&injection, &mut outcome, |fail| {
            prepare(&at)?;
            let answer = fail(&|| call(&at))?;
            clean(&at)?;
            // A remount changes the size.
            let options = CString::new("size=4m").unwrap_or_default();
            mount_remount(&at, MountFlags::empty(), options.as_c_str())?;
            let left = free(&at)?;
            if left != empty {
                return Err(
                    format!("free pages and inodes went from {empty:?} to {left:?}").into(),
                );
            }
            Ok(answer)
        })
        .map_err(|error| format!("{name}: {error}"))?;
    }
    unmount(&at, UnmountFlags::empty())?;
    Ok(outcome)
}

type SyscallResult = (Result<(), Errno>, bool);
type Fail<'a> = dyn Fn(&dyn Fn() -> Result<(), Errno>) -> std::io::Result<SyscallResult> + 'a;

/// Calls `round` with each allocation failing in turn, until there is none left. That round must
/// succeed.
fn fail_each(
    injection: &Injection,
    outcome: &mut Outcome,
    round: impl Fn(&Fail<'_>) -> Result<SyscallResult, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for nth in 1..10_000 {
        let fail = |call: &dyn Fn() -> Result<(), Errno>| injection.fail_nth(nth, call);
        let (result, injected) =
            round(&fail).map_err(|error| format!("allocation {nth}: {error}"))?;
        match result {
            Ok(()) if !injected => return Ok(()),
            Ok(()) => {}
            Err(Errno::NOMEM | Errno::NOSPC) if injected => outcome.refused += 1,
            Err(error) => return Err(format!("allocation {nth}: {error}").into()),
        }
        outcome.injected += 1;
    }
    Err("there is always one more allocation".into())
}
