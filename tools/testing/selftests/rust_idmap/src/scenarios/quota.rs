// SPDX-License-Identifier: GPL-2.0

//! Quotas count files that are created or given away through an idmapped mount for their owner on
//! disk.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kselftest::filesystem::{program, EXT4, XFS};
use kselftest::ktap::{check_eq, skipped, Context, Failure, Outcome};
use kselftest::raw;
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};

use super::{note, nothing, scenario, On, Scenario};
use crate::attr;
use crate::caller::{everybody, CallerNamespaces, CallerNs, SyscallResult, Who, DISK, SEEN};
use crate::calls;
use crate::fixture::Fixture;
use crate::op::{EPERM, OK};

pub(super) const ALL: &[Scenario] = &[
    scenario("quota.count_of_files", ON, count_of_files),
    scenario("quota.given_away", ON, given_away),
    scenario("quota.limit", ON, limit),
    scenario("quota.who_may_ask", ON, who_may_ask),
];
const ON: On = On::Types(&[EXT4, XFS]);

// `linux/quota.h`
const GETQUOTA: u32 = 0x80_0007 << 8;
const SETQUOTA: u32 = 0x80_0008 << 8;
const USERS: u32 = 0;
const GROUPS: u32 = 1;
/// The offsets of the file limit, the file count and the valid fields in `struct if_dqblk`.
const FILES_LIMIT: usize = 24;
const FILES: usize = 40;
const VALID: usize = 64;
/// `QIF_ILIMITS`.
const VALID_FILES_LIMIT: u32 = 4;

/// A filesystem that counts, and the mount with the map; gone with the value.
struct Counted {
    image: PathBuf,
    disk: PathBuf,
    seen: PathBuf,
}

impl Counted {
    fn new(fixture: &Fixture, namespaces: &CallerNamespaces) -> Result<Self, Failure> {
        // The device of the last one may still be there, and would write to an image of its name.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = fixture.disk.with_file_name("counted");
        let counted = Self {
            image: root.join(format!("image-{number}")),
            disk: root.join("disk"),
            seen: root.join("seen"),
        };
        for path in [&counted.disk, &counted.seen] {
            std::fs::create_dir_all(path).context("making directories")?;
        }
        let (maker, size, options): (&[&str], u64, &str) = match fixture.kind {
            XFS => (&["mkfs.xfs", "-q", "-f"], 300 << 20, "loop,uquota,gquota"),
            _ => (
                &["mkfs.ext4", "-q", "-F", "-O", "quota"],
                16 << 20,
                "loop,usrquota,grpquota",
            ),
        };
        File::create(&counted.image)
            .and_then(|file| file.set_len(size))
            .context("making an image")?;
        let (image, disk) = (
            counted.image.to_string_lossy(),
            counted.disk.to_string_lossy(),
        );
        let words: Vec<&str> = maker.iter().copied().chain([&*image]).collect();
        program(&words)?;
        let mounted = program(&[
            "mount",
            "-t",
            fixture.kind.name,
            "-o",
            options,
            &image,
            &disk,
        ]);
        mounted.map_err(|(Failure::Failed(why) | Failure::Skipped(why))| {
            // In one line, as a reason to skip has to be.
            let why: Vec<&str> = why.split_whitespace().collect();
            skipped(format_args!("does this kernel count? {}", why.join(" ")))
        })?;
        attr::idmap(&counted.disk, &counted.seen, namespaces.mounts.as_fd())
            .context("mounting with a map")?;
        std::fs::create_dir(counted.disk.join("t")).context("making a directory")?;
        std::os::unix::fs::chown(counted.disk.join("t"), Some(DISK + 9), Some(DISK + 9))
            .context("giving it away")?;
        use std::os::unix::fs::PermissionsExt;
        let open_to_all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(counted.disk.join("t"), open_to_all).context("opening it")?;
        Ok(counted)
    }

    /// How many files are a user's or a group's on disk.
    fn files(&self, kind: u32, id: u32) -> Result<u64, Failure> {
        let root = File::open(&self.disk).context("opening")?;
        asked(&root, kind, id).context("Q_GETQUOTA")
    }

