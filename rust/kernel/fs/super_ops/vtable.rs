// SPDX-License-Identifier: GPL-2.0

//! The C table of [`SuperOperations`].

use super::SuperOperations;
use crate::{
    bindings,
    error::from_result,
    fs::{
        inode_cache::InodeInfo,
        memfs::handles::ExportVTable,
        super_block::SuperBlock, //
    },
    prelude::*,
    seq_file::SeqFile, //
};
use core::marker::PhantomData;

/// The C table of [`SuperOperations`].
pub(in crate::fs) struct SuperVTable<T>(PhantomData<T>);

impl<T: SuperOperations> SuperVTable<T> {
    const OPERATIONS: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(InodeInfo::<T>::alloc_inode),
        destroy_inode: Some(InodeInfo::<T>::destroy_inode),
        free_inode: Some(InodeInfo::<T>::free_inode),
        // An inode without names has no other copy, so it need not stay in memory.
        drop_inode: Some(bindings::inode_just_drop),
        statfs: Some(Self::statfs),
        show_options: if T::HAS_SHOW_OPTIONS {
            Some(Self::show_options)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    const EXPORT: &'static ExportVTable = &ExportVTable::TABLE;

    /// Sets the operations and the parameters of a new superblock.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid superblock of `T` without `SB_BORN`, whose `s_umount` the current task
    /// holds for writing. Other tasks wait for this lock before they read the fields.
    pub(in crate::fs) unsafe fn init(sb: *mut bindings::super_block) {
        // SAFETY: `sb` is valid, and no other task reads these fields, by the requirements of this
        // function.
        unsafe {
            (*sb).s_op = &Self::OPERATIONS;
            (*sb).s_maxbytes = bindings::MAX_LFS_FILESIZE;
            (*sb).s_blocksize = bindings::PAGE_SIZE;
            (*sb).s_blocksize_bits = bindings::PAGE_SHIFT as u8;
            (*sb).s_magic = T::MAGIC as usize;
            (*sb).s_time_gran = 1;
            // A removed name cannot be looked up again, so its dentry need not be cached. An inode
            // that a lookup generated exists until its last use.
            (*sb).s_d_flags = bindings::dentry_flags_DCACHE_DONTCACHE;
            (*sb).s_xattr = T::XATTR.as_ptr();
            // `write()` need not look for file capabilities each time.
            (*sb).s_flags |= bindings::SB_NOSEC;
            // A mount option of the VFS may have set the flag.
            (*sb).s_flags &= !bindings::SB_POSIXACL;
            if T::POSIX_ACL && cfg!(CONFIG_FS_POSIX_ACL) {
                (*sb).s_flags |= bindings::SB_POSIXACL;
            }
            if T::EXPORT {
                (*sb).s_export_op = Self::EXPORT.as_ptr();
            }
        }
    }

    /// `->statfs()`.
    ///
    /// # Safety
    ///
    /// `dentry` must be valid and belong to a superblock of `T`. `statfs` must be valid and not
    /// used by others.
    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        statfs: *mut bindings::kstatfs,
    ) -> c_int {
        from_result(|| {
            // SAFETY: Both pointers are valid, and `statfs` is not used by others.
            unsafe { bindings::simple_statfs(dentry, statfs) };
            if T::HAS_STATFS {
                // SAFETY: A valid dentry of a superblock of `T` holds this superblock.
                let super_block = unsafe { SuperBlock::from_raw((*dentry).d_sb) };
                // SAFETY: `statfs` is valid and not used by others until this function returns.
                //
                // CAST: `Statfs` is a transparent wrapper of `struct kstatfs`.
                T::statfs(super_block, unsafe { &mut *statfs.cast() })?;
            }
            Ok(0)
        })
    }

    /// `->show_options()`.
    ///
    /// # Safety
    ///
    /// `root` must be valid and belong to a superblock of `T`. `seq` must be valid and not used by
    /// others.
    unsafe extern "C" fn show_options(
        seq: *mut bindings::seq_file,
        root: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: A valid dentry of a superblock of `T` holds this superblock.
            let super_block = unsafe { SuperBlock::from_raw((*root).d_sb) };
            // SAFETY: `seq` is valid and not used by others until this function returns.
            let seq = unsafe { SeqFile::from_raw(seq) };
            T::show_options(super_block, seq).map(|()| 0)
        })
    }
}
