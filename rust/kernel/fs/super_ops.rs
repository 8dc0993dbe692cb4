// SPDX-License-Identifier: GPL-2.0

//! Superblock operations: `struct super_operations`.
//!
//! C header: [`include/linux/fs/super.h`](srctree/include/linux/fs/super.h)

mod vtable;

use super::{
    filesystem::FileSystem,
    memfs::RootDir,
    new_inode::Root,
    super_block::SuperBlock,
    xattr, //
};
use crate::{
    bindings,
    error::VTABLE_DEFAULT_ERROR,
    prelude::*,
    seq_file::SeqFile,
    types::Opaque, //
};

pub(super) use self::vtable::SuperVTable;

/// The result of `statfs()`: `struct kstatfs`.
///
/// # Invariants
///
/// An instance is valid, and used by the borrower only, for as long as it is borrowed.
#[repr(transparent)]
pub struct Statfs(Opaque<bindings::kstatfs>);

impl Statfs {
    /// Stores the number of all blocks and of free blocks, of one page each.
    pub fn set_pages(&mut self, all: u64, free: u64) {
        let statfs = self.0.get();
        // SAFETY: The instance is valid and used by the borrower only, by the type invariants.
        unsafe {
            (*statfs).f_blocks = all;
            (*statfs).f_bfree = free;
            (*statfs).f_bavail = free;
        }
    }

    /// Stores the number of all inodes and of free inodes.
    pub fn set_inodes(&mut self, all: u64, free: u64) {
        let statfs = self.0.get();
        // SAFETY: The instance is valid and used by the borrower only, by the type invariants.
        unsafe {
            (*statfs).f_files = all;
            (*statfs).f_ffree = free;
        }
    }
}

/// The operations of a superblock of a filesystem in memory. All of them may sleep.
///
/// # Examples
///
/// A filesystem of one empty directory, owned by the user who mounts it:
///
/// ```
/// use kernel::{
///     fs::{
///         filesystem::FileSystem,
///         inode_ops::InodeOperations,
///         mode::Mode,
///         new_inode::{New, Root},
///         super_block::SuperBlock,
///         super_ops::{Statfs, SuperOperations},
///     },
///     prelude::*,
///     uidgid::{FsGid, FsUid},
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = (FsUid, FsGid);
///     type InodeData = ();
/// }
///
/// struct Dir;
///
/// #[vtable]
/// impl InodeOperations for Dir {
///     type FileSystem = MyFs;
/// }
///
/// #[vtable]
/// impl SuperOperations for MyFs {
///     const MAGIC: u32 = 0x6d796673;
///
///     fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
///         New::root::<Dir>(super_block, *super_block.data(), Mode::new(0o555), Ok(()))
///     }
///
///     fn statfs(_super_block: &SuperBlock<Self>, statfs: &mut Statfs) -> Result {
///         statfs.set_inodes(1, 0);
///         Ok(())
///     }
/// }
/// ```
#[vtable]
pub trait SuperOperations: FileSystem {
    /// The magic number that `statfs()` returns: `s_magic`.
    const MAGIC: u32;

    /// Whether inodes can be opened by handle, for `open_by_handle_at()` and for NFS.
    const EXPORT: bool = false;

    /// The handlers of extended attributes.
    const XATTR: xattr::Handlers<Self> = xattr::Handlers::NONE;

    /// Called to create the root directory of a new superblock.
    ///
    /// # Errors
    ///
    /// The mount fails with the error.
    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>>;

    /// Called to create inodes in the root directory of a new superblock, before it is mounted.
    ///
    /// # Examples
    ///
    /// A directory with the owner of the root directory:
    ///
    /// ```
    /// use kernel::{
    ///     fs::{inode_ops::InodeOperations, memfs::RootDir, mode::Mode, new_inode::New},
    ///     fs::filesystem::FileSystem,
    ///     prelude::*,
    ///     uidgid::{FsGid, FsUid},
    /// };
    ///
    /// fn populate<O, T>(root: &RootDir<'_, T>, ids: (FsUid, FsGid)) -> Result
    /// where
    ///     O: InodeOperations<FileSystem = T>,
    ///     T: FileSystem<InodeData = ()>,
    /// {
    ///     let entry = root.entry(c"lost+found")?;
    ///     let owner = root.owner(ids);
    ///     let new = New::directory::<O>(&owner, entry.name(), Mode::new(0o700), Ok(()))?;
    ///     entry.instantiate(new);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The mount fails with the error.
    fn populate(_root: &RootDir<'_, Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called for `statfs()`. The magic number, the block size and the maximum length of a name are
    /// stored already.
    ///
    /// # Errors
    ///
    /// `statfs()` fails with the error.
    fn statfs(_super_block: &SuperBlock<Self>, _statfs: &mut Statfs) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to show the mount options, each after a comma: `,mode=755`.
    ///
    /// # Errors
    ///
    /// Reading `/proc/mounts` fails with the error. A full `seq` is not an error: `seq_file` grows
    /// the buffer and calls this again.
    fn show_options(_super_block: &SuperBlock<Self>, _seq: &SeqFile) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
