// SPDX-License-Identifier: GPL-2.0

//! Makes, uses and removes idmapped mounts in as many ways as there are, on all processors.

pub(crate) mod nested;

use std::{
    fs::{self, File},
    os::{fd::AsFd, unix::fs::chown},
    path::{Path, PathBuf},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use idmap::{IdmappedMount, UserNs, unmount};
use kselftest::ktap::Failure;
use kselftest::mounts;
use kselftest::process::unshare;
use kselftest::rng::Rng;
use rustix::{
    fs::{Mode, OFlags, fstat, openat},
    mount::{MountFlags, mount},
    process::{Gid, Uid},
    thread::UnshareFlags,
};

use crate::{
    Found,
    leak_check::{self, LeakCheck, MEMORY, OBJECTS, maps},
    readers,
};

const DIR: &str = "/run/stress";
/// The owner of all files on disk.
pub(crate) const DISK: u32 = 1000;
/// The number of mounts from which on a leak exceeds the objects that the allocator keeps.
const ROUNDS: u64 = 2 * OBJECTS as u64;
/// The factor by which the test may exceed its duration to make that number of mounts.
const PATIENCE: u32 = 10;
/// How many ranges maps have: the kernel keeps up to five in another way than more.
const RANGES: [u32; 4] = [1, 5, 6, 340];

/// The mount points of a worker, and the id that its mounts show for [`DISK`].
pub(crate) struct MountPoints {
    pub(crate) first: PathBuf,
    pub(crate) second: PathBuf,
    pub(crate) seen: u32,
}

impl MountPoints {
    fn new(number: u32) -> Self {
        Self {
            first: format!("{DIR}/at/{number}-1").into(),
            second: format!("{DIR}/at/{number}-2").into(),
            seen: 2000 + number,
        }
    }

    /// How it is seen where the map was replaced.
    pub(crate) fn seen_again(&self) -> u32 {
        self.seen + 1000
    }
}

/// The state that all threads share.
pub(crate) struct Shared {
    pub(crate) mount_points: Vec<MountPoints>,
    pub(crate) over: AtomicBool,
    pub(crate) rounds: AtomicU64,
    /// How often an owner was looked at through a mount.
    pub(crate) looks: AtomicU64,
    /// How often something was made through a mount.
    pub(crate) made: AtomicU64,
    wrong: Mutex<Vec<String>>,
    /// Where all threads wait until the readers have become users.
    pub(crate) ready: Barrier,
    /// Whether an idmap comes on top of that of the mount, and does not replace it.
    composes: bool,
}

impl Shared {
    fn new(workers: u32, composes: bool) -> Self {
        Self {
            mount_points: (0..workers).map(MountPoints::new).collect(),
            over: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            made: AtomicU64::new(0),
            wrong: Mutex::new(Vec::new()),
            ready: Barrier::new(2 * workers as usize),
            composes,
        }
    }

    /// Records a failure, up to a small number of them.
    pub(crate) fn note(&self, what: String) {
        let mut wrong = self
            .wrong
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        if wrong.len() < 5 {
            wrong.push(what);
        }
    }

    /// Compares an owner with the one or two that it may be.
    pub(crate) fn look(&self, place: &str, owner: (Uid, Gid), may_be: &[u32]) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let (user, group) = (owner.0.as_raw(), owner.1.as_raw());
        if user != group || !may_be.contains(&user) {
            self.note(format!("{place}: owner {user}:{group}, not {may_be:?}"));
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Makes mounts by threads of this process.
pub(crate) fn run_workers(
    workers: u32,
    duration: Duration,
    rounds: u64,
) -> Result<Shared, Failure> {
    run(Shared::new(workers, false), duration, rounds)
}

/// Makes mounts by so many workers, for a time, and until there were so many mounts.
type RunWorkers = fn(u32, Duration, u64) -> Result<Shared, Failure>;

/// Runs the storm by `run_workers`.
pub(crate) fn mounts(duration: Duration, run_workers: RunWorkers) -> Result<Found, Failure> {
    let workers = thread::available_parallelism()?.get() as u32;
    set_up(workers)?;
    // Once for the caches.
    run_workers(workers, Duration::from_secs(2).min(duration), 0)?;
    let found = leak_check::look(|| watched(workers, duration, run_workers))?;
    take_down();
    Ok(found)
}

/// Runs the threads and checks the results.
fn watched(workers: u32, duration: Duration, run_workers: RunWorkers) -> Result<Found, Failure> {
    let leak_check = LeakCheck::new()?;
    let shared = run_workers(workers, duration, ROUNDS)?;
    println!(
        "# {} mounts made and removed by {workers} workers, {} owners looked at, {} files made",
        shared.rounds.load(Ordering::Relaxed),
        shared.looks.load(Ordering::Relaxed),
        shared.made.load(Ordering::Relaxed),
    );
    let wrong = shared.wrong.into_inner().unwrap_or_default();
    let owners = match wrong.is_empty() {
        true => enough(&shared.looks).and_then(|()| enough(&shared.made)),
        false => Err(Failure::Failed(wrong.join("\n# "))),
    };
    let told = match shared.rounds.load(Ordering::Relaxed) {
        0..ROUNDS => Err(Failure::Failed(format!(
            "less than {ROUNDS} mounts tell no leak"
        ))),
        _ => Ok(()),
    };
    Ok(vec![
        ("enough_mounts", told),
        ("owners_through_mounts", owners),
        ("owners_on_disk", on_disk()),
        ("no_mount_is_left", leak_check.mounts()),
        ("no_user_namespace_is_left", leak_check.namespaces()),
        (MEMORY, leak_check.memory()),
    ])
}

/// Nothing done would be a test of nothing.
fn enough(count: &AtomicU64) -> Result<(), Failure> {
    match count.load(Ordering::Relaxed) {
        0 => Err(Failure::Failed(
            "nothing was looked at, or nothing made".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn set_up(workers: u32) -> Result<(), Failure> {
    mounts::new_namespace()?;
    fs::create_dir_all(DIR)?;
    mount("stress", DIR, "tmpfs", MountFlags::empty(), None)?;
    fs::create_dir_all(format!("{DIR}/disk"))?;
    mount(
        "disk",
        format!("{DIR}/disk"),
        "tmpfs",
        MountFlags::empty(),
        None,
    )?;
    fs::write(format!("{DIR}/disk/file"), "")?;
    for path in ["disk", "disk/file"] {
        chown(format!("{DIR}/{path}"), Some(DISK), Some(DISK))?;
    }
    for worker in 0..workers {
        let place = MountPoints::new(worker);
        fs::create_dir_all(place.first)?;
        fs::create_dir_all(place.second)?;
    }
    Ok(())
}

fn take_down() {
    // A failure has been reported as a mount that is left.
    let _ = unmount(format!("{DIR}/disk"), true);
    let _ = unmount(DIR, true);
}

/// Lets all threads run for a time, and until they have made so many mounts.
fn run(shared: Shared, duration: Duration, rounds: u64) -> Result<Shared, Failure> {
    let end = Instant::now() + duration;
    let last = Instant::now() + duration * PATIENCE;
    thread::scope(|scope| {
        for (number, place) in shared.mount_points.iter().enumerate() {
            let shared = &shared;
            scope.spawn(move || {
                shared.ready.wait();
                let mut worker = Worker::new(shared, place, number as u64);
                while !shared.is_over() {
                    if let Err(failure) = worker.round() {
                        shared.note(format!("worker {number}: {failure}"));
                        worker.clear();
                    }
                }
            });
            scope.spawn(move || readers::read(shared, number));
        }
        let few = || shared.rounds.load(Ordering::Relaxed) < rounds && Instant::now() < last;
        while Instant::now() < end || few() {
            thread::sleep(Duration::from_millis(20));
        }
        shared.over.store(true, Ordering::Relaxed);
    });
    Ok(shared)
}

/// Makes mounts at one place.
struct Worker<'a> {
    shared: &'a Shared,
    place: &'a MountPoints,
    rng: Rng,
    disk: PathBuf,
    namespaces: Vec<UserNs>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, place: &'a MountPoints, seed: u64) -> Self {
        Self {
            shared,
            place,
            rng: Rng::new(seed),
            disk: format!("{DIR}/disk").into(),
            namespaces: Vec::new(),
        }
    }

    /// One way, chosen by chance.
    fn round(&mut self) -> Result<(), Failure> {
        if self.namespaces.len() < 2 || self.rng.once_in(8) {
            self.renew()?;
        }
        let ways = [
            Self::plainly,
            Self::while_in_use,
            Self::detached,
            Self::replaced,
            Self::copied,
            Self::with_namespace,
        ];
        self.rng.pick(&ways)(self)?;
        self.shared.rounds.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// New maps: one for the first mount, one for where it is replaced.
    fn renew(&mut self) -> Result<(), Failure> {
        self.namespaces.clear();
        let (seen, again) = (self.place.seen, self.place.seen_again());
        let from = if self.shared.composes { seen } else { DISK };
        for (from, seen) in [(DISK, seen), (from, again)] {
            let maps = maps(self.rng.pick(&RANGES), from, seen)?;
            self.namespaces.push(UserNs::new(&maps)?);
        }
        Ok(())
    }

    fn mount(&self) -> IdmappedMount<'_> {
        IdmappedMount::of(&self.disk).map(&self.namespaces[0])
    }

    fn look(&self, place: &Path, seen: u32) -> Result<(), Failure> {
        let status = rustix::fs::stat(place.join("file"))?;
        let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
        self.shared.look("worker", owner, &[seen]);
        Ok(())
    }

    /// A reader may be there just now.
    fn unmount(&self, place: &Path) -> Result<(), Failure> {
        unmount(place, false).or_else(|_| unmount(place, true))?;
        Ok(())
    }

    fn plainly(&mut self) -> Result<(), Failure> {
        self.mount().attach(&self.place.first)?;
        self.look(&self.place.first, self.place.seen)?;
        self.unmount(&self.place.first)
    }

    fn while_in_use(&mut self) -> Result<(), Failure> {
        self.mount().attach(&self.place.first)?;
        let file = File::open(self.place.first.join("file"))?;
        unmount(&self.place.first, true)?;
        let status = fstat(&file)?;
        let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
        self.shared.look("file in use", owner, &[self.place.seen]);
        Ok(())
    }

    fn detached(&mut self) -> Result<(), Failure> {
        let tree = self.mount().detached()?;
        let file = openat(tree.as_fd(), "file", OFlags::RDONLY, Mode::empty())?;
        drop(tree);
        let status = fstat(&file)?;
        let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
        self.shared.look("detached", owner, &[self.place.seen]);
        Ok(())
    }

    fn replaced(&mut self) -> Result<(), Failure> {
        let MountPoints { first, second, .. } = self.place;
        self.mount().attach(first)?;
        let again = IdmappedMount::of(first).map(&self.namespaces[1]);
        again.replace(true).attach(second)?;
        self.look(second, self.place.seen_again())?;
        let (a, b) = if self.rng.once_in(2) {
            (first, second)
        } else {
            (second, first)
        };
        self.unmount(a)?;
        self.unmount(b)
    }

    fn copied(&mut self) -> Result<(), Failure> {
        let MountPoints { first, second, .. } = self.place;
        self.mount().attach(first)?;
        IdmappedMount::of(first).attach(second)?;
        self.unmount(first)?;
        // The map lives on with the copy.
        self.look(second, self.place.seen)?;
        self.unmount(second)
    }

    /// All mounts, those of the others as well, are copied into a mount namespace that soon ends.
    fn with_namespace(&mut self) -> Result<(), Failure> {
        self.mount().attach(&self.place.first)?;
        let looked = thread::scope(|scope| {
            let look = || {
                unshare(UnshareFlags::NEWNS)?;
                self.look(&self.place.first, self.place.seen)
            };
            let thread = scope.spawn(look);
            let gone = || Err(Failure::Failed("a thread panicked".to_owned()));
            thread.join().unwrap_or_else(|_| gone())
        });
        self.unmount(&self.place.first)?;
        looked
    }

    /// Unmounts everything after a failure.
    fn clear(&mut self) {
        for place in [&self.place.first, &self.place.second] {
            while unmount(place, true).is_ok() {}
        }
    }
}

/// Whether everything on disk is its only owner's.
fn on_disk() -> Result<(), Failure> {
    for entry in fs::read_dir(format!("{DIR}/disk"))? {
        let path = entry?.path();
        let status = rustix::fs::stat(&path)?;
        if (status.st_uid, status.st_gid) != (DISK, DISK) {
            let (user, group) = (status.st_uid, status.st_gid);
            return Err(Failure::Failed(format!(
                "{}: {user}:{group}",
                path.display()
            )));
        }
    }
    Ok(())
}
