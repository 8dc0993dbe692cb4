// SPDX-License-Identifier: GPL-2.0

//! Whether all is given back: user namespaces to the last one, mounts and memory.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use idmap::{IdMaps, UserNs};
use kselftest::ktap::{Failure, failed};
use kselftest::mounts;
use kselftest::slab::{self, Objects};
use rustix::io::Errno;

use crate::Found;

/// How many user namespaces root may have made that are still there.
const LIMIT: &str = "/proc/sys/user/max_user_namespaces";
/// The growth of a cache that is a leak. Other tasks cause less.
pub(crate) const OBJECTS: usize = 600;
/// The number of attempts to find a leak. Other tasks may use the same caches at any time, a leak
/// grows in each attempt.
const TRIES: usize = 3;
/// The check of the memory, by name.
pub(crate) const MEMORY: &str = "no_memory_is_lost";
/// The time within which the kernel must free objects without references.
const PATIENCE: Duration = Duration::from_secs(20);

/// The counts before the test.
pub(crate) struct LeakCheck {
    limit: String,
    mounts: usize,
    objects: Objects,
}

/// Does it all again as long as memory, and nothing else, seems to be lost.
pub(crate) fn look(mut once: impl FnMut() -> Result<Found, Failure>) -> Result<Found, Failure> {
    let mut tries = 1;
    loop {
        let found = once()?;
        let mut wrong = found.iter().filter(|(_, result)| result.is_err());
        let memory = wrong.clone().any(|(name, _)| *name == MEMORY);
        if tries == TRIES || !memory || wrong.any(|(name, _)| *name != MEMORY) {
            return Ok(found);
        }
        tries += 1;
    }
}

impl LeakCheck {
    /// Takes the counts; everything must have been done once, so that caches are full, and no
    /// user namespace may be there.
    pub(crate) fn new() -> Result<Self, Failure> {
        let limit = fs::read_to_string(LIMIT)?;
        let mut leak_check = Self {
            limit,
            mounts: mounts::all()?.len(),
            objects: Objects::new(),
        };
        leak_check.namespaces()?;
        leak_check.control()?;
        // After this wait, no object of earlier operations is left.
        leak_check.namespaces()?;
        leak_check.objects = slab::objects()?;
        Ok(leak_check)
    }

    /// Whether no user namespace is left: where only one may be, one can be made.
    pub(crate) fn namespaces(&self) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            match self.make_the_only_one()? {
                Ok(_) => return Ok(()),
                Err(_) if since.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(100)),
                Err(error) => {
                    return Err(Failure::Failed(format!(
                        "a user namespace is left: {error}"
                    )));
                }
            }
        }
    }

    /// Whether a namespace that is left would be seen.
    fn control(&self) -> Result<(), Failure> {
        let _held = UserNs::new(&maps(1, 1000, 2000)?)?;
        match self.make_the_only_one()? {
            Err(error) if error.errno == Errno::NOSPC => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Failure::Failed(format!("{LIMIT} does not limit them"))),
        }
    }

    fn make_the_only_one(&self) -> Result<Result<UserNs, idmap::Error>, Failure> {
        let maps = maps(1, 1000, 2000)?;
        fs::write(LIMIT, "1")?;
        let made = UserNs::new(&maps);
        fs::write(LIMIT, &self.limit)?;
        Ok(made)
    }

    /// Whether there are as many mounts as before.
    pub(crate) fn mounts(&self) -> Result<(), Failure> {
        match mounts::all()?.len() {
            now if now == self.mounts => Ok(()),
            now => Err(Failure::Failed(format!(
                "{now} mounts, {} before",
                self.mounts
            ))),
        }
    }

    /// Whether the kernel's memory for them is.
    pub(crate) fn memory(&self) -> Result<(), Failure> {
        slab::settled(&self.objects, OBJECTS).map_err(failed)
    }
}

/// Maps with this many ranges, the first of which shows `disk` as `seen`.
pub(crate) fn maps(ranges: u32, disk: u32, seen: u32) -> Result<IdMaps, Failure> {
    let mut text = format!("{disk} {seen} 1\n");
    for index in 1..ranges {
        // In few digits: the kernel takes less than a page of text.
        text += &format!("{} {} 2\n", 3000 + 3 * index, 7000 + 3 * index);
    }
    IdMaps::from_proc(&text, &text).map_err(|error| Failure::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is done when it ends like this each time.
    fn times(results: &[(&'static str, bool)]) -> usize {
        let mut times = 0;
        let found = look(|| {
            times += 1;
            let result = |good| match good {
                true => Ok(()),
                false => Err(Failure::Failed(String::new())),
            };
            Ok(results
                .iter()
                .map(|(name, good)| (*name, result(*good)))
                .collect())
        });
        assert_eq!(found.unwrap().len(), results.len());
        times
    }

    #[test]
    fn only_memory_leaks_are_retried() {
        assert_eq!(times(&[("owners", true), (MEMORY, true)]), 1);
        assert_eq!(times(&[("owners", true), (MEMORY, false)]), TRIES);
        assert_eq!(times(&[("owners", false), (MEMORY, false)]), 1);
        assert_eq!(times(&[("owners", false), (MEMORY, true)]), 1);
    }
}
