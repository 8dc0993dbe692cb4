// SPDX-License-Identifier: GPL-2.0

//! The idmaps in use, by user namespace.
//!
//! All mounts that are idmapped by one user namespace share one idmap. A hash table has the idmaps
//! in use, by the id of the namespace. An idmap holds no reference to the namespace, as in C: the id
//! of a namespace is never used again, and the maps of a namespace never change once they are
//! written. An idmap that outlives its namespace therefore stays in the table, where no lookup finds
//! it.
//!
//! # Locking
//!
//! One spinlock protects the table and [`Link::next`]. The last reference to an idmap is dropped in
//! process context, in RCU callbacks, and under `mount_lock`, so interrupts are off while the lock
//! is held and nothing sleeps.
//!
//! An idmap enters the table with its first reference, and its count becomes zero under the lock
//! only, where the idmap leaves the table as well. Whoever holds the lock therefore finds no idmap
//! without a reference, and a lookup may take one more. A dropped reference that is not the last one
//! needs no lock.
//!
//! # Memory
//!
//! The memory of an idmap is charged to the memory control group of the task that makes it
//! (`GFP_KERNEL_ACCOUNT`). Tasks that find it in the table pay nothing. The charge stays until the
//! last mount that has the idmap is gone, even if the mounts of the task that paid are gone before.
//! It is at most the charge for one mount.

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

/// The number of hash chains, a power of two: a page of pointers.
const CHAINS: usize = 512;

/// The idmaps in use.
#[pin_data]
pub(super) struct InUse {
    #[pin]
    lock: Opaque<bindings::spinlock_t>,
    /// Protected by `lock`.
    #[pin]
    chains: UnsafeCell<Chains>,
}

// SAFETY: `chains` is accessed under `lock` only.
unsafe impl Send for InUse {}

// SAFETY: `chains` is accessed under `lock` only.
unsafe impl Sync for InUse {}

/// The first idmap of each hash chain.
///
/// # Invariants
///
/// Each idmap of a chain has a reference, and is valid until [`InUse::put_last`] has removed it.
#[derive(Zeroable)]
struct Chains([Option<NonNull<MntIdmap>>; CHAINS]);

/// The place of an idmap in the table.
pub(super) struct Link {
    /// The id of the user namespace, or 0 for an idmap that is not in the table.
    ns_id: u64,
    /// The next idmap in the same chain. Protected by the lock of [`InUse`].
    next: UnsafeCell<Option<NonNull<MntIdmap>>>,
}

// SAFETY: `next` is only accessed under the lock of `InUse`.
unsafe impl Sync for Link {}

impl Link {
    /// The link of an idmap that is in no chain.
    pub(super) const fn new(ns_id: u64) -> Self {
        Self {
            ns_id,
            next: UnsafeCell::new(None),
        }
    }
}

/// The table, null until the first idmap is made. It is never freed.
static IN_USE: Atomic<*mut InUse> = Atomic::new(ptr::null_mut());

