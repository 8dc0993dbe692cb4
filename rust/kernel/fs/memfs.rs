// SPDX-License-Identifier: GPL-2.0

//! Filesystems in memory: names are in the dentry cache only, file contents in the page cache only.

mod dir;
mod fallocate;
mod file;
pub(super) mod handles;
mod read;
mod root;

use super::{
    filesystem::FileSystem,
    super_block::SuperBlock, //
};
use crate::{
    bindings,
    prelude::*, //
};

pub use self::root::{
    RootDir,
    RootEntry, //
};

/// A filesystem with regular files in memory.
///
/// Each page of a file is charged to the superblock before it is added to the page cache, and
/// uncharged when it is removed.
///
/// # Examples
///
/// Without a limit:
///
/// ```
/// use kernel::{
///     fs::{filesystem::FileSystem, memfs::MemFileSystem, super_block::SuperBlock},
///     prelude::*,
/// };
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
    /// Called before a page is added to a file. The folio is locked: must not wait for the page
    /// cache. May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if the limit is reached. `write()` fails with it, and a page fault raises
    /// `SIGBUS`.
    fn charge(super_block: &SuperBlock<Self>) -> Result;

    /// Called after a page was removed from a file. The folio is locked: must not sleep.
    fn uncharge(super_block: &SuperBlock<Self>);

    /// Called by `fallocate()`. Returns the limit in pages, or [`None`] if there is no limit.
    fn limit(super_block: &SuperBlock<Self>) -> Option<u64>;
}

/// Returns half of the machine's memory in pages: the default limit of tmpfs.
///
/// Mirrors `shmem_default_max_blocks()`.
pub fn half_of_memory() -> u64 {
    memory() / 2
}

/// Returns the machine's memory in pages.
fn memory() -> u64 {
    // SAFETY: The function reads an atomic counter.
    unsafe { bindings::totalram_pages() as u64 }
}
