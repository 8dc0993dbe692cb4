// SPDX-License-Identifier: GPL-2.0

//! Fault injection, as in `Documentation/fault-injection/fault-injection.rst`.

use rustix::mount::{MountFlags, mount};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

const DEBUGFS: &str = "/sys/kernel/debug";

/// What makes allocations of this thread fail.
pub struct Injection {
    /// Held open, since to open it needs memory as well.
    fail_nth: File,
}

impl Injection {
    /// Prepares this thread; needs root, and debugfs, which is mounted if it is not.
    pub fn new() -> io::Result<Self> {
        prepare()?;
        let fail_nth = File::options()
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth")?;
        Ok(Self { fail_nth })
    }

    /// Runs `call` with its `nth` allocation failing; says as well whether it came to that.
    pub fn fail_nth<R>(&self, nth: u32, call: impl FnOnce() -> R) -> io::Result<(R, bool)> {
        self.fail_nth.write_at(nth.to_string().as_bytes(), 0)?;
        let result = call();
        let mut left = [0; 16];
        let length = self.fail_nth.read_at(&mut left, 0)?;
        self.fail_nth.write_at(b"0", 0)?;
        Ok((result, left[..length].trim_ascii() == b"0"))
    }
}

/// Has allocations that may sleep fail as well, and no call traces in the log.
fn prepare() -> io::Result<()> {
    let failslab = Path::new(DEBUGFS).join("failslab");
    if !failslab.exists() {
        mount("debugfs", DEBUGFS, "debugfs", MountFlags::empty(), None)?;
    }
    fs::write(failslab.join("ignore-gfp-wait"), "N")?;
    fs::write(failslab.join("verbose"), "0")
}
