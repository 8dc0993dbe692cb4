// SPDX-License-Identifier: GPL-2.0

//! File attributes of `FS_IOC_SETFLAGS`, which `chattr` sets: `struct file_kattr`.
//!
//! C header: [`include/linux/fileattr.h`](srctree/include/linux/fileattr.h)

use super::{
    filesystem::FileSystem,
    inode::Locked,
    mode::flags, //
};
use crate::{
    bindings,
    prelude::*, //
};

flags! {
    /// The flags of a file: `FS_*_FL` in
    /// [`include/uapi/linux/fs.h`](srctree/include/uapi/linux/fs.h).
    pub struct FileFlags(u32) {
        /// No flags.
        NONE = 0;
        /// The file is append-only.
        APPEND = bindings::FS_APPEND_FL;
        /// The file is immutable.
        IMMUTABLE = bindings::FS_IMMUTABLE_FL;
        /// The access time is not updated.
        NOATIME = bindings::FS_NOATIME_FL;
        /// `dump` skips the file. The kernel ignores the flag.
        NODUMP = bindings::FS_NODUMP_FL;
    }
}

impl<T: FileSystem> Locked<'_, T> {
    /// Sets the inode flags of [`FileFlags::APPEND`], [`FileFlags::IMMUTABLE`] and
    /// [`FileFlags::NOATIME`], and clears those that are not in `flags`.
    ///
    /// Mirrors `inode_set_flags()`.
    #[doc(alias = "inode_set_flags")]
    pub fn set_flags(&self, flags: FileFlags) {
        let known = [
            (FileFlags::APPEND, bindings::S_APPEND),
            (FileFlags::IMMUTABLE, bindings::S_IMMUTABLE),
            (FileFlags::NOATIME, bindings::S_NOATIME),
        ];
        let (mut set, mut mask) = (0, 0);
        for (flag, bit) in known {
            mask |= bit;
            set |= if flags.has(flag) { bit } else { 0 };
        }
        // SAFETY: The inode is valid and locked for writing.
        unsafe { bindings::inode_set_flags(self.as_ptr(), set, mask) };
    }
}

/// Returns the flags of a request to set file attributes.
///
/// # Errors
///
/// [`EOPNOTSUPP`] if the request is for other attributes than flags.
///
/// # Safety
///
/// `attr` must be valid.
pub(super) unsafe fn requested(attr: *const bindings::file_kattr) -> Result<FileFlags> {
    // SAFETY: `attr` is valid, by the requirements of this function.
    if unsafe { bindings::fileattr_has_fsx(attr) } {
        return Err(EOPNOTSUPP);
    }
    // SAFETY: `attr` is valid, by the requirements of this function.
    Ok(FileFlags::new(unsafe { (*attr).flags }))
}
