// SPDX-License-Identifier: GPL-2.0

//! C's tables of what can be done with an open file.

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
        inode::Locked, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// C's tables of [`FileOperations`].
pub(in crate::fs) struct FileVTable<F>(PhantomData<F>);

/// A function for C's table, if the operation is implemented.
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
    const BOTH: bindings::file_operations = bindings::file_operations {
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

    /// For regular files.
    pub(in crate::fs) const FILE: bindings::file_operations = bindings::file_operations {
        read_iter: if_has!(HAS_READ, Self::read_iter),
        splice_read: if_has!(HAS_READ, bindings::copy_splice_read),
        write_iter: if_has!(HAS_WRITE, Self::write_iter),
        splice_write: if_has!(HAS_WRITE, bindings::iter_file_splice_write),
        ..Self::BOTH
    };

    /// For directories.
    pub(in crate::fs) const DIRECTORY: bindings::file_operations = bindings::file_operations {
        iterate_shared: if_has!(HAS_ITERATE_SHARED, Self::iterate_shared),
        read: Some(bindings::generic_read_dir),
        ..Self::BOTH
    };

    // What C promises, at each of these: pointers are valid for the call, and files are open and of
    // inodes of the filesystem, since the table is only given to such inodes.

    /// # Safety
    ///
    /// See above; `iter` must be one to read into.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the requirements above.
        unsafe {
            let file = OpenFile::from_raw((*kiocb).ki_filp);
            let mut to = ReadBuffer(IovIterDest::from_raw(iter));
            let room = to.len();
            let result = F::read(file, (*kiocb).ki_pos, &mut to);
            if (*file.as_ptr()).f_flags & bindings::O_NOATIME == 0 {
                bindings::touch_atime(&(*file.as_ptr()).__bindgen_anon_1.f_path);
            }
            finish(kiocb, room.saturating_sub(to.len()), result)
        }
    }

    /// Mirrors `generic_file_write_iter()`, but for what comes after an `O_SYNC` write.
    ///
    /// # Safety
    ///
    /// See above; `iter` must be one to write from.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: By the requirements above.
        unsafe {
            let file = (*kiocb).ki_filp;
            let inode = (*file).f_inode;
            bindings::inode_lock(inode);
            let written = Self::write_locked(kiocb, iter);
            bindings::inode_unlock(inode);
            written
        }
    }

    /// # Safety
    ///
    /// As for [`Self::write_iter`], and the inode must be locked.
    unsafe fn write_locked(kiocb: *mut bindings::kiocb, iter: *mut bindings::iov_iter) -> isize {
        // SAFETY: By the requirements above.
        unsafe {
            let raw = (*kiocb).ki_filp;
            let room = bindings::generic_write_checks(kiocb, iter);
            if room <= 0 {
                return room;
            }
            let ready = to_result(bindings::file_remove_privs(raw))
                .and_then(|()| to_result(bindings::file_update_time(raw)));
            if let Err(error) = ready {
                return error.to_errno() as isize;
            }
            let file = OpenFile::<F::FileSystem>::from_raw(raw);
            let inode = Locked::from_raw((*raw).f_inode);
            let from = IovIterSource::from_raw(iter);
            let there = from.len();
            let result = F::write(file.idmap(), &inode, (*kiocb).ki_pos, from);
            finish(kiocb, there.saturating_sub(from.len()), result)
        }
    }

    /// # Safety
    ///
    /// See above; the inode's lock must be shared, and the caller must have `context` for itself.
    unsafe extern "C" fn iterate_shared(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: By the requirements above.
        let (open, mut context) = unsafe {
            (
                OpenFile::from_raw(file),
                DirContext::from_raw(file, context),
            )
        };
        from_result(|| F::iterate_shared(open, &mut context).map(|()| 0))
    }

    /// # Safety
    ///
    /// See above.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: By the requirements above.
        let file = unsafe { OpenFile::from_raw(file) };
        from_result(|| F::ioctl(file.idmap(), file, command, argument))
    }
}

/// What reading or writing comes to, where the file goes on after it.
///
/// # Safety
///
/// `kiocb` must be valid, and nobody else's.
unsafe fn finish(kiocb: *mut bindings::kiocb, bytes: usize, result: Result) -> isize {
    match result {
        Err(error) if bytes == 0 => io_error(error).to_errno() as isize,
        _ => {
            // No system call is for more than `MAX_RW_COUNT`.
            let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
            // SAFETY: By the requirements above.
            unsafe { (*kiocb).ki_pos = (*kiocb).ki_pos.saturating_add(bytes as i64) };
            bytes
        }
    }
}
