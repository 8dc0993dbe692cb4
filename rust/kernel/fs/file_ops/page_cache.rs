// SPDX-License-Identifier: GPL-2.0

//! The C table of files whose contents are in the page cache, with operations of the filesystem.

use super::{
    mmap::MmapRequest,
    FileOperations,
    FileVTable,
    OpenFile, //
};
use crate::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The C table of files whose contents are in the page cache.
pub(in crate::fs) trait PageCacheTable: 'static {
    /// The table. It must have no `->open()` and no `->release()`.
    const FILE: bindings::file_operations;
}

/// The table of files of a fixed size, which cannot be written: `generic_ro_fops`.
pub(in crate::fs) struct ReadOnly;

impl PageCacheTable for ReadOnly {
    const FILE: bindings::file_operations = bindings::file_operations {
        llseek: Some(bindings::generic_file_llseek),
        read_iter: Some(bindings::generic_file_read_iter),
        mmap_prepare: Some(bindings::generic_file_readonly_mmap_prepare),
        splice_read: Some(bindings::filemap_splice_read),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };
}

/// The table of `B`, with the operations of `F`.
pub(in crate::fs) struct PageCacheVTable<B, F>(PhantomData<(B, F)>);

impl<B: PageCacheTable, F: FileOperations> PageCacheVTable<B, F> {
    pub(in crate::fs) const FILE: bindings::file_operations = {
        assert!(
            !F::HAS_READ && !F::HAS_WRITE && !F::HAS_ITERATE_SHARED,
            "the contents of the file are in the page cache: open(), release(), mmap() and \
             ioctl() can be implemented"
        );
        bindings::file_operations {
            open: FileVTable::<F>::COMMON.open,
            release: FileVTable::<F>::COMMON.release,
            unlocked_ioctl: FileVTable::<F>::COMMON.unlocked_ioctl,
            #[cfg(CONFIG_COMPAT)]
            compat_ioctl: FileVTable::<F>::COMMON.compat_ioctl,
            mmap_prepare: if F::HAS_MMAP {
                Some(Self::mmap_prepare)
            } else {
                B::FILE.mmap_prepare
            },
            ..B::FILE
        }
    };

    /// `->mmap_prepare()`.
    ///
    /// # Safety
    ///
    /// `area` must be valid and not used by others. Its file must be open.
    unsafe extern "C" fn mmap_prepare(area: *mut bindings::vm_area_desc) -> c_int {
        from_result(|| {
            // SAFETY: `area` is valid, and its file is an open file of the filesystem.
            let file = unsafe { OpenFile::<F::FileSystem>::from_raw((*area).file) };
            // SAFETY: `area` is valid and not used by others until this function returns.
            F::mmap(file.idmap(), file, &unsafe { MmapRequest::from_raw(area) })?;
            let prepare = B::FILE.mmap_prepare.ok_or(ENODEV)?;
            // SAFETY: `area` is as `->mmap_prepare()` requires: `# Safety` of this function.
            to_result(unsafe { prepare(area) })?;
            Ok(0)
        })
    }
}
