// SPDX-License-Identifier: GPL-2.0

//! What can be done with an open file.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod vtable;

use super::{
    dir_context::DirContext,
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked, //
    },
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    types::Opaque, //
};
use core::marker::PhantomData;

pub(super) use self::vtable::FileVTable;

/// An open file of `T`.
///
/// # Invariants
///
/// It is open, and its inode is of a superblock of `T`, for as long as it is borrowed.
#[repr(transparent)]
pub struct OpenFile<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> OpenFile<T> {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::file) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the file by.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// What is open.
    #[inline]
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: By the type invariants; an open file holds its inode.
        unsafe { Inode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// The map of the mount that it was opened through.
    ///
    /// Mirrors `file_mnt_idmap()`.
    #[doc(alias("file_mnt_idmap", "file_mnt_user_ns"))]
    #[inline]
    pub fn idmap(&self) -> &MntIdmap {
        // SAFETY: The file is valid, and holds its mount, which holds the map. That changes at most
        // once while there are open files, and then it was the static one that changes nothing.
        unsafe { MntIdmap::from_raw(bindings::file_mnt_idmap(self.as_ptr())) }
    }
}

/// The permission to change something on the mount of an open file, which has been asked for: the
/// mount does not become read only, nor the filesystem frozen, until this is dropped.
pub struct WriteAccess<'a, T: FileSystem>(&'a OpenFile<T>);

impl<T: FileSystem> OpenFile<T> {
    /// Asks whether something may be changed on the mount, for those that the VFS has not asked: it
    /// does so before it has the file written to, but not before an ioctl.
    ///
    /// Mirrors `mnt_want_write_file()`.
    ///
    /// # Errors
    ///
    /// [`EROFS`] if the mount or the filesystem is read only.
    #[doc(alias = "mnt_want_write_file")]
    pub fn want_write(&self) -> Result<WriteAccess<'_, T>> {
        // SAFETY: The file is valid; what this takes is given back with the result.
        to_result(unsafe { bindings::mnt_want_write_file(self.as_ptr()) })?;
        Ok(WriteAccess(self))
    }
}

impl<T: FileSystem> Drop for WriteAccess<'_, T> {
    fn drop(&mut self) {
        // SAFETY: This is what `want_write()` took.
        unsafe { bindings::mnt_drop_write_file(self.0.as_ptr()) };
    }
}

/// Where what is read goes.
pub struct ReadBuffer<'a>(&'a mut IovIterDest<'a>);

impl ReadBuffer<'_> {
    /// How many bytes there is room for.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts bytes there, as many as there is room for; the answer is how many.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        self.0.copy_to_iter(bytes)
    }
}

/// An error that C takes for one, whatever the filesystem says: by this it would wait for an answer
/// that never comes.
pub(super) fn io_error(error: Error) -> Error {
    if error == EIOCBQUEUED {
        EIO
    } else {
        error
    }
}

/// What can be done with the open files of one kind of inode, where that is not what the page cache
/// has: files whose contents a filesystem makes when they are read, directories that are more than
/// the names in them, and ioctls.
///
/// What judges ownership has the map of the mount that the file was opened through as its first
/// parameter.
///
/// What is not implemented is not in C's table, so the VFS answers for it.
///
/// # Examples
///
/// A file that counts how often it was read, and that its owner, as seen through the mount, may
/// reset:
///
/// ```
/// use kernel::{
///     fs::{
///         file_ops::{FileOperations, OpenFile, ReadBuffer},
///         filesystem::FileSystem,
///         mnt_idmapping::MntIdmap,
///     },
///     prelude::*,
///     sync::atomic::{Atomic, Relaxed},
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = ();
///     type InodeData = Atomic<i32>;
/// }
///
/// struct Counter;
///
/// #[vtable]
/// impl FileOperations for Counter {
///     type FileSystem = MyFs;
///
///     fn read(file: &OpenFile<MyFs>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
///         if position == 0 {
///             let count = file.inode().data().fetch_add(1, Relaxed);
///             to.put(if count % 2 == 0 { b"even\n" } else { b"odd\n" });
///         }
///         Ok(())
///     }
///
///     fn ioctl(
///         idmap: &MntIdmap,
///         file: &OpenFile<MyFs>,
///         command: u32,
///         _argument: usize,
///     ) -> Result<isize> {
///         if command != 0x7201 {
///             return Err(ENOTTY);
///         }
///         if !file.inode().owner_or_capable(idmap) {
///             return Err(EPERM);
///         }
///         let _write = file.want_write()?;
///         file.inode().data().store(0, Relaxed);
///         Ok(0)
///     }
/// }
/// ```
///
/// Those of another filesystem are not for its files:
///
/// ```ignore,compile_fail,E0271
/// use kernel::{
///     fs::{
///         dentry::Name,
///         file_ops::FileOperations,
///         filesystem::FileSystem,
///         inode_ops::InodeOperations,
///         mode::Mode,
///         new_inode::{New, NewOwner},
///     },
///     prelude::*,
/// };
///
/// fn others<T, U, O, F>(owner: &NewOwner<'_, T>, name: &Name) -> Result<New<T>>
/// where
///     T: FileSystem<InodeData = ()>,
///     U: FileSystem,
///     O: InodeOperations<FileSystem = T>,
///     F: FileOperations<FileSystem = U>,
/// {
///     New::file_with::<O, F>(owner, name, Mode::new(0o600), Ok(()))
/// }
/// ```
#[vtable]
pub trait FileOperations {
    /// The filesystem whose files these are.
    type FileSystem: FileSystem;

    /// Reads from `position`, a number of bytes that is not negative. What was put into `to` is what
    /// was read; nothing is the end. The time of the last access follows.
    ///
    /// # Errors
    ///
    /// They count if nothing was put there before.
    fn read(
        _file: &OpenFile<Self::FileSystem>,
        _position: i64,
        _to: &mut ReadBuffer<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes to `position`, which is the file's size where it was opened with `O_APPEND`. What was
    /// taken from `from` is what was written.
    ///
    /// The set-user-id bit and capabilities of the file are gone already, and its times have changed,
    /// as `generic_file_write_iter()` does it.
    ///
    /// # Errors
    ///
    /// They count if nothing was taken before.
    fn write(
        _idmap: &MntIdmap,
        _inode: &Locked<'_, Self::FileSystem>,
        _position: i64,
        _from: &mut IovIterSource<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Lists a directory, whose lock the caller shares with others.
    ///
    /// # Errors
    ///
    /// They end the reading of the directory.
    fn iterate_shared(_file: &OpenFile<Self::FileSystem>, _context: &mut DirContext<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Does what `command` says. `argument` is a number, or where memory of the program is, which
    /// [`UserSlice`](crate::uaccess::UserSlice) reads and writes.
    ///
    /// Nobody has asked whether the caller may: [`Inode::owner_or_capable`] is what the VFS asks for
    /// changes of attributes, and [`OpenFile::want_write`] before it changes anything. The VFS
    /// answers for some commands itself, as `FIGETBSZ` and `FICLONE`, and for the flags that `chattr`
    /// sets if the inode has [`fileattr_get()`].
    ///
    /// # Errors
    ///
    /// [`ENOTTY`] for a command that there is not.
    ///
    /// [`fileattr_get()`]: super::inode_ops::InodeOperations::fileattr_get
    #[doc(alias = "unlocked_ioctl")]
    fn ioctl(
        _idmap: &MntIdmap,
        _file: &OpenFile<Self::FileSystem>,
        _command: u32,
        _argument: usize,
    ) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
