// SPDX-License-Identifier: GPL-2.0

//! What is done with directories, that is with names.

use crate::{
    node::{
        self,
        Leaf, //
    },
    Node,
    RustIdmapFs, //
};
use kernel::{
    fs::{
        dentry::{
            Filled,
            Negative,
            Positive,
            Removed,
            Tmpfile,
            Victim, //
        },
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
        mode::Mode,
        new_inode::New,
        posix_acl::{
            simple_set_acl,
            AclKind,
            PosixAcl, //
        },
        rename::{
            Rename,
            RenameFlags,
            Renamed, //
        },
        xattr::NameList, //
    },
    prelude::*, //
};

/// A directory.
pub(crate) struct Dir;

/// Whether the name of an inode that goes is a further one, which counts for itself.
fn is_further_name(inode: &Inode<RustIdmapFs>) -> bool {
    inode.nlink() > 1 && !inode.mode().is_dir()
}

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = RustIdmapFs;

    fn create<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, RustIdmapFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let data = Node::new(name.dir().super_block())?;
        let owner = name.dir().new_owner(idmap)?;
        let new = New::file::<Leaf>(&owner, Some(name.name()), mode, data)?;
        name.instantiate(new)
    }

    fn mkdir<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, RustIdmapFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let data = Node::new(name.dir().super_block())?;
        let owner = name.dir().new_owner(idmap)?;
        let new = New::directory::<Dir>(&owner, name.name(), mode, data)?;
        name.instantiate(new)
    }

    fn mknod<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, RustIdmapFs>,
        mode: Mode,
        device: u32,
    ) -> Result<Filled<'d>> {
        let data = Node::new(name.dir().super_block())?;
        let owner = name.dir().new_owner(idmap)?;
        let new = if mode.is_reg() {
            New::file::<Leaf>(&owner, Some(name.name()), mode, data)?
        } else {
            New::special::<Leaf>(&owner, name.name(), mode, device, data)?
        };
        name.instantiate(new)
    }

    fn symlink<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, RustIdmapFs>,
        target: &CStr,
    ) -> Result<Filled<'d>> {
        let data = Node::new(name.dir().super_block())?;
        let owner = name.dir().new_owner(idmap)?;
        let new = New::symlink::<Leaf>(&owner, name.name(), target, data)?;
        name.instantiate(new)
    }

    fn tmpfile<'d>(
        idmap: &MntIdmap,
        dir: &Inode<RustIdmapFs>,
        file: Tmpfile<'d, RustIdmapFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let data = Node::new(dir.super_block())?;
        let owner = dir.new_owner(idmap)?;
        file.finish(New::file::<Leaf>(&owner, None, mode, data)?)
    }

    fn link<'d>(
        old: &Positive<RustIdmapFs>,
        name: Negative<'d, RustIdmapFs>,
    ) -> Result<Filled<'d>> {
        let inode = old.inode();
        let limits = &inode.super_block().data().limits;
        // The first name of a file that was made without one counts with the inode.
        let further = inode.nlink() > 0;
        if further {
            limits.take_name()?;
        }
        name.link(old).inspect_err(|_| {
            if further {
                limits.give_back_name();
            }
        })
    }

    fn unlink<'d>(entry: Victim<'d, RustIdmapFs>) -> Result<Removed<'d>> {
        let inode = entry.inode();
        let counted = is_further_name(inode);
        let removed = entry.unlink()?;
        if counted {
            inode.super_block().data().limits.give_back_name();
        }
        Ok(removed)
    }

    fn rmdir<'d>(entry: Victim<'d, RustIdmapFs>) -> Result<Removed<'d>> {
        entry.rmdir()
    }

    fn rename<'d>(idmap: &MntIdmap, rename: Rename<'d, RustIdmapFs>) -> Result<Renamed<'d>> {
        let flags = rename.flags();
        if !flags.is_subset_of(&[
            RenameFlags::NOREPLACE,
            RenameFlags::EXCHANGE,
            RenameFlags::WHITEOUT,
        ]) {
            return Err(EINVAL);
        }
        if flags.has(RenameFlags::EXCHANGE) {
            return rename.exchange();
        }
        let whiteout = if flags.has(RenameFlags::WHITEOUT) {
            let dir = rename.old_dir();
            let data = Node::new(dir.super_block())?;
            let owner = dir.new_owner(idmap)?;
            Some(New::whiteout::<Leaf>(&owner, rename.name(), data)?)
        } else {
            None
        };
        let super_block = rename.inode().super_block();
        let counted = rename.target().is_some_and(is_further_name);
        let renamed = rename.replace(whiteout)?;
        if counted {
            super_block.data().limits.give_back_name();
        }
        Ok(renamed)
    }

    fn setattr(idmap: &MntIdmap, entry: &Positive<RustIdmapFs>, attr: Iattr<'_>) -> Result {
        node::setattr(idmap, entry, attr)
    }

    fn getattr(
        idmap: &MntIdmap,
        inode: &Inode<RustIdmapFs>,
        stat: &mut Kstat,
        request: RequestMask,
    ) -> Result {
        node::getattr(idmap, inode, stat, request)
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
        Ok(node::flags(inode))
    }

    fn fileattr_set(
        _idmap: &MntIdmap,
        inode: &Locked<'_, RustIdmapFs>,
        flags: FileFlags,
    ) -> Result {
        node::set_flags(inode, flags)
    }
}
