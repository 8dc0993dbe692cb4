// SPDX-License-Identifier: GPL-2.0

//! User namespaces, random maps and `seq_file`s of the tests.

use crate::{
    alloc::flags::{
        __GFP_ZERO,
        GFP_KERNEL, //
    },
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    user_namespace::{
        sort_by_first,
        Extent,
        NamespaceKind, //
    },
};
use core::mem::MaybeUninit;

/// A xorshift generator, whose numbers depend on the seed only.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// Returns a number below `limit`, which must not be zero.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(limit)) >> 32) as u32
    }
}

/// A user namespace with an id and maps, and no other valid field.
pub(crate) struct FakeNamespace {
    ns: KBox<MaybeUninit<bindings::user_namespace>>,
    /// The arrays of maps of more than five extents.
    arrays: KVec<KVec<bindings::uid_gid_extent>>,
    users: KVec<Extent>,
    groups: KVec<Extent>,
}

impl FakeNamespace {
    /// Creates a namespace whose maps were not written.
    pub(crate) fn new() -> Result<Self> {
        // The ids of namespaces count up from zero, so no namespace has these ids.
        static NEXT_ID: Atomic<u64> = Atomic::new(1 << 63);

        let mut ns: KBox<MaybeUninit<bindings::user_namespace>> =
            KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: The pointer is to an allocation for a namespace, which no other task uses.
        unsafe {
            let id = NEXT_ID.fetch_add(1, Relaxed);
            bindings::oracle_set_namespace_id(ns.as_mut_ptr(), id);
        }
        Ok(Self {
            ns,
            arrays: KVec::new(),
            users: KVec::new(),
            groups: KVec::new(),
        })
    }

    /// Creates a namespace with random maps of `size` extents.
    pub(crate) fn random(random: &mut Random, size: usize) -> Result<Self> {
        let mut ns = Self::new()?;
        ns.set::<crate::uidgid::User>(&random_map(random, size)?)?;
        ns.set::<crate::uidgid::Group>(&random_map(random, size)?)?;
        Ok(ns)
    }

    /// Creates a namespace with random maps of `size` extents, the same for users and groups.
    pub(crate) fn alike(random: &mut Random, size: usize) -> Result<Self> {
        let mut ns = Self::new()?;
        let map = random_map(random, size)?;
        ns.set::<crate::uidgid::User>(&map)?;
        ns.set::<crate::uidgid::Group>(&map)?;
        Ok(ns)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.ns.as_ptr().cast_mut()
    }

    /// Writes a map as `map_write()` does.
    pub(crate) fn set<K: NamespaceKind>(&mut self, extents: &[Extent]) -> Result {
        let range = |extent: &Extent| bindings::uid_gid_extent {
            first: extent.first(),
            lower_first: extent.lower_first(),
            count: extent.count(),
        };
        // SAFETY: The pointer is to an allocation for a namespace, which no other task uses.
        let map = unsafe { K::map(self.as_ptr()).cast_mut() };
        if extents.len() <= bindings::UID_GID_MAP_MAX_BASE_EXTENTS as usize {
            for (index, extent) in extents.iter().enumerate() {
                // SAFETY: The index is within the array.
                unsafe {
                    let base = &raw mut (*map).__bindgen_anon_1.__bindgen_anon_1.extent;
                    base.cast::<bindings::uid_gid_extent>()
                        .add(index)
                        .write(range(extent));
                }
            }
        } else {
            let mut forward = KVec::with_capacity(extents.len(), GFP_KERNEL)?;
            for extent in sorted(extents.iter().copied())? {
                forward.push(range(&extent), GFP_KERNEL)?;
            }
            let mut reverse = KVec::with_capacity(extents.len(), GFP_KERNEL)?;
            for extent in sorted(extents.iter().map(|extent| extent.inverse()))? {
                reverse.push(range(&extent.inverse()), GFP_KERNEL)?;
            }
            // SAFETY: `map` is valid. The other member of the union is not in use.
            unsafe {
                let arrays = &raw mut (*map).__bindgen_anon_1.__bindgen_anon_2;
                (*arrays).forward = forward.as_mut_ptr();
                (*arrays).reverse = reverse.as_mut_ptr();
            }
            self.arrays.push(forward, GFP_KERNEL)?;
            self.arrays.push(reverse, GFP_KERNEL)?;
        }
        // SAFETY: `map` is a field of the namespace, which no other task uses.
        unsafe { (*map).__bindgen_anon_1.__bindgen_anon_1.nr_extents = extents.len() as u32 };
        let list = if extents.len() > bindings::UID_GID_MAP_MAX_BASE_EXTENTS as usize {
            sorted(extents.iter().copied())?
        } else {
            let mut list = KVec::new();
            list.extend_from_slice(extents, GFP_KERNEL)?;
            list
        };
        if K::NAME == "uid" {
            self.users = list;
        } else {
            self.groups = list;
        }
        Ok(())
    }

