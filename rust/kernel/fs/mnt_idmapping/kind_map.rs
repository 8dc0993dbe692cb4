// SPDX-License-Identifier: GPL-2.0

//! The map of an idmap for one kind of ids.

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

/// A [`Lookup`] whose extents and buckets are in the allocations of a [`KindMap`].
pub(crate) type KindLookup = Lookup<u32, Part<Extent>, Part<u16>>;

/// The map of an idmap for users or for groups.
///
/// # Invariants
///
/// If `down` is out of line, `up` is as well, and the map owns two allocations. The first contains
/// the extents of `down` and then those of `up`. The second contains the buckets of `down` and then
/// those of `up`: see the module [`lookup`](super::lookup). The allocations do not change before
/// the map is dropped.
pub(crate) struct KindMap {
    /// Maps ids on disk to ids at the mount.
    pub(super) down: KindLookup,
    /// Maps ids at the mount to ids on disk.
    pub(super) up: KindLookup,
    /// The index of each inline extent of `down`, which ascend, in the order in which the extents
    /// were written to the map of the user namespace. As in C, `statmount()` lists them in the
    /// order of the writes. If there are more than [`MAX_BASE_EXTENTS`] extents, this is not used,
    /// and `statmount()` lists them in ascending order.
    written_index: [u8; MAX_BASE_EXTENTS],
}

/// A slice of an allocation of a [`KindMap`].
///
/// # Invariants
///
/// The slice is valid and does not change until the map that owns its allocation is dropped.
pub(crate) struct Part<T>(NonNull<[T]>);

impl<T> Deref for Part<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: The part is borrowed, so its map is not dropped. The slice is valid by the type
        // invariants.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: A part is a shared reference to memory that does not change, and `T` is `Sync`.
unsafe impl<T: Sync> Send for Part<T> {}

// SAFETY: A part is a shared reference to memory that does not change, and `T` is `Sync`.
unsafe impl<T: Sync> Sync for Part<T> {}

impl KindMap {
    /// The map that maps no id.
    pub(super) const EMPTY: Self = Self {
        down: Lookup::EMPTY,
        up: Lookup::EMPTY,
        written_index: [0; MAX_BASE_EXTENTS],
    };

    /// Creates the map of an idmap from the map of a user namespace.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    #[inline]
    pub(super) fn new(source: WrittenMap<'_>) -> Result<Self> {
        match (source.extents(), source.extents_by_lower()) {
            ([extent], _) => Ok(Self::one(extent)),
            (down, Some(up)) => Self::out_of_line(down, up),
            (few, None) => Self::few(few),
        }
    }

    /// Creates the map from extents, which must ascend and be a valid map.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are no extents. [`ENOMEM`].
    pub(super) fn from_sorted(extents: &[Extent]) -> Result<Self> {
        match extents {
            [] => Err(EINVAL),
            [extent] => Ok(Self::one(extent)),
            few if few.len() <= MAX_BASE_EXTENTS => Self::few(few),
            down => {
                let mut up = KVec::with_capacity(down.len(), GFP_KERNEL_ACCOUNT)?;
                for extent in down {
                    up.push(extent.inverse(), GFP_KERNEL_ACCOUNT)?;
                }
                sort_by_first(&mut up);
                for extent in &mut up {
                    *extent = extent.inverse();
                }
                Self::out_of_line(down, &up)
            }
        }
    }

    /// Creates the map from one extent.
    #[inline(always)]
    pub(super) fn one(extent: &Extent) -> Self {
        Self {
            down: Lookup::one(*extent),
            up: Lookup::one(extent.inverse()),
            written_index: [0; MAX_BASE_EXTENTS],
        }
    }

    /// Creates the map from at most [`MAX_BASE_EXTENTS`] extents, in the order in which they were
    /// written.
    #[inline(never)]
    fn few(written: &[Extent]) -> Result<Self> {
        let mut sorted = [Extent::EMPTY; MAX_BASE_EXTENTS];
        let sorted = sorted.get_mut(..written.len()).ok_or(EINVAL)?;
        for (to, from) in sorted.iter_mut().zip(written) {
            *to = from.inverse();
        }
        sort_by_first(sorted);
        let up = Lookup::inline(sorted).ok_or(EINVAL)?;
        for (to, from) in sorted.iter_mut().zip(written) {
            *to = *from;
        }
        sort_by_first(sorted);
        let down = Lookup::inline(sorted).ok_or(EINVAL)?;
        let mut written_index = [0; MAX_BASE_EXTENTS];
        for (index, extent) in written_index.iter_mut().zip(sorted) {
            let position = written.iter().position(|other| other == extent);
            *index = position.ok_or(EINVAL)? as u8;
        }
        Ok(Self {
            down,
            up,
            written_index,
        })
    }

