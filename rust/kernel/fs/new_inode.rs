// SPDX-License-Identifier: GPL-2.0

//! Inodes that are being made.

mod regular;

use super::{
    filesystem::FileSystem,
    inode::Inode,
    inode_cache::InodeInfo,
    mode::Mode, //
};
use crate::{
    bindings,
    fs::{
        dentry::Name,
        file_ops::{
            FileOperations,
            FileVTable, //
        },
        inode_ops::{
            InodeOperations,
            InodeVTable, //
        },
        mnt_idmapping::MntIdmap,
        super_block::SuperBlock, //
    },
    prelude::*,
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

/// The owner of what a caller makes in a directory, through the mount with a map: the proof that
/// the filesystem has a name for the caller.
///
/// Every inode in a directory is made with one, so none is owned by nobody, and the map cannot be
/// forgotten. The VFS has asked the same before it calls `create()` and its like.
///
/// # Examples
///
/// ```
/// use kernel::{fs::{filesystem::FileSystem, inode::Inode, mnt_idmapping::MntIdmap}, prelude::*};
///
/// fn may_make<T: FileSystem>(idmap: &MntIdmap, dir: &Inode<T>) -> bool {
///     dir.new_owner(idmap).is_ok()
/// }
/// ```
///
/// There is no other way to one:
///
/// ```ignore,compile_fail,E0061
/// use kernel::{fs::{filesystem::FileSystem, inode::Inode, new_inode::NewOwner}, prelude::*};
///
/// fn unmapped<T: FileSystem>(dir: &Inode<T>) -> Result<NewOwner<'_, T>> {
///     dir.new_owner()
/// }
/// ```
///
/// # Invariants
///
/// `fsuidgid_has_mapping()` said yes for the caller, the map and the directory's superblock.
pub struct NewOwner<'a, T: FileSystem> {
    idmap: &'a MntIdmap,
    dir: &'a Inode<T>,
    /// Another task is another caller.
    _not_send: crate::types::NotThreadSafe,
}

impl<'a, T: FileSystem> NewOwner<'a, T> {
    pub(super) fn new(dir: &'a Inode<T>, idmap: &'a MntIdmap) -> Result<Self> {
        let sb = dir.super_block().as_ptr();
        // SAFETY: Both are valid; the rest is the current task.
        if !unsafe { bindings::fsuidgid_has_mapping(sb, idmap.as_ptr()) } {
            return Err(EOVERFLOW);
        }
        // INVARIANT: It said yes.
        Ok(Self {
            idmap,
            dir,
            _not_send: crate::types::NotThreadSafe,
        })
    }
}

/// An inode that nobody else knows yet.
///
/// Giving it a name ([`Negative::instantiate`](crate::fs::dentry::Negative::instantiate)) takes it;
/// where that does not happen it is gone again.
///
/// Making one ends with an error of what initializes the filesystem's data, of a security module
/// that has to note something on the inode, or with [`ENOMEM`]; then it is gone.
///
/// # Invariants
///
/// `inode` is an inode of `T` with data, and the reference is the only one.
#[doc(alias("inode_init_owner", "mapped_inode_init_owner"))]
pub struct New<T: FileSystem> {
    inode: NonNull<bindings::inode>,
    filesystem: PhantomData<T>,
}

impl<T: FileSystem> New<T> {
    /// An inode of no kind and no owner, with one name to come.
    fn alloc(super_block: &SuperBlock<T>, data: impl PinInit<T::InodeData, Error>) -> Result<Self> {
        // SAFETY: The superblock is valid.
        let inode = unsafe { bindings::new_inode(super_block.as_ptr()) };
        let inode = NonNull::new(inode).ok_or(ENOMEM)?;
        // SAFETY: The inode is new, so nobody else knows it and it has no data; where it gets none
        // the reference is given back, which can do without.
        unsafe {
            if let Err(error) = InodeInfo::<T>::init_data(InodeInfo::of(inode.as_ptr()), data) {
                bindings::iput(inode.as_ptr());
                return Err(error);
            }
            let inode = inode.as_ptr();
            (*inode).i_ino = super_block.new_ino();
            (*inode).i_generation = bindings::get_random_u32();
            bindings::simple_inode_init_ts(inode);
            bindings::cache_no_acl(inode);
        }
        // INVARIANT: It has data, and the reference is the one of `new_inode()`.
        Ok(Self {
            inode,
            filesystem: PhantomData,
        })
    }