    /// Does something in the directory as a caller in the initial namespace.
    fn call(
        &self,
        namespaces: &CallerNamespaces,
        who: Who,
        call: fn() -> SyscallResult,
    ) -> SyscallResult {
        let directory = self.seen.join("t");
        namespaces.run_as(who, CallerNs::Initial, || {
            rustix::process::chdir(&directory)?;
            call()
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        for path in [&self.seen, &self.disk] {
            let _ = unmount(Path::new(path), UnmountFlags::DETACH);
        }
        let _ = std::fs::remove_file(&self.image);
    }
}

fn number(data: &[u8], at: usize) -> u64 {
    data.get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .map_or(0, u64::from_ne_bytes)
}

fn count_of_files(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let counted = Counted::new(fixture, namespaces)?;
    let make = || {
        calls::create("a", 0o644)?;
        calls::mkdir("b", 0o755)?;
        calls::symlink("a", "c")
    };
    check_eq(
        "making three",
        counted.call(namespaces, Who::Stranger, make),
        OK,
    )?;
    for kind in [USERS, GROUPS] {
        check_eq("the maker's on disk", counted.files(kind, DISK + 1)?, 3)?;
        check_eq(
            "of the number that is seen",
            counted.files(kind, SEEN + 1)?,
            0,
        )?;
    }
    Ok(())
}

fn given_away(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let counted = Counted::new(fixture, namespaces)?;
    let made = counted.call(namespaces, Who::Admin, || {
        calls::create("a", 0o644)?;
        calls::chown("a", Some(SEEN + 4), Some(SEEN + 3))
    });
    check_eq("making one and giving it away", made, OK)?;
    check_eq("the maker's", counted.files(USERS, DISK + 5)?, 0)?;
    check_eq("the new owner's", counted.files(USERS, DISK + 4)?, 1)?;
    check_eq("the new group's", counted.files(GROUPS, DISK + 3)?, 1)?;
    check_eq(
        "of the number that is seen",
        counted.files(USERS, SEEN + 4)?,
        0,
    )
}

fn limit(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let counted = Counted::new(fixture, namespaces)?;
    let root = File::open(&counted.disk).context("opening")?;
    let mut data = [0; 256];
    data[FILES_LIMIT..FILES_LIMIT + 8].copy_from_slice(&2u64.to_ne_bytes());
    data[VALID..VALID + 4].copy_from_slice(&VALID_FILES_LIMIT.to_ne_bytes());
    raw::quotactl(root.as_fd(), SETQUOTA | USERS, DISK + 1, &mut data).context("Q_SETQUOTA")?;
    let make = || {
        calls::create("a", 0o644)?;
        calls::create("b", 0o644)?;
        Ok(u64::from(calls::create("c", 0o644) == Err(Errno::DQUOT)))
    };
    check_eq(
        "two, and the third refused",
        counted.call(namespaces, Who::Stranger, make),
        Ok(1),
    )?;
    // Those of others are not limited.
    let more = || {
        ["x", "y", "z"]
            .iter()
            .try_for_each(|name| calls::create(name, 0o644).map(drop))
            .map(|()| 0)
    };
    check_eq(
        "three of another",
        counted.call(namespaces, Who::Owner, more),
        OK,
    )
}

fn who_may_ask(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let counted = Counted::new(fixture, namespaces)?;
    let mut wrong = String::new();
    let made = counted.call(namespaces, Who::Owner, || calls::create("a", 0o644));
    check_eq("making one", made, OK)?;
    let root = File::open(&counted.seen).context("opening")?;
    // Quotas belong to the filesystem. No mount maps the id of a call. Each
    // caller may get the quota of its own id, which is the owner's id for one caller only.
    for (who, ns) in everybody() {
        for (kind, id) in [USERS, GROUPS]
            .into_iter()
            .flat_map(|kind| [who.id(), DISK, SEEN].map(|id| (kind, id)))
        {
            let Some(number) = ns.number(id) else {
                continue;
            };
            let own = id == who.id() || (who, kind, id) == (Who::Member, GROUPS, SEEN);
            let expected = match own || (who, ns) == (Who::Admin, CallerNs::Initial) {
                true => Ok(u64::from(id == DISK)),
                false => EPERM,
            };
            let answer = namespaces.run_as(who, ns, || asked(&root, kind, number));
            note(&mut wrong, (who, ns), answer, expected);
        }
    }
    nothing(wrong)
}

/// Returns the file count of a user or a group.
fn asked(root: &File, kind: u32, id: u32) -> SyscallResult {
    let mut data = [0; 256];
    match raw::quotactl(root.as_fd(), GETQUOTA | kind, id, &mut data) {
        // Nothing was ever counted for it.
        Err(Errno::SRCH | Errno::NOENT) => Ok(0),
        answer => answer.map(|_| number(&data, FILES)),
    }
}
