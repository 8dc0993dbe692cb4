// SPDX-License-Identifier: GPL-2.0

//! Regular files in memory.
//!
//! The file operations and the address space operations are mostly those of ramfs. These parts are
//! added:
//!
//! - Each folio in the page cache is charged to the superblock and counted in `i_blocks`. Its
//!   private data is a [`Content`].
//! - `read()` copies zeroes for a hole and does not allocate a page. A page fault on a hole
//!   allocates and charges one.
//! - As in ramfs, the mapping is unevictable: reclaim does not scan the folios.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    read::{
        llseek,
        read_iter, //
    },
    MemFileSystem, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    fs::{
        dentry::Name,
        file_ops::{
            io_error,
            FileOperations,
            PageCacheTable,
            PageCacheVTable, //
        },
        inode::Inode,
        inode_ops::{
            InodeOperations,
            InodeVTable, //
        },
        mode::Mode,
        new_inode::{
            New,
            NewOwner, //
        },
    },
    prelude::*, //
};
use core::marker::PhantomData;

impl<T: MemFileSystem> New<T> {
    /// Creates a regular file with the permission bits of `mode`, whose contents are in memory.
    ///
    /// `name` is [`None`] for a file of [`Tmpfile::finish`](crate::fs::dentry::Tmpfile::finish).
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn file<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let new = Self::regular(owner, name, mode, &InodeVTable::<O>::OTHER, data)?;
        // SAFETY: The inode is valid and not visible to others.
        unsafe {
            init(
                new.as_ptr(),
                &MemfsVTable::<T>::FILE,
                &MemfsVTable::<T>::MAPPING,
            )
        };
        Ok(new)
    }

    /// Creates a regular file as [`New::file`] does, with operations of `F`.
    ///
    /// `F` can implement [`open()`](FileOperations::open), [`release()`](FileOperations::release),
    /// [`mmap()`](FileOperations::mmap) and [`ioctl()`](FileOperations::ioctl). Another operation
    /// does not compile, because the contents are in memory.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn memory_file_with<O, F>(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        F: FileOperations<FileSystem = T>,
    {
        let new = Self::regular(owner, name, mode, &InodeVTable::<O>::OTHER, data)?;
        let file = &PageCacheVTable::<MemfsVTable<T>, F>::FILE;
        // SAFETY: The inode is valid and not visible to others. The functions of the tables accept
        // inodes of `T`.
        unsafe { init(new.as_ptr(), file, &MemfsVTable::<T>::MAPPING) };
        Ok(new)
    }
}

/// Sets the operations of a regular file in memory.
///
/// # Safety
///
/// `inode` must be valid and not visible to others. The functions of the tables must accept it.
unsafe fn init(
    inode: *mut bindings::inode,
    file: &'static bindings::file_operations,
    mapping: &'static bindings::address_space_operations,
) {
    // SAFETY: The inode is valid and not visible to others, and so is its mapping.
    unsafe {
        (*inode).__bindgen_anon_3.i_fop = file;
        (*(*inode).i_mapping).a_ops = mapping;
    }
    // SAFETY: The mapping of a valid inode is valid.
    unsafe { bindings::mapping_set_unevictable((*inode).i_mapping) };
}

/// The private data of a folio. Each folio with private data is charged.
///
/// The values are not zero: `filemap_migrate_folio()` does not move private data that is null.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Content {
    /// The folio contains zeroes: a page fault or `fallocate()` allocated it.
    Zeroes = 1,
    /// The folio was or may be written.
    Data = 2,
}

/// The C tables of regular files in memory.
pub(super) struct MemfsVTable<T>(PhantomData<T>);

impl<T: MemFileSystem> PageCacheTable for MemfsVTable<T> {
    const FILE: bindings::file_operations = bindings::file_operations {
        llseek: Some(llseek),
        read_iter: Some(read_iter),
        write_iter: Some(bindings::generic_file_write_iter),
        mmap_prepare: Some(Self::mmap_prepare),
        fsync: Some(bindings::noop_fsync),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        fallocate: Some(Self::fallocate),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };
}

impl<T: MemFileSystem> MemfsVTable<T> {
    const MAPPING: bindings::address_space_operations = bindings::address_space_operations {
        read_folio: Some(Self::read_folio),
        write_begin: Some(Self::write_begin),
        write_end: Some(Self::write_end),
        dirty_folio: Some(bindings::noop_dirty_folio),
        invalidate_folio: Some(Self::invalidate_folio),
        release_folio: Some(Self::release_folio),
        #[cfg(CONFIG_MIGRATION)]
        migrate_folio: Some(bindings::filemap_migrate_folio),
        ..pin_init::zeroed()
    };

    const MEMORY: bindings::vm_operations_struct = bindings::vm_operations_struct {
        fault: Some(bindings::filemap_fault),
        map_pages: Some(bindings::filemap_map_pages),
        page_mkwrite: Some(Self::page_mkwrite),
        ..pin_init::zeroed()
    };

