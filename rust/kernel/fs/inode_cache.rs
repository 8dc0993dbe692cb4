// SPDX-License-Identifier: GPL-2.0

//! The memory of inodes: [`InodeInfo`] embeds `struct inode`, [`InodeCache`] allocates it.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/slab.h`](srctree/include/linux/slab.h)

pub(super) mod offsets;

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

/// An inode together with the data of its filesystem.
///
/// # Invariants
///
/// If `has_data` is set, `data` is initialized and pinned. `has_data` changes only while the inode
/// is not visible to others: before it is published, and after its last reference was dropped. The
/// same holds for `has_offsets` and `offsets`.
#[repr(C)]
pub(super) struct InodeInfo<T: FileSystem> {
    inode: Opaque<bindings::inode>,
    has_data: bool,
    has_offsets: bool,
    offsets: Opaque<bindings::offset_ctx>,
    data: Opaque<T::InodeData>,
}

impl<T: FileSystem> InodeInfo<T> {
    /// Returns the pointer to the [`InodeInfo`] that `inode` is embedded in. It is valid if `inode`
    /// belongs to a superblock of `T`.
    #[inline(always)]
    pub(super) fn of(inode: *mut bindings::inode) -> *mut Self {
        // CAST: `inode` is the first field of a `repr(C)` type.
        inode.cast()
    }

    /// Initializes the filesystem's data.
    ///
    /// # Safety
    ///
    /// `info` must be valid, without data, and not visible to others.
    pub(super) unsafe fn init_data(
        info: *mut Self,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result {
        // SAFETY: `info` is valid by the requirements of this function, so its field is in bounds.
        let place = unsafe { (&raw mut (*info).data).cast() };
        // SAFETY: `place` is valid for writes and holds no value: the inode has no data by the
        // requirements of this function. An inode does not move before it is freed.
        unsafe { pin_init::raw_try_init(place, data)? };
        // INVARIANT: The data was just initialized.
        //
        // SAFETY: `info` is valid and not visible to others, by the requirements of this function.
        unsafe { (*info).has_data = true };
        Ok(())
    }

    /// Returns the filesystem's data.
    ///
    /// # Safety
    ///
    /// `info` must be valid and must have data for `'a`.
    #[inline(always)]
    pub(super) unsafe fn data<'a>(info: *mut Self) -> &'a T::InodeData {
        // SAFETY: `info` is valid and its data initialized for `'a`, by the requirements of this
        // function. All references to the data are shared ones.
        unsafe { &*(&raw const (*info).data).cast() }
    }

    /// Initializes the offsets of the names in a directory.
    ///
    /// # Safety
    ///
    /// `info` must be valid, without offsets, and not visible to others.
    pub(super) unsafe fn init_offsets(info: *mut Self) {
        // SAFETY: `info` is valid by the requirements of this function, so its field is in bounds
        // and valid for writes.
        unsafe { offsets::init((&raw mut (*info).offsets).cast()) };
        // INVARIANT: The offsets were just initialized.
        //
        // SAFETY: `info` is valid and not visible to others, by the requirements of this function.
        unsafe { (*info).has_offsets = true };
    }

    /// `->get_offset_ctx()` of `struct inode_operations`.
    ///
    /// # Safety
    ///
    /// `inode` must belong to a superblock of `T`.
    pub(super) unsafe extern "C" fn offset_ctx(
        inode: *mut bindings::inode,
    ) -> *mut bindings::offset_ctx {
        // SAFETY: `inode` belongs to a superblock of `T`, so the field is in bounds. It is not
        // read.
        unsafe { (&raw mut (*Self::of(inode)).offsets).cast() }
    }

    /// `->alloc_inode()` of `struct super_operations`.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid superblock of `T`. The caller must be able to sleep.
    pub(super) unsafe extern "C" fn alloc_inode(
        sb: *mut bindings::super_block,
    ) -> *mut bindings::inode {
        // SAFETY: `sb` is valid, and `s_type` never changes.
        let fs_type = unsafe { (*sb).s_type };
        // SAFETY: A superblock of `T` has the type that a registration of `T` registered. The
        // registration outlives the superblock, which holds a reference to the type's module.
        let cache = unsafe { RegisteredType::<T>::inode_cache(fs_type) };
        // SAFETY: `sb` is valid, and the cache is valid by the invariant of `InodeCache`.
        let info: *mut Self = unsafe {
            bindings::alloc_inode_sb(sb, cache.cache.as_ptr(), bindings::GFP_KERNEL).cast()
        };
        if !info.is_null() {
            // INVARIANT: The inode has no data and no offsets yet.
            //
            // SAFETY: `info` is not null, so it points to an object of the cache, which has the
            // size and alignment of `Self`.
            unsafe {
                (&raw mut (*info).has_data).write(false);
                (&raw mut (*info).has_offsets).write(false);
            }
        }
        info.cast()
    }

    /// `->destroy_inode()` of `struct super_operations`. Drops the filesystem's data.
    ///
    /// RCU walk may still read `struct inode`; it never reads the data.
    ///
    /// # Safety
    ///
    /// `inode` must belong to a superblock of `T`, and its last reference must have been dropped.
    pub(super) unsafe extern "C" fn destroy_inode(inode: *mut bindings::inode) {
        let info = Self::of(inode);
        // SAFETY: `info` is valid: `inode` belongs to a superblock of `T`. No other task writes
        // `has_data`, since the last reference was dropped.
        if unsafe { core::mem::replace(&mut (*info).has_data, false) } {
            // SAFETY: The flag was set, so the data is initialized by the type invariants, and
            // pinned. No reference to it is left. The flag is cleared, so the data is dropped once.
            unsafe {
                core::ptr::drop_in_place::<T::InodeData>((&raw mut (*info).data).cast());
            }
        }
        // SAFETY: `info` is valid: `inode` belongs to a superblock of `T`. No other task writes
        // `has_offsets`, since the last reference was dropped.
        if unsafe { core::mem::replace(&mut (*info).has_offsets, false) } {
            // SAFETY: The flag was set, so the offsets are initialized by the type invariants. No
            // other task uses them: the last reference to the inode was dropped.
            unsafe { offsets::destroy((&raw mut (*info).offsets).cast()) };
        }
    }

    /// `->free_inode()` of `struct super_operations`. Frees the memory of the inode.
    ///
    /// # Safety
    ///
    /// `inode` must belong to a superblock of `T`, must have been destroyed, and an RCU grace
    /// period must have passed since then.
    pub(super) unsafe extern "C" fn free_inode(inode: *mut bindings::inode) {
        // SAFETY: `inode` is valid until this function frees it, and no other task uses it.
        if unsafe { u32::from((*inode).i_mode) & bindings::S_IFMT == bindings::S_IFLNK } {
            // SAFETY: `i_link` of a symbolic link of `T` is null or was allocated by `kstrdup()`,
            // in `New::symlink()`. RCU walk no longer reads it: a grace period has passed.
            unsafe { bindings::kfree((*inode).__bindgen_anon_5.i_link.cast()) };
        }
        // SAFETY: `alloc_inode()` allocated the object from the slab, and `kfree()` accepts objects
        // of all slab caches.
        unsafe { bindings::kfree(inode.cast()) };
    }
}

/// The slab cache of the inodes of one filesystem type.
///
/// # Invariants
///
/// `cache` is a valid slab cache. Its objects have the size and the alignment of [`InodeInfo<T>`],
/// and `inode_init_once()` was called for each of them.
pub(super) struct InodeCache<T: FileSystem> {
    cache: NonNull<bindings::kmem_cache>,
    info: PhantomData<fn() -> InodeInfo<T>>,
}

// SAFETY: `kmem_cache_destroy()` may be called by any task that can sleep.
unsafe impl<T: FileSystem> Send for InodeCache<T> {}

// SAFETY: The slab allocator serializes allocations from one cache.
unsafe impl<T: FileSystem> Sync for InodeCache<T> {}

impl<T: FileSystem> InodeCache<T> {
    /// Creates the cache.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(super) fn new() -> Result<Self> {
        // SAFETY: The name is static. `init_once()` may be called for objects of the size and the
        // alignment that are passed.
        let cache = unsafe {
            bindings::kmem_cache_create(
                T::NAME.as_char_ptr(),
                u32::try_from(size_of::<InodeInfo<T>>())?,
                u32::try_from(align_of::<InodeInfo<T>>())?,
                bindings::SLAB_RECLAIM_ACCOUNT | bindings::SLAB_ACCOUNT,
                Some(Self::init_once),
            )
        };
        // INVARIANT: `kmem_cache_create()` returned a valid cache with these properties.
        Ok(Self {
            cache: NonNull::new(cache).ok_or(ENOMEM)?,
            info: PhantomData,
        })
    }

