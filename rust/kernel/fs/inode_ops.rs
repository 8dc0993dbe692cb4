// SPDX-License-Identifier: GPL-2.0

//! Inode operations: `struct inode_operations`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod lookup;
mod remove;
mod vtable;

use super::{
    dentry::{
        Filled,
        LookedUp,
        Lookup,
        Negative,
        Removed,
        Tmpfile,
        Victim, //
    },
    file_attr::FileFlags,
    filesystem::FileSystem,
    iattr::Iattr,
    inode::{
        Inode,
        Locked, //
    },
    kstat::{
        Kstat,
        RequestMask, //
    },
    mnt_idmapping::MntIdmap,
    mode::Mode,
    posix_acl::{
        AclKind,
        PosixAcl, //
    },
    rename::{
        Rename,
        Renamed, //
    },
    xattr::NameList, //
};
use crate::{
    error::VTABLE_DEFAULT_ERROR,
    prelude::*, //
};

pub(super) use self::vtable::InodeVTable;

/// The operations of one kind of inode of a filesystem in memory.
///
/// Each operation that creates an inode or depends on its owner gets the idmap of the mount as its
/// first parameter. A new inode takes a [`NewOwner`](super::new_inode::NewOwner), and a change of
/// attributes takes [`Iattr::prepare`]; both take the idmap.
///
/// An operation that creates or removes a name returns a proof that it did so, for this dentry. The
/// VFS has checked the permissions of the caller. A [`Locked`] is an inode that the VFS has locked.
/// All operations may sleep.
///
/// # Errors
///
/// The system call fails with the error of the operation. An operation that fails must not change
/// anything. The VFS retries the lookup once after [`ESTALE`]. An error after a name was removed is
/// ignored.
///
/// Each operation documents the error for filesystems that do not implement it.
///
/// # Examples
///
/// The operations of a directory in which only directories can be created and removed:
///
/// ```
/// use kernel::{
///     fs::{
///         dentry::{Filled, Negative, Removed, Victim},
///         filesystem::FileSystem,
///         inode_ops::InodeOperations,
///         mnt_idmapping::MntIdmap,
///         mode::Mode,
///         new_inode::New,
///     },
///     prelude::*,
/// };
///
/// struct Dir<T>(T);
///
/// #[vtable]
/// impl<T: FileSystem<InodeData = ()>> InodeOperations for Dir<T> {
///     type FileSystem = T;
///
///     fn mkdir<'d>(idmap: &MntIdmap, name: Negative<'d, T>, mode: Mode) -> Result<Filled<'d>> {
///         let owner = name.dir().new_owner(idmap)?;
///         let new = New::directory::<Self>(&owner, name.name(), mode, Ok(()))?;
///         name.instantiate(new)
///     }
///
///     fn rmdir<'d>(victim: Victim<'d, T>) -> Result<Removed<'d>> {
///         victim.rmdir()
///     }
/// }
/// ```
///
/// A directory with a directory `0` to `9` for each slot, which exists while it is used. Other names
/// do not exist:
///
/// ```
/// use kernel::{
///     fs::{
///         dentry::{LookedUp, Lookup},
///         filesystem::FileSystem,
///         inode_ops::InodeOperations,
///         mode::Mode,
///         new_inode::New,
///     },
///     prelude::*,
///     uidgid::{FsGid, FsUid},
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = ();
///     // The owner of the slots.
///     type Data = (FsUid, FsGid);
///     // The number of the slot.
///     type InodeData = u8;
/// }
///
/// struct Slots;
/// struct Slot;
///
/// #[vtable]
/// impl InodeOperations for Slots {
///     type FileSystem = MyFs;
///
///     fn lookup<'d>(lookup: Lookup<'d, MyFs>) -> Result<LookedUp<'d>> {
///         let [digit @ b'0'..=b'9'] = *lookup.name().as_bytes() else {
///             return lookup.negative();
///         };
///         let owner = lookup.owner(*lookup.dir().super_block().data());
///         let (name, mode) = (lookup.name(), Mode::new(0o755));
///         let new = New::directory::<Slot>(&owner, name, mode, Ok(digit - b'0'))?;
///         lookup.instantiate(new)
///     }
/// }
///
/// #[vtable]
/// impl InodeOperations for Slot {
///     type FileSystem = MyFs;
/// }
/// ```
///
/// The proof is for the dentry of the operation, and only [`Negative`] returns one:
///
/// ```ignore,compile_fail,E0423
/// use kernel::fs::{dentry::{Filled, Negative}, filesystem::FileSystem};
///
/// fn forgets<'d, T: FileSystem>(name: Negative<'d, T>) -> Filled<'d> {
///     Filled(core::marker::PhantomData)
/// }
/// ```
///
/// ```ignore,compile_fail
/// use kernel::{
///     fs::{dentry::{Filled, Negative}, filesystem::FileSystem, new_inode::New},
///     prelude::*,
/// };
///
/// fn another<'a, 'b, T: FileSystem>(
///     this: Negative<'a, T>,
///     other: Negative<'b, T>,
///     new: New<T>,
/// ) -> Result<Filled<'a>> {
///     other.instantiate(new)
/// }
/// ```
#[vtable]
pub trait InodeOperations: 'static {
    /// The filesystem.
    type FileSystem: FileSystem;

    /// Called to look up a name that is not in the dentry cache. The directory is locked for
    /// reading or for writing. The VFS has checked the permission to search the directory.
    ///
    /// [`Lookup::instantiate`] gives the name an inode that the filesystem generates.
    /// [`Lookup::negative`] is for a name that does not exist; it can be created then.
    ///
    /// The inode is dropped after its last use, and the next lookup of the name calls this again.
    /// The inode that it generates has another number. Changes of attributes are lost with the
    /// inode. A generated name cannot be removed or renamed. `getdents()` lists it if the directory
    /// has [`iterate_shared()`](super::file_ops::FileOperations::iterate_shared) of its own.
    ///
    /// Not implemented: names that are not in the dentry cache do not exist.
    ///
    /// # Errors
    ///
    /// The system call fails with the error, and the next lookup of the name calls this again.
    fn lookup<'d>(_lookup: Lookup<'d, Self::FileSystem>) -> Result<LookedUp<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a regular file. The directory is locked for writing.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if the filesystem cannot store the caller's ids, see [`Inode::new_owner`];
    /// [`ENOSPC`], [`ENOMEM`]. Not implemented: [`EACCES`].
    #[doc(alias = "create_mapped")]
    fn create<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a directory. The parent directory is locked for writing.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create). Not implemented: [`EPERM`].
    #[doc(alias = "mkdir_mapped")]
    fn mkdir<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a device, a named pipe or a socket: the file type of `_mode`. The directory
    /// is locked for writing.
    ///
    /// `_device` is a `dev_t`, as for [`New::special`](super::new_inode::New::special).
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create). Not implemented: [`EPERM`].
    #[doc(alias = "mknod_mapped")]
    fn mknod<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
        _device: u32,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a symbolic link. The directory is locked for writing.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create), [`ENAMETOOLONG`]. Not implemented: [`EPERM`].
    #[doc(alias = "symlink_mapped")]
    fn symlink<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _target: &CStr,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a regular file without a name in `_dir`, for `O_TMPFILE`. The directory is
    /// not locked.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create). Not implemented: [`EOPNOTSUPP`].
    #[doc(alias = "tmpfile_mapped")]
    fn tmpfile<'d>(
        _idmap: &MntIdmap,
        _dir: &Inode<Self::FileSystem>,
        _file: Tmpfile<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to create a hard link. The directory and the inode are locked for writing.
    ///
    /// # Errors
    ///
    /// [`EMLINK`] if the inode can have no more links, [`ENOSPC`]. Not implemented: [`EPERM`].
    fn link<'d>(
        _inode: &Locked<'_, Self::FileSystem>,
        _name: Negative<'d, Self::FileSystem>,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to remove a name of an inode that is not a directory. The directory and the inode are
    /// locked for writing.
    ///
    /// # Errors
    ///
    /// [`Victim::unlink`] does not fail here. Not implemented: [`EPERM`].
    fn unlink<'d>(_victim: Victim<'d, Self::FileSystem>) -> Result<Removed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to remove a directory. The directory and its parent are locked for writing.
    ///
    /// # Errors
    ///
    /// [`ENOTEMPTY`] if the directory has positive dentries. Not implemented: [`EPERM`].
    fn rmdir<'d>(_victim: Victim<'d, Self::FileSystem>) -> Result<Removed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to rename an inode. Both directories are locked for writing.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if a flag is not supported. [`ENOTEMPTY`] if a directory with positive dentries
    /// has the new name. [`ENOMEM`]. Not implemented: [`EPERM`].
    #[doc(alias = "rename_mapped")]
    fn rename<'d>(_idmap: &MntIdmap, _rename: Rename<'d, Self::FileSystem>) -> Result<Renamed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to change attributes. The inode is locked for writing.
    ///
    /// The permissions are not checked yet: [`Iattr::prepare`] checks them. Not implemented: the
    /// attributes are changed by [`Iattr::prepare`] and
    /// [`PreparedIattr::commit`](super::iattr::PreparedIattr::commit).
    ///
    /// # Errors
    ///
    /// Those of [`Iattr::prepare`] and of
    /// [`PreparedIattr::commit`](super::iattr::PreparedIattr::commit).
    #[doc(alias = "setattr_mapped")]
    fn setattr(
        _idmap: &MntIdmap,
        _inode: &mut Locked<'_, Self::FileSystem>,
        _attr: Iattr<'_, Self::FileSystem>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to return attributes. The inode is not locked.
    ///
    /// Not implemented: the attributes of [`Kstat::fill`].
    ///
    /// # Errors
    ///
    /// `stat()` fails with the error.
    fn getattr(
        _idmap: &MntIdmap,
        _inode: &Inode<Self::FileSystem>,
        _stat: &mut Kstat,
        _request: RequestMask,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to list the names of extended attributes. The inode is not locked.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if the buffer is too small.
    fn listxattr(_inode: &Inode<Self::FileSystem>, _list: &mut NameList) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to set or remove a POSIX ACL. The inode is locked for writing.
    ///
    /// The VFS has mapped the ids of the ACL to those that the filesystem stores.
    ///
    /// Not implemented: [`simple_set_acl()`], if [`FileSystem::POSIX_ACL`] is true.
    ///
    /// # Errors
    ///
    /// Those of [`simple_set_acl()`].
    /// [`PreparedIattr::commit`](super::iattr::PreparedIattr::commit) calls this as well.
    ///
    /// [`simple_set_acl()`]: super::posix_acl::simple_set_acl
    #[doc(alias = "set_acl_mapped")]
    fn set_acl(
        _idmap: &MntIdmap,
        _inode: &mut Locked<'_, Self::FileSystem>,
        _acl: Option<&PosixAcl>,
        _kind: AclKind,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to return the flags that `chattr` sets. The inode is not locked.
    ///
    /// # Errors
    ///
    /// The ioctl fails with the error. Not implemented: [`ENOTTY`].
    fn fileattr_get(_inode: &Inode<Self::FileSystem>) -> Result<FileFlags> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called to replace the flags that `chattr` sets. The inode is locked for writing.
    ///
    /// [`fileattr_get()`](Self::fileattr_get) must be implemented, too. The VFS has checked that
    /// the caller owns the inode as seen through the mount, and `CAP_LINUX_IMMUTABLE` for the flags
    /// that need it. [`Locked::set_flags`] makes the VFS enforce the flags.
    ///
    /// # Errors
    ///
    /// [`EOPNOTSUPP`] if a flag is not supported. Not implemented: [`ENOTTY`].
    fn fileattr_set(
        _idmap: &MntIdmap,
        _inode: &mut Locked<'_, Self::FileSystem>,
        _flags: FileFlags,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