    /// Charges a folio that is not charged yet, and marks its content.
    ///
    /// # Errors
    ///
    /// Those of [`MemFileSystem::charge`].
    ///
    /// # Safety
    ///
    /// `folio` must be locked, of one page, and in the page cache of an inode of `T`.
    unsafe fn charge(folio: *mut bindings::folio, content: Content) -> Result {
        let private = core::ptr::without_provenance_mut::<c_void>(content as usize);
        // SAFETY: The folio is valid and locked, by the requirements of this function.
        if unsafe { bindings::folio_test_private(folio) } {
            if content == Content::Data {
                // SAFETY: The folio is locked and has private data.
                unsafe { bindings::folio_change_private(folio, private) };
            }
            return Ok(());
        }
        // SAFETY: The folio is locked and in the page cache of an inode, by the requirements of
        // this function, so its mapping does not change.
        let host = unsafe { bindings::folio_inode(folio) };
        // SAFETY: The inode is of `T`. It is valid while a folio of it is locked.
        let inode = unsafe { Inode::<T>::from_raw(host) };
        T::charge(inode.super_block()).map_err(io_error)?;
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_add_bytes(host, bindings::PAGE_SIZE as i64) };
        // SAFETY: The folio is locked and has no private data.
        unsafe { bindings::folio_attach_private(folio, private) };
        Ok(())
    }

    /// Uncharges a folio that is charged.
    ///
    /// # Safety
    ///
    /// As for [`Self::charge`]. The caller must remove the folio from the page cache before it
    /// unlocks it, or leave it without contents.
    unsafe fn uncharge(folio: *mut bindings::folio) {
        // SAFETY: The folio is valid and locked, by the requirements of this function.
        if !unsafe { bindings::folio_test_private(folio) } {
            return;
        }
        // SAFETY: The folio is locked and in the page cache of an inode.
        let host = unsafe { bindings::folio_inode(folio) };
        // SAFETY: The folio is locked and has private data.
        unsafe { bindings::folio_detach_private(folio) };
        // SAFETY: The inode is valid while a folio of it is locked.
        unsafe { bindings::inode_sub_bytes(host, bindings::PAGE_SIZE as i64) };
        // SAFETY: The inode is of `T`. It has its data and its superblock until all folios of it
        // were removed: `destroy_inode()` is called after eviction.
        T::uncharge(unsafe { Inode::<T>::from_raw(host) }.super_block());
    }

    /// `->read_folio()`: called for a page fault on a hole and by `fallocate()`. The folio is
    /// locked; this unlocks it.
    ///
    /// # Safety
    ///
    /// `folio` must be locked, not up to date, of one page, and in the page cache of an inode of
    /// `T`.
    unsafe extern "C" fn read_folio(
        file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        from_result(|| {
            let read = bindings_ram_aops().read_folio.ok_or(EIO);
            // SAFETY: `folio` is as `charge()` requires, by the requirements of this function.
            let read = read
                .and_then(|read| unsafe { Self::charge(folio, Content::Zeroes) }.map(|()| read));
            match read {
                // SAFETY: The folio is locked and not up to date. The function does not use `file`.
                Ok(read) => Ok(unsafe { read(file, folio) }),
                Err(error) => {
                    // SAFETY: The folio is locked and not up to date.
                    unsafe { bindings::folio_end_read(folio, false) };
                    Err(error)
                }
            }
        })
    }

    /// `->write_begin()`: called with the inode locked for writing. Returns a locked folio.
    ///
    /// # Safety
    ///
    /// The pointers must be valid. `mapping` must be that of an inode of `T`, and the bytes to be
    /// written must be in one page.
    unsafe extern "C" fn write_begin(
        kiocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: bindings::loff_t,
        len: c_uint,
        foliop: *mut *mut bindings::folio,
        fsdata: *mut *mut c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The arguments are those of `->write_begin()`, which this is.
            to_result(unsafe {
                bindings::simple_write_begin(kiocb, mapping, pos, len, foliop, fsdata)
            })?;
            // SAFETY: `simple_write_begin()` succeeded, so it stored a folio.
            let folio = unsafe { *foliop };
            // SAFETY: The folio is locked and in `mapping`. Mappings of `T` have folios of one
            // page.
            if let Err(error) = unsafe { Self::charge(folio, Content::Data) } {
                // SAFETY: The folio is in `mapping` and locked. It has no content, since it is not
                // charged: the folio is new.
                unsafe { remove_locked(mapping, folio) };
                // SAFETY: `simple_write_begin()` locked the folio.
                unsafe { bindings::folio_unlock(folio) };
                // SAFETY: `simple_write_begin()` took a reference to the folio.
                unsafe { bindings::folio_put(folio) };
                return Err(error);
            }
            Ok(0)
        })
    }

    /// `->write_end()`: called with the inode locked for writing. Unlocks the folio and drops the
    /// reference.
    ///
    /// # Safety
    ///
    /// The arguments must be those of [`Self::write_begin`], and `folio` the one that it stored.
    unsafe extern "C" fn write_end(
        kiocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: bindings::loff_t,
        len: c_uint,
        copied: c_uint,
        folio: *mut bindings::folio,
        fsdata: *mut c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The folio is locked.
            if copied == 0 && !unsafe { bindings::folio_test_uptodate(folio) } {
                // Nothing was copied to a new folio: it still has no content.
                //
                // SAFETY: The folio is in `mapping` and locked.
                unsafe { remove_locked(mapping, folio) };
                // SAFETY: `write_begin()` locked the folio.
                unsafe { bindings::folio_unlock(folio) };
                // SAFETY: `write_begin()` took a reference to the folio.
                unsafe { bindings::folio_put(folio) };
                return Ok(0);
            }
            let write_end = bindings_ram_aops().write_end.ok_or(EIO)?;
            // SAFETY: The arguments are those of `->write_end()`, which this is.
            Ok(unsafe { write_end(kiocb, mapping, pos, len, copied, folio, fsdata) })
        })
    }

    /// `->invalidate_folio()`: called before a folio is truncated, as a whole or in part.
    ///
    /// # Safety
    ///
    /// `folio` must be locked and in the page cache of an inode of `T`.
    unsafe extern "C" fn invalidate_folio(
        folio: *mut bindings::folio,
        offset: usize,
        length: usize,
    ) {
        // SAFETY: The folio is valid.
        if offset == 0 && length == unsafe { bindings::folio_size(folio) } {
            // SAFETY: The folio is as `charge()` requires. The caller removes it.
            unsafe { Self::uncharge(folio) };
        }
    }

    /// `->release_folio()`: called to evict a folio. The page cache has the only copy.
    ///
    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn release_folio(
        _folio: *mut bindings::folio,
        _gfp: bindings::gfp_t,
    ) -> bool {
        false
    }

    /// `->mmap_prepare()`: called with `mmap_lock` held.
    ///
    /// # Safety
    ///
    /// `area` must be valid, and no other task must use it.
    unsafe extern "C" fn mmap_prepare(area: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: `area` is valid.
            to_result(unsafe { bindings::generic_file_mmap_prepare(area) })?;
            // SAFETY: `area` is valid and not used by others. The table is static, and its
            // functions accept mappings of files of `T`.
            unsafe { (*area).vm_ops = &Self::MEMORY };
            Ok(0)
        })
    }

    /// `->page_mkwrite()`: called before a page becomes writable in a shared mapping.
    ///
    /// # Safety
    ///
    /// `fault` must be a write fault on a page of a file of `T`.
    unsafe extern "C" fn page_mkwrite(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: A write fault has a page, and holds a reference to it.
        let folio = unsafe { bindings::page_folio((*fault).page) };
        // SAFETY: The folio is valid.
        unsafe { bindings::folio_lock(folio) };
        // SAFETY: The folio is locked.
        let charged = if unsafe { bindings::folio_mapping(folio) }.is_null() {
            // The folio was truncated. `filemap_page_mkwrite()` checks for it again.
            Ok(())
        } else {
            // SAFETY: The folio is locked, of one page, and in the page cache of an inode of `T`.
            unsafe { Self::charge(folio, Content::Data) }
        };
        // SAFETY: The folio was locked above.
        unsafe { bindings::folio_unlock(folio) };
        match charged {
            // SAFETY: `fault` is a write fault, by the requirements of this function.
            Ok(()) => unsafe { bindings::filemap_page_mkwrite(fault) },
            Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t,
        }
    }
}

