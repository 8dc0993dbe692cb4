// SPDX-License-Identifier: GPL-2.0

//! The blocks that ext4 reserves for a user (`resuid=`).
//!
//! A process of that user may allocate them through any mount and for files of any owner. The check
//! concerns the caller, as with root, which is the default user. No id is stored.

use std::fs::{self, File};
use std::os::fd::AsFd;

use kselftest::filesystem::{program, EXT4};
use kselftest::ktap::{Context, Outcome};
use rustix::fs::{fallocate, FallocateFlags, OFlags};
use rustix::io::Errno;
use rustix::mount::{unmount, UnmountFlags};

use super::{note, nothing, scenario, On, Scenario};
use crate::attr;
use crate::caller::{CallerNamespaces, CallerNs, SyscallResult, Who, DISK, SEEN};
use crate::calls;
use crate::fixture::Fixture;
use crate::op::OK;

pub(super) const ALL: &[Scenario] = &[scenario(
    "ext4.blocks_kept_for_a_user",
    On::Types(&[EXT4]),
    kept,
)];

const KIB: u64 = 1 << 10;

/// Makes a file of the working directory longer by this much, with blocks.
fn longer(name: &str, length: u64) -> SyscallResult {
    let file = calls::file(name, OFlags::WRONLY)?;
    let end = rustix::fs::fstat(&file)?.st_size as u64;
    fallocate(&file, FallocateFlags::empty(), end, length).map(|()| 0)
}

/// Takes all blocks that there are for a caller.
fn fill() -> SyscallResult {
    for length in [KIB << 10, 64 * KIB, 4 * KIB] {
        loop {
            match longer("full", length) {
                Ok(_) => {}
                Err(Errno::NOSPC) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(0)
}

fn kept(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let root = fixture.disk.with_file_name("kept");
    let (disk, seen) = (root.join("disk"), root.join("seen"));
    for path in [&disk, &seen] {
        fs::create_dir_all(path).context("making directories")?;
    }
    let run = |user: u32, wrong: &mut String| -> Outcome {
        let image = root.join(format!("image-{user}"));
        File::create(&image)
            .and_then(|file| file.set_len(16 << 20))
            .context("making an image")?;
        let (file, directory) = (image.to_string_lossy(), disk.to_string_lossy());
        program(&["mkfs.ext4", "-q", "-F", "-m", "20", "-b", "4096", &file])?;
        let options = format!("loop,resuid={user}");
        program(&["mount", "-t", "ext4", "-o", &options, &file, &directory])?;
        for name in ["full", "file"] {
            fs::write(disk.join(name), "").context("making a file")?;
            use std::os::unix::fs::PermissionsExt;
            let all = fs::Permissions::from_mode(0o666);
            fs::set_permissions(disk.join(name), all).context("opening it to all")?;
            std::os::unix::fs::chown(disk.join(name), Some(DISK), Some(DISK))
                .context("giving it away")?;
        }
        attr::idmap(&disk, &seen, namespaces.mounts.as_fd()).context("mounting with a map")?;
        let call = |who, call: fn() -> SyscallResult| {
            namespaces.run_as(who, CallerNs::Initial, || {
                rustix::process::chdir(&seen)?;
                call()
            })
        };
        let who = (Who::Stranger, CallerNs::Initial);
        note(wrong, who, call(who.0, fill), OK);
        for who in Who::ALL {
            // CAP_SYS_RESOURCE is enough, too.
            let may = who.id() == user || who == Who::Admin;
            let expected = if may { OK } else { Err(Errno::NOSPC) };
            let answer = call(who, || longer("file", 64 * KIB));
            note(wrong, (who, CallerNs::Initial), answer, expected);
        }
        Ok(())
    };
    for user in [SEEN, DISK] {
        let outcome = run(user, &mut wrong);
        for path in [&seen, &disk] {
            let _ = unmount(path, UnmountFlags::DETACH);
        }
        outcome?;
    }
    nothing(wrong)
}
