// SPDX-License-Identifier: GPL-2.0

//! Measures the time of lookups.

use crate::{
    alloc::flags::GFP_KERNEL,
    bindings,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
    user_namespace::Extent, //
};

/// Returns a map of `size` extents of two ids each, with gaps of one id.
pub(super) fn spaced_map(size: usize) -> Result<KVec<Extent>> {
    let mut map = KVec::with_capacity(size, GFP_KERNEL)?;
    for index in 0..size as u32 {
        let extent = Extent::new(1000 + 3 * index, 5000 + 3 * index, 2);
        map.push(extent.map_err(|_| EINVAL)?, GFP_KERNEL)?;
    }
    Ok(map)
}

/// Returns the time of a lookup in picoseconds, in the best of several rounds over all extents.
pub(super) fn best_time<R>(map: &[Extent], lookup: impl Fn(bindings::kuid_t) -> R) -> u64 {
    const LOOKUPS: u32 = 20_000;
    let round = |_| {
        let start = Instant::<Monotonic>::now();
        for extent in map.iter().cycle().take(LOOKUPS as usize) {
            core::hint::black_box(lookup(bindings::kuid_t {
                val: extent.first(),
            }));
        }
        start.elapsed().as_nanos() as u64
    };
    let best = (0..200).map(round).min().unwrap_or(0);
    // 32-bit architectures have no division of 64-bit numbers.
    let best = u32::try_from(best).unwrap_or(u32::MAX);
    u64::from(best / (LOOKUPS / 1000))
}
