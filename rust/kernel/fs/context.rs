// SPDX-License-Identifier: GPL-2.0

//! Mount contexts and mount options: `struct fs_context`.
//!
//! C headers: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! [`include/linux/fs_parser.h`](srctree/include/linux/fs_parser.h)

mod parameter;
mod vtable;

use super::{
    filesystem::FileSystem,
    super_block::SuperBlock, //
};
use crate::{
    bindings,
    error::VTABLE_DEFAULT_ERROR,
    fmt,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    },
    uidgid::{
        Filesystem,
        FsGid,
        FsUid,
        Id,
        Kernel,
        Kgid,
        Kuid, //
    },
    user_namespace::{
        NamespaceKind,
        UserNamespace, //
    },
};

pub use self::parameter::Parameter;
pub(super) use self::vtable::ContextVTable;

/// The context of a mount that is created or reconfigured.
///
/// # Invariants
///
/// An instance is valid for as long as it is borrowed, and used by one task at a time.
#[repr(transparent)]
pub struct FsContext {
    inner: Opaque<bindings::fs_context>,
    _not_send: NotThreadSafe,
}

impl FsContext {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must be valid for `'a`, and no other task must use the context.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::fs_context) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`, by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct fs_context`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the user namespace that the filesystem is mounted in.
    pub fn user_ns(&self) -> &UserNamespace {
        // SAFETY: The context is valid. It holds the namespace, and the field does not change.
        unsafe { UserNamespace::from_raw((*self.inner.get()).user_ns) }
    }

    /// Returns an id as the filesystem stores it, or [`None`] if the user namespace of the
    /// filesystem does not map it.
    pub fn stored<K: NamespaceKind>(&self, id: Id<K, Kernel>) -> Option<Id<K, Filesystem>> {
        let id = id.cast();
        self.user_ns().from_kid(Some(id)).map(|_| id)
    }

    /// Returns the ids of the caller as the filesystem stores them.
    ///
    /// # Errors
    ///
    /// [`EOVERFLOW`] if the user namespace of the filesystem does not map them.
    pub fn caller(&self) -> Result<(FsUid, FsGid)> {
        // SAFETY: The context is valid. It holds the credentials, which do not change.
        let (uid, gid) = unsafe {
            let cred = (*self.inner.get()).cred;
            ((*cred).fsuid.val, (*cred).fsgid.val)
        };
        let uid = Kuid::from_c(uid).and_then(|id| self.stored(id));
        let gid = Kgid::from_c(gid).and_then(|id| self.stored(id));
        uid.zip(gid).ok_or(EOVERFLOW)
    }

    /// Logs an error message, and returns [`EINVAL`].
    ///
    /// A program reads the message from the file descriptor of `fsopen()`. Without one it goes to
    /// the kernel log.
    ///
    /// Mirrors `invalfc()`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::fs::context::FsContext;
    /// use kernel::prelude::*;
    ///
    /// fn check(context: &FsContext, mode: u32) -> Result<u32> {
    ///     if mode > 0o7777 {
    ///         return Err(context.invalid(fmt!("mode={mode:o}: the maximum is 7777")));
    ///     }
    ///     Ok(mode)
    /// }
    /// ```
    #[must_use = "the mount fails only if the error is returned"]
    pub fn invalid(&self, message: fmt::Arguments<'_>) -> Error {
        let context = self.inner.get();
        // SAFETY: The context is valid. `%pA` takes a pointer to `fmt::Arguments`.
        unsafe {
            bindings::logfc(
                (*context).log.log,
                (*context).log.prefix,
                b'e',
                c"%pA".as_char_ptr(),
                core::ptr::from_ref(&message).cast::<c_void>(),
            );
        }
        EINVAL
    }
}

/// The operations of a mount context. All of them may sleep.
///
/// # Examples
///
/// A filesystem with one option, which cannot be changed:
///
/// ```
/// use kernel::{
///     fs::{context::{ContextOperations, FsContext, Parameter}, filesystem::FileSystem},
///     prelude::*,
/// };
///
/// struct MyFs;
///
/// #[vtable]
/// impl FileSystem for MyFs {
///     const NAME: &'static CStr = c"my_fs";
///     type Options = u64;
///     type Data = u64;
///     type InodeData = ();
/// }
///
/// #[vtable]
/// impl ContextOperations for MyFs {
///     const PARAMETERS: &'static [Parameter<u64>] = &[Parameter::number(
///         c"nr_inodes",
///         |options, context, number| {
///             if number == 0 {
///                 return Err(context.invalid(fmt!("nr_inodes=0: the minimum is 1")));
///             }
///             *options = number;
///             Ok(())
///         },
///     )];
///
///     fn options(_context: &FsContext) -> Result<u64> {
///         Ok(100)
///     }
///
///     fn data(options: u64, _context: &FsContext) -> impl PinInit<u64, Error> {
///         Ok(options)
///     }
/// }
/// ```
#[vtable]
pub trait ContextOperations: FileSystem {
    /// The mount options, at most 16.
    const PARAMETERS: &'static [Parameter<Self::Options>] = &[];

    /// Called to create the options of a new mount, or of one that is reconfigured, before any
    /// option is parsed.
    ///
    /// # Errors
    ///
    /// The mount fails with the error.
    fn options(context: &FsContext) -> Result<Self::Options>;

    /// Called to create the data of a new superblock from the options.
    ///
    /// # Errors
    ///
    /// The mount fails with the error.
    fn data(options: Self::Options, context: &FsContext) -> impl PinInit<Self::Data, Error>;

    /// Called to reconfigure a superblock, with `s_umount` held for writing. Must change all
    /// options or none.
    ///
    /// Not implemented: only options of the VFS, such as `ro`, can be changed; others are ignored.
    ///
    /// # Errors
    ///
    /// The remount fails with the error.
    fn reconfigure(
        _super_block: &SuperBlock<Self>,
        _options: &Self::Options,
        _context: &FsContext,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
