// SPDX-License-Identifier: GPL-2.0

//! The memory of an inode, with what its filesystem keeps beside it.

use super::filesystem::FileSystem;
use crate::{
    bindings,
    prelude::*,
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// An inode and what belongs to it.
///
/// # Invariants
///
/// `data` is initialized and pinned if `has_data`, and `offsets` is initialized if `has_offsets`.
/// Both flags are written only while nobody else knows the inode: before it is published and after
/// its last reference is gone.
#[repr(C)]
pub(crate) struct InodeInfo<T: FileSystem> {
    inode: Opaque<bindings::inode>,
    offsets: Opaque<bindings::offset_ctx>,
    has_offsets: bool,
    has_data: bool,
    data: Opaque<T::InodeData>,
}

impl<T: FileSystem> InodeInfo<T> {
    /// Returns the [`InodeInfo`] that an inode is embedded in.
    ///
    /// The result points to an [`InodeInfo`] if `inode` belongs to a superblock of `T`.
    #[inline(always)]
    pub(super) fn of(inode: *mut bindings::inode) -> *mut Self {
        // CAST: `inode` is the first member, and the layout is C's.
        inode.cast()
    }

    /// Initializes the filesystem's data.
    ///
    /// # Safety
    ///
    /// `info` must be valid, without data, and known to nobody else.
    pub(super) unsafe fn init_data(
        info: *mut Self,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result {
        // SAFETY: By the requirements above; the memory stays where it is until it is freed.
        //
        // INVARIANT: The flag is set if the data was initialized.
        unsafe {
            pin_init::raw_try_init((&raw mut (*info).data).cast(), data)?;
            (*info).has_data = true;
        }
        Ok(())
    }

    /// The filesystem's data.
    ///
    /// # Safety
    ///
    /// `info` must be valid, with data, for `'a`.
    #[inline(always)]
    pub(super) unsafe fn data<'a>(info: *mut Self) -> &'a T::InodeData {
        // SAFETY: By the requirements above; nobody has the data but by shared references.
        unsafe { &*(&raw const (*info).data).cast() }
    }

    /// Prepares a directory to have offsets.
    ///
    /// # Safety
    ///
    /// `info` must be valid, without offsets, and known to nobody else.
    pub(super) unsafe fn init_offsets(info: *mut Self) {
        // SAFETY: By the requirements above.
        //
        // INVARIANT: The flag is set once they are initialized.
        unsafe {
            offset_init((&raw mut (*info).offsets).cast());
            (*info).has_offsets = true;
        }
    }

    /// `->get_offset_ctx()` of directories.
    ///
    /// # Safety
    ///
    /// `inode` must be a directory of a superblock of `T`.
    pub(in crate::fs) unsafe extern "C" fn offset_ctx(
        inode: *mut bindings::inode,
    ) -> *mut bindings::offset_ctx {
        // SAFETY: By the requirements above there is a info; this does not read it.
        unsafe { (&raw mut (*Self::of(inode)).offsets).cast() }
    }

    /// `->alloc_inode()`.
    ///
    /// # Safety
    ///
    /// `sb` must be a superblock of `T`.
    pub(in crate::fs) unsafe extern "C" fn alloc_inode(
        sb: *mut bindings::super_block,
    ) -> *mut bindings::inode {
        // SAFETY: `s_type` is that of the registration, which outlives its superblocks.
        unsafe {
            let cache = crate::fs::registration::Registration::<T>::inode_cache((*sb).s_type);
            let info: *mut Self =
                bindings::alloc_inode_sb(sb, cache.cache.as_ptr(), bindings::GFP_KERNEL).cast();
            if !info.is_null() {
                // INVARIANT: There is neither yet.
                (&raw mut (*info).has_offsets).write(false);
                (&raw mut (*info).has_data).write(false);
            }
            info.cast()
        }
    }

    /// `->destroy_inode()`: the last reference is gone. Only path walks under RCU may still look at
    /// the inode itself, which is never at what is dropped here.
    ///
    /// # Safety
    ///
    /// `inode` must be of a superblock of `T`, and its last reference gone.
    pub(in crate::fs) unsafe extern "C" fn destroy_inode(inode: *mut bindings::inode) {
        let info = Self::of(inode);
        // SAFETY: By the requirements above nobody else has what is dropped; the flags tell what
        // there is by the type invariants, and are cleared with it.
        unsafe {
            if (*info).has_data {
                (*info).has_data = false;
                core::ptr::drop_in_place::<T::InodeData>((&raw mut (*info).data).cast());
            }
            if (*info).has_offsets {
                (*info).has_offsets = false;
                offset_destroy((&raw mut (*info).offsets).cast());
            }
        }
    }

    /// `->free_inode()`: nobody looks at the inode any more.
    ///
    /// # Safety
    ///
    /// `inode` must be of a superblock of `T`, destroyed, and a grace period ago.
    pub(in crate::fs) unsafe extern "C" fn free_inode(inode: *mut bindings::inode) {
        // SAFETY: By the requirements above. The target of a symbolic link is memory of its own,
        // from `kmalloc()`, or null. `kfree()` takes objects of all caches.
        unsafe {
            if u32::from((*inode).i_mode) & bindings::S_IFMT == bindings::S_IFLNK {
                bindings::kfree((*inode).__bindgen_anon_5.i_link.cast());
            }
            bindings::kfree(inode.cast());
        }
    }
}

/// The slab cache of the inodes of one filesystem type.
///
/// # Invariants
///
/// `cache` is a valid cache whose objects have the size and alignment of [`InodeInfo`] and are set up by
/// `inode_init_once()`.
pub(crate) struct InodeCache<T: FileSystem> {
    cache: NonNull<bindings::kmem_cache>,
    info: PhantomData<fn() -> InodeInfo<T>>,
}

impl<T: FileSystem> InodeCache<T> {
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: The name is static, and `set_up` is what it says for objects of the size given.
        let cache = unsafe {
            bindings::kmem_cache_create(
                name.as_char_ptr(),
                u32::try_from(size_of::<InodeInfo<T>>())?,
                u32::try_from(align_of::<InodeInfo<T>>())?,
                bindings::SLAB_RECLAIM_ACCOUNT | bindings::SLAB_ACCOUNT,
                Some(Self::set_up),
            )
        };
        // INVARIANT: See above.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
            info: PhantomData,
        })
    }

    /// # Safety
    ///
    /// `object` must be valid for writes of an [`InodeInfo`].
    unsafe extern "C" fn set_up(object: *mut c_void) {
        // SAFETY: The inode is the first member.
        unsafe { bindings::inode_init_once(object.cast()) };
    }
}

impl<T: FileSystem> Drop for InodeCache<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is valid. All inodes were given back: whoever owns this
        // has waited for the last grace period.
        unsafe { bindings::kmem_cache_destroy(self.cache.as_ptr()) };
    }
}

// The two functions are not exported to modules, which generic functions are compiled into.

/// # Safety
///
/// `offsets` must be valid for writes.
#[inline(never)]
unsafe fn offset_init(offsets: *mut bindings::offset_ctx) {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_offset_init(offsets) };
}

/// # Safety
///
/// `offsets` must be initialized, and nobody may use them any more.
#[inline(never)]
unsafe fn offset_destroy(offsets: *mut bindings::offset_ctx) {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_offset_destroy(offsets) };
}
