// SPDX-License-Identifier: GPL-2.0

//! A filesystem in memory whose mounts can be idmapped.
//!
//! Everything that idmapping touches is here, to copy from: who owns what is made, who may change
//! what, whom ACLs and attributes name. Each operation is given the map of the mount that it came
//! through, and each inode is made with the proof that the caller has a name in the filesystem.
//!
//! ```text
//! mount -t rust_idmapfs none /mnt
//! mount -t rust_idmapfs -o size=64m,nr_inodes=1k,mode=1777,uid=1000,gid=1000 none /mnt
//! ```
//!
//! What is where:
//!
//! - this file: the types, and the filesystem as a whole;
//! - `options.rs`: the mount options;
//! - `limits.rs`: how much there may be, and how much there is;
//! - `dir.rs`: what is done with directories, that is with names;
//! - `node.rs`: what is done with any inode.

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
            XattrCache,
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
    InodeSlot,
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
    description: "Rust filesystem in memory that can be idmapped",
    license: "GPL",
}

/// The filesystem.
struct RustIdmapFs;

#[vtable]
impl FileSystem for RustIdmapFs {
    const NAME: &'static CStr = c"rust_idmapfs";

    const FLAGS: FsFlags = FsFlags::ALLOW_IDMAP
        .with(FsFlags::USERNS_MOUNT)
        .with(FsFlags::MGTIME);

    type Options = Options;
    type Data = Mounted;
    type InodeData = Node;
}

/// What is kept for each superblock.
struct Mounted {
    settings: Settings,
    limits: Arc<Limits>,
    xattrs: Arc<XattrCache>,
}

/// What is kept for each inode.
#[pin_data]
struct Node {
    #[pin]
    xattrs: Xattrs,
    birth: Timespec,
    /// Those that `chattr` sets.
    flags: Atomic<u32>,
    /// The inode counts for as long as there is one.
    _slot: InodeSlot,
}

impl Node {
    /// For a new inode, if there may be one more.
    fn new(super_block: &SuperBlock<RustIdmapFs>) -> Result<impl PinInit<Self, Error>> {
        let mounted = super_block.data();
        let slot = Limits::take_inode(&mounted.limits)?;
        let cache = mounted.xattrs.clone();
        Ok(try_pin_init!(Self {
            xattrs <- Xattrs::new(cache),
            birth: Timespec::now(),
            flags: Atomic::new(FileFlags::NONE.bits()),
            _slot: slot,
        }? Error))
    }
}

#[vtable]
impl SuperOperations for RustIdmapFs {
    /// As it is written: "idma".
    const MAGIC: u32 = u32::from_be_bytes(*b"idma");

    const POSIX_ACL: bool = true;
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
        if let Some(most) = pages.most {
            statfs.set_pages(most, most.saturating_sub(pages.used));
        }
        if let Some(most) = inodes.most {
            statfs.set_inodes(most, most.saturating_sub(inodes.used));
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
        super_block.data().limits.pages().most
    }
}
