// SPDX-License-Identifier: GPL-2.0

//! The flags of files, which `chattr` sets.
//!
//! C header: [`include/linux/fileattr.h`](srctree/include/linux/fileattr.h)

use super::{
    filesystem::FileSystem,
    inode::Locked, //
};
use crate::{
    bindings,
    prelude::*, //
};

/// Flags of a file, as programs see them (`FS_..._FL` in
/// [`include/uapi/linux/fs.h`](srctree/include/uapi/linux/fs.h)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFlags(u32);

impl FileFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// It grows, but nothing of it is changed.
    pub const APPEND: Self = Self(bindings::FS_APPEND_FL);
    /// Nothing of it is changed.
    pub const IMMUTABLE: Self = Self(bindings::FS_IMMUTABLE_FL);
    /// It keeps no time of the last access.
    pub const NOATIME: Self = Self(bindings::FS_NOATIME_FL);
    /// `dump` leaves it out, which is nothing to the kernel.
    pub const NODUMP: Self = Self(bindings::FS_NODUMP_FL);

    /// Takes C's number.
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Gives C's number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These, and `others`.
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there are none but `others`.
    pub const fn is_subset_of(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Whether all of `others` are set.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl<T: FileSystem> Locked<'_, T> {
    /// Has the VFS heed the flags that it knows: [`FileFlags::APPEND`], [`FileFlags::IMMUTABLE`] and
    /// [`FileFlags::NOATIME`].
    ///
    /// Mirrors `inode_set_flags()`.
    #[doc(alias = "inode_set_flags")]
    pub fn set_flags(&self, flags: FileFlags) {
        let known = [
            (FileFlags::APPEND, bindings::S_APPEND),
            (FileFlags::IMMUTABLE, bindings::S_IMMUTABLE),
            (FileFlags::NOATIME, bindings::S_NOATIME),
        ];
        let (mut set, mut all) = (0, 0);
        for (flag, bit) in known {
            all |= bit;
            set |= if flags.has(flag) { bit } else { 0 };
        }
        // SAFETY: The inode is valid, and the caller has its lock.
        unsafe { bindings::inode_set_flags(self.as_ptr(), set, all) };
    }
}

/// What a program asks for.
///
/// # Safety
///
/// `attr` must be valid.
///
/// # Errors
///
/// [`EOPNOTSUPP`] if it asks for more than flags: for what only some filesystems have.
pub(super) unsafe fn asked(attr: *const bindings::file_kattr) -> Result<FileFlags> {
    // SAFETY: By the requirements above.
    unsafe {
        if bindings::fileattr_has_fsx(attr) {
            return Err(EOPNOTSUPP);
        }
        Ok(FileFlags((*attr).flags))
    }
}
