// SPDX-License-Identifier: GPL-2.0

//! Directories in memory: their names are in the dentry cache only.
//!
//! Each name has an offset in its directory (`struct offset_ctx`), at which `getdents()` continues
//! after other names were created or removed. The functions keep the offsets as those of
//! `mm/shmem.c` do.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    error::from_err_ptr,
    fs::{
        dentry::{
            Filled,
            LookedUp,
            Lookup,
            Negative,
            Removed,
            Victim, //
        },
        filesystem::FileSystem,
        inode::Locked,
        inode_cache::offsets,
        mode::Mode,
        new_inode::{
            New,
            NewOwner, //
        },
        rename::{
            Rename,
            RenameArgs,
            RenameFlags,
            Renamed, //
        },
    },
    prelude::*,
    uidgid::{
        FsGid,
        FsUid, //
    },
};

impl<'d, T: FileSystem> Lookup<'d, T> {
    /// Returns the owner of the inode, with ids that the filesystem chose.
    ///
    /// A lookup has no idmap: the callers of all mounts share the dentry.
    pub fn owner(&self, ids: (FsUid, FsGid)) -> NewOwner<'d, T> {
        NewOwner::given(self.dir.inode(), ids)
    }

    /// Instantiates the dentry with a new inode. The dentry cache drops the dentry after its last
    /// use.
    ///
    /// # Errors
    ///
    /// Those of `d_splice_alias()`. The inode is dropped.
    pub fn instantiate(self, new: New<T>) -> Result<LookedUp<'d>> {
        // SAFETY: `dentry` is looked up, by the type invariants. `publish()` hands over the
        // reference to the inode.
        let spliced = unsafe { bindings::d_splice_alias(new.publish(), self.dentry) };
        self.done(spliced)
    }

    /// Leaves the dentry negative.
    ///
    /// # Errors
    ///
    /// Those of `simple_lookup()`.
    pub fn negative(self) -> Result<LookedUp<'d>> {
        // SAFETY: `dentry` is looked up in `dir`, by the type invariants.
        let looked_up = unsafe { bindings::simple_lookup(self.dir.as_ptr(), self.dentry, 0) };
        self.done(looked_up)
    }

    /// Returns the proof for the result of a function of C.
    fn done(self, looked_up: *mut bindings::dentry) -> Result<LookedUp<'d>> {
        let other = from_err_ptr(looked_up)?;
        if !other.is_null() {
            // Another dentry of a directory. A new inode has none.
            //
            // SAFETY: The function returned a reference, which is dropped here.
            unsafe { bindings::dput(other) };
            return Err(ESTALE);
        }
        Ok(LookedUp(self.brand))
    }
}

impl<'d, T: FileSystem> Negative<'d, T> {
    /// Instantiates the dentry with a new inode.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the file type or the device number of the inode is not the one for which the
    /// VFS has checked permissions. [`ENOMEM`]. The inode is dropped.
    pub fn instantiate(self, new: New<T>) -> Result<Filled<'d>> {
        let other_device = new.device().is_some_and(|device| device != self.device);
        if new.mode().kind() != self.file_type || other_device {
            return Err(EINVAL);
        }
        // SAFETY: `dir` is locked for writing, and `dentry` is in it, by the type invariants.
        unsafe { offsets::add(self.dir.as_ptr(), self.dentry)? };
        // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it, by the type
        // invariants. `publish()` hands over the reference to the inode.
        unsafe { fill(self.dir.as_ptr(), self.dentry, new.publish()) };
        Ok(Filled(self.brand))
    }

    /// Instantiates the dentry with an existing inode.
    ///
    /// Mirrors `simple_link()`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`]; nothing is changed.
    pub fn link(self, inode: &Locked<'_, T>) -> Result<Filled<'d>> {
        let (dir, inode) = (self.dir.as_ptr(), inode.as_ptr());
        // SAFETY: `dir` is locked for writing, and `dentry` is in it, by the type invariants.
        unsafe { offsets::add(dir, self.dentry)? };
        // SAFETY: Both inodes are valid and locked for writing.
        unsafe {
            let now = bindings::inode_set_ctime_current(inode);
            bindings::inode_set_mtime_to_ts(dir, bindings::inode_set_ctime_to_ts(dir, now));
        }
        // SAFETY: The inode is valid and locked. The link count of an inode with references may
        // grow.
        unsafe { bindings::inc_nlink(inode) };
        // SAFETY: The inode is valid, and a reference to it is held while it is borrowed.
        unsafe { bindings::ihold(inode) };
        // SAFETY: `dentry` is a negative dentry in a locked directory. The reference that `ihold()`
        // took is handed over.
        unsafe { bindings::d_make_persistent(self.dentry, inode) };
        Ok(Filled(self.brand))
    }
}

