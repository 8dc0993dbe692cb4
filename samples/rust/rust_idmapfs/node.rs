// SPDX-License-Identifier: GPL-2.0

//! The operations of inodes that are not directories, and functions for all inodes.

use crate::RustIdmapFs;
use kernel::{
    fs::{
        file_attr::FileFlags,
        inode::{
            Inode,
            Locked, //
        },
        inode_ops::InodeOperations,
        kstat::{
            Kstat,
            RequestMask, //
        },
        mnt_idmapping::MntIdmap,
        xattr::{
            NameList,
            SetFlags,
            ValueBuffer,
            XattrOperations, //
        },
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

/// The operations of regular files, symbolic links and special files.
pub(crate) struct Leaf;

/// The flags that the filesystem supports. The VFS enforces all but [`FileFlags::NODUMP`], which
/// only programs read.
const FLAGS: FileFlags = FileFlags::APPEND
    .with(FileFlags::IMMUTABLE)
    .with(FileFlags::NOATIME)
    .with(FileFlags::NODUMP);

/// Fills `stat` with the attributes of an inode, the owner as seen through the mount, and the birth
/// time.
pub(crate) fn getattr(
    idmap: &MntIdmap,
    inode: &Inode<RustIdmapFs>,
    stat: &mut Kstat,
    request: RequestMask,
) -> Result {
    stat.fill(idmap, inode, request);
    if request.btime() {
        stat.set_btime(inode.data().birth);
    }
    Ok(())
}

/// Returns the flags that `lsattr` shows: `FS_*_FL`.
pub(crate) fn flags(inode: &Inode<RustIdmapFs>) -> FileFlags {
    FileFlags::new(inode.data().flags.load(Relaxed))
}

/// Replaces the flags that `lsattr` shows. The VFS has checked permissions through the mount.
pub(crate) fn set_flags(inode: &Locked<'_, RustIdmapFs>, flags: FileFlags) -> Result {
    if !flags.is_subset_of(FLAGS) {
        return Err(EOPNOTSUPP);
    }
    // `i_flags` has no bit for `FS_NODUMP_FL`, so the data of the inode keeps all flags.
    inode.set_flags(flags);
    inode.data().flags.store(flags.bits(), Relaxed);
    inode.set_ctime_current();
    Ok(())
}

#[vtable]
impl InodeOperations for Leaf {
    type FileSystem = RustIdmapFs;

    fn getattr(
        idmap: &MntIdmap,
        inode: &Inode<RustIdmapFs>,
        stat: &mut Kstat,
        request: RequestMask,
    ) -> Result {
        getattr(idmap, inode, stat, request)
    }

    fn listxattr(inode: &Inode<RustIdmapFs>, list: &mut NameList) -> Result {
        inode.data().xattrs.list(inode, list)
    }

    fn fileattr_get(inode: &Inode<RustIdmapFs>) -> Result<FileFlags> {
        Ok(flags(inode))
    }

    fn fileattr_set(
        _idmap: &MntIdmap,
        inode: &mut Locked<'_, RustIdmapFs>,
        flags: FileFlags,
    ) -> Result {
        set_flags(inode, flags)
    }
}

impl XattrOperations for RustIdmapFs {
    fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result {
        inode.data().xattrs.get(name, value)
    }

    fn set(
        _idmap: &MntIdmap,
        inode: &Inode<Self>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result {
        inode.data().xattrs.set(name, value, flags)?;
        inode.set_ctime_current();
        Ok(())
    }
}
