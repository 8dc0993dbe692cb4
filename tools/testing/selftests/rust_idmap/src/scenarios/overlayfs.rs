// SPDX-License-Identifier: GPL-2.0

//! overlayfs whose layers, and which itself, are mounted with maps.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::errno::from_io;
use kselftest::filesystem::{program, Feature};
use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use kselftest::process;
use kselftest::userns::UserNs;
use rustix::fs::lstat;
use rustix::io::Errno;
use rustix::mount::{mount, unmount, MountFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::{note, nothing, scenario, On, Scenario};
use crate::attr;
use crate::caller::{CallerNamespaces, CallerNs, SyscallResult, Who, COUNT, DISK, FOREIGN, SEEN};
use crate::calls;
use crate::fixture::{Fixture, TestCase};
use crate::op::{show, EACCES, EOVERFLOW, OK};

const ON: On = On::With(&[Feature::Owners, Feature::UpperLayer]);

pub(super) const ALL: &[Scenario] = &[
    scenario("overlayfs.lower_layer", ON, lower),
    scenario("overlayfs.copied_up_from_lower_layer", ON, copied_up),
    scenario("overlayfs.upper_layer", ON, upper),
    scenario("overlayfs.merged", ON, merged),
    scenario("overlayfs.copied_up_in_a_namespace", ON, in_namespace),
];

/// Layers, and the overlay of them; all is unmounted with the value.
struct Layers {
    case: TestCase,
    /// The mount that the layers are taken from.
    mapped: PathBuf,
    merged: PathBuf,
    seen: PathBuf,
}

impl Layers {
    /// Makes the layers; of `dir/file` in the lower one the owner is the owner.
    fn new(fixture: &Fixture) -> Result<Self, Failure> {
        let case = fixture.case(Who::Owner, CallerNs::Initial)?;
        for name in ["lower", "upper", "work", "mapped", "merged", "seen"] {
            // The layers belong to the owner on disk.
            case.directory(name, DISK, 0o755)?;
        }
        case.directory("lower/dir", DISK, 0o755)?;
        case.file("lower/dir/file", DISK, 0o600)?;
        // Root, whose credentials overlayfs uses, and all ids of the idmap.
        let map = format!("0 0 1\n{DISK} {SEEN} {COUNT}\n");
        let userns = UserNs::with(&map).context("making a user namespace")?;
        let mapped = case.on_disk("mapped");
        let path = |name| case.on_disk(name);
        attr::idmap(&case.disk, &mapped, userns.as_fd()).context("mounting with a map")?;
        let (merged, seen) = (path("merged"), path("seen"));
        Ok(Self {
            mapped,
            merged,
            seen,
            case,
        })
    }

    fn mount(&self, upper: &Path) -> Outcome {
        let lower = self.mapped.join("lower");
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.join("upper").display(),
            upper.join("work").display()
        );
        let merged = self.merged.to_string_lossy();
        program(&["mount", "-t", "overlay", "-o", &options, "overlay", &merged])
    }

    /// Does something in the merged directory as every caller in the initial namespace.
    fn each(
        &self,
        namespaces: &CallerNamespaces,
        call: fn() -> SyscallResult,
        expected: [SyscallResult; 5],
    ) -> Outcome {
        let mut wrong = String::new();
        for (who, expected) in Who::ALL.into_iter().zip(expected) {
            let answer = call_as(namespaces, &self.merged, who, call);
            note(&mut wrong, (who, CallerNs::Initial), answer, expected);
        }
        nothing(wrong)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        for path in [&self.seen, &self.merged, &self.mapped] {
            let _ = unmount(path, UnmountFlags::DETACH);
        }
    }
}

/// Does something in a directory as a caller in the initial namespace.
fn call_as(
    namespaces: &CallerNamespaces,
    directory: &Path,
    who: Who,
    call: fn() -> SyscallResult,
) -> SyscallResult {
    namespaces.run_as(who, CallerNs::Initial, || {
        rustix::process::chdir(directory)?;
        call()
    })
}

fn owner(path: &Path) -> Result<u32, Failure> {
    lstat(path)
        .map(|status| status.st_uid)
        .context(path.display())
}

/// Allowed for the owner and for a caller with capabilities.
const READERS: [SyscallResult; 5] = [OK, EACCES, EACCES, EACCES, OK];

fn lower(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let layers = Layers::new(fixture)?;
    layers.mount(&layers.case.disk)?;
    check_eq("seen", owner(&layers.merged.join("dir/file"))?, SEEN)?;
    layers.each(namespaces, || calls::read("dir/file"), READERS)?;
    layers.each(
        namespaces,
        || calls::owner("dir/file"),
        [Ok(u64::from(SEEN)); 5],
    )
}

fn copied_up(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let layers = Layers::new(fixture)?;
    layers.mount(&layers.case.disk)?;
    layers.each(namespaces, || calls::append("dir/file"), READERS)?;
    // The mount of the upper layer is not idmapped, so the owner there is that of the merged
    // directory.
    check_eq(
        "in the upper layer",
        owner(&layers.case.on_disk("upper/dir/file"))?,
        SEEN,
    )?;
    check_eq(
        "in the lower layer",
        owner(&layers.case.on_disk("lower/dir/file"))?,
        DISK,
    )?;
    check_eq("seen", owner(&layers.merged.join("dir/file"))?, SEEN)
}

