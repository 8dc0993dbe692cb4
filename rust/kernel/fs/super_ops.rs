// SPDX-License-Identifier: GPL-2.0

//! What a filesystem does as a whole.
//!
//! C header: [`include/linux/fs/super.h`](srctree/include/linux/fs/super.h)

use super::{
    filesystem::FileSystem,
    inode_cache::InodeInfo,
    memfs::handles::IN_MEMORY,
    new_inode::Root,
    super_block::SuperBlock,
    xattr, //
};
use crate::{
    bindings,
    error::{
        from_result,
        VTABLE_DEFAULT_ERROR, //
    },
    prelude::*,
    seq_file::SeqFile,
    types::Opaque, //
};
use core::marker::PhantomData;

/// What `statfs()` tells of a filesystem.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and nobody else has them.
#[repr(transparent)]
pub struct Statfs(Opaque<bindings::kstatfs>);

impl Statfs {
    /// How much there is for data and how much of that is free, in pages.
    pub fn set_pages(&mut self, all: u64, free: u64) {
        // SAFETY: By the type invariants.
        unsafe {
            let statfs = self.0.get();
            (*statfs).f_blocks = all;
            (*statfs).f_bfree = free;
            (*statfs).f_bavail = free;
        }
    }

    /// How many inodes there can be and how many more can be made.
    pub fn set_inodes(&mut self, all: u64, free: u64) {
        // SAFETY: By the type invariants.
        unsafe {
            let statfs = self.0.get();
            (*statfs).f_files = all;
            (*statfs).f_ffree = free;
        }
    }
}

/// What a filesystem in memory does as a whole.
///
/// # Examples
///
/// A directory without names in it that belongs to whoever mounted it, and has no room:
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
    /// The number that `statfs()` tells the type of filesystem by.
    const MAGIC: u32;

    /// Whether its inodes have POSIX ACLs.
    ///
    /// If they have, `inode_operations` need a
    /// [`set_acl()`](super::inode_ops::InodeOperations::set_acl).
    const POSIX_ACL: bool = false;

    /// Whether its inodes can be found by file handle, as `open_by_handle_at()` and NFS do.
    const EXPORT: bool = false;

    /// Which extended attributes there are.
    const XATTR: xattr::Handlers<Self> = xattr::Handlers::NONE;

    /// Makes the root directory of a new superblock.
    ///
    /// # Errors
    ///
    /// Whatever is returned ends the mount.
    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>>;

    /// Tells how much there is and how much of it is free.
    ///
    /// Type, page size and the greatest length of a name are in `statfs` already. Without this,
    /// they are all there is.
    ///
    /// # Errors
    ///
    /// Whatever is returned is what `statfs()` fails with.
    fn statfs(_super_block: &SuperBlock<Self>, _statfs: &mut Statfs) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Shows the mount options, each after a comma, as in `,mode=755`.
    ///
    /// # Errors
    ///
    /// Whatever is returned is what reading `/proc/mounts` and its like fails with, at this mount.
    /// That `seq` is full is none: the VFS sees it, and asks again.
    fn show_options(_super_block: &SuperBlock<Self>, _seq: &SeqFile) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// C's table of a filesystem's [`SuperOperations`].
pub(super) struct SuperVTable<T>(PhantomData<T>);

impl<T: SuperOperations> SuperVTable<T> {
    const OPERATIONS: bindings::super_operations = bindings::super_operations {
        alloc_inode: Some(InodeInfo::<T>::alloc_inode),
        destroy_inode: Some(InodeInfo::<T>::destroy_inode),
        free_inode: Some(InodeInfo::<T>::free_inode),
        // An inode without names is gone; there is nothing to keep one in memory for.
        drop_inode: Some(bindings::inode_just_drop),
        statfs: Some(Self::statfs),
        show_options: if T::HAS_SHOW_OPTIONS {
            Some(Self::show_options)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// Tells a new superblock what it is.
    ///
    /// # Safety
    ///
    /// `sb` must be a valid superblock of `T` whose `s_umount` the caller holds for writing, and
    /// which is not born yet. Others may look at it, but not at what is set here: they wait for
    /// that lock.
    pub(super) unsafe fn set_up(sb: *mut bindings::super_block) {
        // SAFETY: By the requirements above.
        unsafe {
            (*sb).s_op = &Self::OPERATIONS;
            (*sb).s_maxbytes = bindings::MAX_LFS_FILESIZE;
            (*sb).s_blocksize = bindings::PAGE_SIZE;
            (*sb).s_blocksize_bits = bindings::PAGE_SHIFT as u8;
            (*sb).s_magic = T::MAGIC as usize;
            (*sb).s_time_gran = 1;
            // A name that is gone is not worth remembering: there is no disk to look on again.
            (*sb).s_d_flags = bindings::dentry_flags_DCACHE_DONTCACHE;
            (*sb).s_xattr = T::XATTR.as_ptr();
            // There is no need to ask the filesystem about privileges to kill at each write.
            (*sb).s_flags |= bindings::SB_NOSEC;
            // Whoever mounts it may have set this.
            (*sb).s_flags &= !bindings::SB_POSIXACL;
            if T::POSIX_ACL && cfg!(CONFIG_FS_POSIX_ACL) {
                (*sb).s_flags |= bindings::SB_POSIXACL;
            }
            if T::EXPORT {
                (*sb).s_export_op = IN_MEMORY.as_ptr();
            }
        }
    }

    /// # Safety
    ///
    /// `dentry` must be valid and of a superblock of `T`, and the caller must have `statfs` for
    /// itself.
    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        statfs: *mut bindings::kstatfs,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above; this fills in what is the same for all.
            unsafe { bindings::simple_statfs(dentry, statfs) };
            if T::HAS_STATFS {
                // SAFETY: By the requirements above.
                //
                // CAST: `Statfs` is a transparent wrapper.
                unsafe {
                    let super_block = SuperBlock::from_raw((*dentry).d_sb);
                    T::statfs(super_block, &mut *statfs.cast())?;
                }
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `root` must be valid and of a superblock of `T`, and the caller must have `seq` for itself.
    unsafe extern "C" fn show_options(
        seq: *mut bindings::seq_file,
        root: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            unsafe {
                let super_block = SuperBlock::from_raw((*root).d_sb);
                T::show_options(super_block, SeqFile::from_raw(seq))?;
            }
            Ok(0)
        })
    }
}
