// SPDX-License-Identifier: GPL-2.0

//! Counts of the slab allocator.

use std::{collections::BTreeMap, fs, io, sync::OnceLock, thread, time::Duration};

/// The number of objects in use in each cache.
pub type Objects = BTreeMap<String, usize>;

/// A directory for each cache.
const CACHES: &str = "/sys/kernel/slab";

/// The time after which objects that are freed after a grace period are free.
const GRACE: Duration = Duration::from_millis(50);

/// The counts of the caches that mounts and their maps are in, from `/proc/slabinfo`.
pub fn objects() -> io::Result<Objects> {
    count(|name| name.starts_with("kmalloc") || ["mnt_cache", "user_namespace"].contains(&name))
}

/// The counts of every cache.
pub fn all_objects() -> io::Result<Objects> {
    count(|_| true)
}

fn count(is_wanted: fn(&str) -> bool) -> io::Result<Objects> {
    // Under KASAN this would only drain its quarantine.
    if !counts_what_is_freed()? {
        // Objects that were freed in the meantime are in per-CPU caches again.
        for _ in 0..2 {
            shrink(is_wanted);
            thread::sleep(GRACE);
        }
        shrink(is_wanted);
    }
    let text = fs::read_to_string("/proc/slabinfo")?;
    let counts = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().filter(|name| is_wanted(name))?;
        let count = words.next()?.parse().ok()?;
        Some((name.to_owned(), count))
    });
    Ok(counts.collect())
}

/// Shrinks caches. Each processor keeps some hundreds of objects of a cache for later allocations.
/// These objects count as in use, and would hide a leak.
fn shrink(is_wanted: fn(&str) -> bool) {
    // Without sysfs the counts are less exact, which is no reason not to look at them.
    let caches = fs::read_dir(CACHES).into_iter().flatten().flatten();
    for cache in caches.filter(|cache| cache.file_name().to_str().is_some_and(is_wanted)) {
        // A cache that is gone by now keeps nothing.
        let _ = fs::write(cache.path().join("shrink"), "1");
    }
}

/// Fails if a cache has grown by about one object for each of `times` calls.
///
/// Other tasks use the same caches, so the counts are not exact.
pub fn leaked(before: &Objects, after: &Objects, times: usize) -> Result<(), String> {
    for (name, count) in after {
        let old = before.get(name).copied().unwrap_or(0);
        if count.saturating_sub(old) >= times * 9 / 10 {
            return Err(format!("{name} went from {old} to {count} objects"));
        }
    }
    Ok(())
}

/// Returns whether freed objects count as in use for long: KASAN keeps them in its quarantine. Then
/// the counts are of no use, and kmemleak finds leaks.
///
/// Reads the symbols once, since there are many and they do not change.
pub fn counts_what_is_freed() -> io::Result<bool> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let symbols = fs::read_to_string("/proc/kallsyms")?;
    Ok(*KNOWN.get_or_init(|| names_quarantine(&symbols)))
}

fn names_quarantine(symbols: &str) -> bool {
    symbols
        .lines()
        .any(|line| line.ends_with(" kasan_quarantine_put"))
}

/// Fails if a cache has grown by about one object for each of `times` calls, and does not shrink.
///
/// Waits up to some seconds for objects that are freed after a grace period.
pub fn settled(before: &Objects, times: usize) -> Result<(), String> {
    if counts_what_is_freed().map_err(|error| format!("/proc/kallsyms: {error}"))? {
        return Ok(());
    }
    let mut tries = 20;
    loop {
        let after = objects().map_err(|error| format!("/proc/slabinfo: {error}"))?;
        match leaked(before, &after, times) {
            Err(leak) if tries == 0 => return Err(leak),
            Err(_) => thread::sleep(4 * GRACE),
            Ok(()) => return Ok(()),
        }
        tries -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kasan_is_detected_by_its_quarantine() {
        let with = "ffffffff81 t kasan_save_stack\nffffffff82 T kasan_quarantine_put\n";
        assert!(names_quarantine(with));
        let without = "ffffffff81 T kmalloc\nffffffff82 t no_kasan_quarantine_put_here\n";
        assert!(!names_quarantine(without));
    }

    #[test]
    fn growth_by_nearly_one_object_per_call_is_a_leak() {
        let before = Objects::from([("mnt_cache".to_owned(), 100)]);
        let after = |count| Objects::from([("mnt_cache".to_owned(), count)]);
        assert!(leaked(&before, &after(250), 200).is_ok());
        let leak = leaked(&before, &after(300), 200).unwrap_err();
        assert!(leak.contains("mnt_cache went from 100 to 300"));
        assert!(leaked(&before, &after(10), 200).is_ok());
        assert!(leaked(&Objects::new(), &after(200), 200).is_err());
    }
}
