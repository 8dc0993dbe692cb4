// SPDX-License-Identifier: GPL-2.0

//! Filesystem types: what a filesystem is made of, and how the kernel gets to know it.
//!
//! These are abstractions for filesystems that keep their names in the dentry cache and their
//! contents in the page cache. What reads a disk is not here: looking names up, reading and writing
//! pages back, inodes that are found by number and read in. For others, see
//! `samples/rust/rust_idmapfs`, which uses all that there is.
//!
//! # Examples
//!
//! A filesystem that is one directory, in which directories can be made:
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
    inode_cache::InodeCache,
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

/// A filesystem that the kernel knows.
///
/// [`module_filesystem!`](crate::module_filesystem) makes one that lives as long as its module.
///
/// # Invariants
///
/// `fs_type` is registered, and `inode_cache` is where the inodes of its superblocks come from.
#[repr(C)]
#[pin_data(PinnedDrop)]
pub struct Registration<T: FileSystem> {
    #[pin]
    fs_type: Opaque<bindings::file_system_type>,
    inode_cache: InodeCache<T>,
}

// SAFETY: Registering and unregistering may happen on different threads, and nothing else is done
// with a registration by its owner.
unsafe impl<T: FileSystem> Send for Registration<T> {}

// SAFETY: A shared reference has nothing to offer but the cache, which is thread safe.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: ContextOperations + SuperOperations> Registration<T> {
    /// Registers a filesystem.
    ///
    /// # Errors
    ///
    /// [`EBUSY`] if there is a filesystem of that name, [`EINVAL`] if the name has a dot,
    /// [`ENOMEM`].
    ///
    /// # Safety
    ///
    /// The registration must be a part of what `module!` makes for the module that `T`'s
    /// implementation of [`FileSystem`] is in, so that it is in static memory (where lockdep wants
    /// its keys) and is dropped by nothing but the module's end. That is when no superblock of the
    /// type is left, since each holds the module.
    ///
    /// It must also be the last thing that the module initializes, because the first mount may
    /// happen before this has returned.
    pub unsafe fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inode_cache: InodeCache::new(T::NAME)?,
            fs_type <- Opaque::try_ffi_init(|slot: *mut bindings::file_system_type| {
                // `register_filesystem()` takes it for a bug.
                if T::NAME.to_bytes().contains(&b'.') {
                    return Err(EINVAL);
                }
                // SAFETY: `slot` is valid for writes. All zeroes is what C starts with, too.
                let fs_type = unsafe {
                    slot.write(pin_init::zeroed());
                    &mut *slot
                };
                fs_type.name = T::NAME.as_char_ptr();
                fs_type.fs_flags = T::FLAGS.bits() as i32;
                fs_type.init_fs_context = Some(ContextVTable::<T>::init_fs_context);
                fs_type.parameters = ContextVTable::<T>::PARAMETERS.as_ptr();
                fs_type.kill_sb = Some(kill_sb::<T>);
                fs_type.owner = this_module::<<T as FileSystem>::OwnerModule>().as_ptr();
                // SAFETY: `fs_type` is complete, pinned, and stays valid until it is unregistered.
                //
                // INVARIANT: It is registered if this is no error.
                to_result(unsafe { bindings::register_filesystem(slot) })
            }),
        }? Error)
    }
}

impl<T: FileSystem> Registration<T> {
    /// The cache that the inodes of a superblock come from.
    ///
    /// # Safety
    ///
    /// `fs_type` must be that of a [`Registration`] of `T` that stays valid for `'a`.
    pub(super) unsafe fn inode_cache<'a>(
        fs_type: *mut bindings::file_system_type,
    ) -> &'a InodeCache<T> {
        let fs_type: *mut Opaque<bindings::file_system_type> = fs_type.cast();
        // SAFETY: By the requirements above.
        unsafe { &(*crate::container_of!(fs_type, Self, fs_type)).inode_cache }
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants it is registered.
        unsafe { bindings::unregister_filesystem(self.fs_type.get()) };
        // Inodes are given back to the cache after a grace period, by a function that is compiled
        // into the module.
        //
        // SAFETY: Nothing is asked of the caller but that it may sleep.
        unsafe { bindings::rcu_barrier() };
    }
}

/// Declares a module that is one filesystem.
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
                    // SAFETY: `module!` below has the one instance, in static memory, and drops it
                    // when the module ends. There is nothing else in it.
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
