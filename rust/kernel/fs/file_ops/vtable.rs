// SPDX-License-Identifier: GPL-2.0

//! The C tables of [`FileOperations`].
//!
//! A table is set for inodes of `F::FileSystem` only, so the VFS calls its functions with open
//! files of this filesystem.

use super::{
    io_error,
    FileOperations,
    OpenFile,
    ReadBuffer, //
};
use crate::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    fs::{
        dir_context::DirContext,
        inode::{
            Locked,
            SharedLocked, //
        },
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The C tables of [`FileOperations`].
pub(in crate::fs) struct FileVTable<F>(PhantomData<F>);

/// The function of an operation, if it is implemented.
macro_rules! if_has {
    ($has:ident, $function:expr) => {
        if F::$has {
            Some($function)
        } else {
            None
        }
    };
}

impl<F: FileOperations> FileVTable<F> {
    /// The operations that any open file can have.
    pub(super) const COMMON: bindings::file_operations = bindings::file_operations {
        open: if_has!(HAS_OPEN, Self::open),
        release: if_has!(HAS_RELEASE, Self::release),
        unlocked_ioctl: if_has!(HAS_IOCTL, Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if F::HAS_IOCTL {
            bindings::compat_ptr_ioctl
        } else {
            None
        },
        llseek: Some(bindings::generic_file_llseek),
        fsync: Some(bindings::noop_fsync),
        setlease: Some(bindings::generic_setlease),
        ..pin_init::zeroed()
    };

    /// The table of regular files.
    pub(in crate::fs) const FILE: bindings::file_operations = {
        assert!(
            !F::HAS_MMAP && !F::HAS_ITERATE_SHARED,
            "the contents of the file are not in the page cache: open(), release(), read(), \
             write() and ioctl() can be implemented"
        );
        bindings::file_operations {
            read_iter: if_has!(HAS_READ, Self::read_iter),
            splice_read: if_has!(HAS_READ, bindings::copy_splice_read),
            write_iter: if_has!(HAS_WRITE, Self::write_iter),
            splice_write: if_has!(HAS_WRITE, bindings::iter_file_splice_write),
            ..Self::COMMON
        }
    };

    /// The table of directories.
    pub(in crate::fs) const DIRECTORY: bindings::file_operations = {
        assert!(
            !F::HAS_READ && !F::HAS_WRITE && !F::HAS_MMAP,
            "a directory: open(), release(), iterate_shared() and ioctl() can be implemented"
        );
        bindings::file_operations {
            iterate_shared: if_has!(HAS_ITERATE_SHARED, Self::iterate_shared),
            read: Some(bindings::generic_read_dir),
            ..Self::COMMON
        }
    };

    /// `->open()`.
    ///
    /// # Safety
    ///
    /// `file` must be a file of `inode` that the current task opens.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is a file of the filesystem that the current task opens.
        let file = unsafe { OpenFile::from_raw(file) };
        from_result(|| F::open(file.idmap(), file).map(|()| 0))
    }

    /// `->release()`.
    ///
    /// # Safety
    ///
    /// `file` must be a file of `inode` that the current task releases.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is a file of the filesystem that the current task releases.
        F::release(unsafe { OpenFile::from_raw(file) });
        0
    }

    /// `->read_iter()`.
    ///
    /// # Safety
    ///
    /// `kiocb` must be valid, have an open file, and not be used by others. `iter` must be a valid
    /// destination that is not used by others.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: `kiocb` is valid and has an open file of the filesystem.
        let (file, position) = unsafe { (OpenFile::from_raw((*kiocb).ki_filp), (*kiocb).ki_pos) };
        // SAFETY: `iter` is a valid destination and not used by others until this function returns.
        let mut to = ReadBuffer(unsafe { IovIterDest::from_raw(iter) });
        let room = to.len();
        let result = F::read(file, position, &mut to);
        // SAFETY: The file is open.
        unsafe { bindings::file_accessed(file.as_ptr()) };
        // SAFETY: `kiocb` is valid and not used by others.
        unsafe { finish(kiocb, room.saturating_sub(to.len()), result) }
    }

    /// `->write_iter()`.
    ///
    /// Mirrors `generic_file_write_iter()`, without `generic_write_sync()`.
    ///
    /// # Safety
    ///
    /// `kiocb` must be valid, have an open file, and not be used by others. `iter` must be a valid
    /// source that is not used by others.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: `kiocb` is valid, and its open file holds the inode.
        let inode = unsafe { (*(*kiocb).ki_filp).f_inode };
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_lock(inode) };
        // SAFETY: `kiocb` and `iter` are valid and not used by others: `# Safety` of this function.
        // The inode was just locked.
        let written = unsafe { Self::write_locked(kiocb, iter) };
        // SAFETY: The inode was locked above.
        unsafe { bindings::inode_unlock(inode) };
        written
    }

    /// Writes with the inode locked.
    ///
    /// # Safety
    ///
    /// As for [`Self::write_iter`]. The current task must have locked the inode for writing.
    unsafe fn write_locked(kiocb: *mut bindings::kiocb, iter: *mut bindings::iov_iter) -> isize {
        // SAFETY: `kiocb` and `iter` are valid and not used by others, and the inode is locked.
        let room = unsafe { bindings::generic_write_checks(kiocb, iter) };
        if room <= 0 {
            return room;
        }
        // SAFETY: `kiocb` is valid.
        let raw = unsafe { (*kiocb).ki_filp };
        // SAFETY: The file is open, and its inode is locked.
        let ready = to_result(unsafe { bindings::file_remove_privs(raw) })
            // SAFETY: The file is open.
            .and_then(|()| to_result(unsafe { bindings::file_update_time(raw) }));
        if let Err(error) = ready {
            return error.to_errno() as isize;
        }
        // SAFETY: The file is an open file of the filesystem.
        let file = unsafe { OpenFile::<F::FileSystem>::from_raw(raw) };
        // SAFETY: The open file holds its inode, which is locked for writing. This is the only
        // `Locked` of the call.
        let mut inode = unsafe { Locked::from_raw(file.inode().as_ptr()) };
        // SAFETY: `iter` is a valid source and not used by others until this function returns.
        let from = unsafe { IovIterSource::from_raw(iter) };
        let length = from.len();
        // SAFETY: `kiocb` is valid.
        let position = unsafe { (*kiocb).ki_pos };
        let result = F::write(file.idmap(), &mut inode, position, from);
        // SAFETY: `kiocb` is valid and not used by others.
        unsafe { finish(kiocb, length.saturating_sub(from.len()), result) }
    }

    /// `->iterate_shared()`.
    ///
    /// # Safety
    ///
    /// `file` must be an open directory that is locked for reading. `context` must be valid and not
    /// used by others.
    unsafe extern "C" fn iterate_shared(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: `file` is an open directory, and `context` is valid and not used by others until
        // this function returns.
        let mut context = unsafe { DirContext::from_raw(file, context) };
        // SAFETY: `file` is an open file of the filesystem.
        let file = unsafe { OpenFile::from_raw(file) };
        // SAFETY: The open file holds its inode, which `iterate_dir()` has locked for reading.
        let dir = unsafe { SharedLocked::from_raw(file.inode().as_ptr()) };
        from_result(|| F::iterate_shared(&dir, file, &mut context).map(|()| 0))
    }

    /// `->unlocked_ioctl()`.
    ///
    /// # Safety
    ///
    /// `file` must be open.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: `file` is an open file of the filesystem.
        let file = unsafe { OpenFile::from_raw(file) };
        from_result(|| F::ioctl(file.idmap(), file, command, argument))
    }
}

/// Advances the position, and returns the result of a read or a write.
///
/// # Safety
///
/// `kiocb` must be valid and not used by others.
unsafe fn finish(kiocb: *mut bindings::kiocb, bytes: usize, result: Result) -> isize {
    match result {
        Err(error) if bytes == 0 => io_error(error).to_errno() as isize,
        _ => {
            // A system call reads or writes at most `MAX_RW_COUNT` bytes.
            let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
            // SAFETY: `kiocb` is valid and not used by others.
            unsafe { (*kiocb).ki_pos = (*kiocb).ki_pos.saturating_add(bytes as i64) };
            bytes
        }
    }
}
