// SPDX-License-Identifier: GPL-2.0

//! Inodes of a known filesystem that somebody has a reference to.

use super::AnyInode;
use crate::{
    bindings,
    fs::{
        filesystem::FileSystem,
        inode_cache::InodeInfo,
        mnt_idmapping::MntIdmap,
        mode::Mode,
        new_inode::NewOwner,
        super_block::SuperBlock, //
    },
    prelude::*,
    types::NotThreadSafe,
    uidgid::{
        Id,
        VfsGid,
        VfsUid, //
    },
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};

/// An inode of `T`.
///
/// # Invariants
///
/// It is of a superblock of `T`, has data, and somebody has a reference for as long as it is
/// borrowed. It is not borrowed in RCU walk.
#[repr(transparent)]
pub struct Inode<T: FileSystem>(AnyInode, PhantomData<T>);

impl<T: FileSystem> Inode<T> {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an inode of `T` that has data, and somebody must have a reference to it
    /// for `'a`.
    #[inline(always)]
    pub(in crate::fs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper of one.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the inode by.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0.as_ptr()
    }

    /// What the filesystem keeps for the inode.
    #[inline(always)]
    pub fn data(&self) -> &T::InodeData {
        // SAFETY: By the type invariants it has data, which stays with the inode.
        unsafe { InodeInfo::<T>::data(InodeInfo::of(self.as_ptr())) }
    }

    /// The superblock.
    #[inline(always)]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: An inode's superblock never changes and is valid as long as the inode is. It has
        // had its data since before it had inodes.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// The kind and the permissions.
    #[inline(always)]
    pub fn mode(&self) -> Mode {
        // SAFETY: The inode is valid. Others may be changing the permissions; the read is volatile,
        // and of an integer.
        Mode::new(unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() })
    }

    /// How many names it has.
    #[inline]
    pub fn nlink(&self) -> u32 {
        // SAFETY: As in `mode()`.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// The size in bytes.
    #[inline]
    pub fn size(&self) -> i64 {
        // SAFETY: The inode is valid.
        unsafe { bindings::i_size_read(self.as_ptr()) }
    }

    /// What its owner is called through a mount, if it is called anything.
    ///
    /// There is no way to the owner without a mount.
    ///
    /// Mirrors `i_uid_into_vfsuid()`.
    #[doc(alias("i_uid_into_vfsuid", "i_uid_into_mnt", "kuid_into_mnt"))]
    #[inline]
    pub fn uid(&self, idmap: &MntIdmap) -> Option<VfsUid> {
        // SAFETY: The map and the inode are valid.
        Id::from_c(unsafe { bindings::i_uid_into_vfsuid(idmap.as_ptr(), self.as_ptr()).val })
    }

    /// What its group is called through a mount, if it is called anything.
    ///
    /// Mirrors `i_gid_into_vfsgid()`.
    #[doc(alias("i_gid_into_vfsgid", "i_gid_into_mnt", "kgid_into_mnt"))]
    #[inline]
    pub fn gid(&self, idmap: &MntIdmap) -> Option<VfsGid> {
        // SAFETY: The map and the inode are valid.
        Id::from_c(unsafe { bindings::i_gid_into_vfsgid(idmap.as_ptr(), self.as_ptr()).val })
    }

    /// Whether the caller owns it, as seen through a mount, or may act as if.
    ///
    /// This is what the VFS asks for changes of attributes, and what ioctls that change something
    /// of the kind have to ask themselves.
    ///
    /// Mirrors `inode_owner_or_capable()`.
    #[doc(alias("inode_owner_or_capable", "file_owner_or_capable"))]
    #[inline]
    pub fn owner_or_capable(&self, idmap: &MntIdmap) -> bool {
        // SAFETY: The map and the inode are valid; the rest is the current task.
        unsafe { bindings::inode_owner_or_capable(idmap.as_ptr(), self.as_ptr()) }
    }

    /// Sets the time of the last change to now.
    ///
    /// Mirrors `inode_set_ctime_current()`.
    pub fn set_ctime_current(&self) {
        // SAFETY: The inode is valid; C sets the time in any context that has a reference.
        unsafe { bindings::inode_set_ctime_current(self.as_ptr()) };
    }

    /// The owner of what the caller makes in this directory through a mount.
    ///
    /// Mirrors `fsuidgid_has_mapping()`.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if the filesystem has no name for the caller: see [`NewOwner`].
    #[doc(alias("fsuidgid_has_mapping", "mapped_fsuid", "mapped_fsgid"))]
    #[doc(alias("fsuid_into_mnt", "fsgid_into_mnt"))]
    #[inline]
    pub fn new_owner<'a>(&'a self, idmap: &'a MntIdmap) -> Result<NewOwner<'a, T>> {
        NewOwner::new(self, idmap)
    }
}

/// An inode whose lock (`i_rwsem`) the caller has for itself.
///
/// It is what a directory is changed by: names are made and removed in no other way. Others may
/// still read what they read without the lock.
///
/// # Invariants
///
/// The current task has the lock for as long as this is borrowed.
pub struct Locked<'a, T: FileSystem> {
    inode: &'a Inode<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: FileSystem> Locked<'a, T> {
    /// Says that an inode is locked.
    ///
    /// # Safety
    ///
    /// `ptr` must be as for [`Inode::from_raw`], and the current task must have its lock for `'a`.
    #[inline(always)]
    pub(in crate::fs) unsafe fn from_raw(ptr: *mut bindings::inode) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            // SAFETY: By the requirements above.
            inode: unsafe { Inode::from_raw(ptr) },
            _not_send: NotThreadSafe,
        }
    }
}

impl<T: FileSystem> Deref for Locked<'_, T> {
    type Target = Inode<T>;

    #[inline(always)]
    fn deref(&self) -> &Inode<T> {
        self.inode
    }
}
