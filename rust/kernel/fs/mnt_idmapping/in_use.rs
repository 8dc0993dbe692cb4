// SPDX-License-Identifier: GPL-2.0

//! The idmaps in use, by user namespace.
//!
//! All mounts that are idmapped by one user namespace share one idmap. A hash table contains the
//! idmaps in use, by the id of the namespace. As in C, an idmap holds no reference to the
//! namespace: the maps of a namespace do not change after they were written. The id of a namespace
//! is never used again, so no lookup finds an idmap after its namespace was freed.
//!
//! # Locking
//!
//! One spinlock protects the table and [`Link::next`]. The last reference to an idmap may be
//! dropped in process context, in an RCU callback, or under `mount_lock`. The lock is therefore
//! taken with interrupts disabled, and nothing sleeps while it is held.
//!
//! An idmap is added to the table with its first reference. Its count becomes zero only while the
//! lock is held, and the idmap is removed from the table before the lock is released. A lookup,
//! which holds the lock, therefore finds idmaps with a reference only, and may take another one. A
//! reference that is not the last one is dropped without the lock.
//!
//! An idmap of [`MntIdmap::of_extents`] belongs to no user namespace, and is never added to the
//! table. Its references are dropped like those of the others.
//!
//! # Memory
//!
//! The memory of an idmap is charged to the memory control group of the task that allocates it
//! (`GFP_KERNEL_ACCOUNT`). A task that finds it in the table is not charged. The charge stays until
//! the last reference is dropped, even if that is the reference of another task.

use super::MntIdmap;
use crate::{
    alloc::flags::GFP_KERNEL,
    bindings,
    prelude::*,
    str::CStrExt as _,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        static_lock_class, //
    },
    types::Opaque, //
};
use core::{
    cell::UnsafeCell,
    pin::Pin,
    ptr::{
        self,
        NonNull, //
    },
};
use pin_init::{
    Wrapper,
    Zeroable, //
};

/// The number of hash chains, a power of two. Their pointers fill a page of 4 KiB.
const CHAINS: usize = 512;

/// The table of the idmaps in use.
#[pin_data]
pub(super) struct IdmapTable {
    #[pin]
    lock: Opaque<bindings::spinlock_t>,
    /// Protected by `lock`.
    #[pin]
    chains: UnsafeCell<Chains>,
}

// SAFETY: `chains` is accessed under `lock` only.
unsafe impl Send for IdmapTable {}

// SAFETY: `chains` is accessed under `lock` only.
unsafe impl Sync for IdmapTable {}

/// The first idmap of each hash chain.
///
/// # Invariants
///
/// Each idmap of a chain has a reference, and is valid until [`IdmapTable::put_last`] has removed
/// it.
#[derive(Zeroable)]
struct Chains([Option<NonNull<MntIdmap>>; CHAINS]);

/// The place of an idmap in the table.
pub(super) struct Link {
    /// The id of the user namespace, or 0 for an idmap without one, which is never in the table.
    ns_id: u64,
    /// The next idmap in the same chain. Protected by the lock of [`IdmapTable`].
    next: UnsafeCell<Option<NonNull<MntIdmap>>>,
}

// SAFETY: `next` is only accessed under the lock of `IdmapTable`.
unsafe impl Sync for Link {}

impl Link {
    /// Creates the link of an idmap that is in no chain.
    pub(super) const fn new(ns_id: u64) -> Self {
        Self {
            ns_id,
            next: UnsafeCell::new(None),
        }
    }
}

/// The table, which is allocated with the first idmap and never freed.
static TABLE: Atomic<*mut IdmapTable> = Atomic::new(ptr::null_mut());

