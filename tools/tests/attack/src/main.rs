// SPDX-License-Identifier: GPL-2.0

//! The attack on a nested idmapped mount.
//!
//! Root of a user namespace gives a mount a nested idmap, and makes random operations through it,
//! as all kinds of users. Afterwards no inode that the nested idmap does not map may have changed,
//! none may have been made, and nothing secret may have been read. Prints KTAP.

mod attacker;
mod disk;
mod ids;

use std::{
    fs,
    io::stdout,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::ExitCode,
};

use attacker::Tally;
use clap::Parser;
use ids::{CALLERS, MAP, OWN, Old, SHOWN};
use kselftest::{
    credentials::{set_capabilities, set_ids},
    errno::{SyscallResult, from_io},
    filesystem,
    ktap::{Failure, Outcome, Printer},
    mounts, process, raw,
    rng::Rng,
    userns::UserNs,
};
use rustix::{
    fs::CWD,
    mount::{
        MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change,
        move_mount, open_tree, unmount,
    },
    thread::{CapabilitySet, UnshareFlags},
};

/// Attacks nested idmapped mounts; as root, in the guest.
#[derive(Parser)]
#[command(name = "attack", version)]
struct Arguments {
    /// The filesystems
    #[arg(long, default_values_t = ["tmpfs", "ext4", "xfs", "btrfs", "overlay"].map(str::to_owned))]
    fs: Vec<String>,
    /// So many operations on each filesystem
    #[arg(long, default_value_t = 20_000)]
    ops: u64,
    /// What the operations follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The sysctl that offers nested idmaps.
const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";
/// `MOUNT_ATTR_IDMAP`
const IDMAP: u64 = 0x0010_0000;
/// How many operations one process makes.
const BATCH: u64 = 250;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut printer = Printer::new(stdout(), 2 * arguments.fs.len() + 1);
    let setting = fs::read_to_string(SYSCTL).unwrap_or_default();
    let mut good = fs::write(SYSCTL, "1").is_ok();
    for kind in &arguments.fs {
        for idmapped in [false, true] {
            let name = format!("{kind}_{}", if idmapped { "idmapped" } else { "plain" });
            let outcome = attack(&arguments, kind, Old { idmapped }, Maker::RootOfN);
            good &= !matches!(outcome, Err(Failure::Failed(_)));
            printer.result(&name, &outcome);
        }
    }
    let outcome = attack(&arguments, "tmpfs", Old { idmapped: false }, Maker::Host);
    good &= outcome.is_ok();
    printer.result("breaches_are_found", &outcome);
    let _ = fs::write(SYSCTL, setting);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The maker of the mount that is attacked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// Root of `N`, who does not control the filesystem: the idmap is nested.
    RootOfN,
    /// Root of the host, who does. The idmap is from stored ids to those of `M`, so it shows files of
    /// others as files of `N`. The attack must find this.
    Host,
}

/// Attacks one filesystem.
fn attack(arguments: &Arguments, kind: &str, old: Old, maker: Maker) -> Outcome {
    process::isolated_test(|| {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |errno| Failure::Failed(format!("{what}: {errno}"))
        };
        mounts::new_namespace().map_err(failed("mount namespace"))?;
        let root = PathBuf::from("/tmp/attack");
        fs::create_dir_all(&root)
            .map_err(from_io)
            .map_err(failed("directory"))?;
        let kind = filesystem::find(kind).map_err(Failure::Failed)?;
        let disk = kind.mount(&root)?;
        let mut rng = Rng::of(arguments.seed, u64::from(old.idmapped));
        disk::populate(&disk, old, &mut rng).map_err(failed("tree"))?;
        let before = disk::snapshot(&disk).map_err(failed("snapshot"))?;
        let tally =
            run(&disk, old, maker, &mut rng, arguments.ops / 2).map_err(failed("attack"))?;
        let after = disk::snapshot(&disk).map_err(failed("snapshot"))?;
        let damage = disk::compare(&before, &after, old);
        println!(
            "# {} operations, {} succeeded; {} inodes changed, {} kept; {} breaches, {} secrets",
            tally.operations,
            tally.succeeded,
            damage.changed,
            damage.kept,
            damage.breaches.len(),
            tally.secrets
        );
        let _ = unmount(&disk, UnmountFlags::DETACH);
        if maker == Maker::Host {
            return match damage.breaches.is_empty() {
                true => Err(Failure::Failed("the attack found no breach".to_owned())),
                false => Ok(()),
            };
        }
        if let Some(first) = damage.breaches.first() {
            return Err(Failure::Failed(first.clone()));
        }
        if tally.secrets > 0 {
            return Err(Failure::Failed(format!(
                "{} secrets were read",
                tally.secrets
            )));
        }
        // An attack that does nothing shows nothing.
        if damage.changed < 20 || damage.kept < 20 || tally.succeeded < tally.operations / 100 {
            return Err(Failure::Failed("the attack did too little".to_owned()));
        }
        Ok(())
    })
}

