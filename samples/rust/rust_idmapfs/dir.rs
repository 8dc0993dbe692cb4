// SPDX-License-Identifier: GPL-2.0

//! The operations of directories.

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
            Removed,
            Tmpfile,
            Victim, //
        },
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
        mode::Mode,
        new_inode::New,
        rename::{
            Rename,
            RenameFlags,
            Renamed, //
        },
        xattr::NameList, //
    },
    prelude::*, //
};

/// The operations of directories.
pub(crate) struct Dir;

/// The flags of a rename that the filesystem supports.
const RENAME_FLAGS: RenameFlags = RenameFlags::NOREPLACE
    .with(RenameFlags::EXCHANGE)
    .with(RenameFlags::WHITEOUT);

/// Returns whether an inode that is not a directory has more than one name. Each name but the first
/// one is charged to the limit of inodes.
fn is_hard_link(inode: &Inode<RustIdmapFs>) -> bool {
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
        let new = New::special::<Leaf>(&owner, name.name(), mode, device, data)?;
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
        inode: &Locked<'_, RustIdmapFs>,
        name: Negative<'d, RustIdmapFs>,
    ) -> Result<Filled<'d>> {
        // The first name of a file of `O_TMPFILE` is charged with the inode.
        let charge = inode.nlink() > 0;
        let limits = &inode.super_block().data().limits;
        if charge {
            limits.charge_link()?;
        }
        let linked = name.link(inode);
        if charge && linked.is_err() {
            limits.uncharge_link();
        }
        linked
    }

    fn unlink<'d>(victim: Victim<'d, RustIdmapFs>) -> Result<Removed<'d>> {
        let inode = victim.inode().inode();
        let counted = is_hard_link(inode);
        let removed = victim.unlink()?;
        if counted {
            inode.super_block().data().limits.uncharge_link();
        }
        Ok(removed)
    }

    fn rmdir<'d>(victim: Victim<'d, RustIdmapFs>) -> Result<Removed<'d>> {
        victim.rmdir()
    }

    fn rename<'d>(idmap: &MntIdmap, rename: Rename<'d, RustIdmapFs>) -> Result<Renamed<'d>> {
        let flags = rename.flags();
        if !flags.is_subset_of(RENAME_FLAGS) {
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
        let counted = rename.target().is_some_and(is_hard_link);
        let renamed = rename.replace(whiteout)?;
        if counted {
            super_block.data().limits.uncharge_link();
        }
        Ok(renamed)
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

    fn fileattr_get(inode: &Inode<RustIdmapFs>) -> Result<FileFlags> {
        Ok(node::flags(inode))
    }

    fn fileattr_set(
        _idmap: &MntIdmap,
        inode: &mut Locked<'_, RustIdmapFs>,
        flags: FileFlags,
    ) -> Result {
        node::set_flags(inode, flags)
    }
}
