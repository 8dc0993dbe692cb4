// SPDX-License-Identifier: GPL-2.0

//! Instructions of a call, by a clock that counts them.

use kselftest::errno::SyscallResult;
use std::{
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// Reads the clock, in nanoseconds since its first use. `Instant` has no need for the vDSO, which
/// User Mode Linux does not have.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// The instructions of a call, and its error number, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) errno: i32,
}

/// Measures a call: the median of `repeat` calls, without what reading the clock costs. A timer tick
/// hits few of them. Some calls before fill caches.
pub(crate) fn measure(repeat: usize, call: &mut dyn FnMut() -> SyscallResult) -> Cost {
    let warm = (0..3).map(|_| call()).last();
    let errno = match warm {
        Some(Err(errno)) => errno.raw_os_error(),
        _ => 0,
    };
    // Setting a time stamp takes another way while the coarse clock is behind a stamp that was set
    // before, as the first of these calls may have done. A tick ends that.
    thread::sleep(Duration::from_millis(20));
    let clock = median(repeat, &mut || Ok(()));
    Cost {
        instructions: median(repeat, call).saturating_sub(clock),
        errno,
    }
}

fn median(repeat: usize, call: &mut dyn FnMut() -> SyscallResult) -> u64 {
    let mut times: Vec<u64> = (0..repeat)
        .map(|_| {
            let start = now();
            // The calls before have shown the result.
            let _ = call();
            now() - start
        })
        .collect();
    times.sort_unstable();
    times[repeat / 2]
}
