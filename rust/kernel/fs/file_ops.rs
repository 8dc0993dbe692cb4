// SPDX-License-Identifier: GPL-2.0

//! File operations: `struct file_operations`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod mmap;
mod page_cache;
mod vtable;

use super::{
    dir_context::DirContext,
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked,
        SharedLocked, //
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

pub use self::mmap::MmapRequest;
pub(super) use self::{
    page_cache::{
        PageCacheTable,
        PageCacheVTable,
        ReadOnly, //
    },
    vtable::FileVTable, //
};

/// An open file of `T`.
///
/// # Invariants
///
/// The file is open for as long as it is borrowed, or is being opened or released. Its inode belongs
/// to a superblock of `T`.
#[repr(transparent)]
pub struct OpenFile<T: FileSystem>(Opaque<bindings::file>, PhantomData<T>);

impl<T: FileSystem> OpenFile<T> {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a file that is open for `'a`, or is being opened or released by the
    /// current task for `'a`. Its inode must belong to a superblock of `T`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::file) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`, by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct file`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct file`.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// Returns the inode.
    #[inline]
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: An open file holds a reference to its inode, which belongs to a superblock of
        // `T`, by the type invariants, and has data.
        unsafe { Inode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// Returns the access mode: `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
    fn access_mode(&self) -> u32 {
        // SAFETY: The file is open, by the type invariants. `fcntl()` writes other bits of the
        // field.
        let flags = unsafe { (&raw const (*self.as_ptr()).f_flags).read_volatile() };
        flags & bindings::O_ACCMODE
    }

    /// Checks whether the file was opened for reading.
    pub fn can_read(&self) -> bool {
        matches!(self.access_mode(), bindings::O_RDONLY | bindings::O_RDWR)
    }

    /// Checks whether the file was opened for writing.
    pub fn can_write(&self) -> bool {
        matches!(self.access_mode(), bindings::O_WRONLY | bindings::O_RDWR)
    }

    /// Returns the idmap of the mount through which the file was opened.
    ///
    /// Mirrors `file_mnt_idmap()`.
    #[doc(alias("file_mnt_idmap", "file_mnt_user_ns"))]
    #[inline]
    pub fn idmap(&self) -> &MntIdmap {
        // SAFETY: An open file holds its mount, which holds the idmap. The idmap of a mount changes
        // at most once while files are open; the old one is `nop_mnt_idmap` then, which is static.
        unsafe { MntIdmap::from_raw(bindings::file_mnt_idmap(self.as_ptr())) }
    }

    /// Takes write access to the mount of the file.
    ///
    /// The VFS takes it before `write()`. An ioctl must call this before it changes the inode.
    ///
    /// Mirrors `mnt_want_write_file()`. May sleep.
    ///
    /// # Errors
    ///
    /// [`EROFS`] if the mount or the filesystem is read-only.
    #[doc(alias = "mnt_want_write_file")]
    pub fn want_write(&self) -> Result<WriteAccess<'_, T>> {
        // SAFETY: The file is open, by the type invariants.
        to_result(unsafe { bindings::mnt_want_write_file(self.as_ptr()) })?;
        Ok(WriteAccess(self))
    }
}

/// Write access to the mount of an open file.
///
/// Until the value is dropped the mount does not become read-only, and the filesystem is not
/// frozen.
pub struct WriteAccess<'a, T: FileSystem>(&'a OpenFile<T>);

impl<T: FileSystem> Drop for WriteAccess<'_, T> {
    fn drop(&mut self) {
        // SAFETY: `want_write()` took write access to the mount of the file.
        unsafe { bindings::mnt_drop_write_file(self.0.as_ptr()) };
    }
}

/// The buffer of a `read()`.
pub struct ReadBuffer<'a>(&'a mut IovIterDest<'a>);

impl ReadBuffer<'_> {
    /// Returns the number of bytes that fit into the buffer.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Copies bytes into the buffer, as many as fit, and returns their number.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        self.0.copy_to_iter(bytes)
    }
}

/// Replaces `-EIOCBQUEUED` by `-EIO`: the VFS would wait for a completion that never comes.
pub(super) fn io_error(error: Error) -> Error {
    if error == EIOCBQUEUED {
        EIO
    } else {
        error
    }
}

