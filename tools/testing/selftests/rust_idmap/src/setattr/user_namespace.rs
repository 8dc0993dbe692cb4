// SPDX-License-Identifier: GPL-2.0

//! Permission to write a map with the root user of the parent user namespace. File capabilities
//! that a process in the child namespace writes are in effect in the parent, so this needs
//! CAP_SETFCAP.

use std::fs;
use std::path::Path;

use kselftest::errno::from_io;
use kselftest::ktap::{check_eq, Outcome};
use kselftest::process;
use kselftest::userns::UserNs;
use rustix::io::Errno;
use rustix::process::Uid;
use rustix::thread::{
    capabilities, set_capabilities, set_thread_res_uid, CapabilitySet, UnshareFlags,
};

use super::Entry;
use crate::caller::SyscallResult;
use crate::op::{EPERM, OK};

pub(super) const TESTS: &[Entry] = &[
    ("root_by_who_is_in_it", root_by_who_is_in_it),
    ("root_by_another", root_by_another),
];

const ROOT: &str = "0 0 1";
const ANOTHER: &str = "0 1000 1";
/// The kernel allocates arrays for six extents or more.
const SIX: &str = "0 1 1\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n9 0 1";
const SIX_OTHERS: &str = "0 1 1\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n9 6 1";

/// Drops CAP_SETFCAP.
fn give_up() -> Result<(), Errno> {
    let mut sets = capabilities(None)?;
    for set in [
        &mut sets.effective,
        &mut sets.permitted,
        &mut sets.inheritable,
    ] {
        set.remove(CapabilitySet::SETFCAP);
    }
    set_capabilities(None, sets)
}

/// Makes a namespace and writes its map from within, for a single id, which is the writer's.
fn within(user: u32, map: &str, prepare: fn() -> Result<(), Errno>) -> SyscallResult {
    process::isolated(|| {
        prepare()?;
        let user = Uid::from_raw(user);
        set_thread_res_uid(user, user, user)?;
        process::unshare(UnshareFlags::NEWUSER)?;
        // Otherwise its own files in /proc are root's.
        process::set_dumpable()?;
        fs::write("/proc/self/uid_map", map).map_err(from_io)?;
        Ok(0)
    })
}

fn root_by_who_is_in_it(_: &Path) -> Outcome {
    check_eq("with it", within(0, ROOT, || Ok(())), OK)?;
    check_eq("without it", within(0, ROOT, give_up), EPERM)?;
    check_eq("another user", within(1000, ANOTHER, give_up), OK)
}

fn root_by_another(_: &Path) -> Outcome {
    let write = |map, prepare: fn() -> Result<(), Errno>| {
        process::isolated(|| {
            prepare()?;
            UserNs::with(map).map(|_| 0)
        })
    };
    for (with_root, without) in [(ROOT, ANOTHER), (SIX, SIX_OTHERS)] {
        check_eq("with it", write(with_root, || Ok(())), OK)?;
        check_eq("without it", write(with_root, give_up), EPERM)?;
        check_eq("others without it", write(without, give_up), OK)?;
    }
    Ok(())
}
