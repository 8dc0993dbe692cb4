// SPDX-License-Identifier: GPL-2.0

//! What is done with any inode: its attributes, by and of users that a mount may map.

use crate::RustIdmapFs;
use kernel::{
    fs::{
        dentry::Positive,
        file_attr::FileFlags,
        iattr::Iattr,
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
        posix_acl::{
            simple_set_acl,
            AclKind,
            PosixAcl, //
        },
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

/// Whatever is no directory.
pub(crate) struct Leaf;

/// The flags that a file can have. The VFS heeds all but the last, which is for programs.
const FLAGS: FileFlags = FileFlags::APPEND
    .with(FileFlags::IMMUTABLE)
    .with(FileFlags::NOATIME)
    .with(FileFlags::NODUMP);

/// Changes attributes, if the caller may through this mount.
pub(crate) fn setattr(idmap: &MntIdmap, entry: &Positive<RustIdmapFs>, attr: Iattr<'_>) -> Result {
    attr.prepare(idmap, entry)?.commit()
}

/// Tells attributes, with the owner that this mount shows.
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

/// Tells the flags that `chattr` sets.
pub(crate) fn flags(inode: &Inode<RustIdmapFs>) -> FileFlags {
    FileFlags::new(inode.data().flags.load(Relaxed))
}

/// Sets the flags that `chattr` sets; the VFS has asked whether the caller may through this mount.
pub(crate) fn set_flags(inode: &Locked<'_, RustIdmapFs>, flags: FileFlags) -> Result {
    if !flags.is_subset_of(FLAGS) {
        return Err(EOPNOTSUPP);
    }
    inode.set_flags(flags);
    inode.data().flags.store(flags.bits(), Relaxed);
    inode.set_ctime_current();
    Ok(())
}

#[vtable]
impl InodeOperations for Leaf {
    type FileSystem = RustIdmapFs;

    fn setattr(idmap: &MntIdmap, entry: &Positive<RustIdmapFs>, attr: Iattr<'_>) -> Result {
        setattr(idmap, entry, attr)
    }

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

    fn set_acl(
        idmap: &MntIdmap,
        entry: &Positive<RustIdmapFs>,
        acl: Option<&PosixAcl>,
        kind: AclKind,
    ) -> Result {
        simple_set_acl(idmap, entry, acl, kind)
    }

    fn fileattr_get(inode: &Inode<RustIdmapFs>) -> Result<FileFlags> {
        Ok(flags(inode))
    }

    fn fileattr_set(
        _idmap: &MntIdmap,
        inode: &Locked<'_, RustIdmapFs>,
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
        inode: &Locked<'_, Self>,
        name: &CStr,
        value: Option<&[u8]>,
        flags: SetFlags,
    ) -> Result {
        // The VFS has judged the caller, and mapped what ids a value may have, as those of
        // `security.capability`.
        inode.data().xattrs.set(name, value, flags)?;
        inode.set_ctime_current();
        Ok(())
    }
}
