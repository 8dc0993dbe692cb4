// SPDX-License-Identifier: GPL-2.0

//! Opening by handle, with the entry in memory and after it was forgotten.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use kselftest::filesystem::Feature;
use kselftest::handle::{self, Handle};
use kselftest::ktap::{check_eq, failed, Context, Failure, Outcome};
use kselftest::process;
use rustix::fs::{fstat, openat, Mode, OFlags, CWD};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::{note, nothing, scenario, On, Scenario, ON_DISKS};
use crate::caller::{
    everybody, CallerNamespaces, CallerNs, SyscallResult, Who, DISK, FOREIGN, SEEN,
};
use crate::fixture::{Fixture, TestCase};
use crate::op::EPERM;

const WITH_HANDLES: On = On::With(&[Feature::Owners, Feature::Handles]);

pub(super) const ALL: &[Scenario] = &[
    scenario("exportfs.file", WITH_HANDLES, |s, p| files(s, p, false)),
    scenario("exportfs.forgotten_file", ON_DISKS, |s, p| {
        files(s, p, true)
    }),
    scenario("exportfs.directory", WITH_HANDLES, |s, p| {
        directories(s, p, false)
    }),
    scenario("exportfs.forgotten_directory", ON_DISKS, |s, p| {
        directories(s, p, true)
    }),
    scenario(
        "exportfs.directory_below_unmapped",
        WITH_HANDLES,
        below_unmapped,
    ),
];

const FILE: &str = "a/b/c/file";
/// The number of attempts to drop the dentries: the kernel keeps those in recent use.
const TRIES: usize = 50;
/// Names that are looked up in between, so that there is something else to forget: the kernel looks
/// at an entry that was used for a second time only where it gets on with others.
const OTHERS: usize = 16;

/// Creates `a/b/c/file`; all four are accessible for the owner only.
fn case(fixture: &Fixture) -> Result<TestCase, Failure> {
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    for name in ["a", "a/b", "a/b/c"] {
        case.directory(name, DISK, 0o700)?;
    }
    case.file(FILE, DISK, 0o600)?;
    Ok(case)
}

fn handle(path: &Path) -> Result<Handle, Failure> {
    handle::of(path, 0).context("name_to_handle_at()")
}

/// Returns the path of a file handle. It fails if the kernel has dropped the dentry, until a lookup
/// by path.
fn known_path(root: &File, handle: &Handle) -> Result<PathBuf, Failure> {
    let file = handle::open(root, handle, libc::O_PATH).context("opening as root")?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).context("looking for the path")
}

/// Makes the kernel drop all unused dentries, also that of `a/b/c/file`, and checks that it did.
fn forget(root: &File, case: &TestCase) -> Outcome {
    let path = case.seen.join(FILE);
    // The dentry of an open file stays, also if a test on another filesystem drops caches.
    let held = openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let held = held.context("opening the path")?;
    let handle = handle(&path)?;
    let mut known = known_path(root, &handle)?;
    for attempt in 0..TRIES {
        if known == path {
            break;
        }
        // An entry that the last time has left, which has no name, is found before the one that
        // has.
        drop_caches(case, attempt)?;
        known = known_path(root, &handle)?;
    }
    check_eq("path before", known, path)?;
    drop(held);
    for attempt in 0..TRIES {
        drop_caches(case, attempt)?;
        if known_path(root, &handle)? == Path::new("/") {
            // The check has brought the inode back.
            return drop_caches(case, attempt);
        }
    }
    Err(failed("the entry is remembered"))
}

/// Drops unused dentries, after lookups of new names that do not exist.
fn drop_caches(case: &TestCase, attempt: usize) -> Outcome {
    for other in 0..OTHERS {
        let name = case.seen.join(format!("none-{attempt}-{other}"));
        check_eq("what there is not", name.exists(), false)?;
    }
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "2").context("dropping caches")
}

/// Opens a file by handle and returns its owner.
fn open(root: impl AsFd, handle: &Handle, flags: OFlags) -> SyscallResult {
    let file = handle::open(root, handle, flags.bits() as i32)?;
    fstat(&file).map(|status| u64::from(status.st_uid))
}

fn files(fixture: &Fixture, namespaces: &CallerNamespaces, forgotten: bool) -> Outcome {
    let mut wrong = String::new();
    let case = case(fixture)?;
    let handle = handle(&case.seen.join(FILE))?;
    let root = File::open(&fixture.seen).context("opening the mount")?;
    for (who, ns) in everybody() {
        if forgotten {
            forget(&root, &case)?;
        }
        let answer = namespaces.run_as(who, ns, || open(&root, &handle, OFlags::RDONLY));
        let expected = match (who, ns) {
            (Who::Admin, CallerNs::Initial) => Ok(u64::from(SEEN)),
            // A file handle of a file needs a capability over the filesystem.
            _ => EPERM,
        };
        note(&mut wrong, (who, ns), answer, expected);
    }
    nothing(wrong)
}

/// Opens a directory of the mount by handle, in a mount namespace of one's own, if one may have
/// that.
fn open_in_own_mounts(seen: &Path, handle: &Handle) -> SyscallResult {
    process::unshare(UnshareFlags::NEWNS)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, seen, flags, Mode::empty())?;
    open(&root, handle, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn directories(fixture: &Fixture, namespaces: &CallerNamespaces, forgotten: bool) -> Outcome {
    let mut wrong = String::new();
    let case = case(fixture)?;
    let handle = handle(&case.seen.join("a/b/c"))?;
    let root = File::open(&fixture.seen).context("opening the mount")?;
    for (who, ns) in everybody() {
        if forgotten {
            forget(&root, &case)?;
        }
        let answer = namespaces.run_as(who, ns, || open_in_own_mounts(&case.seen, &handle));
        let expected = match who {
            // In charge of its mounts, and of all that is on the way.
            Who::Admin => Ok(u64::from(ns.shown(SEEN))),
            _ => EPERM,
        };
        note(&mut wrong, (who, ns), answer, expected);
    }
    nothing(wrong)
}

fn below_unmapped(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = case(fixture)?;
    // Root gets the handle before the dentries are dropped.
    let handle = handle(&case.seen.join("a/b/c"))?;
    case.give("a", FOREIGN, 0o755)?;
    for (who, ns) in everybody() {
        let answer = namespaces.run_as(who, ns, || open_in_own_mounts(&case.seen, &handle));
        let expected = match (who, ns) {
            (Who::Admin, CallerNs::Initial) => Ok(u64::from(SEEN)),
            // Without an own mount namespace, a capability over the filesystem is needed.
            (Who::Owner | Who::Member | Who::Stranger | Who::Unmapped, _) => EPERM,
            // It could not have been reached by its path either.
            _ => Err(Errno::STALE),
        };
        note(&mut wrong, (who, ns), answer, expected);
    }
    nothing(wrong)
}
