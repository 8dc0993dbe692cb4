// SPDX-License-Identifier: GPL-2.0

//! The map of a mount for one kind of ids, in kernel memory.

use super::lookup::{
    bucket_count,
    fill,
    Lookup, //
};
use crate::{
    alloc::{
        flags::GFP_KERNEL_ACCOUNT,
        KVec, //
    },
    prelude::*,
    user_namespace::{
        sort_by_first,
        Extent,
        WrittenMap,
        MAX_BASE_EXTENTS, //
    },
};
use core::{
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull, //
};

/// A [`Lookup`] in kernel memory.
pub(crate) type KLookup = Lookup<u32, Part<Extent>, Part<u16>>;

/// The map of a mount for users or for groups.
///
/// # Invariants
///
/// If `down` was made by [`Lookup::out_of_line`], so was `up`, and the map owns two allocations: the
/// one holds the extents of `down` and then the extents of `up`, the other holds their buckets in the
/// same order. Nothing in an allocation changes before the map is dropped.
pub(crate) struct KindMap {
    /// From the filesystem to the mount.
    pub(super) down: KLookup,
    /// From the mount to the filesystem.
    pub(super) up: KLookup,
    /// For each extent of `down`, in ascending order, its place in the order in which the extents
    /// were written, if there are at most [`MAX_BASE_EXTENTS`] extents.
    ///
    /// The kernel shows more extents than that in ascending order.
    order: [u8; MAX_BASE_EXTENTS],
}

/// A slice of an allocation of a [`KindMap`].
///
/// # Invariants
///
/// The slice is valid, and does not change, until the map that has the part is dropped.
pub(crate) struct Part<T>(NonNull<[T]>);

impl<T> Deref for Part<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: The map that has the part is not dropped while the part is borrowed; by the type
        // invariants the slice is valid.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: A part is a shared reference to memory that does not change.
unsafe impl<T: Sync> Send for Part<T> {}

// SAFETY: A part is a shared reference to memory that does not change.
unsafe impl<T: Sync> Sync for Part<T> {}

impl KindMap {
    /// The map of no id.
    pub(super) const EMPTY: Self = Self {
        down: Lookup::EMPTY,
        up: Lookup::EMPTY,
        order: [0; MAX_BASE_EXTENTS],
    };

    /// Lays out the map of a user namespace for lookup.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if memory is short.
    pub(super) fn new(source: WrittenMap<'_>) -> Result<Self> {
        match (source.extents(), source.extents_from_below()) {
            ([extent], _) => Self::one(extent),
            (down, Some(up)) => Self::out_of_line(down, up),
            (few, None) => Self::few(few),
        }
    }

    /// Lays out extents that ascend and make a map.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if memory is short, [`EINVAL`] if there are no extents.
    pub(super) fn from_sorted(extents: &[Extent]) -> Result<Self> {
        match extents {
            [] => Err(EINVAL),
            [extent] => Self::one(extent),
            few if few.len() <= MAX_BASE_EXTENTS => Self::few(few),
            down => {
                let mut up = KVec::with_capacity(down.len(), GFP_KERNEL_ACCOUNT)?;
                up.extend_from_slice(down, GFP_KERNEL_ACCOUNT)?;
                up.sort_unstable_by_key(Extent::lower_first);
                Self::out_of_line(down, &up)
            }
        }
    }

    /// Lays out one extent, which takes no memory.
    #[inline(always)]
    pub(super) fn one(extent: &Extent) -> Result<Self> {
        let lookup = |extent| Lookup::inline(&[extent]).ok_or(EINVAL);
        Ok(Self {
            down: lookup(*extent)?,
            up: lookup(extent.inverse())?,
            order: [0; MAX_BASE_EXTENTS],
        })
    }

    #[inline(never)]
    fn few(written: &[Extent]) -> Result<Self> {
        let mut extents = [Extent::EMPTY; MAX_BASE_EXTENTS];
        let extents = extents.get_mut(..written.len()).ok_or(EINVAL)?;
        for (to, from) in extents.iter_mut().zip(written) {
            *to = from.inverse();
        }
        sort_by_first(extents);
        let up = Lookup::inline(extents).ok_or(EINVAL)?;
        if written.is_sorted_by_key(Extent::first) {
            let down = Lookup::inline(written).ok_or(EINVAL)?;
            let order = [0, 1, 2, 3, 4];
            return Ok(Self { down, up, order });
        }
        for (to, from) in extents.iter_mut().zip(written) {
            *to = *from;
        }
        sort_by_first(extents);
        let down = Lookup::inline(extents).ok_or(EINVAL)?;
        let mut order = [0; MAX_BASE_EXTENTS];
        for (place, extent) in order.iter_mut().zip(extents) {
            let written = written.iter().position(|other| other == extent);
            *place = written.ok_or(EINVAL)? as u8;
        }
        Ok(Self { down, up, order })
    }

