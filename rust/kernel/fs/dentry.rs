// SPDX-License-Identifier: GPL-2.0

//! Names in directories.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h)

use super::{
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked, //
    },
    memfs::dir,
    mode::Mode,
    new_inode::New, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

/// What something is called in its directory.
///
/// # Invariants
///
/// It is valid, and does not change, for as long as it is borrowed.
#[repr(transparent)]
pub struct Name(Opaque<bindings::qstr>);

impl Name {
    /// The pointer that C knows the name by.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *const bindings::qstr {
        self.0.get()
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: The name is valid, and of the length it says.
        unsafe {
            let name = self.as_ptr();
            let length = (*name).__bindgen_anon_1.__bindgen_anon_1.len;
            core::slice::from_raw_parts((*name).name, length as usize)
        }
    }
}

/// Makes `'d` a mark by which one dentry is told from all others.
pub(super) type Brand<'d> = PhantomData<fn(&'d ()) -> &'d ()>;

/// A name in a directory that is free, and that the operation which has it is asked to fill.
///
/// That it was filled is told by the [`Filled`] that this turns into; `'d` sees to it that it is
/// the same one.
///
/// # Invariants
///
/// The dentry is negative, valid, and in `dir`, which is a directory.
pub struct Negative<'d, T: FileSystem> {
    dir: Locked<'d, T>,
    dentry: *mut bindings::dentry,
    /// The kind of inode that is asked for; none where it is to be one that there is.
    kind: Mode,
    /// The device that is asked for, where it is to be one.
    device: u32,
    brand: Brand<'d>,
}

/// The proof that a name was filled.
pub struct Filled<'d>(Brand<'d>);

impl<'d, T: FileSystem> Negative<'d, T> {
    /// Takes a dentry that C wants to be filled.
    ///
    /// # Safety
    ///
    /// `dir` must be as for [`Locked::from_raw`], the type invariants must hold until this is
    /// dropped, and `'d` must be of nothing else.
    #[inline(always)]
    pub(super) unsafe fn from_raw(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        kind: Mode,
        device: u32,
    ) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            // SAFETY: By the requirements above.
            dir: unsafe { Locked::from_raw(dir) },
            dentry,
            kind,
            device,
            brand: PhantomData,
        }
    }

    /// The directory.
    #[inline(always)]
    pub fn dir(&self) -> &Locked<'d, T> {
        &self.dir
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid, and the lock of its directory keeps its name.
        //
        // CAST: `Name` is a transparent wrapper.
        unsafe { &*(&raw const (*self.dentry).__bindgen_anon_1.d_name).cast() }
    }

    /// Gives the name to a new inode.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is of another kind than the operation was asked for, or another device: the
    /// VFS goes on as if it were that, and asks nobody whether a device that `create()` made may be
    /// opened.
    /// [`ENOSPC`] if the directory can have no more names, [`ENOMEM`]. Then the inode is gone.
    pub fn instantiate(self, new: New<T>) -> Result<Filled<'d>> {
        let other_device = new.device().is_some_and(|device| device != self.device);
        if new.mode().kind() != self.kind || other_device {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants; each directory of `T` has offsets. Once there is an
        // offset nothing fails any more, so the inode is given away.
        unsafe {
            dir::reserve(self.dir.as_ptr(), self.dentry)?;
            dir::fill(self.dir.as_ptr(), self.dentry, new.publish());
        }
        Ok(Filled(self.brand))
    }

    /// Gives the name to an inode that there is already.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if the directory can have no more names, [`ENOMEM`].
    pub fn link(self, old: &Positive<T>) -> Result<Filled<'d>> {
        // SAFETY: As in `instantiate()`, and `old` is positive.
        unsafe {
            dir::reserve(self.dir.as_ptr(), self.dentry)?;
            bindings::simple_link(old.as_ptr(), self.dir.as_ptr(), self.dentry);
        }
        Ok(Filled(self.brand))
    }
}

/// A name that something has.
///
/// # Invariants
///
/// The dentry is valid and of a superblock of `T`, and stays positive for as long as it is
/// borrowed.
#[repr(transparent)]
pub struct Positive<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

impl<T: FileSystem> Positive<T> {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the dentry by.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// What has the name.
    #[inline(always)]
    pub fn inode(&self) -> &Inode<T> {
        // SAFETY: By the type invariants it is positive, and holds its inode.
        unsafe { Inode::from_raw((*self.as_ptr()).d_inode) }
    }

    /// The name.
    ///
    /// # Safety
    ///
    /// The current task must have the lock of the directory that the name is in, for as long as the
    /// result is borrowed.
    #[inline]
    pub(super) unsafe fn name(&self) -> &Name {
        // SAFETY: The dentry is valid, and the lock of its directory keeps its name.
        //
        // CAST: `Name` is a transparent wrapper.
        unsafe { &*(&raw const (*self.as_ptr()).__bindgen_anon_1.d_name).cast() }
    }

