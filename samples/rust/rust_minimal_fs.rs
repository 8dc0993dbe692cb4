// SPDX-License-Identifier: GPL-2.0

//! Minimal filesystem sample.
//!
//! The filesystem is in memory, and its mounts can be idmapped. Its root directory has a generated
//! file:
//!
//! ```text
//! mount -t rust_minimal_fs none /mnt
//! cat /mnt/hello
//! ```
//!
//! The sample `rust_idmapfs` has mount options, limits, extended attributes and ACLs as well.

use kernel::{
    fs::{
        context::{ContextOperations, FsContext},
        dentry::{Filled, Negative, Removed, Victim},
        file_ops::{FileOperations, OpenFile, ReadBuffer},
        filesystem::{FileSystem, FsFlags},
        inode::Locked,
        inode_ops::InodeOperations,
        memfs::{MemFileSystem, RootDir},
        mnt_idmapping::MntIdmap,
        mode::Mode,
        new_inode::{New, Root},
        rename::{Rename, RenameFlags, Renamed},
        super_block::SuperBlock,
        super_ops::SuperOperations,
    },
    prelude::*,
    uidgid::{FsGid, FsUid},
};

kernel::module_filesystem! {
    type: MinimalFs,
    name: "rust_minimal_fs",
    authors: ["Rust for Linux Contributors"],
    description: "Rust minimal filesystem sample",
    license: "GPL",
}

/// The filesystem type.
struct MinimalFs;

#[vtable]
impl FileSystem for MinimalFs {
    const NAME: &'static CStr = c"rust_minimal_fs";
    const FLAGS: FsFlags = FsFlags::ALLOW_IDMAP;

    type Options = ();
    /// The owner of the root directory.
    type Data = (FsUid, FsGid);
    type InodeData = ();
}

#[vtable]
impl ContextOperations for MinimalFs {
    fn options(_context: &FsContext) -> Result<()> {
        Ok(())
    }

    fn data(_options: (), context: &FsContext) -> impl PinInit<(FsUid, FsGid), Error> {
        context.caller()
    }
}

#[vtable]
impl SuperOperations for MinimalFs {
    const MAGIC: u32 = u32::from_be_bytes(*b"mini");

    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
        New::root::<Dir>(super_block, *super_block.data(), Mode::new(0o755), Ok(()))
    }

    fn populate(root: &RootDir<'_, Self>) -> Result {
        let entry = root.entry(c"hello")?;
        let owner = root.owner(*root.inode().super_block().data());
        let mode = Mode::new(0o444);
        let new = New::file_with::<Leaf, Hello>(&owner, entry.name(), mode, Ok(()))?;
        entry.instantiate(new.with_size(HELLO.len() as u64)?);
        Ok(())
    }
}

impl MemFileSystem for MinimalFs {
    fn charge(_super_block: &SuperBlock<Self>) -> Result {
        Ok(())
    }

    fn uncharge(_super_block: &SuperBlock<Self>) {}

    fn limit(_super_block: &SuperBlock<Self>) -> Option<u64> {
        None
    }
}

/// The operations of directories.
struct Dir;

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = MinimalFs;

    fn create<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, MinimalFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::file::<Leaf>(&owner, Some(name.name()), mode, Ok(()))?;
        name.instantiate(new)
    }

    fn mkdir<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, MinimalFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::directory::<Dir>(&owner, name.name(), mode, Ok(()))?;
        name.instantiate(new)
    }

    fn mknod<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, MinimalFs>,
        mode: Mode,
        device: u32,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::special::<Leaf>(&owner, name.name(), mode, device, Ok(()))?;
        name.instantiate(new)
    }

    fn symlink<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, MinimalFs>,
        target: &CStr,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::symlink::<Leaf>(&owner, name.name(), target, Ok(()))?;
        name.instantiate(new)
    }

    fn link<'d>(
        inode: &Locked<'_, MinimalFs>,
        name: Negative<'d, MinimalFs>,
    ) -> Result<Filled<'d>> {
        name.link(inode)
    }

    fn unlink<'d>(victim: Victim<'d, MinimalFs>) -> Result<Removed<'d>> {
        victim.unlink()
    }

    fn rmdir<'d>(victim: Victim<'d, MinimalFs>) -> Result<Removed<'d>> {
        victim.rmdir()
    }

    fn rename<'d>(_idmap: &MntIdmap, rename: Rename<'d, MinimalFs>) -> Result<Renamed<'d>> {
        if !rename.flags().is_subset_of(RenameFlags::NOREPLACE) {
            return Err(EINVAL);
        }
        rename.replace(None)
    }
}

/// The operations of inodes that are not directories. The VFS has a default for each operation.
struct Leaf;

#[vtable]
impl InodeOperations for Leaf {
    type FileSystem = MinimalFs;
}

/// The contents of the generated file.
const HELLO: &[u8] = b"Hello!\n";

/// The file operations of the generated file.
struct Hello;

#[vtable]
impl FileOperations for Hello {
    type FileSystem = MinimalFs;

    fn read(_file: &OpenFile<MinimalFs>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
        let position = usize::try_from(position).map_err(|_| EINVAL)?;
        if let Some(rest) = HELLO.get(position..) {
            to.put(rest);
        }
        Ok(())
    }
}
