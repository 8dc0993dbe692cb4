// SPDX-License-Identifier: GPL-2.0

//! All operations by several threads at once in a small tree, which must hold together after.

use std::{
    collections::BTreeMap,
    os::fd::AsFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use kselftest::credentials::become_user;
use kselftest::errno;
use kselftest::errno::SyscallResult;
use kselftest::mapping::Mapping;
use kselftest::raw;
use kselftest::rng::Rng;
use kselftest::syscalls;
use rustix::{
    fs::{FallocateFlags, FileType, OFlags as O, RenameFlags},
    io::Errno,
};

use crate::{
    small::{Small, Space},
    test::{Case, Stop, Test},
};

/// Enough to run into both limits now and then.
const OPTIONS: &str = "size=1m,nr_inodes=400,mode=1777";
const THREADS: u64 = 6;
/// How often each kind of operation must have succeeded, and how many entries must have been left
/// once. Both are a matter of chance, so the threads go on for longer if need be.
const ENOUGH: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// After how long the threads stop for a look at the tree, and after how many calls of each: where
/// calls take long, so does the look.
const ROUND: Duration = Duration::from_secs(1);
const CALLS: usize = 2000;
/// Every second thread is this user.
const USER: u32 = 1000;

/// The errors that a call may have for reasons of the tree, or of the other threads.
const EXPECTED: &[Errno] = &[
    Errno::ACCESS,
    Errno::BUSY,
    Errno::EXIST,
    Errno::INVAL,
    Errno::ISDIR,
    Errno::LOOP,
    Errno::NODATA,
    Errno::NOENT,
    Errno::NOSPC,
    Errno::NOTDIR,
    Errno::NOTEMPTY,
    Errno::NXIO,
    Errno::OPNOTSUPP,
    Errno::PERM,
    Errno::STALE,
    // A mapping whose file has become shorter.
    Errno::FAULT,
];

/// The counts of the operations of all threads.
#[derive(Default)]
struct Tally {
    /// How many there were, and how many of each kind were done
    calls: usize,
    done: BTreeMap<&'static str, usize>,
    /// Errors that none should have
    odd: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, what: &'static str, answer: SyscallResult<()>) {
        self.calls += 1;
        let done = self.done.entry(what).or_default();
        match answer {
            Ok(()) => *done += 1,
            Err(errno) if EXPECTED.contains(&errno) => (),
            Err(errno) => {
                let text = format!("{what}: {}", errno::name(errno));
                *self.odd.entry(text).or_default() += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (what, count) in other.done {
            *self.done.entry(what).or_default() += count;
        }
        for (text, count) in other.odd {
            *self.odd.entry(text).or_default() += count;
        }
    }

    /// The kinds that were not done often enough.
    fn seldom(&self) -> BTreeMap<&'static str, usize> {
        let kinds = self.done.iter().map(|(what, count)| (*what, *count));
        kinds.filter(|(_, count)| *count < ENOUGH).collect()
    }
}

/// Runs rounds for some time, and checks the tree after each of them.
pub(crate) fn run(t: &Test, seconds: u64) -> Case {
    let small = t.done("mount", Small::new(&t.mount.kind, "mix", OPTIONS))?;
    let begin = t.done("statfs", small.space())?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut rngs: Vec<Rng> = (1..=THREADS).map(Rng::new).collect();
    let mut tally = Tally::default();
    let (mut rounds, mut most) = (0, 0);
    while Instant::now() < end
        || (most < ENOUGH || !tally.seldom().is_empty()) && Instant::now() < end + PATIENCE
    {
        let all = t.done("threads", round(small.root(), &mut rngs))?;
        tally.add(all);
        rounds += 1;
        most = most.max(consistent(t, &small, begin)?);
    }
    let Tally { calls, done, odd } = &tally;
    println!("    # {calls} operations by {THREADS} threads in {rounds} rounds, of them done:");
    println!("    # {done:?}");
    println!("    # left after a round: at most {most} entries");
    let none = BTreeMap::<String, usize>::new();
    t.same("errors that should not be", odd, &none);
    t.same("done too seldom", tally.seldom(), BTreeMap::new());
    t.holds("something was left", most >= ENOUGH);
    for entry in t.done("list", syscalls::names(small.root()))? {
        let path = small.at(&entry);
        let removed = match path.is_dir() && !path.is_symlink() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        t.holds(&format!("removed: {removed:?}"), removed.is_ok());
    }
    t.same("all is free again", small.space(), Ok(begin));
    t.same("links of the root", syscalls::links(small.root()), Ok(2));
    t.done("umount", small.end())
}

/// All threads, until the round is over for each.
fn round(root: &Path, rngs: &mut [Rng]) -> SyscallResult<Tally> {
    let end = Instant::now() + ROUND;
    thread::scope(|scope| {
        let work = |number: usize, rng: &mut Rng| -> SyscallResult<Tally> {
            if number % 2 == 1 {
                become_user(USER)?;
            }
            let mut tally = Tally::default();
            while Instant::now() < end || tally.calls < CALLS {
                let (what, answer) = one(root, rng);
                tally.count(what, answer);
            }
            Ok(tally)
        };
        let threads: Vec<_> = rngs
            .iter_mut()
            .enumerate()
            .map(|(number, rng)| scope.spawn(move || work(number, rng)))
            .collect();
        let mut all = Tally::default();
        for thread in threads {
            // A thread that panicked has printed the reason.
            all.add(thread.join().map_err(|_| Errno::FAULT)??);
        }
        Ok(all)
    })
}

/// A path of few that there can be, up to three deep.
fn path(root: &Path, rng: &mut Rng) -> PathBuf {
    let mut path = root.to_owned();
    for _ in 0..rng.below(6).saturating_sub(3) {
        path.push(format!("d{}", rng.below(2)));
    }
    match rng.below(4) {
        0 => path.push(format!("d{}", rng.below(2))),
        _ => path.push(format!("f{}", rng.below(8))),
    }
    path
}

/// One operation, and how it went.
fn one(root: &Path, rng: &mut Rng) -> (&'static str, SyscallResult<()>) {
    let path = |rng: &mut Rng| path(root, rng);
    let at = path(rng);
    let other = path(rng);
    let length = rng.below(40_000) as u64;
    let bytes = |rng: &mut Rng| vec![rng.below(256) as u8; length as usize];
    match rng.below(34) {
        0..=2 => ("creat", syscalls::create(&at, 0o666).map(drop)),
        3 | 4 => ("mkdir", syscalls::mkdir(&at, 0o777)),
        5 => ("mkfifo", syscalls::mknod(&at, FileType::Fifo, 0o644, 0)),
        6 => ("symlink", syscalls::symlink(&other, &at)),
        // Seldom possible: one must be there, the other not, and both in the user's reach.
        7 | 32 | 33 => ("link", syscalls::link(&other, &at)),
        8 | 28..=30 => ("unlink", syscalls::unlink(&at)),
        9 => ("rmdir", syscalls::rmdir(&at)),
        31 => ("remove all", remove_all(&at, rng)),
        10 | 11 => ("rename", syscalls::rename(&at, &other)),
        12 => (
            "noreplace",
            syscalls::rename_with(&at, &other, RenameFlags::NOREPLACE),
        ),
        13 => (
            "exchange",
            syscalls::rename_with(&at, &other, RenameFlags::EXCHANGE),
        ),
        14 => (
            "whiteout",
            syscalls::rename_with(&at, &other, RenameFlags::WHITEOUT),
        ),
        15 => ("tmpfile", tmpfile(root, &other, &bytes(rng))),
        16 | 17 => ("write", write_somewhere(&at, &bytes(rng), length)),
        18 => ("truncate", syscalls::truncate(&at, length as i64)),
        19 => ("read", read(&at)),
        20 => ("map", map(&at)),
        21 => ("chmod", syscalls::chmod(&at, 0o770 | rng.below(8) as u32)),
        22 => ("chown", syscalls::give(&at, [0, USER][rng.below(2)])),
        23 => (
            "set xattr",
            syscalls::set_xattr(&at, "user.a", &bytes(rng)[..length as usize / 100]),
        ),
        24 => ("remove xattr", syscalls::remove_xattr(&at, "user.a")),
        25 => ("ACL", crate::cases::set_acl(&at)),
        26 => (
            "list",
            syscalls::names(at.parent().unwrap_or(root)).map(drop),
        ),
        _ => ("punch", punch(&at, length)),
    }
}

/// In a few cases removes a whole tree: directories that were moved below each other are out of
/// reach of the paths here.
fn remove_all(path: &Path, rng: &mut Rng) -> SyscallResult<()> {
    if rng.below(20) > 0 {
        return syscalls::rmdir(path);
    }
    std::fs::remove_dir_all(path).map_err(errno::from_io)
}

fn nonblocking(path: &Path) -> SyscallResult<std::os::fd::OwnedFd> {
    syscalls::open(path, O::RDWR | O::NONBLOCK, 0)
}

fn tmpfile(root: &Path, name: &Path, contents: &[u8]) -> SyscallResult<()> {
    let fd = syscalls::open(root, O::TMPFILE | O::RDWR, 0o600)?;
    syscalls::write_all(&fd, contents)?;
    syscalls::link_open(&fd, name)
}

fn write_somewhere(path: &Path, contents: &[u8], offset: u64) -> SyscallResult<()> {
    let fd = nonblocking(path)?;
    match rustix::io::pwrite(&fd, contents, offset) {
        // A pipe.
        Err(Errno::SPIPE) => Ok(()),
        other => other.map(drop),
    }
}

fn read(path: &Path) -> SyscallResult<()> {
    let fd = nonblocking(path)?;
    match syscalls::pread(&fd, 50_000, 0) {
        Err(Errno::SPIPE) => Ok(()),
        other => other.map(drop),
    }
}

/// Has the kernel store to and load from a mapping, since the file may become shorter.
fn map(path: &Path) -> SyscallResult<()> {
    let fd = nonblocking(path)?;
    let map = match Mapping::new(fd.as_fd(), 8192, true, libc::MAP_SHARED) {
        // A pipe.
        Err(Errno::NODEV) => return Ok(()),
        other => other?,
    };
    map.fill_from(5000, fd.as_fd())?;
    map.sync()
}

fn punch(path: &Path, offset: u64) -> SyscallResult<()> {
    let fd = nonblocking(path)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(&fd, flags, offset, 5000) {
        Err(Errno::SPIPE | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// The counts of an inode over all names that lead to it.
struct Known {
    names: u64,
    links: u64,
    blocks: u64,
}

/// Compares the tree with its link counts and block counts. Returns the number of entries.
fn consistent(t: &Test, small: &Small, begin: Space) -> Result<usize, Stop> {
    let mut inodes: BTreeMap<u64, Known> = BTreeMap::new();
    let mut directories = vec![small.root().to_owned()];
    let mut entries = 0;
    while let Some(directory) = directories.pop() {
        let fd = t.done("open", syscalls::open_ro(&directory))?;
        let mut below = 0;
        loop {
            let some = t.done("getdents", raw::getdents(&fd, 4096))?;
            if some.is_empty() {
                break;
            }
            for entry in some {
                if entry.name == "." || entry.name == ".." {
                    continue;
                }
                entries += 1;
                let path = directory.join(&entry.name);
                let stat = t.done("stat", syscalls::stat(&path))?;
                t.same("inode of the entry", entry.ino, stat.st_ino);
                t.same("its kind", u32::from(entry.kind), stat.st_mode >> 12);
                let known = inodes.entry(stat.st_ino).or_insert(Known {
                    names: 0,
                    links: syscalls::link_count(&stat),
                    blocks: stat.st_blocks as u64 / 8,
                });
                known.names += 1;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    below += 1;
                    // As if it had one name for each of its links.
                    known.names = known.links;
                    directories.push(path);
                }
            }
        }
        t.same(
            "links of a directory",
            syscalls::links(&directory),
            Ok(2 + below),
        );
    }
    for known in inodes.values() {
        t.same("links", known.links, known.names);
    }
    let space = t.done("statfs", small.space())?;
    let blocks: u64 = inodes.values().map(|known| known.blocks).sum();
    if t.mount.kind != "tmpfs" {
        // Every name takes an inode; of tmpfs also every attribute takes some.
        let blocks_taken = begin.free_blocks - space.free_blocks;
        let inodes_taken = begin.free_inodes - space.free_inodes;
        t.same("blocks taken", blocks_taken, blocks);
        t.same("inodes taken", inodes_taken, entries as u64);
    }
    Ok(entries)
}
