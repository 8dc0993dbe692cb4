// SPDX-License-Identifier: GPL-2.0

//! Filesystems in memory.

pub(super) mod dir;
mod fallocate;
pub(super) mod file;
pub(super) mod handles;

use super::{
    filesystem::FileSystem,
    super_block::SuperBlock, //
};
use crate::{
    bindings,
    prelude::*, //
};

/// A filesystem that has regular files in memory, and a budget for them.
///
/// Pages are charged and given back with the page's lock held, and perhaps others of the VFS, so
/// that neither may wait for anything that takes those.
///
/// # Examples
///
/// Without a limit:
///
/// ```
/// use kernel::{fs::{filesystem::FileSystem, memfs::MemFileSystem, super_block::SuperBlock}, prelude::*};
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = ();
///     type InodeData = ();
/// }
///
/// impl MemFileSystem for MyFs {
///     fn charge(_super_block: &SuperBlock<Self>) -> Result {
///         Ok(())
///     }
///
///     fn uncharge(_super_block: &SuperBlock<Self>) {}
///
///     fn limit(_super_block: &SuperBlock<Self>) -> Option<u64> {
///         None
///     }
/// }
/// ```
pub trait MemFileSystem: FileSystem {
    /// Takes a page of the budget.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if there is none left.
    fn charge(super_block: &SuperBlock<Self>) -> Result;

    /// Gives a page back.
    fn uncharge(super_block: &SuperBlock<Self>);

    /// All pages of the budget, if it has a limit.
    fn limit(super_block: &SuperBlock<Self>) -> Option<u64>;
}

/// The half of the memory that the machine has, in pages: what an in-memory filesystem may take
/// where nobody says otherwise.
///
/// Mirrors `shmem_default_max_blocks()`.
pub fn half_of_memory() -> u64 {
    // SAFETY: This reads a number.
    unsafe { bindings::totalram_pages() as u64 / 2 }
}
