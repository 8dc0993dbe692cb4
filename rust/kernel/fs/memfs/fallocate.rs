// SPDX-License-Identifier: GPL-2.0

//! `fallocate()` of regular files in memory.

use super::{
    file::{
        has_page,
        remove_locked,
        Content,
        MemfsVTable, //
    },
    memory,
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
    /// `->fallocate()`: allocates pages, or removes them to make a hole.
    ///
    /// # Safety
    ///
    /// `file` must be an open file of `T`. The VFS has checked that `offset` and `len` are positive
    /// and that their sum is at most `s_maxbytes`.
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
        // SAFETY: `file` is open, so it holds its inode.
        let inode = unsafe { (*file).f_inode };
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_lock(inode) };
        // SAFETY: `file` is open, and its inode is locked.
        let done = to_result(unsafe { bindings::file_modified(file) }).and_then(|()| {
            let end = offset.checked_add(len).ok_or(EFBIG)?;
            if mode & punch != 0 {
                // SAFETY: The inode is valid and locked, and the range is not empty.
                unsafe { bindings::truncate_pagecache_range(inode, offset, end - 1) };
                return Ok(());
            }
            // SAFETY: The inode is of `T` and locked.
            unsafe { Self::allocate(inode, offset, end, mode & keep != 0) }
        });
        // SAFETY: The inode was locked above.
        unsafe { bindings::inode_unlock(inode) };
        done.map_or_else(|error| error.to_errno() as c_long, |()| 0)
    }

    /// Allocates the pages of `offset..end`. If this fails, it removes the pages that it allocated.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if the pages are more than the limit, or more than the machine's memory.
    /// [`EINTR`] if a signal is pending. [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// `inode` must be of `T` and locked for writing. The range must not be empty.
    unsafe fn allocate(
        inode: *mut bindings::inode,
        offset: bindings::loff_t,
        end: bindings::loff_t,
        keep_size: bool,
    ) -> Result {
        // SAFETY: The inode is valid and locked.
        let grows = !keep_size && end > unsafe { bindings::i_size_read(inode) };
        if grows {
            // SAFETY: The inode is valid and locked.
            to_result(unsafe { bindings::inode_newsize_ok(inode, end) })?;
        }
        let first = offset as u64 / bindings::PAGE_SIZE as u64;
        let last = (end as u64).saturating_sub(1) / bindings::PAGE_SIZE as u64;
        // SAFETY: The inode is of `T`, and the caller holds a reference.
        let super_block = unsafe { Inode::<T>::from_raw(inode) }.super_block();
        let limit = T::limit(super_block).unwrap_or(u64::MAX).min(memory());
        if last.saturating_sub(first) >= limit {
            return Err(ENOSPC);
        }
        // The ranges of pages that are new.
        let mut new: KVVec<(u64, u64)> = KVVec::new();
        for index in first..=last {
            // SAFETY: The inode is of `T` and locked.
            if let Err(error) = unsafe { Self::allocate_page(inode, index, &mut new) } {
                for index in new.iter().flat_map(|(first, last)| *first..=*last) {
                    // SAFETY: The inode is of `T`.
                    unsafe { Self::remove_page(inode, index) };
                }
                return Err(error);
            }
        }
        if grows {
            // SAFETY: The inode is valid and locked.
            unsafe { bindings::i_size_write(inode, end) };
        }
        Ok(())
    }

    /// Allocates a page, and adds it to `new` if it was not in the page cache before.
    ///
    /// # Safety
    ///
    /// `inode` must be of `T` and locked for writing.
    unsafe fn allocate_page(
        inode: *mut bindings::inode,
        index: u64,
        new: &mut KVVec<(u64, u64)>,
    ) -> Result {
        // SAFETY: The current task can sleep.
        unsafe { bindings::cond_resched() };
        // SAFETY: The function reads the flags of the current task.
        if unsafe { bindings::signal_pending(bindings::get_current()) } != 0 {
            return Err(EINTR);
        }
        // SAFETY: The inode is valid, and so is its mapping.
        let (mapping, present) = unsafe {
            let mapping = (*inode).i_mapping;
            (mapping, has_page(mapping, index as usize))
        };
        if present {
            return Ok(());
        }
        new.reserve(1, GFP_KERNEL)?;
        // SAFETY: The mapping is valid. `->read_folio()` does not use the file.
        let folio = from_err_ptr(unsafe {
            bindings::read_cache_folio(mapping, index as usize, None, core::ptr::null_mut())
        })?;
        // SAFETY: `read_cache_folio()` returned a reference, which is dropped here. The folio
        // stays: it is truncated with the inode locked only, and the mapping is unevictable.
        unsafe { bindings::folio_put(folio) };
        match new.last_mut() {
            Some((_, last)) if last.saturating_add(1) == index => *last = index,
            _ => new.push((index, index), GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Removes a page that contains zeroes only.
    ///
    /// A page stays if it was written through a mapping in the meantime.
    ///
    /// # Safety
    ///
    /// `inode` must be of `T`.
    unsafe fn remove_page(inode: *mut bindings::inode, index: u64) {
        // SAFETY: The inode is valid, and so is its mapping.
        let (mapping, folio) = unsafe {
            let mapping = (*inode).i_mapping;
            (
                mapping,
                bindings::filemap_get_folio(mapping, index as usize),
            )
        };
        let Ok(folio) = from_err_ptr(folio) else {
            return;
        };
        // SAFETY: `filemap_get_folio()` returned a reference.
        unsafe { bindings::folio_lock(folio) };
        // SAFETY: The folio is locked, so its mapping and its private data do not change.
        let zeroes = unsafe {
            bindings::folio_mapping(folio) == mapping
                && bindings::folio_get_private(folio).addr() == Content::Zeroes as usize
        };
        if zeroes {
            // SAFETY: The folio is locked and in the mapping of a regular file in memory. It
            // becomes writable through a mapping after `page_mkwrite()` has locked it only.
            unsafe { remove_locked(mapping, folio) };
        }
        // SAFETY: The folio was locked above.
        unsafe { bindings::folio_unlock(folio) };
        // SAFETY: `filemap_get_folio()` returned a reference, which is dropped here.
        unsafe { bindings::folio_put(folio) };
    }
}
