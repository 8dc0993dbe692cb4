// SPDX-License-Identifier: GPL-2.0

//! Dentries: names in directories.
//!
//! An operation that creates or removes a name takes a [`Negative`] or a [`Victim`] and returns a
//! [`Filled`] or a [`Removed`], as proof that it did so. The lifetime `'d` stands for one dentry,
//! so the proof is for this dentry and no other.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked,
        SharedLocked, //
    },
    mode::Mode, //
};
use crate::{
    bindings,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

/// The name of a dentry: `struct qstr`.
///
/// # Invariants
///
/// An instance is valid and does not change for as long as it is borrowed.
#[repr(transparent)]
pub struct Name(Opaque<bindings::qstr>);

impl Name {
    /// Returns the name of a dentry.
    ///
    /// # Safety
    ///
    /// `dentry` must be valid for `'a`, and the directory that it is in must be locked for `'a`.
    #[inline(always)]
    pub(super) unsafe fn of_dentry<'a>(dentry: *mut bindings::dentry) -> &'a Self {
        // INVARIANT: A name changes only while the directory of the dentry is locked for writing by
        // the task that changes it.
        //
        // SAFETY: `dentry` is valid for `'a` by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct qstr`.
        unsafe { &*(&raw const (*dentry).__bindgen_anon_1.d_name).cast() }
    }

    /// Returns the pointer to `struct qstr`.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *const bindings::qstr {
        self.0.get()
    }

    /// Returns the bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        let name = self.as_ptr();
        // SAFETY: The name is valid by the type invariants.
        let (bytes, length) =
            unsafe { ((*name).name, (*name).__bindgen_anon_1.__bindgen_anon_1.len) };
        // SAFETY: `name` of a valid `struct qstr` points to `len` bytes. They do not change while
        // the name is borrowed, by the type invariants.
        unsafe { core::slice::from_raw_parts(bytes, length as usize) }
    }
}

/// Makes `'d` invariant, so that it stands for one dentry.
pub(super) type Brand<'d> = PhantomData<fn(&'d ()) -> &'d ()>;

/// A negative dentry that the operation must instantiate.
///
/// # Invariants
///
/// The dentry is valid and negative. It is in `dir`, which is a directory.
pub struct Negative<'d, T: FileSystem> {
    pub(super) dir: Locked<'d, T>,
    pub(super) dentry: *mut bindings::dentry,
    /// The file type of the inode that the VFS expects; no type for `link()`.
    pub(super) file_type: Mode,
    /// The number of the device that the VFS expects.
    pub(super) device: u32,
    pub(super) brand: Brand<'d>,
}

/// The proof that a [`Negative`] dentry was instantiated.
pub struct Filled<'d>(pub(super) Brand<'d>);

impl<'d, T: FileSystem> Negative<'d, T> {
    /// Creates an instance from the arguments of a C operation.
    ///
    /// # Safety
    ///
    /// `dir` must be as for [`Locked::from_raw`]. `dentry` must be valid and negative and must be
    /// in `dir` until the result is dropped. `'d` must not stand for another dentry.
    #[inline(always)]
    pub(super) unsafe fn from_raw(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        file_type: Mode,
        device: u32,
    ) -> Self {
        // INVARIANT: `dentry` is valid, negative and in `dir`, by the requirements of this
        // function.
        Self {
            // SAFETY: `dir` is as `Locked::from_raw()` requires, by the requirements of this
            // function.
            dir: unsafe { Locked::from_raw(dir) },
            dentry,
            file_type,
            device,
            brand: PhantomData,
        }
    }

    /// Returns the directory.
    #[inline(always)]
    pub fn dir(&self) -> &Locked<'d, T> {
        &self.dir
    }

    /// Returns the name.
    #[inline]
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid and in `dir`, by the type invariants. `dir` is locked.
        unsafe { Name::of_dentry(self.dentry) }
    }
}

/// A name that is looked up, and is not in the dentry cache.
///
/// # Invariants
///
/// The dentry is valid, negative and in `dir`. The current task looks it up.
pub struct Lookup<'d, T: FileSystem> {
    pub(super) dir: SharedLocked<'d, T>,
    pub(super) dentry: *mut bindings::dentry,
    pub(super) brand: Brand<'d>,
}

/// The proof that a [`Lookup`] was answered.
pub struct LookedUp<'d>(pub(super) Brand<'d>);

impl<'d, T: FileSystem> Lookup<'d, T> {
    /// Creates an instance from the arguments of the C operation.
    ///
    /// # Safety
    ///
    /// `dir` must be as for [`SharedLocked::from_raw`]. `dentry` must be a valid, negative dentry
    /// in `dir` that the current task looks up until the result is dropped. `'d` must not stand for
    /// another dentry.
    pub(super) unsafe fn from_raw(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> Self {
        // INVARIANT: `dentry` is valid, negative, in `dir` and looked up, by the requirements of
        // this function.
        Self {
            // SAFETY: `dir` is as `SharedLocked::from_raw()` requires, by the requirements of this
            // function.
            dir: unsafe { SharedLocked::from_raw(dir) },
            dentry,
            brand: PhantomData,
        }
    }

    /// Returns the directory.
    pub fn dir(&self) -> &SharedLocked<'d, T> {
        &self.dir
    }