    /// Whether it is a directory without names in it, or no directory.
    ///
    /// Mirrors `simple_empty()`.
    pub fn is_empty(&self) -> bool {
        // SAFETY: The dentry is valid.
        unsafe { bindings::simple_empty(self.as_ptr()) != 0 }
    }
}

/// A name that the operation which has it is asked to remove.
///
/// That it was removed is told by the [`Removed`] that this turns into.
///
/// # Invariants
///
/// The dentry is in `dir`, which is a directory.
pub struct Victim<'d, T: FileSystem> {
    dir: Locked<'d, T>,
    dentry: &'d Positive<T>,
    done: &'d Cell<bool>,
    brand: Brand<'d>,
}

/// The proof that a name was removed.
pub struct Removed<'d>(Brand<'d>);

impl<'d, T: FileSystem> Victim<'d, T> {
    /// Takes a dentry that C wants to be removed.
    ///
    /// # Safety
    ///
    /// `dir` must be as for [`Locked::from_raw`], `dentry` as for [`Positive::from_raw`], the type
    /// invariants must hold for `'d`, and `'d` must be of nothing else. Where `done` is set
    /// afterwards, C must be told that it was removed.
    #[inline(always)]
    pub(super) unsafe fn from_raw(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        done: &'d Cell<bool>,
    ) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            // SAFETY: By the requirements above.
            dir: unsafe { Locked::from_raw(dir) },
            // SAFETY: By the requirements above.
            dentry: unsafe { Positive::from_raw(dentry) },
            done,
            brand: PhantomData,
        }
    }

    /// The directory.
    #[inline(always)]
    pub fn dir(&self) -> &Locked<'d, T> {
        &self.dir
    }

    /// What has the name.
    #[inline(always)]
    pub fn inode(&self) -> &'d Inode<T> {
        self.dentry.inode()
    }

    /// Removes the name of something that is no directory.
    ///
    /// There is no way back from that: an error of the operation does not count any more.
    ///
    /// # Errors
    ///
    /// [`EISDIR`] if it is one; the VFS has made sure that it is not.
    #[inline]
    pub fn unlink(self) -> Result<Removed<'d>> {
        if self.inode().mode().is_dir() {
            return Err(EISDIR);
        }
        // SAFETY: By the type invariants; each directory of `T` has offsets.
        unsafe { dir::unlink(self.dir.as_ptr(), self.dentry.as_ptr()) };
        self.done.set(true);
        Ok(Removed(self.brand))
    }

    /// Removes the name of a directory. As with [`Victim::unlink`], there is no way back.
    ///
    /// # Errors
    ///
    /// [`ENOTDIR`] if it is none; the VFS has made sure that it is one. [`ENOTEMPTY`] if there are
    /// names in it.
    #[inline]
    pub fn rmdir(self) -> Result<Removed<'d>> {
        if !self.inode().mode().is_dir() {
            return Err(ENOTDIR);
        }
        if !self.dentry.is_empty() {
            return Err(ENOTEMPTY);
        }
        // SAFETY: As in `unlink()`.
        unsafe { dir::rmdir(self.dir.as_ptr(), self.dentry.as_ptr()) };
        self.done.set(true);
        Ok(Removed(self.brand))
    }
}

/// A file that is open and shall have no name, as by `O_TMPFILE`.
///
/// # Invariants
///
/// The file is valid, not opened yet, and its dentry is negative and of a superblock of `T`.
pub struct Tmpfile<'d, T: FileSystem> {
    file: *mut bindings::file,
    brand: Brand<'d>,
    filesystem: PhantomData<T>,
    _not_send: NotThreadSafe,
}

impl<'d, T: FileSystem> Tmpfile<'d, T> {
    /// Takes a file that C wants to be opened.
    ///
    /// # Safety
    ///
    /// The type invariants must hold until this is dropped, and `'d` must be of nothing else.
    #[inline(always)]
    pub(super) unsafe fn from_raw(file: *mut bindings::file) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            file,
            brand: PhantomData,
            filesystem: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Opens a new inode that has no name.
    ///
    /// Mirrors `d_tmpfile()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is no regular file: nobody would ask whether a device may be opened here.
    /// Whatever opening it comes to, as if it had a name. Then the inode is gone.
    pub fn finish(self, new: New<T>) -> Result<Filled<'d>> {
        if !new.mode().is_reg() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants.
        to_result(unsafe {
            bindings::d_tmpfile(self.file, new.publish());
            bindings::finish_open_simple(self.file, 0)
        })?;
        Ok(Filled(self.brand))
    }
}
