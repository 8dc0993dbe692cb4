// SPDX-License-Identifier: GPL-2.0

//! Requests to map files into memory: `struct vm_area_desc`.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h)

use crate::bindings;
use core::marker::PhantomData;

/// A request to map a file into memory.
///
/// `mprotect()` changes the permissions of a mapping later and does not call the filesystem. A
/// check must therefore go by [`can_write`](Self::can_write), not by the permissions of the moment.
///
/// # Invariants
///
/// `area` is valid for `'a`, and no other task uses it.
pub struct MmapRequest<'a> {
    area: *const bindings::vm_area_desc,
    lifetime: PhantomData<&'a bindings::vm_area_desc>,
}

impl MmapRequest<'_> {
    /// Creates an instance from the argument of `->mmap_prepare()`.
    ///
    /// # Safety
    ///
    /// `area` must be valid until the result is dropped, and no other task may use it.
    pub(super) unsafe fn from_raw(area: *const bindings::vm_area_desc) -> Self {
        // INVARIANT: `area` is valid and not used by others, by the requirements of this function.
        Self {
            area,
            lifetime: PhantomData,
        }
    }

    /// Returns the flags of the mapping that fit a word.
    ///
    /// Mirrors `vma_flags_to_legacy()`.
    fn flags(&self) -> bindings::vm_flags_t {
        // SAFETY: `area` is valid and not used by others, by the type invariants.
        let flags = unsafe { (*self.area).vma_flags };
        flags.__vma_flags.first().copied().unwrap_or(0)
    }

    /// Returns the position in the file where the mapping begins, in bytes.
    pub fn position(&self) -> u64 {
        // SAFETY: `area` is valid and not used by others, by the type invariants.
        let page = unsafe { (*self.area).pgoff } as u64;
        page.saturating_mul(bindings::PAGE_SIZE as u64)
    }

    /// Returns the number of bytes of the mapping, a multiple of the page size.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        // SAFETY: `area` is valid and not used by others, by the type invariants.
        let (start, end) = unsafe { ((*self.area).start, (*self.area).end) };
        end.saturating_sub(start)
    }

    /// Checks for `MAP_SHARED`: what is written to the mapping is written to the file.
    pub fn is_shared(&self) -> bool {
        self.flags() & bindings::VM_MAYSHARE != 0
    }

    /// Checks whether the mapping is writable, or `mprotect()` can make it so.
    ///
    /// A shared mapping of a file that was not opened for writing cannot be written. A private
    /// mapping can.
    #[doc(alias = "VM_MAYWRITE")]
    pub fn can_write(&self) -> bool {
        self.flags() & bindings::VM_MAYWRITE != 0
    }
}