impl InUse {
    /// The table, if there is one.
    #[inline]
    fn get() -> Option<&'static Self> {
        // SAFETY: A pointer that is not null points to a table that `allocate()` has initialized
        // before it stored the pointer, and that is never freed. The load pairs with that store.
        unsafe { IN_USE.load(Acquire).as_ref() }
    }

    /// The table, allocated if there is none.
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
                // SAFETY: The slot is valid for writes. The name and the lock class are static.
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
        // SAFETY: The table is not moved: its memory stays where it is, and is only freed below.
        let table = KBox::into_raw(unsafe { Pin::into_inner_unchecked(table) });
        if IN_USE.cmpxchg(ptr::null_mut(), table, Full).is_err() {
            // SAFETY: The pointer is that of a box. Another task was first, so nothing else has it.
            drop(unsafe { Pin::new_unchecked(KBox::from_raw(table)) });
        }
        Self::get().ok_or(ENOMEM)
    }

    /// Calls a function with the lock held and interrupts off.
    #[inline]
    fn locked<R>(&self, f: impl FnOnce(&mut Chains) -> R) -> R {
        // SAFETY: The lock was initialized before the table was published.
        let flags = unsafe { bindings::spin_lock_irqsave(self.lock.get()) };
        // SAFETY: The lock is held, so nothing else accesses the chains.
        let result = f(unsafe { &mut *self.chains.get() });
        // SAFETY: The lock was taken above, with these flags.
        unsafe { bindings::spin_unlock_irqrestore(self.lock.get(), flags) };
        result
    }

    /// Takes a reference to the idmap of a user namespace, if there is one in use.
    pub(super) fn find(&self, ns_id: u64) -> Option<ARef<MntIdmap>> {
        self.locked(|chains| chains.find(ns_id))
    }

    /// Adds a new idmap, unless another task has added one for the same user namespace since. Returns
    /// the idmap of the namespace.
    pub(super) fn add(&self, idmap: KBox<MntIdmap>) -> ARef<MntIdmap> {
        self.locked(|chains| match chains.find(idmap.link().ns_id) {
            Some(other) => Err((other, idmap)),
            None => Ok(chains.add(idmap)),
        })
        // The idmap that was not added is freed with the lock released.
        .unwrap_or_else(|(other, _)| other)
    }

    /// Drops a reference. If it was the last one, removes the idmap and returns it.
    ///
    /// # Safety
    ///
    /// The caller must have a reference to `idmap`, and give it up. [`InUse::add`] must have added the
    /// idmap, or it has no namespace.
    #[inline]
    pub(super) unsafe fn put(idmap: NonNull<MntIdmap>) -> Option<KBox<MntIdmap>> {
        // SAFETY: The caller has a reference.
        let count = unsafe { idmap.as_ref() }.count();
        // SAFETY: The count is valid. It is not used any more if this was not the last reference.
        if unsafe { bindings::refcount_dec_not_one(count) } {
            return None;
        }
        // SAFETY: The caller has a reference still.
        unsafe { Self::put_last(idmap) }
    }

    /// [`InUse::put`] where the reference may be the last one.
    ///
    /// # Safety
    ///
    /// As for [`InUse::put`].
    #[inline(never)]
    unsafe fn put_last(idmap: NonNull<MntIdmap>) -> Option<KBox<MntIdmap>> {
        // An idmap was added, so there is a table.
        Self::get()?.locked(|chains| {
            // SAFETY: The caller has a reference until the count says otherwise.
            let count = unsafe { idmap.as_ref() }.count();
            // SAFETY: The count is valid. A lookup may have taken another reference before the lock
            // was taken.
            if unsafe { bindings::refcount_dec_and_test(count) } {
                // SAFETY: The lock is held, and no reference is left.
                Some(unsafe { chains.remove(idmap) })
            } else {
                None
            }
        })
    }
}

impl Chains {
    /// The first idmap of the chain for a user namespace.
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

    /// Adds an idmap with its first reference, which is returned.
    #[inline]
    fn add(&mut self, idmap: KBox<MntIdmap>) -> ARef<MntIdmap> {
        let first = self.first(idmap.link().ns_id);
        // SAFETY: The chains are borrowed for writing, so the lock is held.
        unsafe { *idmap.link().next.get() = *first };
        let idmap = NonNull::from(KBox::leak(idmap));
        // INVARIANT: The idmap has a reference.
        *first = Some(idmap);
        // SAFETY: The reference is handed over.
        unsafe { ARef::from_raw(idmap) }
    }

    /// Removes an idmap.
    ///
    /// # Safety
    ///
    /// The idmap must be in its chain, or have no namespace, and must have no reference.
    unsafe fn remove(&mut self, idmap: NonNull<MntIdmap>) -> KBox<MntIdmap> {
        // SAFETY: By the requirements of this function the idmap is valid: its last reference is
        // dropped here.
        let link = unsafe { idmap.as_ref() }.link();
        let mut place: *mut Option<NonNull<MntIdmap>> = self.first(link.ns_id);
        // SAFETY: The chains are borrowed for writing, so the lock is held, and the places of the
        // chain are valid.
        unsafe {
            while let Some(other) = *place {
                if other == idmap {
                    *place = *link.next.get();
                    break;
                }
                place = other.as_ref().link().next.get();
            }
        }
        // SAFETY: Each idmap that is not static was made as a box. There is no reference any more,
        // and no lookup finds the idmap.
        unsafe { KBox::from_raw(idmap.as_ptr()) }
    }
}

/// The number of idmaps in use.
#[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
pub(super) fn count() -> usize {
    InUse::get().map_or(0, |table| {
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
