// SPDX-License-Identifier: GPL-2.0

//! The C table of [`AddressSpaceOperations`].

use super::AddressSpaceOperations;
use crate::{
    bindings,
    fs::{
        file_ops::io_error,
        inode::Inode, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The C table of [`AddressSpaceOperations`].
pub(in crate::fs) struct AddressSpaceVTable<A>(PhantomData<A>);

impl<A: AddressSpaceOperations> AddressSpaceVTable<A> {
    pub(in crate::fs) const TABLE: bindings::address_space_operations =
        bindings::address_space_operations {
            read_folio: Some(Self::read_folio),
            ..pin_init::zeroed()
        };

    /// `->read_folio()`: reads a page and unlocks the folio.
    ///
    /// # Safety
    ///
    /// `folio` must be locked, not up to date, of one page, and in the page cache of an inode of
    /// the filesystem.
    unsafe extern "C" fn read_folio(
        _file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: The folio is locked and in the page cache of an inode of the filesystem. The
        // inode is valid while a folio of it is locked.
        let inode = unsafe { Inode::from_raw(bindings::folio_inode(folio)) };
        // SAFETY: The folio is valid.
        let (position, size) = unsafe { (bindings::folio_pos(folio), bindings::folio_size(folio)) };
        // SAFETY: The folio is valid and has one page.
        let mapped = unsafe { bindings::kmap_local_folio(folio, 0) };
        // SAFETY: `mapped` is valid for writes of a page. No one else uses the contents of a folio
        // that is locked and not up to date.
        unsafe { core::ptr::write_bytes(mapped.cast::<u8>(), 0, size) };
        let left = inode.size().saturating_sub(position).max(0);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(size);
        // SAFETY: `mapped` is valid for `length` bytes, which are initialized, and no one else uses
        // them, as above.
        let contents = unsafe { core::slice::from_raw_parts_mut(mapped.cast::<u8>(), length) };
        let read = A::read_folio(inode, position, contents);
        // SAFETY: `mapped` is the address that `kmap_local_folio()` returned, and the slice is no
        // longer used.
        unsafe { bindings::kunmap_local(mapped) };
        // SAFETY: The folio is valid.
        unsafe { bindings::folio_flush_dcache(folio) };
        // SAFETY: The folio is locked and not up to date.
        unsafe { bindings::folio_end_read(folio, read.is_ok()) };
        read.map_or_else(|error| io_error(error).to_errno(), |()| 0)
    }
}
