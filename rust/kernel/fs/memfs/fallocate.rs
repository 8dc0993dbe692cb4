// SPDX-License-Identifier: GPL-2.0

//! `fallocate()` of files in memory.

use super::{
    file::{
        Content,
        MemfsVTable, //
    },
    MemFileSystem, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::inode::Inode,
    prelude::*, //
};

impl<T: MemFileSystem> MemfsVTable<T> {
    /// Reserves pages, or makes a hole.
    ///
    /// # Safety
    ///
    /// `file` must be valid and of an inode of `T`. The VFS has checked that the range is within
    /// what a file can have.
    pub(super) unsafe extern "C" fn fallocate(
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
        // SAFETY: The file is valid, and its inode locked.
        let done = to_result(unsafe { bindings::file_modified(file) }).and_then(|()| {
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
        let super_block = unsafe { Inode::<T>::from_raw(inode) }.super_block();
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
