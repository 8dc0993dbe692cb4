// SPDX-License-Identifier: GPL-2.0

//! New inodes, which are not visible to other tasks yet.
//!
//! [`New`] is the inode. [`NewOwner`] is its owner: the proof that the filesystem can store the
//! ids.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod directory;
mod regular;
mod special;

use super::{
    dentry::{
        Filled,
        Name,
        Tmpfile, //
    },
    filesystem::FileSystem,
    inode::Inode,
    inode_cache::InodeInfo,
    mnt_idmapping::MntIdmap,
    mode::Mode,
    super_block::SuperBlock, //
};
use crate::{
    bindings,
    error::to_result,
    prelude::*,
    types::NotThreadSafe,
    uidgid::{
        FsGid,
        FsUid, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// The owner of a new inode in a directory: the proof that the filesystem can store the ids.
///
/// Each constructor of an inode in a directory takes a [`NewOwner`], so each new inode has a valid
/// owner, mapped by the idmap. The VFS makes the same check before it calls `->create()` and the
/// other operations that create an inode.
///
/// # Examples
///
/// ```
/// use kernel::{fs::{filesystem::FileSystem, inode::Inode, mnt_idmapping::MntIdmap}, prelude::*};
///
/// fn may_create<T: FileSystem>(idmap: &MntIdmap, dir: &Inode<T>) -> bool {
///     dir.new_owner(idmap).is_ok()
/// }
/// ```
///
/// There is no owner without an idmap:
///
/// ```ignore,compile_fail,E0061
/// use kernel::{fs::{filesystem::FileSystem, inode::Inode, new_inode::NewOwner}, prelude::*};
///
/// fn without_idmap<T: FileSystem>(dir: &Inode<T>) -> Result<NewOwner<'_, T>> {
///     dir.new_owner()
/// }
/// ```
///
/// # Invariants
///
/// For `Ids::Caller`, `fsuidgid_has_mapping()` returned true for the caller, the idmap and the
/// superblock of `dir`.
pub struct NewOwner<'a, T: FileSystem> {
    dir: &'a Inode<T>,
    ids: Ids<'a>,
    /// The proof is for the current task.
    _not_send: NotThreadSafe,
}

/// The ids of a new inode.
enum Ids<'a> {
    /// The ids of the caller, mapped by an idmap.
    Caller(&'a MntIdmap),
    /// Ids that the filesystem chose, for an inode that it generates.
    Given(FsUid, FsGid),
}

impl<'a, T: FileSystem> NewOwner<'a, T> {
    /// Creates the owner of an inode that the filesystem generates: in a root directory that is not
    /// mounted yet, or at a lookup.
    pub(super) fn given(dir: &'a Inode<T>, (uid, gid): (FsUid, FsGid)) -> Self {
        // INVARIANT: The ids are not those of the caller.
        Self {
            dir,
            ids: Ids::Given(uid, gid),
            _not_send: NotThreadSafe,
        }
    }
}

impl<T: FileSystem> Inode<T> {
    /// Returns the owner of an inode that the caller creates in this directory through a mount.
    ///
    /// Mirrors `fsuidgid_has_mapping()`.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if the idmap or the filesystem does not map the caller's `fsuid` or `fsgid`.
    #[doc(alias("fsuidgid_has_mapping", "mapped_fsuid", "mapped_fsgid"))]
    #[doc(alias("fsuid_into_mnt", "fsgid_into_mnt"))]
    #[inline]
    pub fn new_owner<'a>(&'a self, idmap: &'a MntIdmap) -> Result<NewOwner<'a, T>> {
        let sb = self.super_block().as_ptr();
        // SAFETY: Both pointers are from references, so the superblock and the idmap are valid.
        if !unsafe { bindings::fsuidgid_has_mapping(sb, idmap.as_ptr()) } {
            return Err(EOVERFLOW);
        }
        // INVARIANT: `fsuidgid_has_mapping()` returned true.
        Ok(NewOwner {
            dir: self,
            ids: Ids::Caller(idmap),
            _not_send: NotThreadSafe,
        })
    }
}

/// A newly allocated inode, not yet visible to other tasks. Dropping it calls `iput()`.
///
/// [`Negative::instantiate`](super::dentry::Negative::instantiate) gives it a name.
///
/// # Errors
///
/// All constructors fail with [`ENOMEM`], with an error of the initializer of the filesystem's
/// data, or with an error of a security module.
///
/// # Invariants
///
/// `inode` is an inode of `T` with data. The reference that this holds is the only one.
#[doc(alias("inode_init_owner", "mapped_inode_init_owner"))]
pub struct New<T: FileSystem> {
    inode: NonNull<bindings::inode>,
    filesystem: PhantomData<T>,
}

impl<T: FileSystem> New<T> {
    /// Allocates an inode without a mode and an owner, and with a link count of 1.
    fn alloc(super_block: &SuperBlock<T>, data: impl PinInit<T::InodeData, Error>) -> Result<Self> {
        // SAFETY: The superblock is valid.
        let inode = unsafe { bindings::new_inode(super_block.as_ptr()) };
        let inode = NonNull::new(inode).ok_or(ENOMEM)?;
        let raw = inode.as_ptr();
        // SAFETY: `InodeInfo::alloc_inode()` allocated the inode. It is new: it has no data and is
        // not visible to others.
        if let Err(error) = unsafe { InodeInfo::<T>::init_data(InodeInfo::of(raw), data) } {
            // SAFETY: `new_inode()` returned a reference. `InodeInfo::destroy_inode()` accepts an
            // inode without data.
            unsafe { bindings::iput(raw) };
            return Err(error);
        }
        // SAFETY: The inode is valid and not visible to others, so its fields may be written.
        unsafe {
            (*raw).i_ino = super_block.new_ino();
            (*raw).i_generation = bindings::get_random_u32();
        }
        // SAFETY: The inode is valid and not visible to others.
        unsafe { bindings::simple_inode_init_ts(raw) };
        // SAFETY: The inode is valid. ACLs in memory are in the inode's ACL cache only.
        unsafe { bindings::cache_no_acl(raw) };
        // INVARIANT: The inode has data, and `new_inode()` returned its only reference.
        Ok(Self {
            inode,
            filesystem: PhantomData,
        })
    }

    /// Allocates an inode of a directory, with its owner, its ACLs and its security attributes.
    ///
    /// `mode` has the file type and the permission bits.
    fn in_directory(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let new = Self::alloc(owner.dir.super_block(), data)?;
        let (inode, dir) = (new.as_ptr(), owner.dir.as_ptr());
        match owner.ids {
            Ids::Caller(idmap) => {
                // SAFETY: The idmap and both inodes are valid, and `inode` is not visible to
                // others.
                unsafe {
                    bindings::inode_init_owner(idmap.as_ptr(), inode, dir, mode.bits());
                }
                // SAFETY: Both inodes are valid, and `inode` is not visible to others.
                unsafe { create_acls(dir, inode)? };
            }
            // SAFETY: `inode` is valid and not visible to others.
            Ids::Given(uid, gid) => unsafe { set_owner(inode, mode, uid, gid) },
        }
        let name = name.map_or(core::ptr::null(), Name::as_ptr);
        // SAFETY: Both inodes are valid, `name` is null or a valid name, and no function is called
        // back.
        let result = to_result(unsafe {
            bindings::security_inode_init_security(inode, dir, name, None, core::ptr::null_mut())
        });
        match result {
            // The security modules have no attribute for the inode.
            Err(error) if error == EOPNOTSUPP => Ok(new),
            result => result.map(|()| new),
        }
    }

    /// Returns the pointer to `struct inode`.
    pub(super) fn as_ptr(&self) -> *mut bindings::inode {
        self.inode.as_ptr()
    }

    /// Returns the file type and the permission bits.
    pub(super) fn mode(&self) -> Mode {
        // SAFETY: The inode is valid and not visible to others.
        Mode::new(unsafe { (*self.as_ptr()).i_mode })
    }

    /// Returns the device number of a device.
    pub(super) fn device(&self) -> Option<u32> {
        let is_device = matches!(self.mode().kind(), Mode::S_IFCHR | Mode::S_IFBLK);
        // SAFETY: The inode is valid and not visible to others.
        is_device.then(|| unsafe { (*self.as_ptr()).i_rdev })
    }

    /// Checks for an inode of [`New::whiteout`].
    pub(super) fn is_whiteout(&self) -> bool {
        self.mode().kind() == Mode::S_IFCHR && self.device() == Some(bindings::WHITEOUT_DEV)
    }

    /// Hashes the inode by its number, and hands over the reference.
    pub(super) fn publish(self) -> *mut bindings::inode {
        let inode = ManuallyDrop::new(self).as_ptr();
        // SAFETY: The inode is valid and was not hashed before.
        unsafe { bindings::insert_inode_hash(inode) };
        inode
    }
}

impl<T: FileSystem> Drop for New<T> {
    fn drop(&mut self) {
        // SAFETY: This holds a reference, by the type invariants.
        unsafe { bindings::iput(self.as_ptr()) };
    }
}

impl<'d, T: FileSystem> Tmpfile<'d, T> {
    /// Opens the file with a new inode that has no name.
    ///
    /// Mirrors `d_tmpfile()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the inode is not a regular file: the VFS has not checked whether the caller
    /// may open a device. Otherwise the errors of `finish_open_simple()`. The inode is dropped.
    pub fn finish(self, new: New<T>) -> Result<Filled<'d>> {
        if !new.mode().is_reg() {
            return Err(EINVAL);
        }
        // SAFETY: The file is valid and has a negative dentry, by the type invariants. `publish()`
        // hands over the reference to the inode.
        unsafe { bindings::d_tmpfile(self.file, new.publish()) };
        // SAFETY: The file is valid and not opened yet, and its dentry was just instantiated.
        to_result(unsafe { bindings::finish_open_simple(self.file, 0) })?;
        Ok(Filled(self.brand))
    }
}