impl IdmapTable {
    /// Returns the table, or [`None`] if it was not allocated yet.
    #[inline]
    fn get() -> Option<&'static Self> {
        // SAFETY: A pointer that is not null points to a table that `allocate()` has initialized
        // before it stored the pointer, and that is never freed. The load pairs with that store.
        unsafe { TABLE.load(Acquire).as_ref() }
    }

    /// Returns the table. The first call allocates it.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    #[inline]
    pub(super) fn get_or_allocate() -> Result<&'static Self> {
        match Self::get() {
            Some(table) => Ok(table),
            None => Self::allocate(),
        }
    }

    #[cold]
    fn allocate() -> Result<&'static Self> {
        let table = KBox::pin_init(
            pin_init!(Self {
                // SAFETY: `slot` is valid for writes. The name and the lock class are static.
                lock <- Opaque::ffi_init(|slot| unsafe {
                    bindings::__spin_lock_init(
                        slot,
                        c"mnt_idmaps_in_use".as_char_ptr(),
                        static_lock_class!().as_ptr(),
                    )
                }),
                // INVARIANT: All chains are empty.
                chains <- UnsafeCell::pin_init(pin_init::init_zeroed::<Chains>()),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The table is not moved out of the allocation, which is only freed below.
        let table = KBox::into_raw(unsafe { Pin::into_inner_unchecked(table) });
        if TABLE.cmpxchg(ptr::null_mut(), table, Full).is_err() {
            // SAFETY: The pointer is from `KBox::into_raw()`, and it was not stored: another task
            // has stored one before.
            drop(unsafe { Pin::new_unchecked(KBox::from_raw(table)) });
        }
        Self::get().ok_or(ENOMEM)
    }

    /// Calls a function with the lock held and interrupts disabled.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce(&mut Chains) -> R) -> R {
        // SAFETY: The lock was initialized before the table was published.
        let flags = unsafe { bindings::spin_lock_irqsave(self.lock.get()) };
        // SAFETY: The lock is held, so no other task accesses the chains.
        let result = f(unsafe { &mut *self.chains.get() });
        // SAFETY: The lock was taken above, with these flags.
        unsafe { bindings::spin_unlock_irqrestore(self.lock.get(), flags) };
        result
    }

    /// Takes a reference to the idmap of a user namespace, if one is in use.
    #[inline]
    pub(super) fn find(&self, ns_id: u64) -> Option<ARef<MntIdmap>> {
        self.locked(|chains| chains.find(ns_id))
    }

    /// Adds a new idmap, and returns its reference. If another task has added one for the same user
    /// namespace, returns a reference to that one.
    pub(super) fn add(&self, idmap: KBox<MntIdmap>) -> ARef<MntIdmap> {
        self.locked(|chains| match chains.find(idmap.link().ns_id) {
            Some(other) => Err((other, idmap)),
            None => Ok(chains.add(idmap)),
        })
        // The idmap that was not added is freed after the lock was released.
        .unwrap_or_else(|(other, _)| other)
    }

    /// Drops a reference. If it was the last one, removes the idmap and returns it.
    ///
    /// # Safety
    ///
    /// The caller must have a reference to `idmap`, which it does not use afterwards.
    /// `idmap` must be from [`IdmapTable::add`] or from [`MntIdmap::of_extents`].
    #[inline]
    pub(super) unsafe fn put(idmap: NonNull<MntIdmap>) -> Option<KBox<MntIdmap>> {
        // SAFETY: The idmap is valid: the caller has a reference.
        let count = unsafe { idmap.as_ref() }.count();
        // SAFETY: The count is valid: it is a field of the idmap, and the caller has a reference.
        if unsafe { bindings::refcount_dec_not_one(count) } {
            return None;
        }
        // SAFETY: The caller has a reference, which was not dropped above. `idmap` is from `add()`
        // or `of_extents()`: `# Safety` of this function.
        unsafe { Self::put_last(idmap) }
    }

    /// [`IdmapTable::put`] for a reference that may be the last one.
    ///
    /// # Safety
    ///
    /// As for [`IdmapTable::put`].
    #[inline(never)]
    unsafe fn put_last(idmap: NonNull<MntIdmap>) -> Option<KBox<MntIdmap>> {
        // There is a table: `MntIdmap::new()` and `of_extents()` allocate it before the idmap.
        Self::get()?.locked(|chains| {
            // SAFETY: The idmap is valid: the caller has a reference.
            let count = unsafe { idmap.as_ref() }.count();
            // A lookup may have taken another reference before the lock was taken here.
            //
            // SAFETY: The count is valid: it is a field of the idmap, and the caller has a
            // reference.
            if unsafe { bindings::refcount_dec_and_test(count) } {
                // SAFETY: The idmap has no reference any more. It is from `add()` or
                // `of_extents()`: `# Safety` of this function.
                Some(unsafe { chains.remove(idmap) })
            } else {
                None
            }
        })
    }
}

