// SPDX-License-Identifier: GPL-2.0

//! Inodes whose `i_rwsem` the current task holds, and data that this lock protects.

use super::Inode;
use crate::{
    bindings,
    fs::filesystem::FileSystem,
    prelude::*,
    types::NotThreadSafe, //
};
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
};

/// An inode whose `i_rwsem` the current task holds for writing.
///
/// Names in a directory change only while the directory is locked for writing. Other tasks may
/// still read fields that the lock does not protect.
///
/// # Invariants
///
/// The current task holds the lock for as long as the instance is borrowed. While an instance is
/// mutably borrowed no other instance for the same inode is used.
pub struct Locked<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: FileSystem> Locked<'a, T> {
    /// Creates an instance from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be as for [`Inode::from_raw`], and the current task must hold `i_rwsem` for
    /// writing for `'a`. A caller that hands out the instance by mutable reference must not use
    /// another instance for the same inode meanwhile.
    #[inline(always)]
    pub(in crate::fs) unsafe fn from_raw(ptr: *mut bindings::inode) -> Self {
        // INVARIANT: The lock is held, and instances do not alias, by the requirements of this
        // function.
        Self {
            // SAFETY: `ptr` is as `Inode::from_raw()` requires, by the requirements of this
            // function.
            inode: unsafe { Inode::from_raw(ptr) },
            _not_send: NotThreadSafe,
        }
    }

    /// Returns the inode, for as long as it is locked.
    #[inline(always)]
    pub fn inode(&self) -> &'a Inode<T> {
        self.inode
    }

    /// Sets the size in bytes, without a change of the page cache.
    ///
    /// For files whose contents are not in the page cache. `stat()` returns the size, and `write()`
    /// with `O_APPEND` begins there.
    ///
    /// Mirrors `i_size_write()`.
    ///
    /// # Errors
    ///
    /// [`EFBIG`] if the size is negative or greater than `s_maxbytes`.
    pub fn set_size(&mut self, size: i64) -> Result {
        // SAFETY: The superblock is valid while the inode is, and `s_maxbytes` does not change.
        let max = unsafe { (*self.super_block().as_ptr()).s_maxbytes };
        if !(0..=max).contains(&size) {
            return Err(EFBIG);
        }
        // SAFETY: The inode is valid, and its lock is held for writing by the type invariants.
        unsafe { bindings::i_size_write(self.as_ptr(), size) };
        Ok(())
    }
}

impl<T: FileSystem> Deref for Locked<'_, T> {
    type Target = Inode<T>;

    #[inline(always)]
    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

/// An inode whose `i_rwsem` the current task holds for reading.
///
/// # Invariants
///
/// The current task holds the lock, for reading or for writing, for as long as the instance is
/// borrowed. No [`Locked`] for the same inode is used meanwhile.
pub struct SharedLocked<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: FileSystem> SharedLocked<'a, T> {
    /// Creates an instance from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be as for [`Inode::from_raw`]. The current task must hold `i_rwsem`, for reading
    /// or for writing, for `'a`, and must not use a [`Locked`] for the same inode meanwhile.
    #[inline(always)]
    pub(in crate::fs) unsafe fn from_raw(ptr: *mut bindings::inode) -> Self {
        // INVARIANT: The lock is held, and no `Locked` is used, by the requirements of this
        // function.
        Self {
            // SAFETY: `ptr` is as `Inode::from_raw()` requires, by the requirements of this
            // function.
            inode: unsafe { Inode::from_raw(ptr) },
            _not_send: NotThreadSafe,
        }
    }

    /// Returns the inode, for as long as it is locked.
    pub(in crate::fs) fn inode(&self) -> &'a Inode<T> {
        self.inode
    }
}

impl<T: FileSystem> Deref for SharedLocked<'_, T> {
    type Target = Inode<T>;

    #[inline(always)]
    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}

/// A field of [`InodeData`](FileSystem::InodeData) that the inode's `i_rwsem` protects.
///
/// # Examples
///
/// A label that `setattr()` changes and `iterate_shared()` reads:
///
/// ```
/// use kernel::{
///     fs::{
///         filesystem::FileSystem,
///         inode::{InodeLocked, Locked, SharedLocked},
///     },
///     prelude::*,
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = ();
///     type InodeData = InodeLocked<[u8; 4]>;
/// }
///
/// fn rename(inode: &mut Locked<'_, MyFs>, label: [u8; 4]) -> Result {
///     let data = inode.inode().data();
///     *data.get_mut(inode)? = label;
///     Ok(())
/// }
///
/// fn first(inode: &SharedLocked<'_, MyFs>) -> Result<u8> {
///     Ok(inode.data().get_shared(inode)?[0])
/// }
/// ```
///
/// Without the lock there is no access:
///
/// ```ignore,compile_fail,E0308
/// use kernel::{
///     fs::{
///         filesystem::FileSystem,
///         inode::{Inode, InodeLocked},
///     },
///     prelude::*,
/// };
///
/// fn unlocked<T: FileSystem<InodeData = InodeLocked<u8>>>(inode: &Inode<T>) -> Result<u8> {
///     inode.data().get_shared(inode).copied()
/// }
/// ```
pub struct InodeLocked<U>(UnsafeCell<U>);

