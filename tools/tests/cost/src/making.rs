// SPDX-License-Identifier: GPL-2.0

//! What it takes to idmap a mount.

use crate::{
    clock,
    tree::map_text, //
};
use kselftest::{errno::SyscallResult, raw::mount_setattr, userns::UserNs};
use rustix::{
    fs::CWD,
    mount::{OpenTreeFlags, open_tree},
};
use std::{
    error::Error,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

/// How many user namespaces are tried for each map.
const NAMESPACES: usize = 15;

const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;

/// A new mount of the files at a path, in no mount namespace.
pub(crate) fn clone(path: &str) -> SyscallResult<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags)
}

/// Idmaps a mount.
pub(crate) fn idmap(mount: &OwnedFd, userns: &UserNs) -> SyscallResult {
    let userns = userns.as_fd().as_raw_fd() as u64;
    // `struct mount_attr`.
    let attr: Vec<u8> = [MOUNT_ATTR_IDMAP, 0, 0, userns]
        .into_iter()
        .flat_map(u64::to_ne_bytes)
        .collect();
    let flags = libc::AT_EMPTY_PATH;
    mount_setattr(mount.as_raw_fd(), c"", flags, Some(&attr), attr.len()).map(drop)
}

/// Instructions of idmapping a mount beyond those of making the mount: of `mount_setattr()`.
#[derive(Debug)]
pub(crate) struct Making {
    /// By a user namespace of which no mount has the map.
    pub(crate) first: u64,
    /// By one of which another mount has it.
    pub(crate) again: u64,
}

pub(crate) fn measure(path: &str, extents: u32) -> Result<Making, Box<dyn Error>> {
    let text = map_text(extents);
    let one = |userns: &UserNs| -> Result<(OwnedFd, u64), Box<dyn Error>> {
        let mount = clone(path)?;
        let start = clock::now();
        idmap(&mount, userns)?;
        Ok((mount, clock::now() - start))
    };
    let (mut clock, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..NAMESPACES {
        let userns = UserNs::with(&text)?;
        let start = clock::now();
        clock.push(clock::now() - start);
        let (_kept, took) = one(&userns)?;
        first.push(took);
        again.push(one(&userns)?.1);
    }
    let median = |mut times: Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let clock = median(clock);
    Ok(Making {
        first: median(first).saturating_sub(clock),
        again: median(again).saturating_sub(clock),
    })
}
