// SPDX-License-Identifier: GPL-2.0

//! Inodes of one filesystem type.

use super::AnyInode;
use crate::{
    bindings,
    fs::{
        filesystem::FileSystem,
        inode_cache::InodeInfo,
        mnt_idmapping::MntIdmap,
        mode::Mode,
        super_block::SuperBlock, //
    },
    uidgid::{
        Id,
        VfsGid,
        VfsUid, //
    },
};
use core::marker::PhantomData;

/// An inode of `T`.
///
/// # Invariants
///
/// The inode belongs to a superblock of `T` and has data. A reference to it is held for as long as
/// it is borrowed; RCU walk does not borrow it.
#[repr(transparent)]
pub struct Inode<T: FileSystem>(AnyInode, PhantomData<T>);

impl<T: FileSystem> Inode<T> {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an inode of a superblock of `T` that has data. A reference to the inode
    /// must be held for `'a`.
    #[inline(always)]
    pub(in crate::fs) unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // INVARIANT: The inode belongs to `T`, has data and a reference, by the requirements of
        // this function.
        //
        // SAFETY: `ptr` is valid for `'a`: a reference to the inode is held.
        //
        // CAST: `Self` is a transparent wrapper of `struct inode`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct inode`.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0.as_ptr()
    }

    /// Returns the filesystem's data of the inode.
    #[inline(always)]
    pub fn data(&self) -> &T::InodeData {
        // SAFETY: The inode belongs to a superblock of `T` and has data while it is borrowed, by
        // the type invariants.
        unsafe { InodeInfo::<T>::data(InodeInfo::of(self.as_ptr())) }
    }

    /// Returns the superblock.
    #[inline(always)]
    pub fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: The inode is valid, and `i_sb` never changes.
        let sb = unsafe { (*self.as_ptr()).i_sb };
        // SAFETY: The superblock is valid while an inode of it has a reference. It is a superblock
        // of `T`, and `fill_super()` set `s_fs_info` before it allocated the first inode.
        unsafe { SuperBlock::from_raw(sb) }
    }

    /// Returns the file type and the permission bits.
    ///
    /// Other tasks may change the permission bits at any time.
    #[inline(always)]
    pub fn mode(&self) -> Mode {
        // SAFETY: The inode is valid. The volatile read of an aligned integer does not tear.
        Mode::new(unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() })
    }

    /// Returns the number of links.
    #[inline]
    pub fn nlink(&self) -> u32 {
        // SAFETY: The inode is valid. The volatile read of an aligned integer does not tear.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// Returns the inode number.
    #[inline]
    pub fn ino(&self) -> u64 {
        // SAFETY: The inode is valid, and its number does not change once it is visible.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// Returns the size in bytes.
    #[inline]
    pub fn size(&self) -> i64 {
        // SAFETY: The inode is valid.
        unsafe { bindings::i_size_read(self.as_ptr()) }
    }

    /// Returns the owner as seen through a mount, or [`None`] if the mount does not map it.
    ///
    /// There is no way to get the owner without an idmap.
    ///
    /// Mirrors `i_uid_into_vfsuid()`.
    #[doc(alias("i_uid_into_vfsuid", "i_uid_into_mnt", "kuid_into_mnt"))]
    #[inline]
    pub fn uid(&self, idmap: &MntIdmap) -> Option<VfsUid> {
        // SAFETY: Both pointers are from references, so the idmap and the inode are valid.
        Id::from_c(unsafe { bindings::i_uid_into_vfsuid(idmap.as_ptr(), self.as_ptr()).val })
    }

    /// Returns the group as seen through a mount, or [`None`] if the mount does not map it.
    ///
    /// Mirrors `i_gid_into_vfsgid()`.
    #[doc(alias("i_gid_into_vfsgid", "i_gid_into_mnt", "kgid_into_mnt"))]
    #[inline]
    pub fn gid(&self, idmap: &MntIdmap) -> Option<VfsGid> {
        // SAFETY: Both pointers are from references, so the idmap and the inode are valid.
        Id::from_c(unsafe { bindings::i_gid_into_vfsgid(idmap.as_ptr(), self.as_ptr()).val })
    }

    /// Checks whether the caller owns the inode as seen through a mount, or has `CAP_FOWNER` over
    /// it.
    ///
    /// The VFS checks this before it calls an operation that changes attributes. An ioctl that
    /// changes attributes must check it itself.
    ///
    /// Mirrors `inode_owner_or_capable()`.
    #[doc(alias("inode_owner_or_capable", "file_owner_or_capable"))]
    #[inline]
    pub fn owner_or_capable(&self, idmap: &MntIdmap) -> bool {
        // SAFETY: Both pointers are from references, so the idmap and the inode are valid.
        unsafe { bindings::inode_owner_or_capable(idmap.as_ptr(), self.as_ptr()) }
    }

    /// Sets the change time to now.
    ///
    /// Mirrors `inode_set_ctime_current()`.
    pub fn set_ctime_current(&self) {
        // SAFETY: The inode is valid. C calls the function with and without `i_rwsem`.
        unsafe { bindings::inode_set_ctime_current(self.as_ptr()) };
    }
}
