// SPDX-License-Identifier: GPL-2.0

//! Parts of the tests that run at once.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};

use crate::lab::Lab;
use crate::ui;

/// What a guest takes, and what is left to the builds beside it, in MiB.
const GUEST: u64 = 2560;
const BUILDS: u64 = 1536;

/// Returns how many guests run at once: what the user asked for, or else one for each processor, but
/// no more than there is memory for. A guest has two processors, of which most tests keep one busy.
pub(super) fn allowed(asked: Option<u8>) -> Result<usize> {
    let room = room(&fs::read_to_string("/proc/meminfo")?)?;
    let jobs = asked.map_or(Lab::jobs(), usize::from);
    if asked.is_some() && jobs > room {
        ui::print(format!(
            "JOBS={jobs}: there is memory for {room} at once, so {room} will run \
             (a guest takes {GUEST} MiB)"
        ));
    }
    Ok(jobs.clamp(1, room))
}

/// How many guests there is memory for, by the text of `/proc/meminfo`: at least one.
fn room(meminfo: &str) -> Result<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .context("/proc/meminfo has no MemAvailable")?;
    let number = line.split_whitespace().next().unwrap_or_default();
    let available: u64 = number
        .parse()
        .with_context(|| format!("/proc/meminfo: MemAvailable is {line}"))?;
    let guests = (available / 1024).saturating_sub(BUILDS) / GUEST;
    Ok(usize::try_from(guests.max(1))?)
}

/// Calls `run` for each item, `jobs` at once, and `report` with each result, in the order of the
/// items. An error of `report` ends both; what runs by then comes to its end.
pub(super) fn in_order<T: Sync, R: Send>(
    jobs: usize,
    items: &[T],
    run: impl Fn(&T) -> R + Sync,
    mut report: impl FnMut(&T, R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let (next, run, sender) = (&next, &run, sender.clone());
            scope.spawn(move || {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    if sender.send((index, run(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let mut reported = 0;
        for (index, result) in receiver {
            results[index] = Some(result);
            while let Some(result) = results.get_mut(reported).and_then(Option::take) {
                report(&items[reported], result)
                    .inspect_err(|_| next.store(items.len(), Ordering::Relaxed))?;
                reported += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::time::Duration;

    #[test]
    fn results_come_in_order_from_jobs_that_run_at_once() {
        // Each pair of items meets, so both run at once.
        let meeting = Barrier::new(2);
        let mut order = Vec::new();
        let run = |item: &u64| {
            meeting.wait();
            thread::sleep(Duration::from_millis(50 - 10 * item));
            item * 2
        };
        in_order(2, &[0, 1, 2, 3], run, |item, result| {
            order.push((*item, result));
            Ok(())
        })
        .unwrap();
        assert_eq!(order, [(0, 0), (1, 2), (2, 4), (3, 6)]);
    }

    #[test]
    fn an_error_of_the_report_ends_the_rest() {
        let ran = AtomicUsize::new(0);
        let run = |_: &u8| {
            thread::sleep(Duration::from_millis(1));
            ran.fetch_add(1, Ordering::Relaxed)
        };
        let report = |_: &u8, _| anyhow::bail!("stop");
        assert!(in_order(1, &[0; 1000], run, report).is_err());
        assert!(ran.into_inner() < 1000);
    }

    #[test]
    fn memory_is_counted() {
        let text = |mib: u64| format!("MemTotal: 1 kB\nMemAvailable:  {} kB\n", mib * 1024);
        assert_eq!(room(&text(500)).unwrap(), 1);
        assert_eq!(room(&text(BUILDS + 2 * GUEST)).unwrap(), 2);
        assert_eq!(room(&text(BUILDS + 3 * GUEST - 1)).unwrap(), 2);
        assert!(room("MemTotal: 1 kB\n").is_err());
    }
}
