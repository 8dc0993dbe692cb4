// SPDX-License-Identifier: GPL-2.0

//! Regular files that are being made, by where their contents are.

use super::{
    New,
    NewOwner, //
};
use crate::{
    bindings,
    fs::{
        address_space::{
            AddressSpaceOperations,
            AddressSpaceVTable, //
        },
        dentry::Name,
        file_ops::{
            FileOperations,
            FileVTable, //
        },
        filesystem::FileSystem,
        inode_ops::{
            InodeOperations,
            InodeVTable, //
        },
        memfs::{
            file::MemfsVTable,
            MemFileSystem, //
        },
        mode::Mode, //
    },
    prelude::*, //
};

impl<T: FileSystem> New<T> {
    /// A regular file that cannot be opened yet.
    fn regular(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        operations: &'static bindings::inode_operations,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = mode.without(Mode::S_IFMT).with(Mode::S_IFREG);
        let new = Self::in_directory(owner, name, mode, data)?;
        // SAFETY: Nobody else knows the inode. The table is static, and one for inodes of `T`.
        unsafe { (*new.inode.as_ptr()).i_op = operations };
        Ok(new)
    }

    /// Makes a regular file with the permissions of `mode`, whose contents are in memory.
    ///
    /// One without a name is for [`Tmpfile::finish`](crate::fs::dentry::Tmpfile::finish).
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn file<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        T: MemFileSystem,
    {
        let operations = &InodeVTable::<O>::OTHER;
        let new = Self::regular(owner, name, mode, operations, data)?;
        let inode = new.inode.as_ptr();
        // SAFETY: Nobody else knows the inode. The tables are static, and made for inodes of `T`.
        unsafe {
            (*inode).__bindgen_anon_3.i_fop = &MemfsVTable::<T>::FILE;
            (*(*inode).i_mapping).a_ops = &MemfsVTable::<T>::MAPPING;
        }
        Ok(new)
    }

    /// Makes a regular file with the permissions of `mode`, whose open files are those of `F`.
    ///
    /// Its size stays 0, whoever truncates it, and nothing of it is in the page cache, so it cannot be
    /// mapped.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn file_with<O, F>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        F: FileOperations<FileSystem = T>,
    {
        let operations = &InodeVTable::<O>::NO_SIZE;
        let new = Self::regular(owner, Some(name), mode, operations, data)?;
        // SAFETY: Nobody else knows the inode. The table is static, and made for inodes of `T`.
        unsafe { (*new.inode.as_ptr()).__bindgen_anon_3.i_fop = &FileVTable::<F>::FILE };
        Ok(new)
    }

    /// Makes a regular file of `size` bytes with the permissions of `mode`, which can be read and
    /// mapped, and whose pages come from `A`. Nobody may truncate it.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`EFBIG`] if no file of the filesystem can be that large.
    pub fn read_only_file<O, A>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        size: u64,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        A: AddressSpaceOperations<FileSystem = T>,
    {
        let size = i64::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: The superblock is valid, and the number does not change.
        if size > unsafe { (*owner.dir.super_block().as_ptr()).s_maxbytes } {
            return Err(EFBIG);
        }
        let operations = &InodeVTable::<O>::FIXED_SIZE;
        let new = Self::regular(owner, Some(name), mode, operations, data)?;
        let inode = new.inode.as_ptr();
        // SAFETY: Nobody else knows the inode. The tables are static, and made for inodes of `T`.
        unsafe {
            bindings::i_size_write(inode, size);
            (*inode).__bindgen_anon_3.i_fop = &raw const bindings::generic_ro_fops;
            (*(*inode).i_mapping).a_ops = &AddressSpaceVTable::<A>::TABLE;
        }
        Ok(new)
    }
}
