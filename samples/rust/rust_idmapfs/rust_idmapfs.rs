// SPDX-License-Identifier: GPL-2.0

//! Filesystem sample with idmapped mounts.
//!
//! The filesystem is in memory and uses all abstractions. Each operation gets the idmap of the
//! mount, and each new inode takes a proof that the filesystem can store the ids of the caller.
//!
//! ```text
//! mount -t rust_idmapfs none /mnt
//! mount -t rust_idmapfs -o size=64m,nr_inodes=1k,mode=1777,uid=1000,gid=1000 none /mnt
//! ```
//!
//! - `rust_idmapfs.rs`: the data of superblocks and inodes, and the superblock operations;
//! - `options.rs`: the mount options;
//! - `limits.rs`: the limits of pages and inodes;
//! - `dir.rs`: the operations of directories;
//! - `node.rs`: the operations of other inodes, and functions for all inodes.

mod dir;
mod limits;
mod node;
mod options;

use kernel::{
    fs::{
        file_attr::FileFlags,
        filesystem::{
            FileSystem,
            FsFlags, //
        },
        kstat::Timespec,
        memfs::MemFileSystem,
        mode::Mode,
        new_inode::{
            New,
            Root, //
        },
        super_block::SuperBlock,
        super_ops::{
            Statfs,
            SuperOperations, //
        },
        xattr::{
            self,
            Xattrs, //
        },
    },
    prelude::*,
    seq_file::SeqFile,
    sync::{
        atomic::Atomic,
        Arc, //
    },
};
use limits::{
    InodeCount,
    Limits, //
};
use options::{
    Options,
    Settings, //
};

kernel::module_filesystem! {
    type: RustIdmapFs,
    name: "rust_idmapfs",
    authors: ["Rust for Linux Contributors"],
    description: "Rust filesystem sample with idmapped mounts",
    license: "GPL",
}

/// The filesystem type.
struct RustIdmapFs;

#[vtable]
impl FileSystem for RustIdmapFs {
    const NAME: &'static CStr = c"rust_idmapfs";

    const FLAGS: FsFlags = FsFlags::ALLOW_IDMAP
        .with(FsFlags::USERNS_MOUNT)
        .with(FsFlags::MGTIME);

    const POSIX_ACL: bool = true;

    type Options = Options;
    type Data = Mounted;
    type InodeData = Node;
}

/// The data of a superblock.
struct Mounted {
    settings: Settings,
    limits: Arc<Limits>,
}

/// The data of an inode.
#[pin_data]
struct Node {
    #[pin]
    xattrs: Xattrs,
    birth: Timespec,
    /// The flags that `lsattr` shows: `FS_*_FL`.
    flags: Atomic<u32>,
    /// The charge of the inode, which ends when the inode is freed.
    _count: InodeCount,
}

impl Node {
    /// Creates the data of a new inode.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] if the limit of inodes is reached.
    fn new(super_block: &SuperBlock<RustIdmapFs>) -> Result<impl PinInit<Self, Error>> {
        let mounted = super_block.data();
        let count = Limits::charge_inode(&mounted.limits)?;
        Ok(try_pin_init!(Self {
            xattrs <- Xattrs::new(),
            birth: Timespec::now(),
            flags: Atomic::new(FileFlags::NONE.bits()),
            _count: count,
        }? Error))
    }
}

#[vtable]
impl SuperOperations for RustIdmapFs {
    const MAGIC: u32 = u32::from_be_bytes(*b"idma");

    const EXPORT: bool = true;
    const XATTR: xattr::Handlers<Self> = xattr::Handlers::ALL;

    fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
        let settings = &super_block.data().settings;
        New::root::<dir::Dir>(
            super_block,
            (settings.uid, settings.gid),
            Mode::new(settings.mode),
            Node::new(super_block)?,
        )
    }

    fn statfs(super_block: &SuperBlock<Self>, statfs: &mut Statfs) -> Result {
        let limits = &super_block.data().limits;
        let (pages, inodes) = (limits.pages(), limits.inodes());
        if let Some(max) = pages.max {
            statfs.set_pages(max, max.saturating_sub(pages.used));
        }
        if let Some(max) = inodes.max {
            statfs.set_inodes(max, max.saturating_sub(inodes.used));
        }
        Ok(())
    }

    fn show_options(super_block: &SuperBlock<Self>, seq: &SeqFile) -> Result {
        let mounted = super_block.data();
        mounted.settings.show(super_block, &mounted.limits, seq);
        Ok(())
    }
}

impl MemFileSystem for RustIdmapFs {
    fn charge(super_block: &SuperBlock<Self>) -> Result {
        super_block.data().limits.charge_page()
    }

    fn uncharge(super_block: &SuperBlock<Self>) {
        super_block.data().limits.uncharge_page();
    }

    fn limit(super_block: &SuperBlock<Self>) -> Option<u64> {
        super_block.data().limits.pages().max
    }
}
