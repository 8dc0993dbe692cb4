// SPDX-License-Identifier: GPL-2.0

//! Regular files whose contents are in the page cache, and nowhere else.
//!
//! The functions are C's for the most part: `ram_aops`, and the generic ones for reading, writing
//! and mapping. What is added is a budget: each page that has contents was charged to the
//! superblock before, and is taken off when the page goes. The mark for it is the folio's private
//! data. So these are the same:
//!
//! - the folio has private data;
//! - it is charged, and counted in the inode's blocks;
//! - it was written to or reserved, and only truncation takes it away.
//!
//! Pages that were only read, where a file has a hole, are zeroes that are not charged, and which
//! the kernel takes back when it needs the memory.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::MemFileSystem;
use crate::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    fs::{
        file_ops::io_error,
        inode::Inode, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// What a page that is charged has, in its folio's private data.
///
/// Never zero: `filemap_migrate_folio()` moves no private data that is null to the page's new
/// place, which would not count as charged then.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Content {
    /// Nothing but zeroes so far, by `fallocate()`.
    Reserved = 1,
    /// Contents.
    Written = 2,
}

/// C's tables for such files.
pub(in crate::fs) struct MemfsVTable<T>(PhantomData<T>);

impl<T: MemFileSystem> MemfsVTable<T> {
    pub(in crate::fs) const FILE: bindings::file_operations = bindings::file_operations {
        llseek: Some(llseek),
        read_iter: Some(bindings::generic_file_read_iter),
        write_iter: Some(bindings::generic_file_write_iter),
        mmap_prepare: Some(Self::mmap_prepare),
        fsync: Some(bindings::noop_fsync),
        splice_read: Some(bindings::filemap_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        fallocate: Some(Self::fallocate),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };

    pub(in crate::fs) const MAPPING: bindings::address_space_operations =
        bindings::address_space_operations {
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

    /// Charges a folio, if it is not charged yet; the answer is whether it was not.
    ///
    /// # Safety
    ///
    /// `folio` must be locked, and in the page cache of an inode of `T`, which has single pages
    /// only.
    pub(super) unsafe fn charge(folio: *mut bindings::folio, content: Content) -> Result<bool> {
        // SAFETY: By the requirements above.
        unsafe {
            let private = content as usize as *mut c_void;
            if bindings::folio_test_private(folio) {
                if content == Content::Written {
                    bindings::folio_change_private(folio, private);
                }
                return Ok(false);
            }
            let host = bindings::folio_inode(folio);
            let inode = Inode::<T>::from_raw(host);
            T::charge(inode.super_block()).map_err(io_error)?;
            bindings::inode_add_bytes(host, bindings::PAGE_SIZE as i64);
            bindings::folio_attach_private(folio, private);
        }
        Ok(true)
    }

    /// Takes a folio off, if it is charged.
    ///
    /// # Safety
    ///
    /// As for [`Self::charge`].
    pub(super) unsafe fn uncharge(folio: *mut bindings::folio) {
        // SAFETY: By the requirements above. While an inode is evicted its data and superblock are
        // still there.
        unsafe {
            if bindings::folio_test_private(folio) {
                let host = bindings::folio_inode(folio);
                bindings::folio_detach_private(folio);
                bindings::inode_sub_bytes(host, bindings::PAGE_SIZE as i64);
                T::uncharge(Inode::<T>::from_raw(host).super_block());
            }
        }
    }

    // What C promises, at each of these: pointers are valid for the call, and files, folios and
    // mappings are of inodes of `T`, since the tables are only given to such inodes.

    /// # Safety
    ///
    /// See above; `folio` must be locked.
    unsafe extern "C" fn read_folio(
        file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: By the requirements above; `ram_aops` is constant and has this function.
        from_result(|| unsafe {
            let read = bindings::ram_aops.read_folio.ok_or(EIO)?;
            Ok(read(file, folio))
        })
    }

    /// # Safety
    ///
    /// See above; this starts a write of at most a page.
    unsafe extern "C" fn write_begin(
        kiocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: bindings::loff_t,
        len: c_uint,
        foliop: *mut *mut bindings::folio,
        fsdata: *mut *mut c_void,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above. A folio that could not be charged stays what it
            // was: a hole, or not up to date.
            unsafe {
                to_result(bindings::simple_write_begin(
                    kiocb, mapping, pos, len, foliop, fsdata,
                ))?;
                let folio = *foliop;
                if let Err(error) = Self::charge(folio, Content::Written) {
                    bindings::folio_unlock(folio);
                    bindings::folio_put(folio);
                    return Err(error);
                }
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See above; `folio` must be what `write_begin` returned.
    unsafe extern "C" fn write_end(
        kiocb: *const bindings::kiocb,
        mapping: *mut bindings::address_space,
        pos: bindings::loff_t,
        len: c_uint,
        copied: c_uint,
        folio: *mut bindings::folio,
        fsdata: *mut c_void,
    ) -> c_int {
        // SAFETY: By the requirements above; `ram_aops` is constant and has this function.
        from_result(|| unsafe {
            if copied == 0 && !bindings::folio_test_uptodate(folio) {
                // Nothing was written to a page that had no contents: it has none still.
                Self::uncharge(folio);
                bindings::folio_unlock(folio);
                bindings::folio_put(folio);
                return Ok(0);
            }
            let end = bindings::ram_aops.write_end.ok_or(EIO)?;
            Ok(end(kiocb, mapping, pos, len, copied, folio, fsdata))
        })
    }

    /// # Safety
    ///
    /// See above; `folio` must be locked.
    unsafe extern "C" fn invalidate_folio(
        folio: *mut bindings::folio,
        offset: usize,
        length: usize,
    ) {
        // SAFETY: By the requirements above. A folio that goes in part stays.
        unsafe {
            if offset == 0 && length == bindings::folio_size(folio) {
                Self::uncharge(folio);
            }
        }
    }

    /// # Safety
    ///
    /// None: contents are not given up for memory.
    unsafe extern "C" fn release_folio(
        _folio: *mut bindings::folio,
        _gfp: bindings::gfp_t,
    ) -> bool {
        false
    }

    /// # Safety
    ///
    /// See above; the caller must have `area` for itself.
    unsafe extern "C" fn mmap_prepare(area: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            unsafe {
                to_result(bindings::generic_file_mmap_prepare(area))?;
                (*area).vm_ops = &Self::MEMORY;
            }
            Ok(0)
        })
    }

    /// Charges a page that is about to be written to by way of a mapping.
    ///
    /// # Safety
    ///
    /// See above; `fault` must be a write fault on a page of the file.
    unsafe extern "C" fn page_mkwrite(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: By the requirements above. A folio that was truncated meanwhile has no mapping;
        // `filemap_page_mkwrite()` looks for that again.
        unsafe {
            let folio = bindings::page_folio((*fault).page);
            bindings::folio_lock(folio);
            let charged = if bindings::folio_mapping(folio).is_null() {
                Ok(())
            } else {
                Self::charge(folio, Content::Written).map(|_new| ())
            };
            bindings::folio_unlock(folio);
            match charged {
                Ok(()) => bindings::filemap_page_mkwrite(fault),
                Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS as bindings::vm_fault_t,
            }
        }
    }
}

/// Goes to a place in a file; `SEEK_DATA` and `SEEK_HOLE` go by what is in the page cache.
///
/// Mirrors `shmem_file_llseek()`. It is not generic, since C does not export what it calls.
///
/// # Safety
///
/// `file` must be valid, and its contents be in memory.
unsafe extern "C" fn llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    let most = bindings::MAX_LFS_FILESIZE;
    // SAFETY: By the requirements above.
    unsafe {
        let (inode, mapping) = ((*file).f_inode, (*file).f_mapping);
        if whence != bindings::SEEK_DATA as c_int && whence != bindings::SEEK_HOLE as c_int {
            let size = bindings::i_size_read(inode);
            return bindings::generic_file_llseek_size(file, offset, whence, most, size);
        }
        if offset < 0 {
            return ENXIO.to_errno().into();
        }
        bindings::inode_lock(inode);
        let size = bindings::i_size_read(inode);
        let mut place = bindings::mapping_seek_hole_data(mapping, offset, size, whence);
        if place >= 0 {
            place = bindings::vfs_setpos(file, place, most);
        }
        bindings::inode_unlock(inode);
        place
    }
}
