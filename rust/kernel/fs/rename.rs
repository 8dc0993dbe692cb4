// SPDX-License-Identifier: GPL-2.0

//! The arguments of `->rename()`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    dentry::{
        Brand,
        Name,
        Positive, //
    },
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked, //
    },
    mode::flags, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

flags! {
    /// The flags of `renameat2()`: `RENAME_*`.
    pub struct RenameFlags(u32) {
        /// No flags.
        NONE = 0;
        /// The new name must not exist. The VFS checks it.
        NOREPLACE = bindings::RENAME_NOREPLACE;
        /// Exchange both names.
        EXCHANGE = bindings::RENAME_EXCHANGE;
        /// Leave a whiteout under the old name.
        WHITEOUT = bindings::RENAME_WHITEOUT;
    }
}

/// The directories and the dentries of a rename.
#[derive(Clone, Copy)]
pub(super) struct RenameArgs {
    pub(super) old_dir: *mut bindings::inode,
    pub(super) old: *mut bindings::dentry,
    pub(super) new_dir: *mut bindings::inode,
    pub(super) new: *mut bindings::dentry,
}

/// A dentry that the operation must rename.
///
/// # Invariants
///
/// Both dentries are valid and in their directories. `old` is positive.
pub struct Rename<'d, T: FileSystem> {
    old_dir: Locked<'d, T>,
    old: &'d Positive<T>,
    new_dir: Locked<'d, T>,
    new: *mut bindings::dentry,
    flags: RenameFlags,
    pub(super) done: &'d Cell<bool>,
    pub(super) brand: Brand<'d>,
}

/// The proof that a [`Rename`] was done.
pub struct Renamed<'d>(pub(super) Brand<'d>);

impl<'d, T: FileSystem> Rename<'d, T> {
    /// Creates an instance from the arguments of the C operation.
    ///
    /// # Safety
    ///
    /// - The directories must be as for [`Locked::from_raw`], for `'d`.
    /// - The dentries must be valid and in their directories for `'d`, and belong to a superblock
    ///   of `T`. The old one must be positive.
    /// - `'d` must not stand for another rename.
    /// - If `done` is set afterwards, the C operation must return success.
    #[inline(always)]
    pub(super) unsafe fn from_raw(
        args: RenameArgs,
        flags: RenameFlags,
        done: &'d Cell<bool>,
    ) -> Self {
        // INVARIANT: The dentries are valid and in their directories, and the old one is positive,
        // by the requirements of this function.
        Self {
            // SAFETY: The directory is locked for writing, by the requirements of this function.
            old_dir: unsafe { Locked::from_raw(args.old_dir) },
            // SAFETY: The old dentry is positive, by the requirements of this function.
            old: unsafe { Positive::from_raw(args.old) },
            // SAFETY: The directory is locked for writing, by the requirements of this function.
            new_dir: unsafe { Locked::from_raw(args.new_dir) },
            new: args.new,
            flags,
            done,
            brand: PhantomData,
        }
    }

    /// Returns the pointers to the directories and the dentries.
    pub(super) fn args(&self) -> RenameArgs {
        RenameArgs {
            old_dir: self.old_dir.as_ptr(),
            old: self.old.as_ptr(),
            new_dir: self.new_dir.as_ptr(),
            new: self.new,
        }
    }

    /// Returns the flags.
    pub fn flags(&self) -> RenameFlags {
        self.flags
    }

    /// Returns the old directory.
    pub fn old_dir(&self) -> &Locked<'d, T> {
        &self.old_dir
    }

    /// Returns the inode that is renamed.
    pub fn inode(&self) -> &'d Inode<T> {
        self.old.inode()
    }

    /// Returns the old name.
    pub fn name(&self) -> &Name {
        // SAFETY: The dentry is valid and in `old_dir`, by the type invariants. `old_dir` is
        // locked.
        unsafe { Name::of_dentry(self.old.as_ptr()) }
    }

    /// Returns the new directory.
    pub fn new_dir(&self) -> &Locked<'d, T> {
        &self.new_dir
    }

    /// Returns the new name.
    pub fn new_name(&self) -> &Name {
        // SAFETY: The dentry is valid and in `new_dir`, by the type invariants. `new_dir` is
        // locked.
        unsafe { Name::of_dentry(self.new) }
    }

    /// Returns the inode that has the new name, if there is one.
    pub fn target(&self) -> Option<&'d Inode<T>> {
        self.replaced().map(Positive::inode)
    }

    /// Fails with [`EPERM`] if a lookup generated one of the inodes.
    pub(super) fn check_persistent(&self) -> Result {
        match self.old.is_persistent() && self.replaced().is_none_or(Positive::is_persistent) {
            true => Ok(()),
            false => Err(EPERM),
        }
    }

    /// Returns the dentry of the inode that has the new name, if there is one.
    fn replaced(&self) -> Option<&'d Positive<T>> {
        // SAFETY: The dentry is valid by the type invariants. `d_inode` does not change while
        // `new_dir` is locked.
        let inode = unsafe { (*self.new).d_inode };
        // SAFETY: The dentry is valid and belongs to a superblock of `T`, by the type invariants.
        // It is positive, and stays so while `new_dir` is locked.
        (!inode.is_null()).then(|| unsafe { Positive::from_raw(self.new) })
    }
}
