// SPDX-License-Identifier: GPL-2.0

//! The root directory of a superblock that is not mounted yet, to be populated.

use super::dir::fill;
use crate::{
    bindings,
    fs::{
        dentry::Name,
        filesystem::FileSystem,
        inode::Inode,
        inode_cache::offsets,
        new_inode::{
            New,
            NewOwner, //
        },
    },
    prelude::*,
    types::NotThreadSafe,
    uidgid::{
        FsGid,
        FsUid, //
    },
};
use core::marker::PhantomData;

/// The root directory of a superblock that is not mounted yet.
///
/// # Invariants
///
/// `dentry` is the valid root dentry of a superblock of `T`. No other task can reach it.
pub struct RootDir<'a, T: FileSystem> {
    dentry: *mut bindings::dentry,
    inode: &'a Inode<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: FileSystem> RootDir<'a, T> {
    /// Creates an instance from the root dentry.
    ///
    /// # Safety
    ///
    /// `dentry` must be the root dentry of a superblock of `T`. It must be valid, and not visible
    /// to other tasks, for `'a`.
    pub(in crate::fs) unsafe fn from_raw(dentry: *mut bindings::dentry) -> Self {
        // INVARIANT: The dentry is valid and not visible to others, by the requirements of this
        // function.
        Self {
            dentry,
            // SAFETY: A root dentry is positive and holds a reference to its inode.
            inode: unsafe { Inode::from_raw((*dentry).d_inode) },
            _not_send: NotThreadSafe,
        }
    }

    /// Returns the inode of the directory.
    pub fn inode(&self) -> &'a Inode<T> {
        self.inode
    }

    /// Returns the owner of an inode in the directory, with ids that the filesystem chose.
    pub fn owner(&self, ids: (FsUid, FsGid)) -> NewOwner<'a, T> {
        NewOwner::given(self.inode, ids)
    }

    /// Allocates a dentry in the directory.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `name` is empty, `.` or `..`, or has a slash. [`ENAMETOOLONG`] if it is longer
    /// than 255 bytes. [`EEXIST`] if there is an inode with this name. [`ENOMEM`].
    pub fn entry(&self, name: &CStr) -> Result<RootEntry<'_, T>> {
        let bytes = name.to_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
            return Err(EINVAL);
        }
        if bytes.len() > bindings::NAME_MAX as usize {
            return Err(ENAMETOOLONG);
        }
        // SAFETY: The root dentry is valid, by the type invariants, and `name` is a string.
        let dentry = unsafe { bindings::d_alloc_name(self.dentry, name.as_char_ptr()) };
        if dentry.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: `d_alloc_name()` returned a reference to a negative dentry.
        let entry = RootEntry {
            dir: self.inode.as_ptr(),
            dentry,
            root: PhantomData,
        };
        // SAFETY: Both dentries are valid. The name of `dentry` does not change.
        let other = unsafe {
            bindings::d_lookup(self.dentry, &raw const (*dentry).__bindgen_anon_1.d_name)
        };
        if !other.is_null() {
            // SAFETY: `d_lookup()` returned a reference, which is dropped here.
            unsafe { bindings::dput(other) };
            return Err(EEXIST);
        }
        // SAFETY: The directory is not visible to other tasks, and `dentry` is in it.
        unsafe { offsets::add(entry.dir, dentry)? };
        Ok(entry)
    }
}

/// A negative dentry in a [`RootDir`].
///
/// # Invariants
///
/// `dentry` is a valid, negative dentry in `dir`, and this holds a reference to it. `dir` is the
/// inode of a [`RootDir`] that is borrowed.
pub struct RootEntry<'a, T: FileSystem> {
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    root: PhantomData<&'a RootDir<'a, T>>,
}

impl<T: FileSystem> RootEntry<'_, T> {
    /// Returns the name.
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid by the type invariants. Its name does not change: no other
        // task can reach the directory.
        unsafe { Name::of_dentry(self.dentry) }
    }

    /// Instantiates the dentry with a new inode.
    pub fn instantiate(self, new: New<T>) {
        // SAFETY: `dir` is not visible to other tasks, and `dentry` is a negative dentry in it, by
        // the type invariants. `publish()` hands over the reference to the inode.
        unsafe { fill(self.dir, self.dentry, new.publish()) };
    }
}

impl<T: FileSystem> Drop for RootEntry<'_, T> {
    fn drop(&mut self) {
        // SAFETY: This holds a reference to the dentry, and no other task can reach the directory.
        if unsafe { (*self.dentry).d_inode.is_null() } {
            // SAFETY: The directory is not visible to other tasks, and the dentry is in it.
            unsafe { offsets::remove(self.dir, self.dentry) };
        }
        // SAFETY: This holds a reference to the dentry. If it was instantiated,
        // `d_make_persistent()` took another one.
        unsafe { bindings::dput(self.dentry) };
    }
}