/// Makes the mounts, and makes the operations through the nested one.
fn run(disk: &Path, old: Old, maker: Maker, rng: &mut Rng, count: u64) -> SyscallResult<Tally> {
    let tree = copy(disk)?;
    if old.idmapped {
        let shown = UserNs::with(SHOWN)?;
        set_idmap(&tree, &shown)?;
    }
    let target = disk.with_file_name("old");
    fs::create_dir_all(&target).map_err(from_io)?;
    attach(&tree, &target)?;
    let own = UserNs::with(OWN)?;
    let map_of = own.child((0, 0), MAP, MAP)?;
    if maker == Maker::Host {
        attach(&copy_with_idmap(&target, &map_of)?, &target)?;
    }
    let seed = rng.next();
    let output = process::Child::start(|output| {
        let result = as_root_of(&own, &map_of, &target, maker, (seed, count));
        let bytes = result.map_or_else(
            |errno| errno.raw_os_error().to_le_bytes().to_vec(),
            Tally::bytes,
        );
        let _ = std::io::Write::write_all(output, &bytes);
    })?
    .output()?;
    if let Ok(errno) = <[u8; 4]>::try_from(output.as_slice()) {
        return Err(rustix::io::Errno::from_raw_os_error(i32::from_le_bytes(
            errno,
        )));
    }
    let mut tally = Tally::default();
    tally.add(&output);
    Ok(tally)
}

/// As root of `N`: gives a copy of the old mount a nested idmap, and attacks.
fn as_root_of(
    own: &UserNs,
    map_of: &UserNs,
    target: &Path,
    maker: Maker,
    (seed, count): (u64, u64),
) -> SyscallResult<Tally> {
    own.enter(0, 0)?;
    process::unshare(UnshareFlags::NEWNS)?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    if maker == Maker::RootOfN {
        // An idmap composes in a new copy only, so this takes one system call.
        attach(&copy_with_idmap(target, map_of)?, target)?;
    }
    std::env::set_current_dir(target).map_err(from_io)?;
    let mut tally = Tally::default();
    for batch in 0..count.div_ceil(BATCH) {
        let child = process::Child::start(|output| {
            let mut rng = Rng::of(seed, batch);
            if become_anybody(&mut rng, map_of).is_ok() {
                let bytes = attacker::attack(&mut rng, BATCH).bytes();
                let _ = std::io::Write::write_all(output, &bytes);
            }
        })?;
        tally.add(&child.output()?);
    }
    Ok(tally)
}

/// Becomes a user of `N` or of `M`, with or without capabilities.
fn become_anybody(rng: &mut Rng, map_of: &UserNs) -> SyscallResult {
    if rng.chance(50) {
        map_of.enter(0, 0)?;
    }
    let mut id = || rng.pick(&CALLERS);
    let (user, group, more) = (id(), id(), id());
    rustix::thread::set_keep_capabilities(true)?;
    set_ids([user; 3], [group; 3], &[more])?;
    if rng.chance(40) {
        set_capabilities(CapabilitySet::all())?;
    } else {
        set_capabilities(CapabilitySet::empty())?;
    }
    process::set_dumpable()
}

/// Returns a copy of a mount that is not attached.
fn copy(path: &Path) -> SyscallResult<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags)
}

/// Encodes `struct mount_attr`.
fn idmap_attr(userns: &UserNs) -> Vec<u8> {
    let fd = userns.as_fd().as_raw_fd() as u64;
    [IDMAP, 0, 0, fd]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}

fn set_idmap(tree: &OwnedFd, userns: &UserNs) -> SyscallResult {
    let attr = idmap_attr(userns);
    let flags = libc::AT_EMPTY_PATH;
    raw::mount_setattr(tree.as_raw_fd(), c"", flags, Some(&attr), attr.len()).map(drop)
}

fn copy_with_idmap(path: &Path, userns: &UserNs) -> SyscallResult<OwnedFd> {
    let attr = idmap_attr(userns);
    let dir = open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    let flags = libc::AT_EMPTY_PATH as u32 | 1;
    raw::open_tree_attr(dir.as_raw_fd(), c"", flags, Some(&attr), attr.len())
}

fn attach(tree: &OwnedFd, target: &Path) -> SyscallResult {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, target, flags)
}
