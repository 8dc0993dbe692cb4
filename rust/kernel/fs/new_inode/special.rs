// SPDX-License-Identifier: GPL-2.0

//! New symbolic links, devices, named pipes and sockets.

use super::{
    New,
    NewOwner, //
};
use crate::{
    bindings,
    fs::{
        dentry::Name,
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
    /// Creates a symbolic link.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`ENAMETOOLONG`] if the length of `target` does not fit an `i32`.
    pub fn symlink<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        target: &CStr,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = Mode::new(0o777).with(Mode::S_IFLNK);
        let length = i32::try_from(target.count_bytes()).map_err(|_| ENAMETOOLONG)?;
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        // SAFETY: `target` is a string that ends with a zero byte.
        let copy = unsafe { bindings::kstrdup(target.as_char_ptr(), bindings::GFP_KERNEL_ACCOUNT) };
        if copy.is_null() {
            return Err(ENOMEM);
        }
        let inode = new.as_ptr();
        // SAFETY: The inode is valid and not visible to others. The table is static, and its
        // functions accept inodes of `T`.
        unsafe { (*inode).i_op = &InodeVTable::<O>::SYMLINK };
        // SAFETY: The inode is valid and not visible to others. `copy` is a string of `length`
        // bytes that `InodeInfo::free_inode()` frees.
        unsafe { bindings::inode_set_cached_link(inode, copy, length) };
        // SAFETY: The inode is valid and not visible to others.
        unsafe { bindings::i_size_write(inode, length.into()) };
        Ok(new)
    }

    /// Creates a device, a named pipe or a socket: the file type of `mode`.
    ///
    /// `device` is the `dev_t` of a device: the minor number in the lower 20 bits, the major number
    /// above.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`EINVAL`] if `mode` has another file type.
    pub fn special<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        device: u32,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        match mode.kind() {
            Mode::S_IFCHR | Mode::S_IFBLK | Mode::S_IFIFO | Mode::S_IFSOCK => {}
            _ => return Err(EINVAL),
        }
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        let inode = new.as_ptr();
        // SAFETY: The inode is valid and not visible to others. The table is static, and its
        // functions accept inodes of `T`.
        unsafe { (*inode).i_op = &InodeVTable::<O>::OTHER };
        // SAFETY: The inode is valid and not visible to others, and its file type is one of those
        // that the function accepts.
        unsafe { bindings::init_special_inode(inode, (*inode).i_mode, device) };
        Ok(new)
    }

    /// Creates a whiteout: the character device that a rename with `RENAME_WHITEOUT` leaves.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn whiteout<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = Mode::S_IFCHR.with(Mode::new(bindings::WHITEOUT_MODE as u16));
        Self::special::<O>(owner, name, mode, bindings::WHITEOUT_DEV, data)
    }
}
