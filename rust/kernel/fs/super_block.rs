// SPDX-License-Identifier: GPL-2.0

//! Superblocks: a filesystem that is mounted, or about to be.
//!
//! C header: [`include/linux/fs/super.h`](srctree/include/linux/fs/super.h)

use super::{
    context::{
        ContextOperations,
        ContextVTable,
        FsContext, //
    },
    filesystem::FileSystem,
    super_ops::{
        SuperOperations,
        SuperVTable, //
    },
};
use crate::{
    bindings,
    error::from_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque,
    user_namespace::UserNamespace, //
};
use core::marker::PhantomData;

/// What is kept for a superblock.
#[pin_data]
pub(super) struct SuperBlockInfo<T: FileSystem> {
    next_ino: Atomic<u64>,
    #[pin]
    data: T::Data,
}

/// A superblock of `T`.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed, and are of the type that a
/// [`Registration`](super::registration::Registration) of `T` has registered. `s_fs_info` points to
/// a pinned `SuperBlockInfo<T>`, which is dropped after the last inode.
#[repr(transparent)]
pub struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

impl<T: FileSystem> SuperBlock<T> {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a superblock of `T` that has its `s_fs_info` and stays valid for `'a`.
    #[inline(always)]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the superblock by.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    #[inline(always)]
    fn info(&self) -> &SuperBlockInfo<T> {
        // SAFETY: By the type invariants.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast() }
    }

    /// What the filesystem keeps for the superblock.
    #[inline(always)]
    pub fn data(&self) -> &T::Data {
        &self.info().data
    }

    /// The user namespace that it was mounted in, whose ids it stores.
    pub fn user_ns(&self) -> &UserNamespace {
        // SAFETY: The superblock holds its namespace, which never changes.
        unsafe { UserNamespace::from_raw((*self.as_ptr()).s_user_ns) }
    }

    /// An inode number that the superblock has not had yet.
    pub(super) fn new_ino(&self) -> u64 {
        self.info().next_ino.fetch_add(1, Relaxed)
    }
}

/// Makes a new superblock out of what the context has.
///
/// If this fails C calls [`kill_sb`], which takes back as much as there is.
///
/// # Safety
///
/// `sb` must be new, of the type of a registration of `T`, with its `s_umount` held for writing,
/// and the caller must have `context` for itself.
pub(super) unsafe extern "C" fn fill_super<T: ContextOperations + SuperOperations>(
    sb: *mut bindings::super_block,
    context: *mut bindings::fs_context,
) -> c_int {
    from_result(|| {
        // SAFETY: By the requirements above, and the operations of `context` are `T`'s: this is
        // called by its `get_tree()`.
        let (options, cx) = unsafe {
            (
                ContextVTable::<T>::take_options(context).ok_or(EINVAL)?,
                FsContext::from_raw(context),
            )
        };
        let info = KBox::try_pin_init(
            try_pin_init!(SuperBlockInfo::<T> {
                // The root has the first number.
                next_ino: Atomic::new(1),
                data <- T::data(KBox::into_inner(options), cx),
            }? Error),
            GFP_KERNEL,
        )?;
        // SAFETY: By the requirements above. The pinned object stays where it is until `kill_sb()`.
        let sb = unsafe {
            (*sb).s_fs_info = KBox::into_raw(Pin::into_inner_unchecked(info)).cast();
            SuperVTable::<T>::set_up(sb);
            // INVARIANT: The type is `T`'s, and `s_fs_info` is set.
            SuperBlock::<T>::from_raw(sb)
        };
        let root = T::root(sb)?.publish();
        // SAFETY: `d_make_root()` takes over the reference, even if it fails.
        let root = unsafe { bindings::d_make_root(root) };
        if root.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: By the requirements above nobody else looks at the root yet.
        unsafe { (*sb.as_ptr()).s_root = root };
        Ok(0)
    })
}

/// Ends a superblock, be it complete or not.
///
/// # Safety
///
/// `sb` must be of the type of a registration of `T`, and have been made by `get_tree_nodev()`.
pub(super) unsafe extern "C" fn kill_sb<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: By the requirements above. It evicts the inodes, whose data may refer to that of the
    // superblock, so that is dropped afterwards. It is null where `fill_super()` came to nothing.
    unsafe {
        bindings::kill_anon_super(sb);
        let info = core::mem::replace(&mut (*sb).s_fs_info, core::ptr::null_mut());
        if !info.is_null() {
            drop(Pin::new_unchecked(KBox::<SuperBlockInfo<T>>::from_raw(
                info.cast(),
            )));
        }
    }
}