    #[inline(never)]
    fn out_of_line(down: &[Extent], up: &[Extent]) -> Result<Self> {
        let mut extents = Uninit::new(down.len())?;
        let mut buckets = Uninit::new(bucket_count(down.len()))?;
        let (to_down, to_up) = extents.halves()?;
        let (down_buckets, up_buckets) = buckets.halves()?;
        let down_scale = lay_out(down, |extent| extent, to_down, down_buckets);
        let up_scale = lay_out(up, Extent::inverse, to_up, up_buckets);
        // SAFETY: `lay_out()` has written each extent of both halves.
        let [down, up] = unsafe { extents.assume_init() };
        // SAFETY: `lay_out()` has written each bucket of both halves.
        let [down_buckets, up_buckets] = unsafe { buckets.assume_init() };
        // INVARIANT: The allocations are these two. Nothing else has a pointer to them.
        Ok(Self {
            down: Lookup::out_of_line(down, down_buckets, down_scale),
            up: Lookup::out_of_line(up, up_buckets, up_scale),
            order: [0; MAX_BASE_EXTENTS],
        })
    }

    /// The extents in the order in which the kernel shows them.
    pub(in crate::fs) fn extents(&self) -> Extents<'_> {
        if let Some((extents, _)) = self.down.out_of_line_parts() {
            return Extents::Many(extents);
        }
        let mut written = [Extent::EMPTY; MAX_BASE_EXTENTS];
        let mut count = 0;
        for (extent, place) in self
            .down
            .inline_extents()
            .into_iter()
            .flatten()
            .zip(self.order)
        {
            if let Some(written) = written.get_mut(usize::from(place)) {
                *written = extent;
                count = usize::from(place).saturating_add(1).max(count);
            }
        }
        Extents::Few(written, count)
    }
}

impl Drop for KindMap {
    fn drop(&mut self) {
        if let Some((extents, buckets)) = self.down.out_of_line_parts() {
            // SAFETY: By the type invariants the parts of `down` begin the two allocations, which
            // the map owns. `Uninit::assume_init()` made them of vectors with twice the length.
            unsafe {
                free_halves(extents);
                free_halves(buckets);
            }
        }
    }
}

/// Extents in the order in which the kernel shows them.
pub(in crate::fs) enum Extents<'a> {
    Few([Extent; MAX_BASE_EXTENTS], usize),
    Many(&'a [Extent]),
}

impl Deref for Extents<'_> {
    type Target = [Extent];

    fn deref(&self) -> &[Extent] {
        match self {
            Self::Few(extents, count) => extents.get(..*count).unwrap_or(&[]),
            Self::Many(extents) => extents,
        }
    }
}

/// Copies ascending extents to `to`, each of them turned by `turn`, and fills the buckets for them.
/// Returns the scale. Writes each place of `to`, which has a place for each extent, and each bucket.
#[inline(always)]
fn lay_out(
    from: &[Extent],
    turn: impl Fn(Extent) -> Extent,
    to: &mut [MaybeUninit<Extent>],
    buckets: &mut [MaybeUninit<u16>],
) -> u64 {
    let edge = |extent: Option<&Extent>| extent.map_or(Extent::EMPTY, |extent| turn(*extent));
    let (first, end) = (edge(from.first()).first(), edge(from.last()).end());
    let copied = from.iter().zip(to).map(|(from, to)| *to.write(turn(*from)));
    fill(buckets, MaybeUninit::new, first, end, copied)
}

/// A new allocation of two halves of the same length.
struct Uninit<T>(KVec<T>, usize);

impl<T: Copy> Uninit<T> {
    fn new(half: usize) -> Result<Self> {
        // A map has at most 340 extents.
        let len = half.checked_mul(2).ok_or(EINVAL)?;
        Ok(Self(KVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?, half))
    }

    fn halves(&mut self) -> Result<(&mut [MaybeUninit<T>], &mut [MaybeUninit<T>])> {
        let (first, rest) = self
            .0
            .spare_capacity_mut()
            .split_at_mut_checked(self.1)
            .ok_or(EINVAL)?;
        // The vector may have more capacity than was asked for.
        Ok((first, rest.get_mut(..self.1).ok_or(EINVAL)?))
    }

    /// Makes the halves parts of a map. The caller owns the allocation from now on.
    ///
    /// # Safety
    ///
    /// Both halves must have been written.
    unsafe fn assume_init(self) -> [Part<T>; 2] {
        let (memory, _, _) = self.0.into_raw_parts();
        // SAFETY: The pointer of a vector is not null. `Self::new()` allocated both halves.
        let (first, second) = unsafe {
            let first = NonNull::new_unchecked(memory);
            (first, first.add(self.1))
        };
        // INVARIANT: Both halves have been written, by the requirements of this function, and only
        // the map frees them.
        [first, second].map(|half| Part(NonNull::slice_from_raw_parts(half, self.1)))
    }
}

/// Frees an allocation by its first half.
///
/// # Safety
///
/// `half` must be the first part of an allocation by [`Uninit::new`], which nothing uses any more.
unsafe fn free_halves<T: Copy>(half: &Part<T>) {
    let capacity = half.0.len().wrapping_mul(2);
    // SAFETY: `Uninit::new()` allocated a vector with at least this capacity, which `kfree()` does
    // not look at, and `T` needs no drop. By the requirements of this function nothing else frees
    // or uses the memory.
    drop(unsafe { KVec::from_raw_parts(half.0.as_ptr().cast::<T>(), 0, capacity) });
}
