// SPDX-License-Identifier: GPL-2.0

//! The result of `stat()`: `struct kstat`.
//!
//! C header: [`include/linux/stat.h`](srctree/include/linux/stat.h)

use super::{
    filesystem::FileSystem,
    inode::Inode,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    types::Opaque, //
};

/// A time: `struct timespec64`.
#[derive(Clone, Copy)]
pub struct Timespec(bindings::timespec64);

impl Timespec {
    /// Returns the current time, with the granularity of inode times.
    ///
    /// Mirrors `ktime_get_coarse_real_ts64()`.
    pub fn now() -> Self {
        let mut time = bindings::timespec64 {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: The pointer is that of a local variable.
        unsafe { bindings::ktime_get_coarse_real_ts64(&mut time) };
        Self(time)
    }
}

/// The attributes that `statx()` requests: `STATX_*`.
#[derive(Clone, Copy)]
pub struct RequestMask(u32);

impl RequestMask {
    pub(super) const fn new(mask: u32) -> Self {
        Self(mask)
    }

    /// Checks whether the birth time is requested.
    pub const fn btime(self) -> bool {
        self.0 & bindings::STATX_BTIME != 0
    }
}

/// The attributes that `stat()` returns.
///
/// # Invariants
///
/// An instance is valid, and used by the borrower only, for as long as it is borrowed.
#[repr(transparent)]
pub struct Kstat(Opaque<bindings::kstat>);

impl Kstat {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and no one else must use it.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: `ptr` is valid and not used by others, by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct kstat`.
        unsafe { &mut *ptr.cast() }
    }

    /// Stores the attributes that each inode has, with the owner as seen through a mount.
    ///
    /// Mirrors `generic_fillattr()` and `generic_fill_statx_attr()`.
    #[doc(alias("generic_fillattr", "mapped_generic_fillattr"))]
    pub fn fill<T: FileSystem>(
        &mut self,
        idmap: &MntIdmap,
        inode: &Inode<T>,
        request: RequestMask,
    ) {
        let (inode, stat) = (inode.as_ptr(), self.0.get());
        // SAFETY: All pointers are from references.
        unsafe { bindings::generic_fillattr(idmap.as_ptr(), request.0, inode, stat) };
        // SAFETY: Both pointers are from references.
        unsafe { bindings::generic_fill_statx_attr(inode, stat) };
    }

    /// Stores the birth time.
    pub fn set_btime(&mut self, time: Timespec) {
        let stat = self.0.get();
        // SAFETY: The instance is valid and used by the borrower only, by the type invariants.
        unsafe {
            (*stat).btime = time.0;
            (*stat).result_mask |= bindings::STATX_BTIME;
        }
    }
}