/// The operations of open files of one kind of inode.
///
/// For files whose contents the filesystem creates when they are read, and for directories with
/// entries that are not in the dentry cache. A file whose contents are in the page cache, such as
/// one of [`memfs`](super::memfs), can have [`open()`](Self::open), [`release()`](Self::release),
/// [`mmap()`](Self::mmap) and [`ioctl()`](Self::ioctl).
///
/// An operation that depends on the owner of the inode gets the idmap of the mount through which
/// the file was opened as its first parameter. An operation that is not implemented is null in the
/// C table. All operations may sleep.
///
/// # Examples
///
/// A file that counts how often it was read. Its owner, as seen through the mount, can reset it:
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
/// A file in memory that one writer at a time has open, and that is mapped for reading only:
///
/// ```
/// use kernel::{
///     fs::{
///         dentry::Name,
///         file_ops::{FileOperations, MmapRequest, OpenFile},
///         filesystem::FileSystem,
///         inode_ops::InodeOperations,
///         memfs::MemFileSystem,
///         mnt_idmapping::MntIdmap,
///         mode::Mode,
///         new_inode::{New, NewOwner},
///         super_block::SuperBlock,
///     },
///     prelude::*,
///     sync::atomic::{Acquire, Atomic, Relaxed, Release},
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     type Data = ();
///     // Whether a writer has the file open.
///     type InodeData = Atomic<i32>;
/// }
///
/// # impl MemFileSystem for MyFs {
/// #     fn charge(_super_block: &SuperBlock<Self>) -> Result {
/// #         Ok(())
/// #     }
/// #
/// #     fn uncharge(_super_block: &SuperBlock<Self>) {}
/// #
/// #     fn limit(_super_block: &SuperBlock<Self>) -> Option<u64> {
/// #         None
/// #     }
/// # }
/// #
/// struct Log;
///
/// #[vtable]
/// impl FileOperations for Log {
///     type FileSystem = MyFs;
///
///     fn open(_idmap: &MntIdmap, file: &OpenFile<MyFs>) -> Result {
///         let written = file.inode().data();
///         if file.can_write() && written.xchg(1, Acquire) != 0 {
///             return Err(EBUSY);
///         }
///         Ok(())
///     }
///
///     fn release(file: &OpenFile<MyFs>) {
///         if file.can_write() {
///             file.inode().data().store(0, Release);
///         }
///     }
///
///     fn mmap(_idmap: &MntIdmap, _file: &OpenFile<MyFs>, request: &MmapRequest<'_>) -> Result {
///         match request.is_shared() && request.can_write() {
///             true => Err(EPERM),
///             false => Ok(()),
///         }
///     }
/// }
///
/// struct Leaf;
///
/// #[vtable]
/// impl InodeOperations for Leaf {
///     type FileSystem = MyFs;
/// }
///
/// fn log(owner: &NewOwner<'_, MyFs>, name: &Name, mode: Mode) -> Result<New<MyFs>> {
///     New::memory_file_with::<Leaf, Log>(owner, Some(name), mode, Ok(Atomic::new(0)))
/// }
/// ```
///
/// File operations of another filesystem do not fit:
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
    /// The filesystem.
    type FileSystem: FileSystem;

    /// Called when a file of the inode is opened, also without a name by `O_TMPFILE`. The inode is
    /// not locked.
    ///
    /// The VFS has checked the permissions of the mode, and the file has write access to the mount
    /// if it is opened for writing. `O_TRUNC` truncates the file afterwards. A file descriptor of
    /// `O_PATH` is opened without this call.
    ///
    /// # Errors
    ///
    /// `open()` fails with the error, and [`release()`](Self::release) is not called.
    fn open(_idmap: &MntIdmap, _file: &OpenFile<Self::FileSystem>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called when the last reference to an open file is dropped: once for each file that
    /// [`open()`](Self::open) has opened, also if the system call fails afterwards. The inode is
    /// not locked.
    ///
    /// The task can be another one than that which opened the file, with other credentials.
    fn release(_file: &OpenFile<Self::FileSystem>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to map a file whose contents are in the page cache into memory. `mmap_lock` of the
    /// address space is held for writing: must not lock an inode and must not access user memory.
    ///
    /// The file was opened with the mode that the mapping needs.
    ///
    /// # Errors
    ///
    /// `mmap()` fails with the error.
    #[doc(alias("mmap_prepare"))]
    fn mmap(
        _idmap: &MntIdmap,
        _file: &OpenFile<Self::FileSystem>,
        _request: &MmapRequest<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to read from `_position`, which is not negative. The inode is not locked.
    ///
    /// The bytes that were put into `_to` were read; no byte is the end of the file. The access
    /// time is updated afterwards.
    ///
    /// # Errors
    ///
    /// `read()` fails with the error if no byte was put into `_to`.
    fn read(
        _file: &OpenFile<Self::FileSystem>,
        _position: i64,
        _to: &mut ReadBuffer<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to write at `_position`, which is the size of the file if it was opened with
    /// `O_APPEND`. The inode is locked for writing.
    ///
    /// The bytes that were taken from `_from` were written. The set-user-id bit and the file
    /// capabilities are removed, and the times updated, before this is called, as by
    /// `generic_file_write_iter()`. [`Locked::set_size`] changes the size.
    ///
    /// # Errors
    ///
    /// `write()` fails with the error if no byte was taken from `_from`.
    fn write(
        _idmap: &MntIdmap,
        _inode: &mut Locked<'_, Self::FileSystem>,
        _position: i64,
        _from: &mut IovIterSource<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to list the entries of a directory. The directory is locked for reading.
    ///
    /// # Errors
    ///
    /// `getdents()` fails with the error.
    fn iterate_shared(
        _dir: &SharedLocked<'_, Self::FileSystem>,
        _file: &OpenFile<Self::FileSystem>,
        _context: &mut DirContext<'_>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called for an ioctl. The inode is not locked; [`Inode::lock`] locks it.
    ///
    /// `_argument` is a number, or the address of user memory for
    /// [`UserSlice`](crate::uaccess::UserSlice).
    ///
    /// The VFS has not checked permissions. [`Inode::owner_or_capable`] is the check for changes of
    /// attributes, and [`OpenFile::want_write`] must precede each change. The VFS handles some
    /// commands itself, such as `FIGETBSZ` and `FICLONE`, and those of `chattr` if the inode has
    /// [`fileattr_get()`].
    ///
    /// # Errors
    ///
    /// [`ENOTTY`] for an unknown command.
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