    /// Creates the map from more than [`MAX_BASE_EXTENTS`] extents: `down` ascends by first ids,
    /// and `up`, which has the same extents, ascends by lower first ids.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    #[inline(never)]
    fn out_of_line(down: &[Extent], up: &[Extent]) -> Result<Self> {
        let mut extents = Uninit::new(down.len())?;
        let mut buckets = Uninit::new(bucket_count(down.len()))?;
        let [to_down, to_up] = extents.halves()?;
        let [down_buckets, up_buckets] = buckets.halves()?;
        let down_scale = lay_out(down, |extent| extent, to_down, down_buckets);
        let up_scale = lay_out(up, Extent::inverse, to_up, up_buckets);
        // SAFETY: `lay_out()` has written each extent of both halves.
        let [down, up] = unsafe { extents.assume_init() };
        // SAFETY: `lay_out()` has written each bucket of both halves.
        let [down_buckets, up_buckets] = unsafe { buckets.assume_init() };
        // INVARIANT: The map owns the two allocations, and no other pointer to them exists.
        Ok(Self {
            down: Lookup::out_of_line(down, down_buckets, down_scale),
            up: Lookup::out_of_line(up, up_buckets, up_scale),
            written_index: [0; MAX_BASE_EXTENTS],
        })
    }

    /// Returns the extents in the order in which `statmount()` lists them.
    pub(in crate::fs) fn extents(&self) -> Extents<'_> {
        if let Some((extents, _)) = self.down.out_of_line_parts() {
            return Extents::Many(extents);
        }
        let mut written = [Extent::EMPTY; MAX_BASE_EXTENTS];
        let mut count = 0;
        for (extent, index) in self
            .down
            .inline_extents()
            .into_iter()
            .flatten()
            .zip(self.written_index)
        {
            let index = usize::from(index);
            if let Some(place) = written.get_mut(index) {
                *place = extent;
                count = index.saturating_add(1).max(count);
            }
        }
        Extents::Few(written, count)
    }
}

impl Drop for KindMap {
    fn drop(&mut self) {
        if let Some((extents, buckets)) = self.down.out_of_line_parts() {
            // SAFETY: The extents of `down` are the first half of an allocation of
            // `Uninit::assume_init()`, which the map owns by the type invariants.
            unsafe { free_halves(extents) };
            // SAFETY: The buckets of `down` are the first half of an allocation of
            // `Uninit::assume_init()`, which the map owns by the type invariants.
            unsafe { free_halves(buckets) };
        }
    }
}

/// Extents in the order in which `statmount()` lists them.
pub(in crate::fs) enum Extents<'a> {
    /// A copy of inline extents, and their number.
    Few([Extent; MAX_BASE_EXTENTS], usize),
    /// The extents of a map that is out of line.
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

/// Copies extents to `to`, each as `convert` returns it, and fills their buckets. Returns the
/// scale.
///
/// The converted extents must ascend.
///
/// `to` must have a place for each extent. The function writes each place of `to` and each bucket.
#[inline(always)]
fn lay_out(
    from: &[Extent],
    convert: impl Fn(Extent) -> Extent,
    to: &mut [MaybeUninit<Extent>],
    buckets: &mut [MaybeUninit<u16>],
) -> u64 {
    let edge = |extent: Option<&Extent>| extent.map_or(Extent::EMPTY, |extent| convert(*extent));
    let (first, end) = (edge(from.first()).first(), edge(from.last()).end());
    let copied = from
        .iter()
        .zip(to)
        .map(|(from, to)| *to.write(convert(*from)));
    fill(buckets, MaybeUninit::new, first, end, copied)
}

/// An allocation of two halves of the same length, which are not initialized.
struct Uninit<T> {
    memory: KVec<T>,
    /// The length of a half.
    half: usize,
}

impl<T: Copy> Uninit<T> {
    fn new(half: usize) -> Result<Self> {
        // A map has at most 340 extents.
        let len = half.checked_mul(2).ok_or(EINVAL)?;
        let memory = KVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?;
        Ok(Self { memory, half })
    }

    fn halves(&mut self) -> Result<[&mut [MaybeUninit<T>]; 2]> {
        let (first, rest) = self
            .memory
            .spare_capacity_mut()
            .split_at_mut_checked(self.half)
            .ok_or(EINVAL)?;
        // The capacity of the vector may be greater.
        Ok([first, rest.get_mut(..self.half).ok_or(EINVAL)?])
    }

    /// Converts the halves to parts of a map, which owns the allocation.
    ///
    /// # Safety
    ///
    /// Both halves must be initialized.
    unsafe fn assume_init(self) -> [Part<T>; 2] {
        let (memory, _, _) = self.memory.into_raw_parts();
        // SAFETY: The pointer of a vector is not null. `Self::new()` allocated both halves.
        let (first, second) = unsafe {
            let first = NonNull::new_unchecked(memory);
            (first, first.add(self.half))
        };
        // INVARIANT: Both halves are initialized: `# Safety` of this function. Only the map frees
        // them.
        [first, second].map(|half| Part(NonNull::slice_from_raw_parts(half, self.half)))
    }
}

/// Frees an allocation.
///
/// # Safety
///
/// `half` must be the first part of an allocation of [`Uninit::new`], which must not be used
/// afterwards.
unsafe fn free_halves<T: Copy>(half: &Part<T>) {
    let capacity = half.0.len().wrapping_mul(2);
    // SAFETY: `half` begins an allocation of `Uninit::new()` that is not used afterwards: `#
    // Safety` of this function. Its capacity is at least this one, and `kfree()` does not use the
    // capacity.
    drop(unsafe { KVec::from_raw_parts(half.0.as_ptr().cast::<T>(), 0, capacity) });
}
