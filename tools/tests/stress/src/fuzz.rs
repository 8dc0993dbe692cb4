// SPDX-License-Identifier: GPL-2.0

//! Calls `mount_setattr()` and `open_tree_attr()` with random arguments, some of them nearly valid.
//!
//! The kernel must fail invalid calls with an error of the manual page, must not change the idmap
//! of an attached mount, and must not leak.

pub(crate) mod nested;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::chown,
    },
};

use idmap::{Detached, IdmappedMount, UserNs, unmount};
use kselftest::errno;
use kselftest::ktap::{Failure, failed};
use kselftest::mounts;
use kselftest::raw::MountAttrCall;
use kselftest::rng::Rng;
use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
    mount::{MountFlags, mount},
};

use crate::{
    Found,
    leak_check::{self, LeakCheck, MEMORY, maps},
};

const DIR: &str = "/run/fuzz";
/// The arena is made anew after so many calls: attributes that were set stay.
const ARENA: u64 = 2000;
const DISK: u32 = 1000;
const SEEN: u32 = 2000;

/// The errors in the manual pages, and those of any call with a path or an address.
const ERRORS: [Errno; 13] = [
    Errno::BADF,
    Errno::BUSY,
    Errno::FAULT,
    Errno::INVAL,
    Errno::LOOP,
    Errno::NAMETOOLONG,
    Errno::NOENT,
    Errno::NOMEM,
    Errno::NOTDIR,
    Errno::OPNOTSUPP,
    // Of nested idmaps, which have too many extents.
    Errno::OVERFLOW,
    Errno::PERM,
    Errno::TOOBIG,
];

/// Attributes and flags, by the numbers of `linux/mount.h` and `linux/fcntl.h`.
const MAP: u64 = 0x0010_0000;
const ATTRS: [u64; 10] = [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x80, MAP, 0x0020_0000, MAP];
const PROPAGATION: [u64; 6] = [0, 0, 1 << 17, 1 << 18, 1 << 19, 1 << 20];
const FLAGS: [u32; 8] = [0x1, 0x100, 0x200, 0x800, 0x1000, 0x8000, 0x8_0000, 0x1000];
const SIZES: [usize; 12] = [0, 1, 8, 31, 32, 32, 32, 33, 40, 64, 4096, 4097];

