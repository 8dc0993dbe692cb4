// SPDX-License-Identifier: GPL-2.0

//! Minimal filesystem sample.
//!
//! It has directories, whose mounts can be idmapped, and a generated file in the root directory:
//!
//! ```text
//! mount -t rust_minimal_fs none /mnt
//! cat /mnt/hello
//! ```

use kernel::{
    fs::{
        context::{ContextOperations, FsContext},
        dentry::{Filled, Negative, Removed, Victim},
        file_ops::{FileOperations, OpenFile, ReadBuffer},
        filesystem::{FileSystem, FsFlags},
        inode_ops::InodeOperations,
        memfs::RootDir,
        mnt_idmapping::MntIdmap,
        mode::Mode,
        new_inode::{New, Root},
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
        entry.instantiate(New::file_with::<File, File>(
            &owner,
            entry.name(),
            mode,
            Ok(()),
        )?);
        Ok(())
    }
}

/// The operations of directories.
struct Dir;

#[vtable]
impl InodeOperations for Dir {
    type FileSystem = MinimalFs;

    fn mkdir<'d>(
        idmap: &MntIdmap,
        name: Negative<'d, MinimalFs>,
        mode: Mode,
    ) -> Result<Filled<'d>> {
        let owner = name.dir().new_owner(idmap)?;
        let new = New::directory::<Dir>(&owner, name.name(), mode, Ok(()))?;
        name.instantiate(new)
    }

    fn rmdir<'d>(victim: Victim<'d, MinimalFs>) -> Result<Removed<'d>> {
        victim.rmdir()
    }
}

/// The operations of the generated file.
struct File;

#[vtable]
impl InodeOperations for File {
    type FileSystem = MinimalFs;
}

#[vtable]
impl FileOperations for File {
    type FileSystem = MinimalFs;

    fn read(_file: &OpenFile<MinimalFs>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
        let position = usize::try_from(position).map_err(|_| EINVAL)?;
        if let Some(rest) = b"Hello!\n".get(position..) {
            to.put(rest);
        }
        Ok(())
    }
}