    /// The constructor of the cache's objects.
    ///
    /// # Safety
    ///
    /// `object` must be valid for writes of an [`InodeInfo<T>`].
    unsafe extern "C" fn init_once(object: *mut c_void) {
        // SAFETY: The inode is the first field of `InodeInfo`, which `object` is valid for.
        unsafe { bindings::inode_init_once(object.cast()) };
    }
}

impl<T: FileSystem> Drop for InodeCache<T> {
    fn drop(&mut self) {
        // SAFETY: The cache is valid by the type invariants. All its objects were freed: the owner
        // calls `rcu_barrier()` after it has unregistered the filesystem type, see
        // `Registration::drop()`.
        unsafe { bindings::kmem_cache_destroy(self.cache.as_ptr()) };
    }
}

/// `struct file_system_type`, with the slab cache of its inodes.
#[repr(C)]
#[pin_data]
pub(super) struct RegisteredType<T: FileSystem> {
    #[pin]
    pub(super) fs_type: Opaque<bindings::file_system_type>,
    pub(super) cache: InodeCache<T>,
}

impl<T: FileSystem> RegisteredType<T> {
    /// Returns the slab cache of a filesystem type.
    ///
    /// # Safety
    ///
    /// `fs_type` must be the `fs_type` field of a `RegisteredType<T>` that stays valid for `'a`.
    unsafe fn inode_cache<'a>(fs_type: *mut bindings::file_system_type) -> &'a InodeCache<T> {
        // CAST: `fs_type` is the first field of a `repr(C)` type.
        let this: *const Self = fs_type.cast();
        // SAFETY: `this` is valid for `'a` by the requirements of this function.
        unsafe { &(*this).cache }
    }
}
