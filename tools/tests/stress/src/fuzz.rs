// SPDX-License-Identifier: GPL-2.0

//! Calls `mount_setattr()` and `open_tree_attr()` with random arguments, some nearly right.
//!
//! The kernel must refuse what is wrong with an error that the manual page knows, must not change
//! the map of a mount that is attached, and must lose nothing.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::chown,
    },
};

use mount_idmapped::{Detached, IdmappedMount, UserNs, unmount};
use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{
    Failure, Found,
    leak_check::{self, LeakCheck, MEMORY, maps},
    random::Random,
    sys::{self, Call, MOUNT_SETATTR, OPEN_TREE_ATTR},
};

const DIR: &str = "/run/fuzz";
/// The arena is made anew after so many calls: attributes that were set stay.
const ARENA: u64 = 2000;
const DISK: u32 = 1000;
const SEEN: u32 = 2000;

/// What the manual pages know, and what any call with a path or an address may answer.
const ERRORS: [(Errno, &str); 12] = [
    (Errno::BADF, "EBADF"),
    (Errno::BUSY, "EBUSY"),
    (Errno::FAULT, "EFAULT"),
    (Errno::INVAL, "EINVAL"),
    (Errno::LOOP, "ELOOP"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG"),
    (Errno::NOENT, "ENOENT"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::NOTDIR, "ENOTDIR"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Errno::PERM, "EPERM"),
    (Errno::TOOBIG, "E2BIG"),
];

/// Attributes and flags, by the numbers of `linux/mount.h` and `linux/fcntl.h`.
const MAP: u64 = 0x0010_0000;
const ATTRS: [u64; 10] = [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x80, MAP, 0x0020_0000, MAP];
const PROPAGATION: [u64; 6] = [0, 0, 1 << 17, 1 << 18, 1 << 19, 1 << 20];
const FLAGS: [u32; 8] = [0x1, 0x100, 0x200, 0x800, 0x1000, 0x8000, 0x8_0000, 0x1000];
const SIZES: [usize; 12] = [0, 1, 8, 31, 32, 32, 32, 33, 40, 64, 4096, 4097];

/// How often each answer came, by the number of the call.
type Answers = BTreeMap<(i64, &'static str), u64>;
/// Answers beside errors.
const DONE: &str = "done";
const MAPPED: &str = "done, with a map";
const UNKNOWN: &str = "an error that it may not answer";

/// Makes the calls.
pub(crate) fn fuzz(calls: u64, seed: u64) -> Result<Found, Failure> {
    // SAFETY: What must not be undone behind the back of others is the sharing of file
    // descriptors, and only that of mounts is undone.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)?;
    fs::create_dir_all(DIR)?;
    // Once for the caches.
    run(ARENA.min(calls), &mut Random::new(seed))?.1?;
    let mut answers = Answers::new();
    let found = leak_check::look(|| {
        let leak_check = LeakCheck::new()?;
        let kept;
        // The same calls each time, so that the answers tell of no chance.
        (answers, kept) = run(calls, &mut Random::new(seed))?;
        Ok(vec![
            ("answers", known(&answers)),
            ("maps_of_attached_mounts", kept),
            ("no_mount_is_left", leak_check.mounts()),
            ("no_user_namespace_is_left", leak_check.namespaces()),
            (MEMORY, leak_check.memory()),
        ])
    })?;
    println!("# {calls} calls, seed {seed}");
    for ((number, answer), count) in &answers {
        println!("# {}: {answer}: {count}", name(*number));
    }
    Ok(found)
}

fn name(number: i64) -> &'static str {
    match number {
        MOUNT_SETATTR => "mount_setattr",
        _ => "open_tree_attr",
    }
}

/// Whether all answers are known ones, and each call could do what it is for.
fn known(answers: &Answers) -> Result<(), Failure> {
    for number in [MOUNT_SETATTR, OPEN_TREE_ATTR] {
        if answers.contains_key(&(number, UNKNOWN)) {
            return Err(Failure(format!("{}: {UNKNOWN}", name(number))));
        }
        for wanted in [DONE, MAPPED] {
            if !answers.contains_key(&(number, wanted)) {
                return Err(Failure(format!("{}: never {wanted}", name(number))));
            }
        }
    }
    Ok(())
}

type Ran = (Answers, Result<(), Failure>);

fn run(calls: u64, random: &mut Random) -> Result<Ran, Failure> {
    let mut answers = Answers::new();
    let mut kept = Ok(());
    let mut done = 0;
    while done < calls {
        let mut arena = Arena::new()?;
        let round = ARENA.min(calls - done);
        for _ in 0..round {
            let (number, answer) = arena.call(random);
            *answers.entry((number, answer)).or_default() += 1;
        }
        kept = kept.and_then(|()| arena.check());
        arena.close()?;
        done += round;
    }
    Ok((answers, kept))
}

/// What the calls are made on.
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
        // What is called on the working directory changes nothing beyond the arena.
        std::env::set_current_dir(path("plain"))?;
        let map = UserNs::new(&maps(1, DISK, SEEN)?)?;
        IdmappedMount::of(path("disk"))
            .map(&map)
            .attach(path("control"))?;
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

    fn call(&mut self, random: &mut Random) -> (i64, &'static str) {
        // A copy that has got its map is no more of interest.
        if random.once_in(20) {
            if let Ok(copy) = IdmappedMount::of(format!("{DIR}/disk")).detached() {
                self.detached = copy;
            }
        }
        self.fill_attr(random);
        let number = random.one(&[MOUNT_SETATTR, OPEN_TREE_ATTR]);
        let call = Call {
            number,
            directory: self.directory(random),
            path: match random.below(16) {
                0 => random.next() as usize,
                1 => 0,
                _ => random.one(&self.paths).as_ptr() as usize,
            },
            flags: flags(random),
            attr: match random.below(32) {
                0 => random.next() as usize,
                1 => 0,
                _ => self.attr.as_ptr() as usize,
            },
            size: match random.below(16) {
                0 => random.next() as usize,
                _ => random.one(&SIZES),
            },
        };
        let answer = match call.make() {
            Ok(fd) => {
                if number == OPEN_TREE_ATTR {
                    sys::close(fd);
                }
                // Without attributes the call is a plain open_tree().
                if call.size > 0 && self.attr[0] & MAP != 0 {
                    MAPPED
                } else {
                    DONE
                }
            }
            Err(errno) => {
                let known = ERRORS.iter().find(|(error, _)| *error == errno);
                known.map_or(UNKNOWN, |(_, name)| name)
            }
        };
        (number, answer)
    }

    fn directory(&self, random: &mut Random) -> i32 {
        match random.below(12) {
            0 => random.next() as i32,
            1 => self.file.as_raw_fd(),
            2 => random.one(&[-1, libc::AT_FDCWD]),
            3 | 4 => self.control.as_raw_fd(),
            5 | 6 => self.plain.as_raw_fd(),
            _ => self.detached.as_fd().as_raw_fd(),
        }
    }

    /// Bytes of any kind, or attributes that are nearly right.
    fn fill_attr(&mut self, random: &mut Random) {
        let words = if random.once_in(4) {
            self.attr.len()
        } else {
            4
        };
        if random.once_in(4) {
            self.attr[..words].fill_with(|| random.next());
            return;
        }
        self.attr.fill(0);
        if random.once_in(4) {
            self.attr[0] |= MAP;
        }
        // Most of what is cleared is not what may be cleared.
        for word in 0..1 + random.below(2) {
            for _ in 0..random.below(3) {
                self.attr[word] |= random.one(&ATTRS);
            }
        }
        self.attr[2] = random.one(&PROPAGATION);
        self.attr[3] = match random.below(8) {
            0 => random.next(),
            1 => u64::MAX,
            2 => self.file.as_raw_fd() as u64,
            _ => {
                let namespace = random.below(self.namespaces.len());
                self.namespaces[namespace].as_raw_fd() as u64
            }
        };
        if random.once_in(8) {
            // Beyond what the kernel knows of.
            self.attr[4 + random.below(8)] = random.one(&[0, 1]);
        }
    }

    /// Whether the control still has the map that it was attached with.
    fn check(&self) -> Result<(), Failure> {
        let status = rustix::fs::statat(&self.control, "file", rustix::fs::AtFlags::empty())?;
        match (status.st_uid, status.st_gid) {
            (SEEN, SEEN) => Ok(()),
            (user, group) => Err(Failure(format!("the control shows {user}:{group}"))),
        }
    }

    fn close(self) -> Result<(), Failure> {
        drop(self);
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

fn flags(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => random.next() as u32,
        1 => 0,
        // By the descriptor alone; open_tree_attr() copies.
        2 | 3 => 0x1000,
        4 => 0x1001,
        _ => (0..random.below(4)).fold(0, |flags, _| flags | random.one(&FLAGS)),
    }
}
