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

use super::{
    inode::Live,
    registration::FileSystem,
    super_block::SuperBlock, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// A filesystem that has regular files in memory, and a budget for them.
pub trait RamData: FileSystem {
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

/// What a page that is charged has, in its folio's private data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Content {
    /// Contents.
    Written = 0,
    /// Nothing but zeroes so far, by `fallocate()`.
    Reserved = 1,
}

/// C's tables for such files.
pub(super) struct RamTable<T>(PhantomData<T>);

impl<T: RamData> RamTable<T> {
    pub(super) const FILE: bindings::file_operations = bindings::file_operations {
        llseek: Some(bindings::generic_file_llseek),
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

    pub(super) const MAPPING: bindings::address_space_operations =
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
    unsafe fn charge(folio: *mut bindings::folio, content: Content) -> Result<bool> {
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
            let inode = Live::<T>::from_raw(host);
            T::charge(inode.super_block())?;
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
    unsafe fn uncharge(folio: *mut bindings::folio) {
        // SAFETY: By the requirements above. While an inode is evicted its data and superblock are
        // still there.
        unsafe {
            if bindings::folio_test_private(folio) {
                let host = bindings::folio_inode(folio);
                bindings::folio_detach_private(folio);
                bindings::inode_sub_bytes(host, bindings::PAGE_SIZE as i64);
                T::uncharge(Live::<T>::from_raw(host).super_block());
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

    /// Reserves pages, or makes a hole.
    ///
    /// # Safety
    ///
    /// See above. The VFS has checked that the range is within what a file can have.
    unsafe extern "C" fn fallocate(
        file: *mut bindings::file,
        mode: c_int,
        offset: bindings::loff_t,
        len: bindings::loff_t,
    ) -> c_long {
        let keep = bindings::FALLOC_FL_KEEP_SIZE as c_int;
        let punch = bindings::FALLOC_FL_PUNCH_HOLE as c_int;
        if mode & !(keep | punch) != 0 {
            return EOPNOTSUPP.to_errno() as c_long;
        }
        // SAFETY: By the requirements above.
        let inode = unsafe { (*file).f_inode };
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_lock(inode) };
        let done = to_result(
            // SAFETY: The file is valid, and its inode locked.
            unsafe { bindings::file_modified(file) },
        )
        .and_then(|()| {
            // SAFETY: The inode is locked, and the range is one.
            unsafe {
                if mode & punch != 0 {
                    let last = offset.checked_add(len).ok_or(EFBIG)? - 1;
                    bindings::truncate_pagecache_range(inode, offset, last);
                    Ok(())
                } else {
                    Self::reserve(inode, offset, len, mode & keep != 0)
                }
            }
        });
        // SAFETY: It was locked above.
        unsafe { bindings::inode_unlock(inode) };
        done.map_or_else(|error| error.to_errno() as c_long, |()| 0)
    }

    /// Reserves the pages of a range; where that fails, none of them.
    ///
    /// # Safety
    ///
    /// `inode` must be locked and of `T`.
    unsafe fn reserve(
        inode: *mut bindings::inode,
        offset: bindings::loff_t,
        len: bindings::loff_t,
        keep_size: bool,
    ) -> Result {
        let end = offset.checked_add(len).ok_or(EFBIG)?;
        // SAFETY: By the requirements above.
        unsafe {
            if !keep_size && end > bindings::i_size_read(inode) {
                to_result(bindings::inode_newsize_ok(inode, end))?;
            }
        }
        let first = offset as u64 / bindings::PAGE_SIZE as u64;
        let last = (end - 1) as u64 / bindings::PAGE_SIZE as u64;
        // SAFETY: By the requirements above.
        let super_block = unsafe { Live::<T>::from_raw(inode) }.super_block();
        if T::limit(super_block).is_some_and(|limit| last - first >= limit) {
            return Err(ENOSPC);
        }
        // What is new, as ranges of pages.
        let mut new: KVec<(u64, u64)> = KVec::new();
        for index in first..=last {
            let reserved = new
                .reserve(1, GFP_KERNEL)
                .map_err(Error::from)
                .and_then(|()| {
                    // SAFETY: By the requirements above; this asks about the current task.
                    unsafe {
                        if bindings::signal_pending(bindings::get_current()) != 0 {
                            return Err(EINTR);
                        }
                        Self::reserve_page(inode, index)
                    }
                });
            match reserved {
                Ok(false) => {}
                Ok(true) => match new.last_mut() {
                    Some(range) if range.1 + 1 == index => range.1 = index,
                    _ => new.push((index, index), GFP_KERNEL)?,
                },
                Err(error) => {
                    for index in new.iter().flat_map(|range| range.0..=range.1) {
                        // SAFETY: By the requirements above.
                        unsafe { Self::give_back(inode, index) };
                    }
                    return Err(error);
                }
            }
        }
        // SAFETY: By the requirements above.
        unsafe {
            if !keep_size && end > bindings::i_size_read(inode) {
                bindings::i_size_write(inode, end);
            }
        }
        Ok(())
    }

    /// Reserves a page; the answer is whether it is new.
    ///
    /// # Safety
    ///
    /// `inode` must be of `T`.
    unsafe fn reserve_page(inode: *mut bindings::inode, index: u64) -> Result<bool> {
        // SAFETY: By the requirements above.
        unsafe { Self::with_folio(inode, index, |folio| Self::charge(folio, Content::Reserved)) }
    }

    /// Gives back a page that was reserved, unless it was written to meanwhile through a mapping.
    ///
    /// # Safety
    ///
    /// `inode` must be of `T`.
    unsafe fn give_back(inode: *mut bindings::inode, index: u64) {
        // A page that is not there any more has been given back.
        //
        // SAFETY: By the requirements above.
        let _ = unsafe {
            Self::with_folio(inode, index, |folio| {
                let private = bindings::folio_get_private(folio);
                if private as usize == Content::Reserved as usize {
                    Self::uncharge(folio);
                }
                Ok(())
            })
        };
    }

    /// Calls a function with a folio, locked and up to date.
    ///
    /// # Safety
    ///
    /// `inode` must be of `T`.
    unsafe fn with_folio<R>(
        inode: *mut bindings::inode,
        index: u64,
        f: impl FnOnce(*mut bindings::folio) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: By the requirements above. The reference to the folio is given back.
        unsafe {
            let mapping = (*inode).i_mapping;
            let folio = from_err_ptr(bindings::read_cache_folio(
                mapping,
                index as usize,
                None,
                core::ptr::null_mut(),
            ))?;
            bindings::folio_lock(folio);
            let result = if bindings::folio_mapping(folio) == mapping {
                f(folio)
            } else {
                // The inode is locked, so this is no truncation.
                Err(EAGAIN)
            };
            bindings::folio_unlock(folio);
            bindings::folio_put(folio);
            result
        }
    }
}
