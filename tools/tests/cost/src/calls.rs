// SPDX-License-Identifier: GPL-2.0

//! The calls that are measured.

use std::ffi::CString;
use std::io::{Error, Write};
use std::thread;
use std::time::Duration;

use kselftest::credentials::become_user;
use kselftest::process::Child;

/// Their names, in the order of [`measure`]'s result.
pub(crate) const CALLS: [&str; 7] = [
    "stat",
    "access",
    "open+close",
    "creat+unlink",
    "mkdir+rmdir",
    "chmod",
    "chown",
];

const REPEAT: usize = 51;

struct Paths {
    file: CString,
    new: CString,
    owner: u32,
}

/// Measures each call under `root`, as `owner`, in a process of its own.
pub(crate) fn measure(root: &str, owner: u32) -> Result<[u64; CALLS.len()], String> {
    let path = |name: &str| CString::new(format!("{root}/d/e/{name}")).map_err(|e| e.to_string());
    let paths = Paths {
        file: path("f")?,
        new: path("g")?,
        owner,
    };
    let child = Child::start(|output| {
        let costs = become_user(owner).map_err(|errno| errno.to_string());
        match costs.and_then(|()| all(&paths)) {
            Ok(costs) => {
                let bytes: Vec<u8> = costs.iter().flat_map(|cost| cost.to_ne_bytes()).collect();
                // The parent detects a missing result by its length.
                let _ = output.write_all(&bytes);
            }
            Err(error) => eprintln!("cost: as uid {owner}: {error}"),
        }
    });
    let output = child.and_then(Child::output);
    let output = output.map_err(|errno| format!("measuring as uid {owner}: {errno}"))?;
    let mut costs = output
        .chunks_exact(8)
        .filter_map(|bytes| bytes.first_chunk().copied().map(u64::from_ne_bytes));
    let costs: [u64; CALLS.len()] = std::array::from_fn(|_| costs.next().unwrap_or_default());
    match output.len() == size_of_val(&costs) {
        true => Ok(costs),
        false => Err(format!("measuring as uid {owner} failed")),
    }
}

fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is there to be written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns the median of [`REPEAT`] calls, each of which is measured by itself: few are hit by a
/// timer tick. The first calls fill caches and do not count. The cost of reading the clock is
/// subtracted.
fn median(mut call: impl FnMut() -> bool) -> Result<u64, String> {
    for _ in 0..4 {
        if !call() {
            return Err(Error::last_os_error().to_string());
        }
    }
    // As long as the coarse clock is behind a time stamp that the first calls have set, setting a
    // time stamp takes another path. This lasts for at most one tick.
    thread::sleep(Duration::from_millis(20));
    Ok(median_time(call).saturating_sub(median_time(|| true)))
}

fn median_time(mut call: impl FnMut() -> bool) -> u64 {
    let mut times: [u64; REPEAT] = std::array::from_fn(|_| {
        let start = now();
        call();
        now() - start
    });
    times.sort_unstable();
    times[REPEAT / 2]
}

fn all(paths: &Paths) -> Result<[u64; CALLS.len()], String> {
    let (file, new) = (paths.file.as_ptr(), paths.new.as_ptr());
    // SAFETY: A `stat` of zeros is valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    let create = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    // SAFETY: In each of these the paths and `stat` live through the call.
    unsafe {
        Ok([
            median(|| libc::stat(file, &mut stat) == 0)?,
            median(|| libc::access(file, libc::R_OK | libc::W_OK) == 0)?,
            median(|| libc::close(libc::open(file, libc::O_RDWR)) == 0)?,
            median(|| libc::close(libc::open(new, create, 0o644)) == 0 && libc::unlink(new) == 0)?,
            median(|| libc::mkdir(new, 0o755) == 0 && libc::rmdir(new) == 0)?,
            median(|| libc::chmod(file, 0o644) == 0)?,
            median(|| libc::chown(file, paths.owner, paths.owner) == 0)?,
        ])
    }
}