/// The number of calls with each result, by the name of the call.
type Answers = BTreeMap<(&'static str, String), u64>;
/// Answers beside errors.
const DONE: &str = "done";
const MAPPED: &str = "done, with a map";
const UNKNOWN: &str = "an error that it may not answer";

/// Makes the calls, by `run`.
pub(crate) fn fuzz(
    calls: u64,
    seed: u64,
    run: impl Fn(u64, &mut Rng) -> Result<Ran, Failure>,
) -> Result<Found, Failure> {
    mounts::new_namespace()?;
    fs::create_dir_all(DIR)?;
    // Once for the caches.
    run(ARENA.min(calls), &mut Rng::new(seed))?.1?;
    let mut answers = Answers::new();
    let found = leak_check::look(|| {
        let leak_check = LeakCheck::new()?;
        let kept;
        // The same calls in each attempt, so that the counts are reproducible.
        (answers, kept) = run(calls, &mut Rng::new(seed))?;
        Ok(vec![
            ("answers", known(&answers)),
            ("maps_of_attached_mounts", kept),
            ("no_mount_is_left", leak_check.mounts()),
            ("no_user_namespace_is_left", leak_check.namespaces()),
            (MEMORY, leak_check.memory()),
        ])
    })?;
    println!("# {calls} calls, seed {seed}");
    for ((call, answer), count) in &answers {
        println!("# {call}: {answer}: {count}");
    }
    Ok(found)
}

/// Checks that all errors are expected ones, and that each system call has succeeded both with and
/// without an idmap.
fn known(answers: &Answers) -> Result<(), Failure> {
    for call in ["mount_setattr", "open_tree_attr"] {
        let has = |result: &str| answers.contains_key(&(call, result.to_owned()));
        if has(UNKNOWN) {
            return Err(failed(format_args!("{call}: {UNKNOWN}")));
        }
        for wanted in [DONE, MAPPED] {
            if !has(wanted) {
                return Err(failed(format_args!("{call}: never {wanted}")));
            }
        }
    }
    Ok(())
}

type Ran = (Answers, Result<(), Failure>);

pub(crate) fn run(calls: u64, rng: &mut Rng) -> Result<Ran, Failure> {
    let mut answers = Answers::new();
    let mut kept = Ok(());
    let mut done = 0;
    while done < calls {
        let mut arena = Arena::new()?;
        let round = ARENA.min(calls - done);
        for _ in 0..round {
            *answers.entry(arena.call(rng)).or_default() += 1;
        }
        kept = kept.and_then(|()| arena.check());
        arena.close()?;
        done += round;
    }
    Ok((answers, kept))
}

/// The mounts and namespaces that the calls use.
struct Arena {
    /// The attached mount whose map must stay.
    control: OwnedFd,
    plain: OwnedFd,
    detached: Detached,
    /// That have maps, have none, are not for others to use.
    namespaces: Vec<OwnedFd>,
    file: File,
    attr: [u64; 1024],
    paths: [&'static [u8]; 8],
}

impl Arena {
    fn new() -> Result<Self, Failure> {
        Self::mount()?;
        Self::open()
    }

    /// Makes the mounts. One has an idmap.
    fn mount() -> Result<(), Failure> {
        mount("fuzz", DIR, "tmpfs", MountFlags::empty(), None)?;
        for directory in ["plain", "plain/sub", "control", "disk"] {
            fs::create_dir(format!("{DIR}/{directory}"))?;
        }
        let path = |name: &str| format!("{DIR}/{name}");
        for directory in ["disk", "plain"] {
            mount(
                directory,
                path(directory),
                "tmpfs",
                MountFlags::empty(),
                None,
            )?;
        }
        fs::create_dir(path("plain/sub"))?;
        mount("sub", path("plain/sub"), "tmpfs", MountFlags::empty(), None)?;
        fs::write(path("disk/file"), "")?;
        chown(path("disk/file"), Some(DISK), Some(DISK))?;
        let map = UserNs::new(&maps(1, DISK, SEEN)?)?;
        IdmappedMount::of(path("disk"))
            .map(&map)
            .attach(path("control"))?;
        Ok(())
    }

    /// Opens the mounts, and makes the user namespaces.
    fn open() -> Result<Self, Failure> {
        let path = |name: &str| format!("{DIR}/{name}");
        // Calls on the current directory change nothing outside of the arena.
        std::env::set_current_dir(path("plain"))?;
        let map = UserNs::new(&maps(1, DISK, SEEN)?)?;
        let many = UserNs::new(&maps(340, DISK, SEEN)?)?;
        let directory =
            |name: &str| open(path(name), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        Ok(Self {
            control: directory("control")?,
            plain: directory("plain")?,
            detached: IdmappedMount::of(path("disk")).detached()?,
            namespaces: vec![
                map.as_fd().try_clone_to_owned()?,
                many.as_fd().try_clone_to_owned()?,
                File::open("/proc/self/ns/user")?.into(),
                File::open("/proc/self/ns/mnt")?.into(),
            ],
            file: File::open(path("disk/file"))?,
            attr: [0; 1024],
            paths: [
                b"\0",
                b"\0",
                b"\0",
                b".\0",
                b"sub\0",
                b"nothing\0",
                b"..\0",
                &LONG,
            ],
        })
    }

    fn call(&mut self, rng: &mut Rng) -> (&'static str, String) {
        // A copy that has got its map is no more of interest.
        if rng.once_in(20) {
            if let Ok(copy) = IdmappedMount::of(format!("{DIR}/disk")).detached() {
                self.detached = copy;
            }
        }
        self.fill_attr(rng);
        let open = rng.once_in(2);
        let call = MountAttrCall {
            open,
            dir: self.directory(rng),
            path: match rng.below(16) {
                0 => rng.next() as usize,
                1 => 0,
                _ => rng.pick(&self.paths).as_ptr() as usize,
            },
            flags: flags(rng),
            attr: match rng.below(32) {
                0 => rng.next() as usize,
                1 => 0,
                _ => self.attr.as_ptr() as usize,
            },
            size: match rng.below(16) {
                0 => rng.next() as usize,
                _ => rng.pick(&SIZES),
            },
        };
        let answer = match call.make() {
            // Without attributes the call is a plain open_tree().
            Ok(()) if call.size > 0 && self.attr[0] & MAP != 0 => MAPPED.to_owned(),
            Ok(()) => DONE.to_owned(),
            Err(errno) if ERRORS.contains(&errno) => errno::name(errno),
            Err(_) => UNKNOWN.to_owned(),
        };
        let name = if open {
            "open_tree_attr"
        } else {
            "mount_setattr"
        };
        (name, answer)
    }

    fn directory(&self, rng: &mut Rng) -> i32 {
        match rng.below(12) {
            0 => rng.next() as i32,
            1 => self.file.as_raw_fd(),
            2 => rng.pick(&[-1, libc::AT_FDCWD]),
            3 | 4 => self.control.as_raw_fd(),
            5 | 6 => self.plain.as_raw_fd(),
            _ => self.detached.as_fd().as_raw_fd(),
        }
    }

    /// Bytes of any kind, or attributes that are nearly right.
    fn fill_attr(&mut self, rng: &mut Rng) {
        let words = if rng.once_in(4) { self.attr.len() } else { 4 };
        if rng.once_in(4) {
            self.attr[..words].fill_with(|| rng.next());
            return;
        }
        self.attr.fill(0);
        if rng.once_in(4) {
            self.attr[0] |= MAP;
        }
        // Most attributes may not be cleared.
        for word in 0..1 + rng.below(2) {
            for _ in 0..rng.below(3) {
                self.attr[word] |= rng.pick(&ATTRS);
            }
        }
        self.attr[2] = rng.pick(&PROPAGATION);
        self.attr[3] = match rng.below(8) {
            0 => rng.next(),
            1 => u64::MAX,
            2 => self.file.as_raw_fd() as u64,
            _ => {
                let namespace = rng.below(self.namespaces.len());
                self.namespaces[namespace].as_raw_fd() as u64
            }
        };
        if rng.once_in(8) {
            // Bytes beyond the last member of the struct.
            self.attr[4 + rng.below(8)] = rng.pick(&[0, 1]);
        }
    }

    /// Whether the control still has the map that it was attached with.
    fn check(&self) -> Result<(), Failure> {
        let status = rustix::fs::statat(&self.control, "file", rustix::fs::AtFlags::empty())?;
        match (status.st_uid, status.st_gid) {
            (SEEN, SEEN) => Ok(()),
            (user, group) => Err(Failure::Failed(format!("the control shows {user}:{group}"))),
        }
    }

    fn close(self) -> Result<(), Failure> {
        drop(self);
        Self::unmount()
    }

    fn unmount() -> Result<(), Failure> {
        std::env::set_current_dir("/")?;
        unmount(DIR, true)?;
        Ok(())
    }
}

/// Longer than a name may be.
static LONG: [u8; 300] = {
    let mut name = [b'a'; 300];
    name[299] = 0;
    name
};

fn flags(rng: &mut Rng) -> u32 {
    match rng.below(8) {
        0 => rng.next() as u32,
        1 => 0,
        // By the descriptor alone; open_tree_attr() copies.
        2 | 3 => 0x1000,
        4 => 0x1001,
        _ => (0..rng.below(4)).fold(0, |flags, _| flags | rng.pick(&FLAGS)),
    }
}
