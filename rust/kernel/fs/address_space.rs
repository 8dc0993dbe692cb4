// SPDX-License-Identifier: GPL-2.0

//! Files that are read by way of the page cache.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    file_ops::io_error,
    filesystem::FileSystem,
    inode::Inode, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// How the pages of one kind of regular files come by their contents.
///
/// The page cache has what was read, until the kernel needs the memory: then it is asked for again.
/// Nothing is written back, so such files can be read, mapped and executed only.
///
/// # Examples
///
/// A file of as many zeroes and ones as its size is, in turns:
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
    /// The filesystem whose files these are.
    type FileSystem: FileSystem;

    /// Fills what the file has from `position` on, a multiple of the size of a page. `contents` are
    /// zeroes, as many as there is of a page before the end of the file.
    ///
    /// # Errors
    ///
    /// Whoever reads gets it, after what could be read before; a mapping gets `SIGBUS`.
    fn read_folio(inode: &Inode<Self::FileSystem>, position: i64, contents: &mut [u8]) -> Result;
}

/// C's table of [`AddressSpaceOperations`].
pub(super) struct AddressSpaceVTable<A>(PhantomData<A>);

impl<A: AddressSpaceOperations> AddressSpaceVTable<A> {
    pub(super) const TABLE: bindings::address_space_operations =
        bindings::address_space_operations {
            read_folio: Some(Self::read_folio),
            ..pin_init::zeroed()
        };

    /// # Safety
    ///
    /// `folio` must be locked, not up to date, and in the page cache of an inode of the filesystem,
    /// which has single pages only.
    unsafe extern "C" fn read_folio(
        _file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: By the requirements above: nobody else looks at the contents of a folio that is
        // locked and not up to date, so they are this function's, for as long as they are mapped.
        // After the zeroes they are initialized.
        unsafe {
            let inode = Inode::from_raw(bindings::folio_inode(folio));
            let position = bindings::folio_pos(folio);
            let mapped = bindings::kmap_local_folio(folio, 0);
            let size = bindings::folio_size(folio);
            core::ptr::write_bytes(mapped.cast::<u8>(), 0, size);
            let left = inode.size().saturating_sub(position);
            let length = usize::try_from(left).unwrap_or(0).min(size);
            let contents = core::slice::from_raw_parts_mut(mapped.cast::<u8>(), length);
            let read = A::read_folio(inode, position, contents);
            bindings::kunmap_local(mapped);
            bindings::flush_dcache_folio(folio);
            bindings::folio_end_read(folio, read.is_ok());
            read.map_or_else(|error| io_error(error).to_errno(), |()| 0)
        }
    }
}
