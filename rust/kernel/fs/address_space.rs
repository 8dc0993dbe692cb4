// SPDX-License-Identifier: GPL-2.0

//! Address space operations: files that are read through the page cache.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod vtable;

use super::{
    filesystem::FileSystem,
    inode::Inode, //
};
use crate::prelude::*;

pub(super) use self::vtable::AddressSpaceVTable;

/// The address space operations of one kind of regular file.
///
/// The page cache keeps a page until memory is reclaimed; the next access reads it again. Nothing
/// is written back: such files can be read, mapped and executed only.
///
/// # Examples
///
/// A file of alternating digits:
///
/// ```
/// use kernel::{
///     fs::{address_space::AddressSpaceOperations, filesystem::FileSystem, inode::Inode},
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
/// struct Alternating;
///
/// impl AddressSpaceOperations for Alternating {
///     type FileSystem = MyFs;
///
///     fn read_folio(_inode: &Inode<MyFs>, _position: i64, contents: &mut [u8]) -> Result {
///         for (digit, byte) in b"01".iter().cycle().zip(contents) {
///             *byte = *digit;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait AddressSpaceOperations {
    /// The filesystem.
    type FileSystem: FileSystem;

    /// Called to read a page. The folio is locked. May sleep.
    ///
    /// `position` is a multiple of the page size. `contents` are zeroes; their length is that of
    /// the page, or less at the end of the file.
    ///
    /// # Errors
    ///
    /// `read()` fails with the error, or returns the bytes before the page. A page fault raises
    /// `SIGBUS`.
    fn read_folio(inode: &Inode<Self::FileSystem>, position: i64, contents: &mut [u8]) -> Result;
}
