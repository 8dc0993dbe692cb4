// SPDX-License-Identifier: GPL-2.0

//! What `stat()` tells.
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

/// A point in time, C's `struct timespec64`.
#[derive(Clone, Copy)]
pub struct Timespec(bindings::timespec64);

impl Timespec {
    /// Now, as coarse as times of inodes are.
    ///
    /// Mirrors `ktime_get_coarse_real_ts64()`.
    pub fn now() -> Self {
        let mut time = bindings::timespec64 {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: This writes a time.
        unsafe { bindings::ktime_get_coarse_real_ts64(&mut time) };
        Self(time)
    }
}

/// What is asked for, C's `STATX_...`.
#[derive(Clone, Copy)]
pub struct RequestMask(u32);

impl RequestMask {
    pub(super) const fn new(mask: u32) -> Self {
        Self(mask)
    }

    /// Whether the time of birth is asked for.
    pub const fn btime(self) -> bool {
        self.0 & bindings::STATX_BTIME != 0
    }
}

/// The answer.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and nobody else has them.
#[repr(transparent)]
pub struct Kstat(Opaque<bindings::kstat>);

impl Kstat {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and the caller must have it for itself.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::kstat) -> &'a mut Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &mut *ptr.cast() }
    }

    /// Tells what every inode has, with the owner as the mount with a map calls it.
    ///
    /// Mirrors `generic_fillattr()` and `generic_fill_statx_attr()`.
    #[doc(alias("generic_fillattr", "mapped_generic_fillattr"))]
    pub fn fill<T: FileSystem>(
        &mut self,
        idmap: &MntIdmap,
        inode: &Inode<T>,
        request: RequestMask,
    ) {
        // SAFETY: All are valid.
        unsafe {
            bindings::generic_fillattr(idmap.as_ptr(), request.0, inode.as_ptr(), self.0.get());
            bindings::generic_fill_statx_attr(inode.as_ptr(), self.0.get());
        }
    }

    /// Tells the time of birth.
    pub fn set_btime(&mut self, time: Timespec) {
        // SAFETY: By the type invariants.
        unsafe {
            let stat = self.0.get();
            (*stat).btime = time.0;
            (*stat).result_mask |= bindings::STATX_BTIME;
        }
    }
}
