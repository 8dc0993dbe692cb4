// SPDX-License-Identifier: GPL-2.0

//! Files mapped into memory.

use std::ffi::c_long;
use std::os::fd::{AsFd, AsRawFd};

use crate::errno::{last, SyscallResult};
use crate::raw::check;

const PAGE: usize = 4096;

/// A mapping of a file.
///
/// # Invariants
///
/// `start` is the address of a mapping of `length` bytes, which only this value unmaps.
pub struct Mapping {
    start: *mut u8,
    length: usize,
}

impl Mapping {
    /// Maps the first `length` bytes of a file. `flags` are `MAP_SHARED` or `MAP_PRIVATE`.
    pub fn new(fd: impl AsFd, length: usize, write: bool, flags: i32) -> SyscallResult<Self> {
        assert!([libc::MAP_SHARED, libc::MAP_PRIVATE].contains(&flags));
        let protection = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: Without MAP_FIXED the kernel chooses an unused address range.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, fd, 0) };
        match start {
            libc::MAP_FAILED => Err(last()),
            // INVARIANT: `mmap()` has just returned this mapping.
            start => Ok(Self {
                start: start.cast(),
                length,
            }),
        }
    }

    /// Returns the address of a byte.
    fn address(&self, index: usize) -> *mut u8 {
        assert!(index < self.length);
        // SAFETY: `index` is less than `length`, so the address is within the mapping.
        unsafe { self.start.add(index) }
    }

    /// Loads the byte at `index`, which must be within the file.
    pub fn get(&self, index: usize) -> u8 {
        // SAFETY: The address is within the mapping, which is readable. Other processes may write
        // to the file, hence the volatile access.
        unsafe { self.address(index).read_volatile() }
    }

    /// Stores to the byte at `index`, which must be within the file, of a writable mapping.
    pub fn set(&self, index: usize, value: u8) {
        // SAFETY: The address is within the mapping. A mapping that is not writable ends the
        // process by SIGSEGV.
        unsafe { self.address(index).write_volatile(value) };
    }

    /// Loads the first byte of each page.
    pub fn touch(&self) {
        for index in (0..self.length).step_by(PAGE) {
            self.get(index);
        }
    }

    /// Passes a byte of the mapping to `write()` on `fd`. Where the file has no page for it, the
    /// call fails with `EFAULT`; a load would raise SIGBUS.
    pub fn write_to(&self, index: usize, fd: impl AsFd) -> SyscallResult<u64> {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: The address is that of one byte within the mapping.
        check(unsafe { libc::write(fd, self.address(index).cast(), 1) } as c_long)
    }

    /// Passes a byte of the mapping as the buffer of `pread()` on `fd`. Where the file can have no
    /// page for it, the call fails with `EFAULT`; a store would raise SIGBUS.
    pub fn fill_from(&self, index: usize, fd: impl AsFd) -> SyscallResult<u64> {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: The address is that of one byte within the mapping.
        check(unsafe { libc::pread(fd, self.address(index).cast(), 1, 0) } as c_long)
    }

    /// `madvise()` with an advice that keeps the contents of the file.
    pub fn advise(&self, advice: i32) -> SyscallResult<u64> {
        assert!([libc::MADV_PAGEOUT, libc::MADV_SOFT_OFFLINE].contains(&advice));
        // SAFETY: The address range is the mapping, and either advice keeps its contents.
        check(unsafe { libc::madvise(self.start.cast(), self.length, advice) }.into())
    }

    /// `mincore()`: returns a byte for each page, whose bit 0 is set if the page is in memory.
    pub fn in_core(&self) -> SyscallResult<Vec<u8>> {
        let mut pages = vec![0; self.length.div_ceil(PAGE)];
        // SAFETY: The address range is the mapping, and `pages` has a byte for each of its pages.
        check(unsafe { libc::mincore(self.start.cast(), self.length, pages.as_mut_ptr()) }.into())?;
        Ok(pages)
    }

    /// Writes changes back to the file.
    pub fn sync(&self) -> SyscallResult {
        // SAFETY: The address range is the mapping.
        check(unsafe { libc::msync(self.start.cast(), self.length, libc::MS_SYNC) }.into())
            .map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the address range is a mapping that nothing else unmaps.
        // No reference into it exists.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}
