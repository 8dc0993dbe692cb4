// SPDX-License-Identifier: GPL-2.0

//! Registration of filesystem types: `register_filesystem()`.
//!
//! The abstractions are for filesystems in memory. There is no support for lookup on a disk, for
//! writeback, and for inodes that are read by number. The sample `samples/rust/rust_minimal_fs.rs`
//! is a whole filesystem; `samples/rust/rust_idmapfs` uses all abstractions.
//!
//! # Examples
//!
//! A filesystem in which directories can be created:
//!
//! ```
//! use kernel::{
//!     fs::{
//!         context::{ContextOperations, FsContext},
//!         dentry::{Filled, Negative},
//!         filesystem::{FileSystem, FsFlags},
//!         inode_ops::InodeOperations,
//!         mnt_idmapping::MntIdmap,
//!         mode::Mode,
//!         new_inode::{New, Root},
//!         super_block::SuperBlock,
//!         super_ops::SuperOperations,
//!     },
//!     prelude::*,
//!     uidgid::{FsGid, FsUid},
//! };
//!
//! struct DirFs;
//!
//! #[vtable]
//! impl FileSystem for DirFs {
//!     const NAME: &'static CStr = c"dirfs";
//!     const FLAGS: FsFlags = FsFlags::ALLOW_IDMAP;
//!
//!     type Options = ();
//!     type Data = (FsUid, FsGid);
//!     type InodeData = ();
//! }
//!
//! #[vtable]
//! impl ContextOperations for DirFs {
//!     fn options(_context: &FsContext) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn data(_options: (), context: &FsContext) -> impl PinInit<(FsUid, FsGid), Error> {
//!         context.caller()
//!     }
//! }
//!
//! #[vtable]
//! impl SuperOperations for DirFs {
//!     const MAGIC: u32 = 0x64697266;
//!
//!     fn root(super_block: &SuperBlock<Self>) -> Result<Root<Self>> {
//!         New::root::<Dir>(super_block, *super_block.data(), Mode::new(0o755), Ok(()))
//!     }
//! }
//!
//! struct Dir;
//!
//! #[vtable]
//! impl InodeOperations for Dir {
//!     type FileSystem = DirFs;
//!
//!     fn mkdir<'d>(
//!         idmap: &MntIdmap,
//!         name: Negative<'d, DirFs>,
//!         mode: Mode,
//!     ) -> Result<Filled<'d>> {
//!         let owner = name.dir().new_owner(idmap)?;
//!         let new = New::directory::<Dir>(&owner, name.name(), mode, Ok(()))?;
//!         name.instantiate(new)
//!     }
//! }
//! ```
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    context::{
        ContextOperations,
        ContextVTable, //
    },
    filesystem::FileSystem,
    inode_cache::{
        InodeCache,
        RegisteredType, //
    },
    super_block::kill_sb,
    super_ops::SuperOperations, //
};
use crate::{
    bindings,
    error::to_result,
    module::this_module,
    prelude::*,
    types::Opaque, //
};

/// The registration of a filesystem type.
///
/// [`module_filesystem!`](crate::module_filesystem) creates one that lives as long as its module.
///
/// # Invariants
///
/// `inner.fs_type` is registered.
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub struct Registration<T: FileSystem> {
    #[pin]
    inner: RegisteredType<T>,
}

// SAFETY: A filesystem type may be registered and unregistered by different tasks, and the inode
// cache is `Send`.
unsafe impl<T: FileSystem> Send for Registration<T> {}

// SAFETY: A shared reference gives access to the inode cache only, which is `Sync`.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: ContextOperations + SuperOperations> Registration<T> {
    /// Registers a filesystem type.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if a type of this name is registered. [`EINVAL`] if the name has a dot.
    /// [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// - The registration must be a field of the module that implements [`FileSystem`] for `T`, so
    ///   that it is in static memory, as lockdep requires for its keys, and is dropped when the
    ///   module is removed. No superblock of the type is left then, since each one holds the
    ///   module.
    /// - It must be the last field that the module initializes: the filesystem may be mounted
    ///   before this returns.
    pub unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- try_pin_init!(RegisteredType {
                cache: InodeCache::new()?,
                fs_type <- Opaque::try_ffi_init(Self::register),
            }? Error),
        }? Error)
    }

    /// Initializes and registers a `struct file_system_type`.
    fn register(slot: *mut bindings::file_system_type) -> Result {
        // `register_filesystem()` has a `BUG_ON()` for such a name.
        if T::NAME.to_bytes().contains(&b'.') {
            return Err(EINVAL);
        }
        let mut fs_type: bindings::file_system_type = pin_init::zeroed();
        fs_type.name = T::NAME.as_char_ptr();
        fs_type.fs_flags = T::FLAGS.bits() as i32;
        fs_type.init_fs_context = Some(ContextVTable::<T>::init_fs_context);
        fs_type.parameters = ContextVTable::<T>::PARAMETERS.as_ptr();
        fs_type.kill_sb = Some(kill_sb::<T>);
        fs_type.owner = this_module::<<T as FileSystem>::OwnerModule>().as_ptr();
        // SAFETY: `try_ffi_init()` passes a pointer that is valid for writes.
        unsafe { slot.write(fs_type) };
        // SAFETY: `slot` is initialized and pinned. It stays valid until `drop()` unregisters it:
        // the registration is in static memory, by the requirements of `new()`.
        to_result(unsafe { bindings::register_filesystem(slot) })
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The type is registered, by the type invariants.
        unsafe { bindings::unregister_filesystem(self.inner.fs_type.get()) };
        // `InodeInfo::free_inode()`, which is a part of the module, is called after a grace period.
        //
        // SAFETY: The current task can sleep: a module is removed.
        unsafe { bindings::rcu_barrier() };
    }
}

/// Declares a module that registers one filesystem.
///
/// # Examples
///
/// ```ignore
/// struct MyFs;
///
/// kernel::module_filesystem! {
///     type: MyFs,
///     name: "my_fs",
///     authors: ["Author name"],
///     description: "A filesystem",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_filesystem {
    (type: $type:ty, $($f:tt)*) => {
        #[$crate::prelude::pin_data]
        struct FileSystemModule {
            #[pin]
            _registration: $crate::fs::registration::Registration<$type>,
        }

        impl $crate::InPlaceModule for FileSystemModule {
            fn init(
                _module: &'static $crate::ThisModule
            ) -> impl ::pin_init::PinInit<Self, $crate::error::Error> {
                $crate::try_pin_init!(Self {
                    // SAFETY: `module!` below stores the one instance in static memory, and drops
                    // it when the module is removed. It has no other field.
                    _registration <- unsafe { $crate::fs::registration::Registration::new() },
                })
            }
        }

        $crate::prelude::module! {
            type: FileSystemModule,
            $($f)*
        }
    };
}