/// Returns the address space operations of ramfs.
#[inline(always)]
fn bindings_ram_aops() -> &'static bindings::address_space_operations {
    // SAFETY: The table is constant.
    unsafe { &bindings::ram_aops }
}

/// Removes a folio from the page cache. This calls `->invalidate_folio()`.
///
/// # Safety
///
/// `folio` must be locked and in `mapping`, which must be that of a regular file in memory.
pub(super) unsafe fn remove_locked(
    mapping: *mut bindings::address_space,
    folio: *mut bindings::folio,
) {
    // SAFETY: The folio is locked and in `mapping`, by the requirements of this function. The
    // function fails for other files than regular ones only.
    unsafe { bindings::generic_error_remove_folio(mapping, folio) };
}

/// Checks whether a page is in the page cache.
///
/// # Safety
///
/// `mapping` must be valid.
#[inline(always)]
pub(super) unsafe fn has_page(mapping: *mut bindings::address_space, index: usize) -> bool {
    // SAFETY: `mapping` is valid, by the requirements of this function.
    match from_err_ptr(unsafe { bindings::filemap_get_folio(mapping, index) }) {
        Ok(folio) => {
            // SAFETY: `filemap_get_folio()` returned a reference, which is dropped here.
            unsafe { bindings::folio_put(folio) };
            true
        }
        Err(_) => false,
    }
}
