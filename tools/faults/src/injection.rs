// SPDX-License-Identifier: GPL-2.0

//! Fault injection, as in `Documentation/fault-injection/fault-injection.rst`.

use rustix::mount::{MountFlags, mount};
use std::{fs, io, path::Path, sync::Once};

const DEBUGFS: &str = "/sys/kernel/debug";
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

/// Runs `call` with its `nth` allocation failing; says as well whether it came to that.
pub(crate) fn fail_nth<R>(nth: u32, call: impl FnOnce() -> R) -> io::Result<(R, bool)> {
    static READY: Once = Once::new();
    let mut ready = Ok(());
    READY.call_once(|| ready = prepare());
    ready?;
    fs::write(FAIL_NTH, nth.to_string())?;
    let result = call();
    let left = fs::read_to_string(FAIL_NTH)?;
    fs::write(FAIL_NTH, "0")?;
    Ok((result, left.trim() == "0"))
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
