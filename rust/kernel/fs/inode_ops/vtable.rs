// SPDX-License-Identifier: GPL-2.0

//! C's tables of what can be done with an inode.

use super::InodeOperations;
use crate::{
    bindings,
    error::from_result,
    fs::{
        dentry::{
            Negative,
            Positive,
            Removed,
            Tmpfile,
            Victim, //
        },
        file_attr,
        filesystem::FileSystem,
        iattr::Iattr,
        inode::{
            Inode,
            Locked, //
        },
        inode_cache::InodeInfo,
        kstat::{
            Kstat,
            RequestMask, //
        },
        memfs::dir::Move,
        mnt_idmapping::MntIdmap,
        mode::Mode,
        posix_acl::{
            AclKind,
            PosixAcl, //
        },
        rename::Rename,
        xattr::NameList, //
    },
    prelude::*, //
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

/// C's tables of [`InodeOperations`].
pub(in crate::fs) struct InodeVTable<O>(PhantomData<O>);

/// A function for C's table, if the operation is implemented.
macro_rules! if_has {
    ($has:ident, $function:ident) => {
        if O::$has {
            Some(Self::$function)
        } else {
            None
        }
    };
}

impl<O: InodeOperations> InodeVTable<O> {
    /// For regular files and for what is special.
    pub(in crate::fs) const OTHER: bindings::inode_operations = bindings::inode_operations {
        setattr: if_has!(HAS_SETATTR, setattr),
        getattr: if_has!(HAS_GETATTR, getattr),
        listxattr: if_has!(HAS_LISTXATTR, listxattr),
        set_acl: if_has!(HAS_SET_ACL, set_acl),
        fileattr_get: if_has!(HAS_FILEATTR_GET, fileattr_get),
        fileattr_set: if_has!(HAS_FILEATTR_SET, fileattr_set),
        ..pin_init::zeroed()
    };

    /// For regular files without a size: whoever opens one to be truncated may, and nothing is.
    pub(in crate::fs) const NO_SIZE: bindings::inode_operations = bindings::inode_operations {
        setattr: Some(Self::setattr_without_size),
        ..Self::OTHER
    };

    /// For regular files whose size is not changed.
    pub(in crate::fs) const FIXED_SIZE: bindings::inode_operations = bindings::inode_operations {
        setattr: Some(Self::setattr_of_fixed_size),
        ..Self::OTHER
    };

    /// For symbolic links, whose target is in memory.
    pub(in crate::fs) const SYMLINK: bindings::inode_operations = bindings::inode_operations {
        get_link: Some(bindings::simple_get_link),
        set_acl: None,
        ..Self::OTHER
    };

    /// For directories.
    pub(in crate::fs) const DIRECTORY: bindings::inode_operations = bindings::inode_operations {
        lookup: Some(bindings::simple_lookup),
        get_offset_ctx: Some(InodeInfo::<O::FileSystem>::offset_ctx),
        create: if_has!(HAS_CREATE, create),
        mkdir: if_has!(HAS_MKDIR, mkdir),
        mknod: if_has!(HAS_MKNOD, mknod),
        symlink: if_has!(HAS_SYMLINK, symlink),
        tmpfile: if_has!(HAS_TMPFILE, tmpfile),
        link: if_has!(HAS_LINK, link),
        unlink: if_has!(HAS_UNLINK, unlink),
        rmdir: if_has!(HAS_RMDIR, rmdir),
        rename: if_has!(HAS_RENAME, rename),
        ..Self::OTHER
    };

    // What C promises, at each of these: pointers are valid for the call, inodes and dentries are of
    // a superblock of the filesystem, since the table is only given to such inodes; a directory is
    // locked where names in it change; see Documentation/filesystems/locking.rst.

    /// # Safety
    ///
    /// See above. `dentry` must be negative and in `dir`, which must be locked.
    unsafe extern "C" fn create(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, name) = unsafe { free_name(idmap, dir, dentry, Mode::S_IFREG, 0) };
            O::create(idmap, name, Mode::new(mode)).map(|_filled| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn mkdir(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: By the requirements above.
        let (idmap, name) = unsafe { free_name(idmap, dir, dentry, Mode::S_IFDIR, 0) };
        match O::mkdir(idmap, name, Mode::new(mode)) {
            // It is the dentry that was given.
            Ok(_filled) => core::ptr::null_mut(),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn mknod(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        device: bindings::dev_t,
    ) -> c_int {
        from_result(|| {
            let mode = Mode::new(mode);
            // SAFETY: By the requirements above.
            let (idmap, name) = unsafe { free_name(idmap, dir, dentry, mode.kind(), device) };
            O::mknod(idmap, name, mode, device).map(|_filled| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::create`]; `target` must be a string.
    unsafe extern "C" fn symlink(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, name) = unsafe { free_name(idmap, dir, dentry, Mode::S_IFLNK, 0) };
            // SAFETY: By the requirements above.
            let target = unsafe { CStr::from_char_ptr(target) };
            O::symlink(idmap, name, target).map(|_filled| 0)
        })
    }

    /// # Safety
    ///
    /// See above. `file` must be one that is being opened and whose dentry is negative.
    unsafe extern "C" fn tmpfile(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, dir, file) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Inode::from_raw(dir),
                    Tmpfile::from_raw(file),
                )
            };
            O::tmpfile(idmap, dir, file, Mode::new(mode)).map(|_filled| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::create`]; `old` must be positive, and its inode locked.
    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (old, name) = unsafe {
                (
                    Positive::from_raw(old),
                    Negative::from_raw(dir, dentry, Mode::EMPTY, 0),
                )
            };
            O::link(old, name).map(|_filled| 0)
        })
    }

    /// # Safety
    ///
    /// See above. `dentry` must be positive and in `dir`, which must be locked.
    unsafe extern "C" fn unlink(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: By the requirements above.
        unsafe { remove(dir, dentry, O::unlink) }
    }

    /// # Safety
    ///
    /// As for [`Self::unlink`].
    unsafe extern "C" fn rmdir(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: By the requirements above.
        unsafe { remove(dir, dentry, O::rmdir) }
    }

    /// # Safety
    ///
    /// See above. Both dentries must be in their directories, which must be locked; `old` must be
    /// positive.
    unsafe extern "C" fn rename(
        idmap: *mut bindings::mnt_idmap,
        old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        from_result(|| {
            let to = Move {
                old_dir,
                old,
                new_dir,
                new,
            };
            let done = Cell::new(false);
            // SAFETY: By the requirements above, and C is told what `done` says.
            let (idmap, rename) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Rename::from_raw(to, flags, &done),
                )
            };
            match O::rename(idmap, rename) {
                // The offsets have moved, and the VFS moves the names only if this is no error.
                Err(_) if done.get() => Ok(0),
                renamed => renamed.map(|_renamed| 0),
            }
        })
    }

    /// # Safety
    ///
    /// See above. `dentry` must be positive and its inode locked, and the caller must have `attr`
    /// for itself.
    unsafe extern "C" fn setattr(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, entry, attr) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Positive::from_raw(dentry),
                    Iattr::from_raw(attr),
                )
            };
            O::setattr(idmap, entry, attr).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe extern "C" fn setattr_without_size(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: By the requirements above.
        unsafe {
            (*attr).ia_valid &= !bindings::ATTR_SIZE;
            Self::setattr_but_size(idmap, dentry, attr)
        }
    }

    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe extern "C" fn setattr_of_fixed_size(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: By the requirements above.
        unsafe {
            if (*attr).ia_valid & bindings::ATTR_SIZE != 0 {
                return EPERM.to_errno();
            }
            Self::setattr_but_size(idmap, dentry, attr)
        }
    }

    /// What the VFS does where the size is not to change.
    ///
    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe fn setattr_but_size(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: By the requirements above.
        unsafe {
            if O::HAS_SETATTR {
                Self::setattr(idmap, dentry, attr)
            } else {
                bindings::simple_setattr(idmap, dentry, attr)
            }
        }
    }

    /// # Safety
    ///
    /// See above. The dentry of `path` must be positive, and the caller must have `stat` for
    /// itself.
    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        mask: u32,
        _flags: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, entry, stat) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Positive::from_raw((*path).dentry),
                    Kstat::from_raw(stat),
                )
            };
            O::getattr(idmap, entry.inode(), stat, RequestMask::new(mask)).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See above. `dentry` must be positive, and `buffer` null or of `size` bytes that the caller
    /// has for itself.
    unsafe extern "C" fn listxattr(
        dentry: *mut bindings::dentry,
        buffer: *mut c_char,
        size: usize,
    ) -> isize {
        // SAFETY: By the requirements above.
        let (entry, mut list) =
            unsafe { (Positive::from_raw(dentry), NameList::from_raw(buffer, size)) };
        match O::listxattr(entry.inode(), &mut list) {
            Ok(()) => list.used(),
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// See above. `dentry` must be positive, and the caller must have `attr` for itself.
    unsafe extern "C" fn fileattr_get(
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let entry = unsafe { Positive::from_raw(dentry) };
            let flags = O::fileattr_get(entry.inode())?;
            // SAFETY: By the requirements above.
            unsafe { bindings::fileattr_fill_flags(attr, flags.bits()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::fileattr_get`], and the inode must be locked.
    unsafe extern "C" fn fileattr_set(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, inode, flags) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Locked::from_raw((*dentry).d_inode),
                    file_attr::asked(attr)?,
                )
            };
            O::fileattr_set(idmap, &inode, flags).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// See above. `dentry` must be positive and its inode locked, and `acl` null or valid and not
    /// about to change.
    unsafe extern "C" fn set_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        kind: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements above.
            let (idmap, entry, acl) = unsafe {
                (
                    MntIdmap::from_raw(idmap),
                    Positive::from_raw(dentry),
                    (!acl.is_null()).then(|| PosixAcl::from_raw(acl)),
                )
            };
            O::set_acl(idmap, entry, acl, AclKind::new(kind)?).map(|()| 0)
        })
    }
}

/// What an operation is given that is to fill a name.
///
/// # Safety
///
/// As for [`InodeVTable::create`].
#[inline(always)]
unsafe fn free_name<'d, T: FileSystem>(
    idmap: *mut bindings::mnt_idmap,
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    kind: Mode,
    device: u32,
) -> (&'d MntIdmap, Negative<'d, T>) {
    // SAFETY: By the requirements above.
    unsafe {
        (
            MntIdmap::from_raw(idmap),
            Negative::from_raw(dir, dentry, kind, device),
        )
    }
}

/// Has an operation remove a name.
///
/// # Safety
///
/// As for [`InodeVTable::unlink`].
#[inline(always)]
unsafe fn remove<T: FileSystem>(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    operation: impl for<'d> FnOnce(Victim<'d, T>) -> Result<Removed<'d>>,
) -> c_int {
    from_result(|| {
        let done = Cell::new(false);
        // SAFETY: By the requirements above, and C is told what `done` says.
        let entry = unsafe { Victim::from_raw(dir, dentry, &done) };
        match operation(entry) {
            // The dentry's own reference is gone, and the VFS lets go of the name only if this is
            // no error.
            Err(_) if done.get() => Ok(0),
            removed => removed.map(|_removed| 0),
        }
    })
}