    /// An inode in a directory, with its ACLs and what security modules note on it.
    ///
    /// What is in `mode` besides permissions is the kind of inode.
    fn in_directory(
        owner: &NewOwner<'_, T>,
        name: Option<&Name>,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let new = Self::alloc(owner.dir.super_block(), data)?;
        let (inode, dir) = (new.inode.as_ptr(), owner.dir.as_ptr());
        let name = name.map_or(core::ptr::null(), Name::as_ptr);
        // SAFETY: All are valid, and nobody else knows the inode. The order is that of
        // `shmem_mknod()`.
        unsafe {
            bindings::inode_init_owner(owner.idmap.as_ptr(), inode, dir, mode.bits());
            acl_create(dir, inode)?;
            let noted = bindings::security_inode_init_security(
                inode,
                dir,
                name,
                None,
                core::ptr::null_mut(),
            );
            match crate::error::to_result(noted) {
                Err(error) if error != EOPNOTSUPP => return Err(error),
                _ => {}
            }
        }
        Ok(new)
    }

    /// Makes the root directory of a superblock, owned as the mount options say.
    ///
    /// # Errors
    ///
    /// Those of `data`, [`ENOMEM`].
    pub fn root<O: InodeOperations<FileSystem = T>>(
        super_block: &SuperBlock<T>,
        (uid, gid): (FsUid, FsGid),
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Root<T>> {
        let new = Self::alloc(super_block, data)?;
        // SAFETY: Nobody else knows the inode.
        unsafe {
            let inode = new.inode.as_ptr();
            (*inode).i_mode = mode.without(Mode::S_IFMT).with(Mode::S_IFDIR).bits();
            (*inode).i_uid.val = uid.get();
            (*inode).i_gid.val = gid.get();
        }
        new.make_directory::<O>();
        Ok(Root(new))
    }

    /// Makes a directory with the permissions of `mode`.
    ///
    /// The order of its names is that in which they were made, whatever happens to others while it
    /// is read.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn directory<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = mode.without(Mode::S_IFMT).with(Mode::S_IFDIR);
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        new.make_directory::<O>();
        Ok(new)
    }

    /// Makes a directory whose open files are those of `F`: it lists what
    /// [`iterate_shared()`](FileOperations::iterate_shared) says, and is none to list without.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn directory_with<O, F>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self>
    where
        O: InodeOperations<FileSystem = T>,
        F: FileOperations<FileSystem = T>,
    {
        let new = Self::directory::<O>(owner, name, mode, data)?;
        // SAFETY: Nobody else knows the inode. The table is static, and made for inodes of `T`.
        unsafe { (*new.inode.as_ptr()).__bindgen_anon_3.i_fop = &FileVTable::<F>::DIRECTORY };
        Ok(new)
    }

    fn make_directory<O: InodeOperations<FileSystem = T>>(&self) {
        let inode = self.inode.as_ptr();
        // SAFETY: Nobody else knows the inode, which has no offsets yet. The tables are static, and
        // made for inodes of `T`.
        unsafe {
            InodeInfo::<T>::init_offsets(InodeInfo::of(inode));
            (*inode).i_op = &InodeVTable::<O>::DIRECTORY;
            (*inode).__bindgen_anon_3.i_fop = directory_file_operations();
            // The name that it has in itself.
            bindings::inc_nlink(inode);
            // A directory's lock is taken before those of what is in it.
            bindings::lockdep_annotate_inode_mutex_key(inode);
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`ENAMETOOLONG`] if the length of `target` is no `i32`.
    pub fn symlink<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        target: &CStr,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = Mode::new(0o777).with(Mode::S_IFLNK);
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        let inode = new.inode.as_ptr();
        let length = i32::try_from(target.count_bytes()).map_err(|_| ENAMETOOLONG)?;
        // SAFETY: The string is valid and has a zero after `length` bytes. The copy belongs to the
        // inode, which nobody else knows: `InodeInfo::free_inode()` frees it.
        unsafe {
            let copy = bindings::kstrdup(target.as_char_ptr(), bindings::GFP_KERNEL_ACCOUNT);
            if copy.is_null() {
                return Err(ENOMEM);
            }
            (*inode).i_op = &InodeVTable::<O>::SYMLINK;
            bindings::inode_set_cached_link(inode, copy, length);
            bindings::i_size_write(inode, length.into());
        }
        Ok(new)
    }