fn upper(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let layers = Layers::new(fixture)?;
    layers.mount(&layers.mapped)?;
    layers.each(namespaces, || calls::append("dir/file"), READERS)?;
    check_eq(
        "copied up",
        owner(&layers.case.on_disk("upper/dir/file"))?,
        DISK,
    )?;
    let made = call_as(namespaces, &layers.merged, Who::Owner, || {
        calls::create("dir/new", 0o644)
    });
    check_eq("making a file", made, OK)?;
    check_eq("made", owner(&layers.case.on_disk("upper/dir/new"))?, DISK)?;
    check_eq("seen", owner(&layers.merged.join("dir/new"))?, SEEN)?;
    let given = call_as(namespaces, &layers.merged, Who::Admin, || {
        calls::chown("dir/new", Some(SEEN + 4), Some(SEEN + 4))
    });
    check_eq("giving it away", given, OK)?;
    check_eq(
        "given away",
        owner(&layers.case.on_disk("upper/dir/new"))?,
        DISK + 4,
    )
}

fn merged(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let layers = Layers::new(fixture)?;
    layers.mount(&layers.mapped)?;
    fs::create_dir_all(&layers.seen).context("making a directory")?;
    // Id 2000 in the merged directory is 3000 through this mount.
    let userns = UserNs::with(&format!("0 0 1\n{SEEN} 3000 {COUNT}\n")).context("a namespace")?;
    attr::idmap(&layers.merged, &layers.seen, userns.as_fd()).context("mounting the overlay")?;
    check_eq("seen", owner(&layers.seen.join("dir/file"))?, 3000)?;
    let made = process::isolated(|| {
        use rustix::process::{Gid, Uid};
        rustix::process::chdir(&layers.seen)?;
        rustix::thread::set_thread_groups(&[])?;
        let (user, group) = (Uid::from_raw(3000), Gid::from_raw(3000));
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        calls::append("dir/file")?;
        calls::create("dir/new", 0o644)
    });
    check_eq("by the owner that is seen", made, OK)?;
    check_eq(
        "copied up",
        owner(&layers.case.on_disk("upper/dir/file"))?,
        DISK,
    )?;
    check_eq("made", owner(&layers.case.on_disk("upper/dir/new"))?, DISK)?;
    // The owner without this idmap has no access here.
    let other = call_as(namespaces, &layers.seen, Who::Owner, || {
        calls::read("dir/file")
    });
    check_eq("by the owner that is seen without the map", other, EACCES)
}

/// Mounts an overlay of a lower directory and a tmpfs in a new mount namespace of the caller, and
/// writes to `file` there. Returns the owner in the upper directory, by the number of the caller's
/// user namespace.
fn write_to_own(lower: &Path, upper: &Path) -> SyscallResult {
    process::unshare(UnshareFlags::NEWNS)?;
    mount("upper", upper, "tmpfs", MountFlags::empty(), None)?;
    let directory = |name: &str| -> Result<PathBuf, Errno> {
        let path = upper.join(name);
        fs::create_dir(&path).map_err(from_io)?;
        Ok(path)
    };
    let [layer, work, merged] = [
        directory("upper")?,
        directory("work")?,
        directory("merged")?,
    ];
    let options = format!(
        "userxattr,lowerdir={},upperdir={},workdir={}",
        lower.display(),
        layer.display(),
        work.display()
    );
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
    mount(
        "overlay",
        &merged,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    rustix::process::chdir(&merged)?;
    calls::append("file")?;
    lstat(layer.join("file")).map(|status| u64::from(status.st_uid))
}

/// Files whose owner or group is unmapped in the user namespace of the overlay are not copied up.
/// The ids are those that the mount of the lower layer shows.
fn in_namespace(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let ns = CallerNs::Mounts;
    for (mapped, user, group, expected) in [
        (true, DISK, DISK, Ok(u64::from(ns.known(SEEN)))),
        (true, FOREIGN, DISK, EACCES),
        (false, SEEN, SEEN, Ok(u64::from(ns.known(SEEN)))),
        (false, DISK, SEEN, EOVERFLOW),
        (false, SEEN, DISK, EOVERFLOW),
        (false, DISK, DISK, EOVERFLOW),
    ] {
        let case = fixture.case(Who::Admin, ns)?;
        // Writing is for everybody, so it is not the permission bits that refuse it.
        case.give_to("file", user, group, 0o666)?;
        case.directory("upper", DISK, 0o755)?;
        let lower = if mapped { &case.seen } else { &case.disk };
        let upper = case.on_disk("upper");
        let answer = namespaces.run_as(Who::Admin, ns, || write_to_own(lower, &upper));
        if answer != expected {
            let (answer, expected) = (show(answer), show(expected));
            wrong += &format!("{user}:{group}, mapped {mapped}: {answer}, not {expected}\n");
        }
    }
    nothing(wrong)
}