impl<'d, T: FileSystem> Victim<'d, T> {
    /// Removes the name of an inode that is not a directory.
    ///
    /// The removal cannot be undone. The VFS therefore gets success even if
    /// [`InodeOperations::unlink`](crate::fs::inode_ops::InodeOperations::unlink) returns an error
    /// after it.
    ///
    /// # Errors
    ///
    /// [`EISDIR`] if the inode is a directory. The VFS checks that it is not. [`EPERM`] if a lookup
    /// generated the inode.
    #[inline]
    pub fn unlink(self) -> Result<Removed<'d>> {
        if self.inode().mode().is_dir() {
            return Err(EISDIR);
        }
        if !self.dentry.is_persistent() {
            return Err(EPERM);
        }
        // SAFETY: `dir` is locked for writing, and `dentry` is in it, by the type invariants.
        unsafe { offsets::remove(self.dir.as_ptr(), self.dentry.as_ptr()) };
        // SAFETY: `dir` is locked for writing, and `dentry` is a positive dentry in it, by the type
        // invariants.
        unsafe { bindings::simple_unlink(self.dir.as_ptr(), self.dentry.as_ptr()) };
        self.done.set(true);
        Ok(Removed(self.brand))
    }

    /// Removes the name of an empty directory.
    ///
    /// The removal cannot be undone. The VFS therefore gets success even if
    /// [`InodeOperations::rmdir`](crate::fs::inode_ops::InodeOperations::rmdir) returns an error
    /// after it.
    ///
    /// # Errors
    ///
    /// [`ENOTDIR`] if the inode is not a directory. The VFS checks that it is one. [`ENOTEMPTY`] if
    /// the directory has positive dentries. [`EPERM`] if a lookup generated the inode.
    #[inline]
    pub fn rmdir(self) -> Result<Removed<'d>> {
        if !self.inode().mode().is_dir() {
            return Err(ENOTDIR);
        }
        if !self.dentry.is_persistent() {
            return Err(EPERM);
        }
        // SAFETY: `dir` is locked for writing, and `dentry` is a persistent dentry of a directory
        // in it, by the type invariants and the checks above.
        crate::error::to_result(unsafe {
            bindings::simple_rmdir(self.dir.as_ptr(), self.dentry.as_ptr())
        })?;
        // SAFETY: `dir` is locked for writing, and `dentry` is in it, by the type invariants.
        unsafe { offsets::remove(self.dir.as_ptr(), self.dentry.as_ptr()) };
        self.done.set(true);
        Ok(Removed(self.brand))
    }
}

impl<'d, T: FileSystem> Rename<'d, T> {
    /// Moves the inode to the new name. If another inode has the new name, it loses it.
    ///
    /// The rename cannot be undone. The VFS therefore gets success even if
    /// [`InodeOperations::rename`](crate::fs::inode_ops::InodeOperations::rename) returns an
    /// error after it.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`] if [`RenameFlags::EXCHANGE`] is set, if [`RenameFlags::WHITEOUT`] is set and no
    ///   whiteout is given, or if a whiteout is given and [`RenameFlags::WHITEOUT`] is not set.
    /// - [`ENOTEMPTY`] if the inode that has the new name is a directory with positive dentries.
    /// - [`EPERM`] if a lookup generated one of the inodes.
    /// - [`ENOMEM`].
    ///
    /// If the rename fails, nothing is changed, and the whiteout is dropped.
    pub fn replace(self, whiteout: Option<New<T>>) -> Result<Renamed<'d>> {
        let flags = self.flags();
        let whiteout_fits = match &whiteout {
            Some(new) => flags.has(RenameFlags::WHITEOUT) && new.is_whiteout(),
            None => !flags.has(RenameFlags::WHITEOUT),
        };
        if flags.has(RenameFlags::EXCHANGE) || !whiteout_fits {
            return Err(EINVAL);
        }
        self.check_persistent()?;
        let args = self.args();
        // SAFETY: The dentry is valid by the type invariants.
        if unsafe { bindings::simple_empty(args.new) } == 0 {
            return Err(ENOTEMPTY);
        }
        // SAFETY: `new_dir` is locked for writing, and `new` is in it, by the type invariants.
        let had_offset = match unsafe { offsets::add(args.new_dir, args.new) } {
            Ok(()) => false,
            Err(error) if error == EBUSY => true,
            Err(error) => return Err(error),
        };
        if let Some(whiteout) = whiteout {
            // SAFETY: `old` is a dentry in `old_dir`, which is locked for writing.
            if let Err(error) = unsafe { leave_whiteout(args.old_dir, args.old, whiteout) } {
                if !had_offset {
                    // SAFETY: `new_dir` is locked for writing, and `new` is in it.
                    unsafe { offsets::remove(args.new_dir, args.new) };
                }
                return Err(error);
            }
        }
        // SAFETY: Both directories are locked for writing, and the dentries are in them. `new` has
        // an offset.
        unsafe { offsets::rename(args.old_dir, args.old, args.new_dir, args.new) };
        // SAFETY: Both directories are locked for writing, the dentries are in them, and `old` is
        // positive, by the type invariants. If `new` is a directory it is empty, as checked above.
        unsafe { update_for_rename(args) };
        self.done.set(true);
        Ok(Renamed(self.brand))
    }

    /// Exchanges both names.
    ///
    /// The rename cannot be undone. The VFS therefore gets success even if
    /// [`InodeOperations::rename`](crate::fs::inode_ops::InodeOperations::rename) returns an
    /// error after it.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if [`RenameFlags::EXCHANGE`] is not set. [`ENOENT`] if no inode has the new name.
    /// The VFS checks that there is one. [`EPERM`] if a lookup generated one of the inodes.
    /// [`ENOMEM`]. If the rename fails, nothing is changed.
    pub fn exchange(self) -> Result<Renamed<'d>> {
        if !self.flags().has(RenameFlags::EXCHANGE) {
            return Err(EINVAL);
        }
        if self.target().is_none() {
            return Err(ENOENT);
        }
        self.check_persistent()?;
        let args = self.args();
        // SAFETY: Both directories are locked for writing, and both dentries are positive and in
        // them, by the type invariants and the check above.
        unsafe { offsets::exchange(args.old_dir, args.old, args.new_dir, args.new)? };
        self.done.set(true);
        Ok(Renamed(self.brand))
    }
}

