// SPDX-License-Identifier: GPL-2.0

//! What can be done with an inode.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

mod vtable;

use super::{
    dentry::{
        Filled,
        Negative,
        Positive,
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

/// What can be done with one kind of inode of a filesystem in memory.
///
/// Each operation that makes, changes or judges ownership has the map of the mount as its first
/// parameter. What it makes takes a [`NewOwner`](super::new_inode::NewOwner), which takes the map; what
/// it changes goes through [`Iattr::prepare`], which takes the map.
///
/// Operations that fill or remove a name return the proof that they did, of that very name: an
/// operation that returned without would leave the VFS with a name that is neither.
///
/// What is not implemented is not in C's table, so the VFS answers for it.
///
/// # Errors
///
/// What an operation returns is what the program gets, and all has to be as it was before then: that
/// is what programs expect. Where a name was removed or changed already there is no way back, and an
/// error is not passed on. The VFS goes by one error itself: [`ESTALE`] has it look the path up anew
/// and ask once more. What is named at the operations is what programs are used to.
///
/// # Examples
///
/// Operations of a directory, in which names can only be made and removed:
///
/// ```
/// use kernel::{
///     fs::{
///         dentry::{Victim, Filled, Negative, Removed},
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
///     fn rmdir<'d>(entry: Victim<'d, T>) -> Result<Removed<'d>> {
///         entry.rmdir()
///     }
/// }
/// ```
///
/// The proof is of the name that was to be filled, and there is no other way to one:
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
/// use kernel::{fs::{dentry::{Filled, Negative}, filesystem::FileSystem, new_inode::New}, prelude::*};
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

    /// Makes a regular file.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if the filesystem has no name for the caller, see [`Inode::new_owner`];
    /// [`ENOSPC`], [`ENOMEM`]. The VFS has asked whether the caller may, and answers [`EACCES`]
    /// without this.
    #[doc(alias = "create_mapped")]
    fn create<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create); without this, [`EPERM`].
    #[doc(alias = "mkdir_mapped")]
    fn mkdir<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a device, a named pipe or a socket.
    ///
    /// `_device` is the kernel's `dev_t`, as for [`New::special`](super::new_inode::New::special).
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create); without this, [`EPERM`].
    #[doc(alias = "mknod_mapped")]
    fn mknod<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _mode: Mode,
        _device: u32,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create), [`ENAMETOOLONG`]; without this, [`EPERM`].
    #[doc(alias = "symlink_mapped")]
    fn symlink<'d>(
        _idmap: &MntIdmap,
        _name: Negative<'d, Self::FileSystem>,
        _target: &CStr,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a regular file without a name, in `dir`.
    ///
    /// # Errors
    ///
    /// As for [`create()`](Self::create); without this, [`EOPNOTSUPP`].
    #[doc(alias = "tmpfile_mapped")]
    fn tmpfile<'d>(
        _idmap: &MntIdmap,
        _dir: &Inode<Self::FileSystem>,
        _file: Tmpfile<'d, Self::FileSystem>,
        _mode: Mode,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Gives something a further name.
    ///
    /// # Errors
    ///
    /// [`EMLINK`] if it can have no more, [`ENOSPC`], [`ENOMEM`]; without this, [`EPERM`].
    fn link<'d>(
        _old: &Positive<Self::FileSystem>,
        _name: Negative<'d, Self::FileSystem>,
    ) -> Result<Filled<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes the name of something that is no directory.
    ///
    /// # Errors
    ///
    /// [`Victim::unlink`] has none; without this, [`EPERM`].
    fn unlink<'d>(_entry: Victim<'d, Self::FileSystem>) -> Result<Removed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// [`ENOTEMPTY`] if it is not; without this, [`EPERM`].
    fn rmdir<'d>(_entry: Victim<'d, Self::FileSystem>) -> Result<Removed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Gives something another name.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if something is asked for besides that this does not do; [`ENOTEMPTY`] if the new
    /// name is that of a directory with names in it; [`ENOSPC`], [`ENOMEM`]; without this,
    /// [`EPERM`].
    #[doc(alias = "rename_mapped")]
    fn rename<'d>(_idmap: &MntIdmap, _rename: Rename<'d, Self::FileSystem>) -> Result<Renamed<'d>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes attributes.
    ///
    /// Without it the VFS does as `simple_setattr()`: no ACL follows the permissions.
    ///
    /// # Errors
    ///
    /// Those of [`Iattr::prepare`] and of [`PreparedIattr::commit`](super::iattr::PreparedIattr::commit).
    #[doc(alias = "setattr_mapped")]
    fn setattr(_idmap: &MntIdmap, _entry: &Positive<Self::FileSystem>, _attr: Iattr<'_>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells attributes.
    ///
    /// Without it the VFS tells what every inode has.
    ///
    /// # Errors
    ///
    /// Whatever is returned is what `stat()` fails with; a filesystem in memory has no reason to.
    fn getattr(
        _idmap: &MntIdmap,
        _inode: &Inode<Self::FileSystem>,
        _stat: &mut Kstat,
        _request: RequestMask,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Names the extended attributes.
    ///
    /// # Errors
    ///
    /// [`ERANGE`] if there is too little room.
    fn listxattr(_inode: &Inode<Self::FileSystem>, _list: &mut NameList) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets a POSIX ACL, or removes it.
    ///
    /// Its ids are those that the filesystem stores: they went through the map of the mount.
    ///
    /// # Errors
    ///
    /// Those of [`simple_set_acl()`](super::posix_acl::simple_set_acl); without this,
    /// [`EOPNOTSUPP`]. [`PreparedIattr::commit`](super::iattr::PreparedIattr::commit) calls this too.
    #[doc(alias = "set_acl_mapped")]
    fn set_acl(
        _idmap: &MntIdmap,
        _entry: &Positive<Self::FileSystem>,
        _acl: Option<&PosixAcl>,
        _kind: AclKind,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells the flags that `chattr` sets.
    ///
    /// # Errors
    ///
    /// Whatever is returned is what the ioctl fails with, which is [`ENOTTY`] without this.
    fn fileattr_get(_inode: &Inode<Self::FileSystem>) -> Result<FileFlags> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the flags that `chattr` sets, to just these. It takes [`fileattr_get()`], by which the VFS
    /// finds what would change.
    ///
    /// [`fileattr_get()`]: Self::fileattr_get
    ///
    /// The VFS has asked whether the caller owns the inode, as seen through the mount, and whether
    /// it may set those flags that take a capability. It goes by what it can be told with
    /// [`Locked::set_flags`].
    ///
    /// # Errors
    ///
    /// [`EOPNOTSUPP`] if the filesystem does not have all of them; without this, [`ENOTTY`].
    fn fileattr_set(
        _idmap: &MntIdmap,
        _inode: &Locked<'_, Self::FileSystem>,
        _flags: FileFlags,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
