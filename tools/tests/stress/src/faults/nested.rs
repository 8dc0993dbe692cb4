// SPDX-License-Identifier: GPL-2.0

//! Fails each allocation of a nested idmap of a tree of mounts.
//!
//! Root of a user namespace calls `mount_setattr()` and `open_tree_attr()` for three mounts, which
//! need three idmaps. After a failed call no mount of the tree may have changed.

use super::{TRIES, operations::Outcome};
use idmap::unmount;
use kselftest::{failslab::Injection, mounts, process::Child, raw, slab, userns::UserNs};
use rustix::{
    fs::{AtFlags, CWD, Gid, Uid, chown, statat},
    io::Errno,
    mount::{MountFlags, OpenTreeFlags, mount, open_tree},
};
use std::{
    error::Error,
    fs,
    io::Write,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

/// The sysctl that offers nested idmaps.
const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";

/// How often each failure is repeated.
const REPEAT: usize = 100;

/// The map of the caller's user namespace.
const OWN: &str = "0 100000 65536";
/// The map of the user namespace of the idmap, with more extents than `struct uid_gid_map` has
/// inline.
const MAP: &str = "0 1000 10\n10 0 10\n20 20 5\n30 40 5\n40 30 5\n50 50 900";
/// The owner of all files, the id that the caller knows, and the one that a nested idmap shows.
const OWNER: u32 = 100_000;
const KNOWN: u32 = 0;
const NESTED: u32 = 1000;

/// The mounts of the tree, below the first one.
const BELOW: [&str; 3] = ["", "b", "b/c"];

const ATTR_IDMAP: u64 = 0x0010_0000;

/// Returns whether the kernel has nested idmaps.
pub(crate) fn are_offered() -> bool {
    Path::new(SYSCTL).exists()
}

/// The calls.
#[derive(Clone, Copy)]
enum Call {
    Setattr,
    OpenTree,
}

/// Fails each allocation of both calls.
pub(crate) fn run(at: &str) -> Result<Outcome, Box<dyn Error>> {
    let setting = fs::read_to_string(SYSCTL)?;
    fs::write(SYSCTL, "1")?;
    let outcome = with_tree(Path::new(at));
    fs::write(SYSCTL, setting)?;
    outcome
}

fn with_tree(at: &Path) -> Result<Outcome, Box<dyn Error>> {
    for below in BELOW {
        let path = at.join(below);
        fs::create_dir_all(&path)?;
        mount("nested", &path, "tmpfs", MountFlags::empty(), None)?;
        chown(
            &path,
            Some(Uid::from_raw(OWNER)),
            Some(Gid::from_raw(OWNER)),
        )?;
    }
    let mut outcome = Outcome::default();
    let result = [Call::Setattr, Call::OpenTree]
        .into_iter()
        .try_for_each(|call| each(at, call, &mut outcome));
    unmount(at, true)?;
    result.map(|()| outcome)
}

/// Fails each allocation of a call, until there is none left to fail.
fn each(at: &Path, call: Call, outcome: &mut Outcome) -> Result<(), Box<dyn Error>> {
    let own = UserNs::with(OWN)?;
    for nth in 1.. {
        // The first pass fills the allocator's own caches, which count as objects in use.
        let Some(refused) = pass(at, call, &own, nth)? else {
            return Ok(());
        };
        outcome.injected += 1;
        outcome.refused += u32::from(refused > 0);
        let mut leak = Ok(());
        for _ in 0..TRIES {
            let before = slab::objects()?;
            pass(at, call, &own, nth)?;
            leak = slab::settled(&before, REPEAT);
            if leak.is_ok() {
                break;
            }
        }
        leak.map_err(|leak| format!("after failing allocation {nth} {REPEAT} times: {leak}"))?;
    }
    Err("there is always one more allocation".into())
}

/// Makes the calls as root of the user namespace. Returns how many of them failed, or [`None`] if
/// there is no such allocation.
fn pass(at: &Path, call: Call, own: &UserNs, nth: u32) -> Result<Option<u32>, Box<dyn Error>> {
    let child = Child::start(|output| {
        let text = match calls(at, call, own, nth) {
            Ok(Some(refused)) => refused.to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("allocation {nth}: {error}"),
        };
        // The parent finds no number if it reads nothing.
        let _ = output.write_all(text.as_bytes());
    })?;
    let text = String::from_utf8(child.output()?)?;
    match text.as_str() {
        "none" => Ok(None),
        number => Ok(Some(number.parse().map_err(|_| text.clone())?)),
    }
}

fn calls(at: &Path, call: Call, own: &UserNs, nth: u32) -> Result<Option<u32>, Box<dyn Error>> {
    let injection = Injection::new()?;
    own.enter(0, 0)?;
    mounts::new_namespace()?;
    let map_of = UserNs::with(MAP)?;
    let attr = attr(&map_of);
    let mut refused = 0;
    for _ in 0..REPEAT {
        let tree = copy(at)?;
        let (made, injected) = injection.fail_nth(nth, || match call {
            Call::Setattr => {
                let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
                raw::mount_setattr(tree.as_raw_fd(), c"", flags, Some(&attr), attr.len())
                    .map(|_| None)
            }
            Call::OpenTree => {
                let flags = (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE) as u32 | 1;
                raw::open_tree_attr(tree.as_raw_fd(), c"", flags, Some(&attr), attr.len()).map(Some)
            }
        })?;
        let shown = owners(&tree)?;
        match (&made, call) {
            (Ok(_), _) if !injected => return Ok(None),
            (Ok(None), Call::Setattr) if shown == [NESTED; 3] => {}
            (Ok(Some(copy)), Call::OpenTree)
                if shown == [KNOWN; 3] && owners(copy)? == [NESTED; 3] => {}
            (Err(Errno::NOMEM), _) if injected && shown == [KNOWN; 3] => refused += 1,
            _ => {
                let errno = made.err();
                return Err(format!("errno {errno:?}, the mounts show {shown:?}").into());
            }
        }
    }
    Ok(Some(refused))
}

/// Encodes `struct mount_attr`.
fn attr(map_of: &UserNs) -> Vec<u8> {
    let fd = map_of.as_fd().as_raw_fd() as u64;
    let words = [ATTR_IDMAP, 0, 0, fd];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn copy(at: &Path) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, at, flags)
}

/// Returns the owner that each mount of a tree shows.
fn owners(tree: &OwnedFd) -> Result<Vec<u32>, Errno> {
    let owner = |below: &&str| statat(tree, *below, AtFlags::EMPTY_PATH).map(|it| it.st_uid);
    BELOW.iter().map(owner).collect()
}