/// Instantiates a dentry with an inode that has no name yet.
///
/// # Safety
///
/// `dir` must be a valid directory that is locked for writing, or not visible to other tasks.
/// `dentry` must be a valid, negative dentry in it. The reference to `inode` is handed over.
pub(in crate::fs) unsafe fn fill(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    inode: *mut bindings::inode,
) {
    // SAFETY: `inode` is valid: the caller hands over a reference.
    if unsafe { Mode::new((*inode).i_mode) }.is_dir() {
        // `..` of the new directory.
        //
        // SAFETY: `dir` is valid, and locked or not visible, by the requirements of this function.
        unsafe { bindings::inc_nlink(dir) };
    }
    // SAFETY: `dir` is valid, and locked or not visible, by the requirements of this function.
    unsafe { bindings::inode_set_mtime_to_ts(dir, bindings::inode_set_ctime_current(dir)) };
    // SAFETY: `dentry` is valid and negative, and the reference to `inode` is handed over, by the
    // requirements of this function.
    unsafe { bindings::d_make_persistent(dentry, inode) };
}

/// Updates link counts and times before the VFS moves the dentries of a rename.
///
/// # Safety
///
/// Both directories must be locked for writing. The dentries must be valid and in them, `old` must
/// be positive, and `new` must not be a directory with positive dentries.
unsafe fn update_for_rename(args: RenameArgs) {
    let RenameArgs {
        old_dir,
        old,
        new_dir,
        new,
    } = args;
    // SAFETY: `old` is positive, by the requirements of this function.
    let is_dir = unsafe { Mode::new((*(*old).d_inode).i_mode) }.is_dir();
    // SAFETY: `new` is valid, and `d_inode` does not change while `new_dir` is locked.
    let target = unsafe { (*new).d_inode };
    if !target.is_null() {
        // SAFETY: `new_dir` is locked for writing, and `new` is a positive dentry in it.
        unsafe { bindings::simple_unlink(new_dir, new) };
        if is_dir {
            // SAFETY: `target` is valid: `new` holds a reference to it. It is a directory, since
            // the VFS replaces a directory by a directory only.
            unsafe { bindings::drop_nlink(target) };
            // SAFETY: `old_dir` is valid and locked. It loses the `..` of the moved directory.
            unsafe { bindings::drop_nlink(old_dir) };
        }
    } else if is_dir {
        // SAFETY: `old_dir` is valid and locked. It loses the `..` of the moved directory.
        unsafe { bindings::drop_nlink(old_dir) };
        // SAFETY: `new_dir` is valid and locked. It gets the `..` of the moved directory.
        unsafe { bindings::inc_nlink(new_dir) };
    }
    // SAFETY: The directories are locked, and the dentries are in them.
    unsafe { bindings::simple_rename_timestamp(old_dir, old, new_dir, new) };
}

/// Allocates a dentry beside `old`, with the same name, and instantiates it with a whiteout.
///
/// # Errors
///
/// [`ENOMEM`]. The whiteout is dropped.
///
/// # Safety
///
/// `dir` must be a valid directory that is locked for writing, and `old` a valid dentry in it.
unsafe fn leave_whiteout<T: FileSystem>(
    dir: *mut bindings::inode,
    old: *mut bindings::dentry,
    whiteout: New<T>,
) -> Result {
    // SAFETY: `old` is valid, and its parent and name do not change while `dir` is locked.
    let left =
        unsafe { bindings::d_alloc((*old).d_parent, &raw const (*old).__bindgen_anon_1.d_name) };
    if left.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: `left` is a new dentry in `dir`, which is locked.
    let added = unsafe { offsets::add(dir, left) };
    if added.is_ok() {
        // SAFETY: `left` is a new negative dentry in `dir`, which is locked. `publish()` hands over
        // the reference to the inode.
        unsafe { fill(dir, left, whiteout.publish()) };
    }
    // SAFETY: `d_alloc()` returned a reference, which is dropped here. If the dentry was
    // instantiated, `d_make_persistent()` took another one.
    unsafe { bindings::dput(left) };
    added
}