impl Chains {
    /// Returns the first idmap of the chain of a user namespace.
    #[inline]
    fn first(&mut self, ns_id: u64) -> &mut Option<NonNull<MntIdmap>> {
        // `hash_64()`: the upper bits of the product depend on all bits of the id.
        let hash = ns_id.wrapping_mul(0x61c8_8646_80b5_83eb) >> 32;
        &mut self.0[hash as usize & (CHAINS - 1)]
    }

    /// Takes a reference to the idmap of a user namespace, if it is in its chain.
    #[inline]
    fn find(&mut self, ns_id: u64) -> Option<ARef<MntIdmap>> {
        let mut next = *self.first(ns_id);
        while let Some(idmap) = next {
            // SAFETY: An idmap in a chain is valid until it is removed, by the invariants of
            // `Chains`, and the chains are borrowed.
            let idmap = unsafe { idmap.as_ref() };
            if idmap.link().ns_id == ns_id {
                return Some(idmap.into());
            }
            // SAFETY: The chains are borrowed for writing, so the lock is held.
            next = unsafe { *idmap.link().next.get() };
        }
        None
    }

    /// Adds an idmap, and returns its first reference.
    #[inline]
    fn add(&mut self, idmap: KBox<MntIdmap>) -> ARef<MntIdmap> {
        let first = self.first(idmap.link().ns_id);
        // SAFETY: The chains are borrowed for writing, so the lock is held.
        unsafe { *idmap.link().next.get() = *first };
        let idmap = NonNull::from(KBox::leak(idmap));
        // INVARIANT: The idmap has a reference.
        *first = Some(idmap);
        // SAFETY: The idmap is valid, and its count is one. This is the reference.
        unsafe { ARef::from_raw(idmap) }
    }

    /// Removes an idmap from its chain, if it is in one, and returns its allocation.
    ///
    /// # Safety
    ///
    /// The idmap must be from [`IdmapTable::add`] or from [`MntIdmap::of_extents`], and must have
    /// no reference.
    unsafe fn remove(&mut self, idmap: NonNull<MntIdmap>) -> KBox<MntIdmap> {
        // SAFETY: The idmap is valid: it has no reference, and only this function frees it.
        let link = unsafe { idmap.as_ref() }.link();
        let mut place: *mut Option<NonNull<MntIdmap>> = self.first(link.ns_id);
        // SAFETY: The chains are borrowed for writing, so the lock is held. `place` is the first
        // place or the link of an idmap in the chain, which is valid.
        unsafe {
            while let Some(other) = *place {
                if other == idmap {
                    *place = *link.next.get();
                    break;
                }
                place = other.as_ref().link().next.get();
            }
        }
        // SAFETY: `add()` and `of_extents()` leak a box. The idmap has no reference, and it is in
        // no chain.
        unsafe { KBox::from_raw(idmap.as_ptr()) }
    }
}

/// Returns the number of idmaps in use.
#[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
pub(super) fn count() -> usize {
    IdmapTable::get().map_or(0, |table| {
        table.locked(|chains| {
            let mut count = 0;
            for first in &chains.0 {
                let mut next = *first;
                while let Some(idmap) = next {
                    count += 1;
                    // SAFETY: The idmap is in a chain, and the lock is held.
                    next = unsafe { *idmap.as_ref().link().next.get() };
                }
            }
            count
        })
    })
}
