// SPDX-License-Identifier: GPL-2.0

//! New directories.

use super::{
    set_owner,
    New,
    NewOwner,
    Root, //
};
use crate::{
    bindings,
    fs::{
        dentry::Name,
        file_ops::{
            FileOperations,
            FileVTable, //
        },
        filesystem::FileSystem,
        inode_cache::InodeInfo,
        inode_ops::{
            InodeOperations,
            InodeVTable, //
        },
        mode::Mode,
        super_block::SuperBlock, //
    },
    prelude::*,
    uidgid::{
        FsGid,
        FsUid, //
    },
};

impl<T: FileSystem> New<T> {
    /// Creates the root directory of a superblock, with the given owner.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], and errors of the initializer of the filesystem's data.
    pub fn root<O: InodeOperations<FileSystem = T>>(
        super_block: &SuperBlock<T>,
        (uid, gid): (FsUid, FsGid),
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Root<T>> {
        let new = Self::alloc(super_block, data)?;
        let mode = mode.without(Mode::S_IFMT).with(Mode::S_IFDIR);
        // SAFETY: The inode is valid and not visible to others.
        unsafe { set_owner(new.as_ptr(), mode, uid, gid) };
        new.init_directory::<O>();
        Ok(Root(new))
    }

    /// Creates a directory with the permission bits of `mode`.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn directory<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = mode.without(Mode::S_IFMT).with(Mode::S_IFDIR);
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        new.init_directory::<O>();
        Ok(new)
    }

    /// Creates a directory with the file operations of `F`.
    ///
    /// `getdents()` calls [`iterate_shared()`](FileOperations::iterate_shared); without it,
    /// `getdents()` fails with [`ENOTDIR`].
    ///
    /// A function that reads it does not compile:
    ///
    /// ```ignore,compile_fail,E0080
    /// # use kernel::{
    /// #     fs::{
    /// #         dentry::Name,
    /// #         file_ops::{FileOperations, OpenFile, ReadBuffer},
    /// #         filesystem::FileSystem,
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
    ///     New::directory_with::<Leaf, Opened>(owner, name, Mode::new(0o700), Ok(()))
    /// }
    /// # let _: fn(&NewOwner<'_, MyFs>, &Name) -> Result<New<MyFs>> = new;
    /// ```
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn directory_with<O, F>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        F: FileOperations<FileSystem = T>,
    {
        let new = Self::directory::<O>(owner, name, mode, data)?;
        // SAFETY: The inode is valid and not visible to others. The table is static, and its
        // functions accept files of `T`.
        unsafe { (*new.as_ptr()).__bindgen_anon_3.i_fop = &FileVTable::<F>::DIRECTORY };
        Ok(new)
    }

    fn init_directory<O: InodeOperations<FileSystem = T>>(&self) {
        let inode = self.as_ptr();
        // SAFETY: The inode is valid and not visible to others. The tables are static, and their
        // functions accept inodes of `T`.
        unsafe {
            (*inode).i_op = &InodeVTable::<O>::DIRECTORY;
            (*inode).__bindgen_anon_3.i_fop = &raw const bindings::simple_offset_dir_operations;
        }
        // SAFETY: The inode is not visible to others, and has no offsets: it is initialized once.
        unsafe { InodeInfo::<T>::init_offsets(InodeInfo::of(inode)) };
        // The entry `.`.
        //
        // SAFETY: The inode is valid and not visible to others.
        unsafe { bindings::inc_nlink(inode) };
        // SAFETY: The inode is valid and its lock was never taken.
        unsafe { bindings::lockdep_annotate_inode_mutex_key(inode) };
    }
}