// SAFETY: Access to the value takes the lock of the inode: shared access for readers, exclusive
// access for one writer. References to the value may be used by the task that holds the lock.
unsafe impl<U: Send + Sync> Sync for InodeLocked<U> {}

impl<U> InodeLocked<U> {
    /// Creates a value for the data of a new inode.
    pub const fn new(value: U) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the value if `self` is a part of the data of `inode`.
    fn part_of<T: FileSystem>(&self, inode: &Inode<T>) -> Result<*mut U> {
        let data = core::ptr::from_ref(inode.data()).addr();
        let place = core::ptr::from_ref(self).addr();
        let end = data.saturating_add(size_of::<T::InodeData>());
        // A field of size zero may lie at the end of the data.
        if place < data || place.saturating_add(size_of::<Self>()) > end {
            return Err(EINVAL);
        }
        Ok(self.0.get())
    }

    /// Returns the value for reading, while the inode is locked for reading.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `self` is not a part of the data of `inode`.
    pub fn get_shared<'a, T: FileSystem>(
        &'a self,
        inode: &'a SharedLocked<'_, T>,
    ) -> Result<&'a U> {
        let value = self.part_of(inode)?;
        // SAFETY: The value is protected by `i_rwsem` of `inode`, whose data it is a part of. The
        // current task holds the lock for reading for `'a`, so no task has a mutable reference.
        Ok(unsafe { &*value })
    }

    /// Returns the value for reading, while the inode is locked for writing.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `self` is not a part of the data of `inode`.
    pub fn get<'a, T: FileSystem>(&'a self, inode: &'a Locked<'_, T>) -> Result<&'a U> {
        let value = self.part_of(inode)?;
        // SAFETY: The value is protected by `i_rwsem` of `inode`, whose data it is a part of. The
        // current task holds the lock for writing, and a mutable reference would need a mutable
        // borrow of the one `Locked` that may be borrowed so.
        Ok(unsafe { &*value })
    }

    /// Returns the value for writing, while the inode is locked for writing.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `self` is not a part of the data of `inode`.
    pub fn get_mut<'a, T: FileSystem>(&'a self, inode: &'a mut Locked<'_, T>) -> Result<&'a mut U> {
        let value = self.part_of(inode)?;
        // SAFETY: The value is protected by `i_rwsem` of `inode`, whose data it is a part of. The
        // current task holds the lock for writing for `'a`. `inode` is mutably borrowed for `'a`,
        // so no other instance for the same inode is used, by the invariant of `Locked`.
        Ok(unsafe { &mut *value })
    }
}

/// The guard of an inode that [`Inode::lock`] locked.
pub struct InodeGuard<'a, T: FileSystem>(Locked<'a, T>);

impl<T: FileSystem> Inode<T> {
    /// Locks the inode for writing: `inode_lock()`.
    ///
    /// For ioctls. The operations of [`InodeOperations`](crate::fs::inode_ops::InodeOperations) get
    /// a [`Locked`] where the VFS has locked the inode; they must not lock it again. May sleep.
    #[doc(alias = "inode_lock")]
    pub fn lock(&self) -> InodeGuard<'_, T> {
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_lock(self.as_ptr()) };
        // SAFETY: The inode is valid, of `T`, has data, and was just locked; the guard unlocks it
        // when it is dropped. `i_rwsem` is not recursive, so no other instance exists.
        InodeGuard(unsafe { Locked::from_raw(self.as_ptr()) })
    }
}

impl<'a, T: FileSystem> Deref for InodeGuard<'a, T> {
    type Target = Locked<'a, T>;

    fn deref(&self) -> &Locked<'a, T> {
        &self.0
    }
}

impl<T: FileSystem> DerefMut for InodeGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T: FileSystem> Drop for InodeGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: `Inode::lock()` locked the inode, in this task: the guard cannot be sent.
        unsafe { bindings::inode_unlock(self.0.as_ptr()) };
    }
}
