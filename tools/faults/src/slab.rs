// SPDX-License-Identifier: GPL-2.0

//! Counts of the slab allocator.

use std::{collections::BTreeMap, fs, io};

/// The number of objects in use in each cache.
pub type Objects = BTreeMap<String, usize>;

/// Reads the counts of the caches that mounts and their maps are in.
pub fn objects() -> io::Result<Objects> {
    let text = fs::read_to_string("/proc/slabinfo")?;
    let counts = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        let ours = name.starts_with("kmalloc") || ["mnt_cache", "user_namespace"].contains(&name);
        let count = words.next()?.parse().ok()?;
        ours.then(|| (name.to_owned(), count))
    });
    Ok(counts.collect())
}

/// Tells a cache that has grown by about an object for each of `times` calls.
///
/// The counts are those of whole slabs where a CPU has one to itself, so they are off by some.
pub fn leaked(before: &Objects, after: &Objects, times: usize) -> Result<(), String> {
    for (name, count) in after {
        let old = before.get(name).copied().unwrap_or(0);
        if count.saturating_sub(old) >= times * 9 / 10 {
            return Err(format!("{name} went from {old} to {count} objects"));
        }
    }
    Ok(())
}
