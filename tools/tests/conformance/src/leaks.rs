// SPDX-License-Identifier: GPL-2.0

//! Looks for memory that is not given back.

use std::{thread, time::Duration};

use kselftest::errno;
use kselftest::slab;

use crate::test::{Case, Stop, Test};

/// How often something that looks like a leak is looked at again. The allocator's own caches may
/// fill at any time, a leak grows every time.
const TRIES: usize = 3;

/// Runs a `pass` that does something `times` times, or more; nothing may be left behind by it.
pub(crate) fn none(t: &Test, times: usize, mut pass: impl FnMut() -> Case) -> Case {
    let freed_too = slab::counts_what_is_freed();
    let freed_too = freed_too.map_err(errno::from_io);
    if t.done("the kernel's symbols", freed_too)? {
        return pass();
    }
    let mut leak = Ok(());
    for _ in 0..TRIES {
        settle();
        let before = objects(t)?;
        pass()?;
        // Some is freed in batches, seconds later.
        for _ in 0..15 {
            leak = slab::leaked(&before, &objects(t)?, times);
            if leak.is_ok() {
                return Ok(());
            }
            settle();
        }
    }
    t.same("left behind", leak, Ok(()));
    Err(Stop)
}

fn settle() {
    thread::sleep(Duration::from_millis(200));
}

fn objects(t: &Test) -> Result<slab::Objects, Stop> {
    let objects = slab::all_objects();
    let some = objects.as_ref().is_ok_and(|objects| !objects.is_empty());
    t.holds("slab counts", some);
    objects.map_err(|_| Stop)
}