/// The root directory of a superblock that is not mounted yet.
///
/// It has no parent and no name, and is created without a [`NewOwner`]. It is therefore not a
/// [`New`], which [`Negative::instantiate`](super::dentry::Negative::instantiate) would accept.
pub struct Root<T: FileSystem>(New<T>);

impl<T: FileSystem> Root<T> {
    /// Hands over the reference.
    pub(super) fn publish(self) -> *mut bindings::inode {
        self.0.publish()
    }
}

/// Sets the mode and the owner of an inode.
///
/// # Safety
///
/// `inode` must be valid and not visible to others.
unsafe fn set_owner(inode: *mut bindings::inode, mode: Mode, uid: FsUid, gid: FsGid) {
    // SAFETY: `inode` is valid and not visible to others, by the requirements of this function.
    unsafe {
        (*inode).i_mode = mode.bits();
        (*inode).i_uid.val = uid.get();
        (*inode).i_gid.val = gid.get();
    }
}

/// Gives a new inode the default ACL of its directory. Without one, the umask applies.
///
/// Equals `simple_acl_create()`, which C does not export to modules.
///
/// # Safety
///
/// Both inodes must be valid, and `inode` must not be visible to others.
#[cfg(CONFIG_FS_POSIX_ACL)]
#[inline(always)]
unsafe fn create_acls(dir: *mut bindings::inode, inode: *mut bindings::inode) -> Result {
    let (mut default, mut access) = (core::ptr::null_mut(), core::ptr::null_mut());
    // SAFETY: Both inodes are valid, and `inode` is not visible to others, so `i_mode` may be
    // written. The other arguments point to local variables.
    to_result(unsafe {
        bindings::posix_acl_create(dir, &mut (*inode).i_mode, &mut default, &mut access)
    })?;
    let acls = [
        (bindings::ACL_TYPE_DEFAULT, default),
        (bindings::ACL_TYPE_ACCESS, access),
    ];
    for (kind, acl) in acls {
        // SAFETY: `inode` is valid, and `acl` is null or valid. The cache takes its own reference.
        unsafe { bindings::set_cached_acl(inode, kind as c_int, acl) };
        // SAFETY: `posix_acl_create()` returned null or a reference, which is dropped here.
        unsafe { bindings::posix_acl_release(acl) };
    }
    Ok(())
}

/// Without POSIX ACLs the VFS has applied the umask.
///
/// # Safety
///
/// None.
#[cfg(not(CONFIG_FS_POSIX_ACL))]
#[inline(always)]
unsafe fn create_acls(_dir: *mut bindings::inode, _inode: *mut bindings::inode) -> Result {
    Ok(())
}