    /// Makes a device, a named pipe or a socket: what `mode` says.
    ///
    /// `device` is the kernel's `dev_t`: the minor number in the lower 20 bits, the major number
    /// above. It counts for devices only.
    ///
    /// # Errors
    ///
    /// See [`New`]; [`EINVAL`] if `mode` is of another kind.
    pub fn special<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        mode: Mode,
        device: u32,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        match u32::from(mode.kind().bits()) {
            bindings::S_IFCHR | bindings::S_IFBLK | bindings::S_IFIFO | bindings::S_IFSOCK => {}
            _ => return Err(EINVAL),
        }
        let new = Self::in_directory(owner, Some(name), mode, data)?;
        let inode = new.inode.as_ptr();
        // SAFETY: Nobody else knows the inode. The table is static, and made for inodes of `T`.
        unsafe {
            (*inode).i_op = &InodeVTable::<O>::OTHER;
            bindings::init_special_inode(inode, (*inode).i_mode, device);
        }
        Ok(new)
    }

    /// Makes what a rename with `RENAME_WHITEOUT` leaves: a device that says that there is nothing.
    ///
    /// # Errors
    ///
    /// See [`New`].
    pub fn whiteout<O: InodeOperations<FileSystem = T>>(
        owner: &NewOwner<'_, T>,
        name: &Name,
        data: impl PinInit<T::InodeData, Error>,
    ) -> Result<Self> {
        let mode = Mode::new((bindings::S_IFCHR | bindings::WHITEOUT_MODE) as u16);
        Self::special::<O>(owner, name, mode, bindings::WHITEOUT_DEV, data)
    }

    /// The kind and the permissions.
    pub(in crate::fs) fn mode(&self) -> Mode {
        // SAFETY: The inode is valid, and nobody else knows it.
        Mode::new(unsafe { (*self.inode.as_ptr()).i_mode })
    }

    /// The number of the device, if it is one.
    pub(in crate::fs) fn device(&self) -> Option<u32> {
        // SAFETY: As in `mode()`.
        let device = unsafe { (*self.inode.as_ptr()).i_rdev };
        match u32::from(self.mode().kind().bits()) {
            bindings::S_IFCHR | bindings::S_IFBLK => Some(device),
            _ => None,
        }
    }

    /// Whether it is what [`New::whiteout`] makes.
    pub(in crate::fs) fn is_whiteout(&self) -> bool {
        self.mode().kind() == Mode::new(bindings::S_IFCHR as u16)
            && self.device() == Some(bindings::WHITEOUT_DEV)
    }

    /// Gives away the reference, and lets the inode be found by number.
    pub(in crate::fs) fn publish(self) -> *mut bindings::inode {
        let inode = ManuallyDrop::new(self).inode.as_ptr();
        // SAFETY: The inode is valid and was not hashed before.
        unsafe { bindings::insert_inode_hash(inode) };
        inode
    }
}

/// The root directory of a superblock that is being made.
///
/// It has no directory that it is made in, and so was made without a [`NewOwner`]; therefore it is
/// no [`New`], and cannot be given a name.
pub struct Root<T: FileSystem>(New<T>);

impl<T: FileSystem> Root<T> {
    /// Gives away the reference.
    pub(in crate::fs) fn publish(self) -> *mut bindings::inode {
        self.0.publish()
    }
}

impl<T: FileSystem> Drop for New<T> {
    fn drop(&mut self) {
        // SAFETY: This gives the reference back.
        unsafe { bindings::iput(self.inode.as_ptr()) };
    }
}

// What follows is not exported to modules, which generic functions are compiled into.

/// Hands the default ACL of a directory down to an inode, or takes the umask where there is none.
///
/// # Safety
///
/// Both must be valid, and nobody else may know `inode`.
#[inline(never)]
unsafe fn acl_create(dir: *mut bindings::inode, inode: *mut bindings::inode) -> Result {
    #[cfg(CONFIG_FS_POSIX_ACL)]
    // SAFETY: By the requirements above.
    return crate::error::to_result(unsafe { bindings::simple_acl_create(dir, inode) });
    #[cfg(not(CONFIG_FS_POSIX_ACL))]
    {
        let _ = (dir, inode);
        Ok(())
    }
}

#[inline(never)]
fn directory_file_operations() -> *const bindings::file_operations {
    &raw const bindings::simple_offset_dir_operations
}