    /// Returns the extents of a map in the order of `/proc/PID/uid_map`.
    pub(crate) fn extents<K: NamespaceKind>(&self) -> &[Extent] {
        if K::NAME == "uid" {
            &self.users
        } else {
            &self.groups
        }
    }

    /// Returns a random upper or lower id of a map.
    pub(crate) fn any_id<K: NamespaceKind>(&self, random: &mut Random) -> u32 {
        let extents = self.extents::<K>();
        let index = random.below(extents.len() as u32) as usize;
        let offset = random.below(extents[index].count());
        let first = [extents[index].first(), extents[index].lower_first()];
        first[random.below(2) as usize].wrapping_add(offset)
    }

    /// Returns a map of the lower ids of up to `count` extents of this map, or of a part of an
    /// extent.
    pub(crate) fn inner_ranges<K: NamespaceKind>(&self, count: usize) -> Result<KVec<Extent>> {
        let mut ranges = KVec::new();
        let mut first = 0;
        for (index, extent) in self.extents::<K>().iter().take(count).enumerate() {
            let length = if index % 3 == 2 && extent.count() > 1 {
                extent.count() - 1
            } else {
                extent.count()
            };
            match Extent::new(first, extent.lower_first(), length) {
                Ok(range) => ranges.push(range, GFP_KERNEL)?,
                Err(_) => break,
            }
            first = first.saturating_add(length);
        }
        Ok(ranges)
    }
}

/// Returns the extents in ascending order.
fn sorted(extents: impl Iterator<Item = Extent>) -> Result<KVec<Extent>> {
    let mut list = KVec::new();
    for extent in extents {
        list.push(extent, GFP_KERNEL)?;
    }
    sort_by_first(&mut list);
    Ok(list)
}

/// Returns a random valid map. Its extents have random lengths and gaps, and the orders of the
/// upper and of the lower extents are independent.
fn random_map(random: &mut Random, size: usize) -> Result<KVec<Extent>> {
    let most = u32::MAX.checked_div(size as u32).unwrap_or(1);
    let limit = [1, 3, 1000, most][random.below(4) as usize];
    let mut counts = KVec::with_capacity(size, GFP_KERNEL)?;
    let mut total: u32 = 0;
    for _ in 0..size {
        let count = random.below(limit) + 1;
        let count = count.min(most);
        counts.push(count, GFP_KERNEL)?;
        total += count;
    }
    let mut order = KVec::with_capacity(size, GFP_KERNEL)?;
    for index in 0..size {
        order.push(index, GFP_KERNEL)?;
    }
    let firsts = place(random, &counts, &order, u32::MAX - total)?;
    for index in (1..size).rev() {
        let other = random.below(index as u32 + 1) as usize;
        order.swap(index, other);
    }
    let lowers = place(random, &counts, &order, u32::MAX - total)?;
    let mut extents = KVec::with_capacity(size, GFP_KERNEL)?;
    for index in 0..size {
        let extent = Extent::new(firsts[index], lowers[index], counts[index]);
        extents.push(extent.map_err(|_| EINVAL)?, GFP_KERNEL)?;
    }
    Ok(extents)
}

/// Returns the first ids of extents of the given lengths, in the given order and with random gaps
/// whose sum is at most `slack`.
fn place(random: &mut Random, counts: &[u32], order: &[usize], slack: u32) -> Result<KVec<u32>> {
    let most = slack.checked_div(counts.len() as u32).unwrap_or(0);
    let limit = [0, 1, 100, most][random.below(4) as usize].min(most);
    let mut starts = KVec::from_elem(0, counts.len(), GFP_KERNEL)?;
    let mut next = 0;
    for &index in order {
        next += random.below(limit + 1);
        starts[index] = next;
        next += counts[index];
    }
    Ok(starts)
}

/// The output of a function that writes to a `seq_file`.
pub(crate) struct Written {
    pub(crate) result: c_int,
    buffer: KVec<u8>,
    count: usize,
}

impl Written {
    pub(crate) fn text(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

/// Calls a function with a `seq_file` that has a buffer of `room` bytes.
pub(crate) fn statmount(
    room: usize,
    write: impl FnOnce(*mut bindings::seq_file) -> c_int,
) -> Result<Written> {
    let mut buffer = KVec::from_elem(0u8, room, GFP_KERNEL)?;
    let mut seq: KBox<MaybeUninit<bindings::seq_file>> = KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    let seq = seq.as_mut_ptr();
    // SAFETY: A `seq_file` of zeroes is valid. The printing functions need its buffer only.
    let (result, count) = unsafe {
        (*seq).buf = buffer.as_mut_ptr().cast();
        (*seq).size = room;
        (write(seq), (*seq).count)
    };
    Ok(Written {
        result,
        buffer,
        count,
    })
}
