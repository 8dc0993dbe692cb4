// SPDX-License-Identifier: GPL-2.0

//! New regular files.
//!
//! `New::file()`, for files whose contents are in memory, is in
//! [`memfs`](crate::fs::memfs).

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
            FileVTable,
            PageCacheTable,
            PageCacheVTable,
            ReadOnly, //
        },
        filesystem::FileSystem,
        inode_ops::{
            InodeOperations,
            InodeVTable, //
        },
        mode::Mode, //
    },
    prelude::*, //
};

impl<T: FileSystem> New<T> {
    /// Creates a regular file without file operations and address space operations.
    pub(in crate::fs) fn regular(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        operations: &'static bindings::inode_operations,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = mode.without(Mode::S_IFMT).with(Mode::S_IFREG);
        let new = Self::in_directory(owner, name, mode, data)?;
        // SAFETY: The inode is valid and not visible to others. The callers pass a table whose
        // functions accept inodes of `T`.
        unsafe { (*new.as_ptr()).i_op = operations };
        Ok(new)
    }

    /// Creates a regular file with the permission bits of `mode`, whose contents `F` reads and
    /// writes.
    ///
    /// The contents are not in the page cache, so the file cannot be mapped. The size is 0 until
    /// [`New::with_size`] or [`Locked::set_size`](crate::fs::inode::Locked::set_size) sets it.
    /// `O_TRUNC` succeeds and does not change the size.
    ///
    /// A function that maps it does not compile:
    ///
    /// ```ignore,compile_fail,E0080
    /// # use kernel::{
    /// #     fs::{
    /// #         dentry::Name,
    /// #         file_ops::{FileOperations, MmapRequest, OpenFile},
    /// #         filesystem::FileSystem,
    /// #         inode_ops::InodeOperations,
    /// #         mnt_idmapping::MntIdmap,
    /// #         mode::Mode,
    /// #         new_inode::{New, NewOwner},
    /// #     },
    /// #     prelude::*,
    /// # };
    /// #
    /// # struct MyFs;
    /// #
    /// # #[vtable]
    /// # impl FileSystem for MyFs {
    /// #     const NAME: &'static CStr = c"my_fs";
    /// #     type Options = ();
    /// #     type Data = ();
    /// #     type InodeData = ();
    /// # }
    /// #
    /// # struct Leaf;
    /// #
    /// # #[vtable]
    /// # impl InodeOperations for Leaf {
    /// #     type FileSystem = MyFs;
    /// # }
    /// #
    /// struct Opened;
    ///
    /// #[vtable]
    /// impl FileOperations for Opened {
    ///     type FileSystem = MyFs;
    ///
    ///     fn mmap(_: &MntIdmap, _: &OpenFile<MyFs>, _: &MmapRequest<'_>) -> Result {
    ///         Err(EPERM)
    ///     }
    /// }
    ///
    /// fn new(owner: &NewOwner<'_, MyFs>, name: &Name) -> Result<New<MyFs>> {
    ///     New::file_with::<Leaf, Opened>(owner, name, Mode::new(0o600), Ok(()))
    /// }
    /// # let _: fn(&NewOwner<'_, MyFs>, &Name) -> Result<New<MyFs>> = new;
    /// ```
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
        let operations = &InodeVTable::<O>::NO_TRUNCATE;
        let new = Self::regular(owner, Some(name), mode, operations, data)?;
        // SAFETY: The inode is valid and not visible to others. The table is static, and its
        // functions accept files of `T`.
        unsafe { (*new.as_ptr()).__bindgen_anon_3.i_fop = &FileVTable::<F>::FILE };
        Ok(new)
    }

    /// Sets the size of a regular file.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the inode is not a regular file, [`EFBIG`] if the size is greater than
    /// `s_maxbytes`.
    pub fn with_size(self, size: u64) -> Result<Self> {
        if !self.mode().is_reg() {
            return Err(EINVAL);
        }
        let size = i64::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: The inode and its superblock are valid, and `s_maxbytes` does not change.
        if size > unsafe { (*(*self.as_ptr()).i_sb).s_maxbytes } {
            return Err(EFBIG);
        }
        // SAFETY: The inode is valid and not visible to others.
        unsafe { bindings::i_size_write(self.as_ptr(), size) };
        Ok(self)
    }

    /// Creates a regular file of `size` bytes with the permission bits of `mode`, whose pages `A`
    /// reads. It can be mapped, and cannot be truncated.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`EFBIG`] if `size` is greater than `s_maxbytes`.
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
        Self::fixed_size::<O, A>(owner, name, mode, size, &ReadOnly::FILE, data)
    }

    /// Creates a regular file as [`New::read_only_file`] does, with operations of `F`.
    ///
    /// `F` can implement [`open()`](FileOperations::open), [`release()`](FileOperations::release),
    /// [`mmap()`](FileOperations::mmap) and [`ioctl()`](FileOperations::ioctl). Another operation
    /// does not compile, because the contents are in the page cache:
    ///
    /// ```ignore,compile_fail,E0080
    /// # use kernel::{
    /// #     fs::{
    /// #         address_space::AddressSpaceOperations,
    /// #         dentry::Name,
    /// #         file_ops::{FileOperations, OpenFile, ReadBuffer},
    /// #         filesystem::FileSystem,
    /// #         inode::Inode,
    /// #         inode_ops::InodeOperations,
    /// #         mode::Mode,
    /// #         new_inode::{New, NewOwner},
    /// #     },
    /// #     prelude::*,
    /// # };
    /// #
    /// # struct MyFs;
    /// #
    /// # #[vtable]
    /// # impl FileSystem for MyFs {
    /// #     const NAME: &'static CStr = c"my_fs";
    /// #     type Options = ();
    /// #     type Data = ();
    /// #     type InodeData = ();
    /// # }
    /// #
    /// # struct Leaf;
    /// #
    /// # #[vtable]
    /// # impl InodeOperations for Leaf {
    /// #     type FileSystem = MyFs;
    /// # }
    /// #
    /// # struct Zeros;
    /// #
    /// # impl AddressSpaceOperations for Zeros {
    /// #     type FileSystem = MyFs;
    /// #
    /// #     fn read_folio(_: &Inode<MyFs>, _: i64, _: &mut [u8]) -> Result {
    /// #         Ok(())
    /// #     }
    /// # }
    /// #
    /// struct Opened;
    ///
    /// #[vtable]
    /// impl FileOperations for Opened {
    ///     type FileSystem = MyFs;
    ///
    ///     fn read(_: &OpenFile<MyFs>, _: i64, to: &mut ReadBuffer<'_>) -> Result {
    ///         to.put(b"contents");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// fn new(owner: &NewOwner<'_, MyFs>, name: &Name) -> Result<New<MyFs>> {
    ///     New::read_only_file_with::<Leaf, Zeros, Opened>(owner, name, Mode::new(0o400), 1, Ok(()))
    /// }
    /// # let _: fn(&NewOwner<'_, MyFs>, &Name) -> Result<New<MyFs>> = new;
    /// ```
    ///
    /// # Errors
    ///
    /// See [`New::read_only_file`].
    pub fn read_only_file_with<O, A, F>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        size: u64,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        A: AddressSpaceOperations<FileSystem = T>,
        F: FileOperations<FileSystem = T>,
    {
        let file = &PageCacheVTable::<ReadOnly, F>::FILE;
        Self::fixed_size::<O, A>(owner, name, mode, size, file, data)
    }

    /// Creates a regular file of `size` bytes, whose pages `A` reads.
    ///
    /// The functions of `file` must accept files of `T`.
    fn fixed_size<O, A>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        size: u64,
        file: &'static bindings::file_operations,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        A: AddressSpaceOperations<FileSystem = T>,
    {
        let operations = &InodeVTable::<O>::FIXED_SIZE;
        let new = Self::regular(owner, Some(name), mode, operations, data)?.with_size(size)?;
        // SAFETY: The inode is valid and not visible to others, and so is its mapping. The tables are
        // static, and their functions accept files and inodes of `T`.
        unsafe {
            (*new.as_ptr()).__bindgen_anon_3.i_fop = file;
            (*(*new.as_ptr()).i_mapping).a_ops = &AddressSpaceVTable::<A>::TABLE;
        }
        Ok(new)
    }
}