    /// Returns the name, of at most 255 bytes.
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid and in `dir`, which is locked, by the type invariants.
        unsafe { Name::of_dentry(self.dentry) }
    }
}

/// A positive dentry.
///
/// # Invariants
///
/// The dentry is valid, belongs to a superblock of `T`, and stays positive for as long as it is
/// borrowed.
#[repr(transparent)]
pub struct Positive<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

impl<T: FileSystem> Positive<T> {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a dentry of a superblock of `T` that is valid and positive for `'a`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // INVARIANT: The dentry is valid and positive for `'a`, by the requirements of this
        // function.
        //
        // SAFETY: `ptr` is valid for `'a`.
        //
        // CAST: `Self` is a transparent wrapper of `struct dentry`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct dentry`.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// Returns the inode.
    #[inline(always)]
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: The dentry is valid, and positive while it is borrowed, so `d_inode` is not null
        // and does not change.
        let inode = unsafe { (*self.as_ptr()).d_inode };
        // SAFETY: A positive dentry holds a reference to its inode. The inode belongs to a
        // superblock of `T`, as the dentry does, and a published inode has data.
        unsafe { Inode::from_raw(inode) }
    }

    /// Checks whether the dentry stays in the dentry cache until its name is removed. The dentry of
    /// an inode that a lookup generated does not.
    pub(super) fn is_persistent(&self) -> bool {
        // SAFETY: The dentry is valid. Other tasks may write to other bits of the field.
        let flags = unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() };
        flags & bindings::dentry_flags_DCACHE_PERSISTENT != 0
    }

    /// Checks whether the dentry has no positive children.
    ///
    /// Mirrors `simple_empty()`.
    pub fn is_empty(&self) -> bool {
        // SAFETY: The dentry is valid.
        unsafe { bindings::simple_empty(self.as_ptr()) != 0 }
    }
}

/// A positive dentry that the operation must remove.
///
/// # Invariants
///
/// The dentry is in `dir`, which is a directory. `inode` is the inode of the dentry.
pub struct Victim<'d, T: FileSystem> {
    pub(super) dir: Locked<'d, T>,
    pub(super) dentry: &'d Positive<T>,
    pub(super) inode: Locked<'d, T>,
    pub(super) done: &'d Cell<bool>,
    pub(super) brand: Brand<'d>,
}

/// The proof that a [`Victim`] was removed.
pub struct Removed<'d>(pub(super) Brand<'d>);

impl<'d, T: FileSystem> Victim<'d, T> {
    /// Creates an instance from the arguments of a C operation.
    ///
    /// # Safety
    ///
    /// - `dir` must be as for [`Locked::from_raw`], and so must be the inode of `dentry`.
    /// - `dentry` must be as for [`Positive::from_raw`], and in `dir`, for `'d`.
    /// - `'d` must not stand for another dentry.
    /// - If `done` is set afterwards, the C operation must return success.
    #[inline(always)]
    pub(super) unsafe fn from_raw(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        done: &'d Cell<bool>,
    ) -> Self {
        // SAFETY: `dentry` is valid and positive for `'d`, by the requirements of this function.
        let dentry = unsafe { Positive::from_raw(dentry) };
        // INVARIANT: `dentry` is in `dir`, by the requirements of this function.
        Self {
            // SAFETY: `dir` is as `Locked::from_raw()` requires, by the requirements of this
            // function.
            dir: unsafe { Locked::from_raw(dir) },
            // SAFETY: The inode of `dentry` is locked for writing for `'d`, by the requirements of
            // this function.
            inode: unsafe { Locked::from_raw(dentry.inode().as_ptr()) },
            dentry,
            done,
            brand: PhantomData,
        }
    }

    /// Returns the directory.
    #[inline(always)]
    pub fn dir(&self) -> &Locked<'d, T> {
        &self.dir
    }

    /// Returns the inode that loses the name. It is locked for writing.
    #[inline(always)]
    pub fn inode(&self) -> &Locked<'d, T> {
        &self.inode
    }

    /// Returns the name.
    #[inline]
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid and in `dir`, by the type invariants. `dir` is locked.
        unsafe { Name::of_dentry(self.dentry.as_ptr()) }
    }
}

/// An open file that the operation must give an inode without a name, for `O_TMPFILE`.
///
/// # Invariants
///
/// The file is valid and not opened yet. Its dentry is negative and belongs to a superblock of `T`.
pub struct Tmpfile<'d, T: FileSystem> {
    pub(super) file: *mut bindings::file,
    pub(super) brand: Brand<'d>,
    filesystem: PhantomData<T>,
    _not_send: NotThreadSafe,
}

impl<'d, T: FileSystem> Tmpfile<'d, T> {
    /// Creates an instance from the arguments of a C operation.
    ///
    /// # Safety
    ///
    /// `file` must be valid, not opened yet, and have a negative dentry of a superblock of `T`,
    /// until the result is dropped. `'d` must not stand for another file.
    #[inline(always)]
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Self {
        // INVARIANT: The file is valid, not opened yet, and its dentry negative, by the
        // requirements of this function.
        Self {
            file,
            brand: PhantomData,
            filesystem: PhantomData,
            _not_send: NotThreadSafe,
        }
    }
}
