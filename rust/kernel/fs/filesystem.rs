// SPDX-License-Identifier: GPL-2.0

//! Filesystem types.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::mode::flags;
use crate::{
    bindings,
    prelude::*, //
};

flags! {
    /// The flags of a filesystem type: `fs_flags` of `struct file_system_type`.
    pub struct FsFlags(u32) {
        /// No flags.
        NONE = 0;
        /// Mounts can be idmapped. Each operation must use the idmap that it is called with.
        ALLOW_IDMAP = bindings::FS_ALLOW_IDMAP;
        /// A user namespace with `CAP_SYS_ADMIN` can mount the filesystem.
        USERNS_MOUNT = bindings::FS_USERNS_MOUNT;
        /// The change time and the modification time are multigrain timestamps.
        MGTIME = bindings::FS_MGTIME;
    }
}

/// A filesystem type.
///
/// The associated types are the data of a mount context, of a superblock and of an inode. The
/// operations are in traits of their own: [`ContextOperations`], [`SuperOperations`], and an
/// [`InodeOperations`] for each kind of inode.
///
/// # Examples
///
/// A filesystem type whose mount options are one number, which the superblock stores. The
/// documentation of [`registration`] has a whole filesystem:
///
/// ```
/// use kernel::fs::filesystem::{FileSystem, FsFlags};
/// use kernel::prelude::*;
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
///
/// [`ContextOperations`]: super::context::ContextOperations
/// [`SuperOperations`]: super::super_ops::SuperOperations
/// [`InodeOperations`]: super::inode_ops::InodeOperations
/// [`registration`]: super::registration
#[vtable]
pub trait FileSystem: Sized + 'static {
    /// The name of the type, as in `mount -t`. Registration fails for a name with a dot.
    const NAME: &'static CStr;

    /// The flags of the type.
    const FLAGS: FsFlags = FsFlags::NONE;

    /// Whether inodes have POSIX ACLs.
    ///
    /// If so, and if the kernel is built with POSIX ACLs, the superblock has `SB_POSIXACL`.
    const POSIX_ACL: bool = false;

    /// The mount options that were parsed so far.
    type Options: Send + 'static;

    /// The data of a superblock.
    type Data: Send + Sync + 'static;

    /// The data of an inode.
    type InodeData: Send + Sync + 'static;
}
