// SPDX-License-Identifier: GPL-2.0

//! Reading and seeking in regular files in memory.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::file::has_page;
use crate::{
    bindings,
    prelude::*, //
};

/// `->read_iter()`: reads through the page cache, and copies zeroes for holes.
///
/// # Safety
///
/// `kiocb` and `iter` must be valid and not used by another task. The file must be a regular file
/// in memory.
pub(super) unsafe extern "C" fn read_iter(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
) -> isize {
    // SAFETY: `kiocb` is valid and has an open file.
    let mapping = unsafe { (*(*kiocb).ki_filp).f_mapping };
    // SAFETY: An open file holds its inode, whose mapping this is.
    let (size, pages) = unsafe { (bindings::i_size_read((*mapping).host), (*mapping).nrpages) };
    if (size as u64).div_ceil(bindings::PAGE_SIZE as u64) <= pages as u64 {
        // There are no holes, unless `fallocate()` has allocated this number of pages beyond the
        // end.
        //
        // SAFETY: The arguments are those of `->read_iter()`, which this is.
        return unsafe { bindings::generic_file_read_iter(kiocb, iter) };
    }
    let mut total: isize = 0;
    loop {
        // SAFETY: `kiocb` and `iter` are valid and not used by another task, and `mapping` is
        // valid.
        let read = unsafe { read_page(kiocb, iter, mapping) };
        if read <= 0 {
            return if total == 0 { read } else { total };
        }
        // The sum is at most the length of `iter`, which is at most `MAX_RW_COUNT`.
        total = total.saturating_add(read);
        // SAFETY: The current task can sleep.
        if unsafe { bindings::fatal_signal_pending(bindings::get_current()) } != 0 {
            return total;
        }
    }
}

/// Reads at most one page at the position of `kiocb`. Returns the number of bytes, or an error.
///
/// # Safety
///
/// As for [`read_iter`]; `mapping` must be that of the file.
unsafe fn read_page(
    kiocb: *mut bindings::kiocb,
    iter: *mut bindings::iov_iter,
    mapping: *mut bindings::address_space,
) -> isize {
    // SAFETY: `kiocb` is valid, and so is the host of the mapping of its open file.
    let (pos, size) = unsafe { ((*kiocb).ki_pos, bindings::i_size_read((*mapping).host)) };
    // SAFETY: `iter` is valid.
    let count = unsafe { bindings::iov_iter_count(iter) };
    let left = usize::try_from(size.saturating_sub(pos).max(0)).unwrap_or(usize::MAX);
    let offset = (pos as u64 % bindings::PAGE_SIZE as u64) as usize;
    let length = count.min(left).min(bindings::PAGE_SIZE - offset);
    if length == 0 {
        return 0;
    }
    let index = (pos as u64 / bindings::PAGE_SIZE as u64) as usize;
    // SAFETY: `mapping` is valid.
    if unsafe { has_page(mapping, index) } {
        // SAFETY: `iter` is valid and not used by another task.
        unsafe { bindings::iov_iter_truncate(iter, length as u64) };
        // SAFETY: The arguments are those of `->read_iter()`.
        let read = unsafe { bindings::generic_file_read_iter(kiocb, iter) };
        let rest = count.saturating_sub(usize::try_from(read).unwrap_or(0));
        // SAFETY: `iter` has `rest` bytes left: it had `count` bytes, and `read` bytes were used.
        unsafe { bindings::iov_iter_reexpand(iter, rest) };
        return read;
    }
    // SAFETY: `iter` is valid and not used by another task, and has room for `length` bytes.
    let read = unsafe { bindings::iov_iter_zero(length, iter) };
    if read == 0 {
        return EFAULT.to_errno() as isize;
    }
    // SAFETY: `kiocb` is valid and not used by another task.
    unsafe { (*kiocb).ki_pos = pos.saturating_add(read as i64) };
    // SAFETY: `kiocb` has an open file.
    unsafe { bindings::file_accessed((*kiocb).ki_filp) };
    read as isize
}

/// `->llseek()`: `SEEK_DATA` and `SEEK_HOLE` search the page cache.
///
/// Mirrors `shmem_file_llseek()`.
///
/// # Safety
///
/// `file` must be an open regular file in memory.
pub(super) unsafe extern "C" fn llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    let max = bindings::MAX_LFS_FILESIZE;
    // SAFETY: `file` is open, so it holds its inode.
    let (inode, mapping) = unsafe { ((*file).f_inode, (*file).f_mapping) };
    if whence != bindings::SEEK_DATA as c_int && whence != bindings::SEEK_HOLE as c_int {
        // SAFETY: The inode is valid.
        let size = unsafe { bindings::i_size_read(inode) };
        // SAFETY: `file` is open.
        return unsafe { bindings::generic_file_llseek_size(file, offset, whence, max, size) };
    }
    if offset < 0 {
        return ENXIO.to_errno().into();
    }
    // SAFETY: The inode is valid.
    unsafe { bindings::inode_lock(inode) };
    // SAFETY: The inode is valid and locked, and `mapping` is its mapping.
    let mut pos = unsafe {
        let size = bindings::i_size_read(inode);
        bindings::mapping_seek_hole_data(mapping, offset, size, whence)
    };
    if pos >= 0 {
        // SAFETY: `file` is open.
        pos = unsafe { bindings::vfs_setpos(file, pos, max) };
    }
    // SAFETY: The inode was locked above.
    unsafe { bindings::inode_unlock(inode) };
    pos
}
