// SPDX-License-Identifier: GPL-2.0

//! What the attacker does: random operations in the current directory.

use std::{
    env,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use kselftest::{
    acl,
    errno::{SyscallResult, from_io},
    fscaps, handle, raw,
    rng::Rng,
    syscalls,
};
use rustix::{
    fs::{FileType, OFlags, RenameFlags, Timespec},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};

use crate::{disk::SECRET, mount};

/// What a batch of operations came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// How many operations there were.
    pub(crate) operations: u64,
    /// How many of them succeeded.
    pub(crate) succeeded: u64,
    /// How many of them read a secret.
    pub(crate) secrets: u64,
    /// How many overlayfs were on top.
    pub(crate) overlays: u64,
}

impl Tally {
    /// Encodes the numbers.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let numbers = [self.operations, self.succeeded, self.secrets, self.overlays];
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    /// Adds encoded numbers.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let mut numbers = bytes.chunks_exact(8).map(|chunk| {
            let mut number = [0; 8];
            number.copy_from_slice(chunk);
            u64::from_le_bytes(number)
        });
        for place in [
            &mut self.operations,
            &mut self.succeeded,
            &mut self.secrets,
            &mut self.overlays,
        ] {
            *place += numbers.next().unwrap_or(0);
        }
    }
}

/// Returns a name: of the tree, or one that the attacker made.
fn name(rng: &mut Rng) -> String {
    let leaf = |rng: &mut Rng| format!("{}{}", rng.pick(&["d", "f", "f", "n"]), rng.below(8));
    match rng.below(4) {
        0 => leaf(rng),
        1 | 2 => format!("d{}/{}", rng.below(8), leaf(rng)),
        _ => format!("d{}/d{}/{}", rng.below(8), rng.below(3), leaf(rng)),
    }
}

/// Opens a file. A FIFO without a process at its other end does not block.
fn open(path: &str, flags: OFlags) -> SyscallResult<OwnedFd> {
    syscalls::open(path, flags | OFlags::NONBLOCK, 0)
}

/// Mounts overlayfs on two directories of the current one, and makes it the current directory.
///
/// This fails if the directories are not those of the caller, or are layers already.
pub(crate) fn enter_overlay(rng: &mut Rng, number: u64) -> SyscallResult {
    let (upper, work) = (format!("upper{number}"), format!("work{number}"));
    syscalls::mkdir(&upper, 0o777)?;
    syscalls::mkdir(&work, 0o777)?;
    mount::new_namespace()?;
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [
        ("lowerdir", format!("d{}", rng.below(8))),
        ("upperdir", upper),
        ("workdir", work),
    ] {
        fsconfig_set_string(context.as_fd(), key, value)?;
    }
    fsconfig_set_flag(context.as_fd(), "userxattr")?;
    fsconfig_create(context.as_fd())?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let merged = fsmount(context.as_fd(), flags, MountAttrFlags::empty())?;
    // The current directory is not on the mount that is attached to it.
    mount::attach(&merged, Path::new("."))?;
    let here = env::current_dir().map_err(from_io)?;
    env::set_current_dir(here).map_err(from_io)
}

/// Makes some operations as one of some users.
pub(crate) fn attack(rng: &mut Rng, count: u64, ids: &[u32]) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..count {
        let path = name(rng);
        tally.operations += 1;
        match operation(rng, &path, ids) {
            Ok(read) => {
                tally.succeeded += 1;
                tally.secrets += u64::from(read.starts_with(SECRET));
            }
            Err(Errno::NOSPC) => {
                // Makes room.
                let _ = syscalls::unlink(name(rng));
            }
            Err(_) => {}
        }
    }
    tally
}

/// Makes one operation. Returns what it read.
fn operation(rng: &mut Rng, path: &str, ids: &[u32]) -> SyscallResult<Vec<u8>> {
    let nothing = |()| Vec::new();
    let other = name(rng);
    let id = rng.pick(ids);
    let mode = rng.pick(&[
        0o600, 0o644, 0o666, 0o777, 0o755, 0o2755, 0o4755, 0o6777, 0o1777,
    ]);
    match rng.below(26) {
        0 | 1 => syscalls::pread(open(path, OFlags::RDONLY)?, 64, 0),
        2 => {
            let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NOFOLLOW;
            syscalls::pread(open(path, flags)?, 64, 0)
        }
        3 => {
            let file = open(path, OFlags::WRONLY | OFlags::APPEND)?;
            syscalls::write_all(file, b"x").map(nothing)
        }
        4 => syscalls::truncate(path, 3).map(nothing),
        5 => syscalls::create(path, mode).map(|_| Vec::new()),
        6 => syscalls::mkdir(path, mode).map(nothing),
        7 => syscalls::mknod(path, FileType::Fifo, mode, 0).map(nothing),
        8 => syscalls::symlink(&other, path).map(nothing),
        9 => syscalls::link(&other, path).map(nothing),
        10 => syscalls::unlink(path).map(nothing),
        11 => syscalls::rmdir(path).map(nothing),
        12 => syscalls::rename(&other, path).map(nothing),
        13 => {
            let flags = rng.pick(&[RenameFlags::EXCHANGE, RenameFlags::NOREPLACE]);
            syscalls::rename_with(&other, path, flags).map(nothing)
        }
        14 => syscalls::chmod(path, mode).map(nothing),
        15 => syscalls::chown(path, Some(id), None).map(nothing),
        16 => syscalls::chown(path, None, Some(id)).map(nothing),
        17 => {
            let time = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            syscalls::set_times(path, time, time).map(nothing)
        }
        18 => syscalls::set_xattr(path, "user.attack", b"x").map(nothing),
        19 => {
            let entry = (rng.pick(&[acl::USER, acl::GROUP]), 7, id);
            syscalls::set_xattr(path, acl::ACCESS, &acl::with_entry(7, entry, 7, 7)).map(nothing)
        }
        20 => {
            let root = rng.pick(&[None, Some(id)]);
            let caps = fscaps::encode(fscaps::NET_RAW, root);
            syscalls::set_xattr(path, fscaps::NAME, &caps).map(nothing)
        }
        21 => {
            let xattr = rng.pick(&[acl::ACCESS, acl::DEFAULT, fscaps::NAME, "user.attack"]);
            syscalls::remove_xattr(path, xattr).map(nothing)
        }
        22 => syscalls::create_by_tmpfile(path, mode).map(nothing),
        23 => {
            let mount = syscalls::open(".", OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
            let handle = handle::of(path, 0)?;
            let open = handle::open(&mount, &handle, libc::O_RDONLY | libc::O_NONBLOCK)?;
            syscalls::pread(open, 64, 0)
        }
        24 => {
            let open = open(path, OFlags::RDONLY)?;
            raw::set_lease(&open, libc::F_RDLCK).map(nothing)
        }
        _ => {
            // FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, without the append and immutable flags.
            let open = open(path, OFlags::RDONLY)?;
            let mut flags = [0u8; 8];
            raw::ioctl(open.as_fd(), 0x8008_6601, &mut flags)?;
            flags[0] ^= 0x80;
            raw::ioctl(open.as_fd(), 0x4008_6602, &mut flags).map(|_| Vec::new())
        }
    }
}
