// SPDX-License-Identifier: GPL-2.0

//! Superblocks: `struct super_block`.
//!
//! C header: [`include/linux/fs/super.h`](srctree/include/linux/fs/super.h)

use super::filesystem::FileSystem;
use crate::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque,
    user_namespace::UserNamespace, //
};
use core::marker::PhantomData;

/// The object that `s_fs_info` of a superblock of `T` points to.
#[pin_data]
pub(super) struct SuperBlockInfo<T: FileSystem> {
    next_ino: Atomic<u64>,
    #[pin]
    data: T::Data,
}

impl<T: FileSystem> SuperBlockInfo<T> {
    /// Initializes the object from the filesystem's data. The root inode gets number 1.
    pub(super) fn new(data: impl PinInit<T::Data, Error>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            next_ino: Atomic::new(1),
            data <- data,
        }? Error)
    }
}

/// A superblock of `T`.
///
/// # Invariants
///
/// An instance is valid for as long as it is borrowed. Its type was registered by a
/// [`Registration`](super::registration::Registration) of `T`. `s_fs_info` points to a pinned
/// `SuperBlockInfo<T>`, which is dropped after all inodes were evicted.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

impl<T: FileSystem> SuperBlock<T> {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a superblock of `T` whose `s_fs_info` is set and which stays valid for
    /// `'a`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a` by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct super_block`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct super_block`.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    #[inline(always)]
    fn info(&self) -> &SuperBlockInfo<T> {
        // SAFETY: The superblock is valid, and `s_fs_info` points to a `SuperBlockInfo<T>` that
        // lives as long as the superblock is borrowed, by the type invariants.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast() }
    }

    /// Returns the filesystem's data of the superblock.
    #[inline(always)]
    pub fn data(&self) -> &T::Data {
        &self.info().data
    }

    /// Returns the user namespace that the filesystem was mounted in: `s_user_ns`.
    pub fn user_ns(&self) -> &UserNamespace {
        // SAFETY: The superblock is valid and `s_user_ns` never changes.
        let ns = unsafe { (*self.as_ptr()).s_user_ns };
        // SAFETY: The superblock holds a reference to the namespace.
        unsafe { UserNamespace::from_raw(ns) }
    }

    /// Returns an inode number that was not returned before.
    pub(super) fn new_ino(&self) -> u64 {
        self.info().next_ino.fetch_add(1, Relaxed)
    }
}

/// `->kill_sb()` of `struct file_system_type`. Evicts all inodes, then drops the filesystem's data.
///
/// # Safety
///
/// `sb` must be a superblock of the type of a registration of `T`, allocated by `get_tree_nodev()`,
/// whose last active reference was dropped. `s_fs_info` may be null.
pub(super) unsafe extern "C" fn kill_sb<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: `get_tree_nodev()` allocated the superblock, by the requirements of this function.
    unsafe { bindings::kill_anon_super(sb) };
    // SAFETY: The superblock is valid until this function returns. All inodes were evicted, so no
    // other task reads `s_fs_info`.
    let info = unsafe { core::mem::replace(&mut (*sb).s_fs_info, core::ptr::null_mut()) };
    if !info.is_null() {
        // SAFETY: `fill_super()` set `s_fs_info` to a pinned `KBox<SuperBlockInfo<T>>`. The pointer
        // was just taken, so the box is dropped once. The inodes, whose data may refer to it, are
        // gone.
        drop(unsafe { Pin::new_unchecked(KBox::<SuperBlockInfo<T>>::from_raw(info.cast())) });
    }
}
