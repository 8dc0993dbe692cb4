// SPDX-License-Identifier: GPL-2.0

//! Fault injection, as in `Documentation/fault-injection/fault-injection.rst`.

use rustix::mount::{mount, MountFlags};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const DEBUGFS: &str = "/sys/kernel/debug";

/// Makes allocations of this thread fail.
pub struct Injection {
    /// Held open, since to open it needs memory as well.
    fail_nth: File,
    make_it_fail: File,
}

/// How many allocations fail in a row at most: page faults are tried until they get their memory.
const IN_A_ROW: u32 = 100;

impl Injection {
    /// Prepares this thread; needs root, and debugfs, which is mounted if it is not.
    pub fn new() -> io::Result<Self> {
        prepare()?;
        let open = |name: &str| {
            File::options()
                .read(true)
                .write(true)
                .open(Path::new("/proc/thread-self").join(name))
        };
        Ok(Self {
            fail_nth: open("fail-nth")?,
            make_it_fail: open("make-it-fail")?,
        })
    }

    /// Runs `call` with its `nth` allocation failing. Also returns whether that allocation was
    /// made.
    pub fn fail_nth<R>(&self, nth: u32, call: impl FnOnce() -> R) -> io::Result<(R, bool)> {
        self.fail_nth.write_at(nth.to_string().as_bytes(), 0)?;
        let result = call();
        let mut left = [0; 16];
        let length = self.fail_nth.read_at(&mut left, 0)?;
        self.fail_nth.write_at(b"0", 0)?;
        Ok((result, left[..length].trim_ascii() == b"0"))
    }

    /// Runs `call` with its `nth` allocation and all later ones failing. Also returns whether the
    /// `nth` was made.
    pub fn fail_from<R>(&self, nth: u32, call: impl FnOnce() -> R) -> io::Result<(R, bool)> {
        let (result, injected) = self.fail_nth(nth, || self.without_memory(call))?;
        Ok((result?, injected))
    }

    /// Runs `call` with all allocations failing that exceed this number of bytes in total. An
    /// allocation that is retried in another way fails again. Also returns whether an allocation
    /// has failed.
    pub fn fail_after<R>(&self, bytes: u32, call: impl FnOnce() -> R) -> io::Result<(R, bool)> {
        set("times", &IN_A_ROW.to_string())?;
        set("space", &bytes.to_string())?;
        let result = self.without_memory(call)?;
        let left = fs::read_to_string(failslab().join("times"))?;
        Ok((result, left.trim() != IN_A_ROW.to_string()))
    }

    /// Runs `call` with allocations failing that are not kept from it: by their number, or by room
    /// that there is still.
    fn without_memory<R>(&self, call: impl FnOnce() -> R) -> io::Result<R> {
        self.make_it_fail.write_at(b"1", 0)?;
        let result = call();
        self.make_it_fail.write_at(b"0", 0)?;
        Ok(result)
    }
}

/// Has allocations that may sleep fail as well, and no call traces in the log.
fn prepare() -> io::Result<()> {
    if !failslab().exists() {
        mount("debugfs", DEBUGFS, "debugfs", MountFlags::empty(), None)?;
    }
    set("ignore-gfp-wait", "N")?;
    set("verbose", "0")?;
    // All allocations of tasks with make-it-fail, and of no others.
    set("task-filter", "Y")?;
    set("probability", "100")?;
    set("times", "-1")?;
    set("space", "0")
}

fn failslab() -> PathBuf {
    Path::new(DEBUGFS).join("failslab")
}

fn set(name: &str, value: &str) -> io::Result<()> {
    fs::write(failslab().join(name), value)
}
