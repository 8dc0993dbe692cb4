// SPDX-License-Identifier: GPL-2.0

//! Types of filesystems.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    prelude::*, //
};

/// What a filesystem asks of the VFS, C's `FS_...` flags.
#[derive(Clone, Copy)]
pub struct FsFlags(u32);

impl FsFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Its mounts may be idmapped: every operation goes by the map that it is given.
    pub const ALLOW_IDMAP: Self = Self(bindings::FS_ALLOW_IDMAP);
    /// Whoever is privileged in a user namespace may mount it there.
    pub const USERNS_MOUNT: Self = Self(bindings::FS_USERNS_MOUNT);
    /// Times are as fine as whoever asks for them needs.
    pub const MGTIME: Self = Self(bindings::FS_MGTIME);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Gives C's number.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }
}

/// A type of filesystem.
///
/// The types here are what it keeps for each mount that is being made, for each superblock and for
/// each inode. What it does is in traits of their own: [`ContextOperations`](super::context::ContextOperations),
/// [`SuperOperations`](super::super_ops::SuperOperations),
/// and an [`InodeOperations`](super::inode_ops::InodeOperations) for each kind of inode.
///
/// # Examples
///
/// One whose mount options come down to a number that each superblock keeps; [`registration`](super::registration) has
/// an example with all that belongs to it:
///
/// ```
/// use kernel::{fs::filesystem::{FileSystem, FsFlags}, prelude::*};
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     const FLAGS: FsFlags = FsFlags::ALLOW_IDMAP.with(FsFlags::MGTIME);
///
///     type Options = u32;
///     type Data = u32;
///     type InodeData = ();
/// }
/// ```
#[vtable]
pub trait FileSystem: Sized + 'static {
    /// Its name, as in `mount -t`. A name with a dot is refused when the filesystem is registered.
    const NAME: &'static CStr;

    /// What it asks of the VFS.
    const FLAGS: FsFlags = FsFlags::NONE;

    /// The mount options that were given so far.
    type Options: Send + 'static;

    /// What it keeps for each superblock.
    type Data: Send + Sync + 'static;

    /// What it keeps for each inode.
    type InodeData: Send + Sync + 'static;
}
