// SPDX-License-Identifier: GPL-2.0

//! What is done with any inode: its attributes, by and of users that a mount may map.

use crate::RustIdmapFs;
use kernel::{
    fs::{
        dentry::Positive,
        iattr::Iattr,
        inode::{
            Live,
            Locked, //
        },
        inode_ops::InodeOperations,
        kstat::{
            Kstat,
            Request, //
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
    prelude::*, //
};

/// Whatever is no directory.
pub(crate) struct Leaf;

/// Changes attributes, if the caller may through this mount.
pub(crate) fn setattr(idmap: &MntIdmap, entry: &Positive<RustIdmapFs>, attr: Iattr<'_>) -> Result {
    attr.prepare(idmap, entry)?.commit()
}

/// Tells attributes, with the owner that this mount shows.
pub(crate) fn getattr(
    idmap: &MntIdmap,
    inode: &Live<RustIdmapFs>,
    stat: &mut Kstat,
    request: Request,
) -> Result {
    stat.fill(idmap, inode, request);
    if request.btime() {
        stat.set_btime(inode.data().birth);
    }
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
        inode: &Live<RustIdmapFs>,
        stat: &mut Kstat,
        request: Request,
    ) -> Result {
        getattr(idmap, inode, stat, request)
    }

    fn listxattr(inode: &Live<RustIdmapFs>, list: &mut NameList) -> Result {
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
}

impl XattrOperations for RustIdmapFs {
    fn get(inode: &Live<Self>, name: &CStr, value: &mut ValueBuffer) -> Result {
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
