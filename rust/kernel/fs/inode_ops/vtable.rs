// SPDX-License-Identifier: GPL-2.0

//! The C tables of [`InodeOperations`].
//!
//! A table is set for inodes of `O::FileSystem` only, so the VFS calls its functions with inodes
//! and dentries of a superblock of this filesystem. For the locks that the VFS holds see
//! `Documentation/filesystems/locking.rst`.

use super::{
    remove::remove,
    InodeOperations, //
};
use crate::{
    bindings,
    error::from_result,
    fs::{
        dentry::{
            Negative,
            Positive,
            Tmpfile, //
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
        mnt_idmapping::MntIdmap,
        mode::Mode,
        posix_acl::{
            simple_set_acl,
            AclKind,
            PosixAcl, //
        },
        rename::{
            Rename,
            RenameArgs,
            RenameFlags, //
        },
        xattr::NameList, //
    },
    prelude::*, //
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

/// The C tables of [`InodeOperations`].
pub(in crate::fs) struct InodeVTable<O>(PhantomData<O>);

/// The function of an operation, if it is implemented.
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
    const HAS_ACL: bool = cfg!(CONFIG_FS_POSIX_ACL) && <O::FileSystem as FileSystem>::POSIX_ACL;

    /// The table of regular files, devices, named pipes and sockets.
    pub(in crate::fs) const OTHER: bindings::inode_operations = bindings::inode_operations {
        setattr: Some(Self::setattr),
        getattr: if_has!(HAS_GETATTR, getattr),
        listxattr: if_has!(HAS_LISTXATTR, listxattr),
        set_acl: if O::HAS_SET_ACL || Self::HAS_ACL {
            Some(Self::set_acl)
        } else {
            None
        },
        fileattr_get: if_has!(HAS_FILEATTR_GET, fileattr_get),
        fileattr_set: if_has!(HAS_FILEATTR_SET, fileattr_set),
        ..pin_init::zeroed()
    };

    /// The table of regular files whose contents are not in the page cache: `O_TRUNC` succeeds and
    /// does not change the size.
    pub(in crate::fs) const NO_TRUNCATE: bindings::inode_operations = bindings::inode_operations {
        setattr: Some(Self::setattr_without_size),
        ..Self::OTHER
    };

    /// The table of regular files of a fixed size.
    pub(in crate::fs) const FIXED_SIZE: bindings::inode_operations = bindings::inode_operations {
        setattr: Some(Self::setattr_of_fixed_size),
        ..Self::OTHER
    };

    /// The table of symbolic links.
    pub(in crate::fs) const SYMLINK: bindings::inode_operations = bindings::inode_operations {
        get_link: Some(bindings::simple_get_link),
        set_acl: None,
        ..Self::OTHER
    };

    /// The table of directories.
    pub(in crate::fs) const DIRECTORY: bindings::inode_operations = bindings::inode_operations {
        lookup: Self::LOOKUP,
        create: if_has!(HAS_CREATE, create),
        mkdir: if_has!(HAS_MKDIR, mkdir),
        mknod: if_has!(HAS_MKNOD, mknod),
        symlink: if_has!(HAS_SYMLINK, symlink),
        tmpfile: if_has!(HAS_TMPFILE, tmpfile),
        link: if_has!(HAS_LINK, link),
        unlink: if_has!(HAS_UNLINK, unlink),
        rmdir: if_has!(HAS_RMDIR, rmdir),
        rename: if_has!(HAS_RENAME, rename),
        get_offset_ctx: Some(InodeInfo::<O::FileSystem>::offset_ctx),
        ..Self::OTHER
    };

    /// `->create()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid, `dir` a directory that is locked for writing, and `dentry` a negative
    /// dentry in it.
    unsafe extern "C" fn create(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->create()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it. The
            // closure of this call is the only scope of `'d`.
            let name = unsafe { Negative::from_raw(dir, dentry, Mode::S_IFREG, 0) };
            O::create(idmap, name, Mode::new(mode)).map(|_filled| 0)
        })
    }

    /// `->mkdir()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::create`].
    unsafe extern "C" fn mkdir(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: The VFS calls `->mkdir()` with a valid idmap.
        let idmap = unsafe { MntIdmap::from_raw(idmap) };
        // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it. This call
        // is the only scope of `'d`.
        let name = unsafe { Negative::from_raw(dir, dentry, Mode::S_IFDIR, 0) };
        match O::mkdir(idmap, name, Mode::new(mode)) {
            // Null stands for `dentry`.
            Ok(_filled) => core::ptr::null_mut(),
            Err(error) => error.to_ptr(),
        }
    }

    /// `->mknod()`.
    ///
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
            // SAFETY: The VFS calls `->mknod()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it. The
            // closure of this call is the only scope of `'d`.
            let name = unsafe { Negative::from_raw(dir, dentry, mode.kind(), device) };
            O::mknod(idmap, name, mode, device).map(|_filled| 0)
        })
    }

    /// `->symlink()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::create`]. `target` must be a string that ends with a zero byte.
    unsafe extern "C" fn symlink(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->symlink()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it. The
            // closure of this call is the only scope of `'d`.
            let name = unsafe { Negative::from_raw(dir, dentry, Mode::S_IFLNK, 0) };
            // SAFETY: `target` is a string, by the requirements of this function.
            let target = unsafe { CStr::from_char_ptr(target) };
            O::symlink(idmap, name, target).map(|_filled| 0)
        })
    }

    /// `->tmpfile()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid, `dir` a directory with a reference, and `file` a file that is not
    /// opened yet, with a negative dentry.
    unsafe extern "C" fn tmpfile(
        idmap: *mut bindings::mnt_idmap,
        dir: *mut bindings::inode,
        file: *mut bindings::file,
        mode: bindings::umode_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->tmpfile()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: The VFS holds a reference to `dir`, an inode of the filesystem.
            let dir = unsafe { Inode::from_raw(dir) };
            // SAFETY: `file` is not opened yet, and its dentry is negative. The closure of this
            // call is the only scope of `'d`.
            let file = unsafe { Tmpfile::from_raw(file) };
            O::tmpfile(idmap, dir, file, Mode::new(mode)).map(|_filled| 0)
        })
    }

    /// `->link()`.
    ///
    /// # Safety
    ///
    /// `old` must be a positive dentry whose inode is locked for writing, `dir` a directory that is
    /// locked for writing, and `dentry` a negative dentry in it.
    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `old` is positive and holds a reference to its inode, which `vfs_link()` has
            // locked for writing.
            let inode = unsafe { Locked::from_raw((*old).d_inode) };
            // SAFETY: `dir` is locked for writing, and `dentry` is a negative dentry in it. The
            // closure of this call is the only scope of `'d`.
            let name = unsafe { Negative::from_raw(dir, dentry, Mode::EMPTY, 0) };
            O::link(&inode, name).map(|_filled| 0)
        })
    }

    /// `->unlink()`.
    ///
    /// # Safety
    ///
    /// `dir` must be a directory that is locked for writing, and `dentry` a positive dentry in it
    /// whose inode is locked for writing.
    unsafe extern "C" fn unlink(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: `vfs_unlink()` has locked both inodes; the requirements are the same.
        unsafe { remove(dir, dentry, O::unlink) }
    }

    /// `->rmdir()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::unlink`].
    unsafe extern "C" fn rmdir(dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: `vfs_rmdir()` has locked both inodes; the requirements are the same.
        unsafe { remove(dir, dentry, O::rmdir) }
    }

    /// `->rename()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid. Both directories must be locked for writing, the dentries must be in
    /// them, and `old` must be positive.
    unsafe extern "C" fn rename(
        idmap: *mut bindings::mnt_idmap,
        old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        from_result(|| {
            let args = RenameArgs {
                old_dir,
                old,
                new_dir,
                new,
            };
            let done = Cell::new(false);
            // SAFETY: The VFS calls `->rename()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `vfs_rename()` has locked both directories, the dentries are in them, and
            // `old` is positive. The closure of this call is the only scope of `'d`. If `done` is
            // set, success is returned below.
            let rename = unsafe { Rename::from_raw(args, RenameFlags::new(flags), &done) };
            match O::rename(idmap, rename) {
                // Link counts were changed. The VFS must move the dentries, too.
                Err(_) if done.get() => Ok(0),
                renamed => renamed.map(|_renamed| 0),
            }
        })
    }

    /// `->setattr()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid, `dentry` a positive dentry whose inode is locked for writing, and
    /// `attr` valid and not used by others.
    unsafe extern "C" fn setattr(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->setattr()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dentry` is positive, and the VFS holds a reference to it.
            let dentry = unsafe { Positive::from_raw(dentry) };
            // SAFETY: `notify_change()` requires that the inode is locked for writing. This is the
            // only `Locked` of the call.
            let mut inode = unsafe { Locked::from_raw(dentry.inode().as_ptr()) };
            // SAFETY: `attr` is valid and not used by others, and the inode is locked until this
            // function returns.
            let attr = unsafe { Iattr::from_raw(attr, dentry) };
            if O::HAS_SETATTR {
                O::setattr(idmap, &mut inode, attr)?;
            } else {
                attr.prepare(idmap)?.commit(&mut inode)?;
            }
            Ok(0)
        })
    }

    /// `->setattr()` of [`Self::NO_TRUNCATE`].
    ///
    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe extern "C" fn setattr_without_size(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: `attr` is valid and not used by others.
        unsafe { (*attr).ia_valid &= !bindings::ATTR_SIZE };
        // SAFETY: The arguments are as `Self::setattr()` requires: `# Safety` of this function.
        unsafe { Self::setattr(idmap, dentry, attr) }
    }

    /// `->setattr()` of [`Self::FIXED_SIZE`].
    ///
    /// # Safety
    ///
    /// As for [`Self::setattr`].
    unsafe extern "C" fn setattr_of_fixed_size(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: `attr` is valid.
        if unsafe { (*attr).ia_valid } & bindings::ATTR_SIZE != 0 {
            return EPERM.to_errno();
        }
        // SAFETY: The arguments are as `Self::setattr()` requires: `# Safety` of this function.
        unsafe { Self::setattr(idmap, dentry, attr) }
    }

    /// `->getattr()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid, the dentry of `path` positive, and `stat` valid and not used by
    /// others.
    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        mask: u32,
        _flags: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->getattr()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: The dentry of `path` is positive, and `path` holds a reference to it.
            let dentry = unsafe { Positive::from_raw((*path).dentry) };
            // SAFETY: `stat` is valid and not used by others.
            let stat = unsafe { Kstat::from_raw(stat) };
            O::getattr(idmap, dentry.inode(), stat, RequestMask::new(mask)).map(|()| 0)
        })
    }

    /// `->listxattr()`.
    ///
    /// # Safety
    ///
    /// `dentry` must be positive. `buffer` must be null, or valid for writes of `size` bytes and
    /// not used by others.
    unsafe extern "C" fn listxattr(
        dentry: *mut bindings::dentry,
        buffer: *mut c_char,
        size: usize,
    ) -> isize {
        // SAFETY: `dentry` is positive, and the VFS holds a reference to it.
        let dentry = unsafe { Positive::from_raw(dentry) };
        // SAFETY: `buffer` is null or valid for writes of `size` bytes until this function returns.
        let mut list = unsafe { NameList::from_raw(buffer, size) };
        match O::listxattr(dentry.inode(), &mut list) {
            Ok(()) => list.used(),
            Err(error) => error.to_errno() as isize,
        }
    }

    /// `->set_acl()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid and `dentry` a positive dentry whose inode is locked for writing.
    /// `acl` must be null, or valid and not change.
    unsafe extern "C" fn set_acl(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        acl: *mut bindings::posix_acl,
        kind: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->set_acl()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dentry` is positive and holds a reference to its inode, which is locked for
            // writing. If `PreparedIattr::commit()` is the caller, it has the other `Locked`
            // mutably borrowed, so that no one uses it meanwhile.
            let mut inode = unsafe { Locked::from_raw((*dentry).d_inode) };
            // SAFETY: `acl` is not null, so it is valid and does not change.
            let acl = (!acl.is_null()).then(|| unsafe { PosixAcl::from_raw(acl) });
            let kind = AclKind::new(kind)?;
            if O::HAS_SET_ACL {
                O::set_acl(idmap, &mut inode, acl, kind)?;
            } else {
                simple_set_acl(idmap, &mut inode, acl, kind)?;
            }
            Ok(0)
        })
    }

    /// `->fileattr_get()`.
    ///
    /// # Safety
    ///
    /// `dentry` must be positive, and `attr` valid and not used by others.
    unsafe extern "C" fn fileattr_get(
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `dentry` is positive, and the VFS holds a reference to it.
            let dentry = unsafe { Positive::from_raw(dentry) };
            let flags = O::fileattr_get(dentry.inode())?;
            // SAFETY: `attr` is valid and not used by others.
            unsafe { bindings::fileattr_fill_flags(attr, flags.bits()) };
            Ok(0)
        })
    }

    /// `->fileattr_set()`.
    ///
    /// # Safety
    ///
    /// `idmap` must be valid, `dentry` a positive dentry whose inode is locked for writing, and
    /// `attr` valid.
    unsafe extern "C" fn fileattr_set(
        idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::file_kattr,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The VFS calls `->fileattr_set()` with a valid idmap.
            let idmap = unsafe { MntIdmap::from_raw(idmap) };
            // SAFETY: `dentry` is positive and holds a reference to its inode, which
            // `vfs_fileattr_set()` has locked for writing. This is the only `Locked` of the call.
            let mut inode = unsafe { Locked::from_raw((*dentry).d_inode) };
            // SAFETY: `attr` is valid.
            let flags = unsafe { file_attr::requested(attr)? };
            O::fileattr_set(idmap, &mut inode, flags).map(|()| 0)
        })
    }
}
