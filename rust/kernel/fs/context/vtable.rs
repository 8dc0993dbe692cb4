// SPDX-License-Identifier: GPL-2.0

//! The C table of [`ContextOperations`].

use super::{
    ContextOperations,
    FsContext, //
};
use crate::{
    bindings,
    error::from_result,
    fs::{
        memfs::RootDir,
        super_block::{
            SuperBlock,
            SuperBlockInfo, //
        },
        super_ops::{
            SuperOperations,
            SuperVTable, //
        },
    },
    prelude::*, //
};
use core::marker::PhantomData;

/// The maximum number of options of a filesystem.
const MAX_PARAMETERS: usize = 16;

/// The C table of [`ContextOperations`].
///
/// `fs_private` of a context with this table is null, or a `KBox<T::Options>` that `into_raw()`
/// returned.
pub(in crate::fs) struct ContextVTable<T>(PhantomData<T>);

impl<T: ContextOperations + SuperOperations> ContextVTable<T> {
    const OPERATIONS: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        parse_param: Some(Self::parse_param),
        get_tree: Some(Self::get_tree),
        reconfigure: if T::HAS_RECONFIGURE {
            Some(Self::reconfigure)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// The C descriptions of the options. An empty one ends the array.
    pub(in crate::fs) const PARAMETERS: &'static [bindings::fs_parameter_spec; MAX_PARAMETERS + 1] =
        &{
            let mut specs = [pin_init::zeroed::<bindings::fs_parameter_spec>(); MAX_PARAMETERS + 1];
            assert!(
                T::PARAMETERS.len() <= MAX_PARAMETERS,
                "a filesystem has at most 16 mount options"
            );
            let mut i = 0;
            while i < T::PARAMETERS.len() {
                specs[i] = T::PARAMETERS[i].spec(i as u8);
                i += 1;
            }
            specs
        };

    /// `->init_fs_context()` of `struct file_system_type`.
    ///
    /// # Safety
    ///
    /// `context` must be valid, new, and not used by others.
    pub(in crate::fs) unsafe extern "C" fn init_fs_context(
        context: *mut bindings::fs_context,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `context` is valid and not used by others until this function returns.
            let options = T::options(unsafe { FsContext::from_raw(context) })?;
            let options = KBox::new(options, GFP_KERNEL)?;
            // SAFETY: `context` is valid and not used by others. The table is static.
            unsafe {
                (*context).fs_private = KBox::into_raw(options).cast();
                (*context).ops = &Self::OPERATIONS;
            }
            Ok(0)
        })
    }

    /// `->free()`.
    ///
    /// # Safety
    ///
    /// `context` must be valid, have this table, and not be used by others.
    unsafe extern "C" fn free(context: *mut bindings::fs_context) {
        // SAFETY: `context` is valid, has this table and is not used by others: `# Safety` of this
        // function.
        drop(unsafe { Self::take_options(context) });
    }

    /// Takes the options out of a context.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`].
    unsafe fn take_options(context: *mut bindings::fs_context) -> Option<KBox<T::Options>> {
        // SAFETY: `context` is valid and not used by others.
        let options =
            unsafe { core::mem::replace(&mut (*context).fs_private, core::ptr::null_mut()) };
        // SAFETY: `options` is not null. So it is a `KBox<T::Options>` of `into_raw()`, since the
        // context has this table. It was just taken, so the box is created once.
        (!options.is_null()).then(|| unsafe { KBox::from_raw(options.cast()) })
    }

    /// `->parse_param()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`]. `parameter` must be valid.
    unsafe extern "C" fn parse_param(
        context: *mut bindings::fs_context,
        parameter: *mut bindings::fs_parameter,
    ) -> c_int {
        let mut result: bindings::fs_parse_result = pin_init::zeroed();
        // SAFETY: `context` and `parameter` are valid, and an empty description ends the array.
        let opt = unsafe {
            let specs = Self::PARAMETERS.as_ptr();
            bindings::__fs_parse(&mut (*context).log, specs, parameter, &mut result)
        };
        let Ok(index) = usize::try_from(opt) else {
            // An error. For an unknown option the VFS logs a message.
            return opt;
        };
        from_result(|| {
            let option = T::PARAMETERS.get(index).ok_or(EINVAL)?;
            // SAFETY: `context` is valid and not used by others until this function returns.
            let cx = unsafe { FsContext::from_raw(context) };
            // SAFETY: The context has this table, so `fs_private` is null or a `KBox<T::Options>`
            // of `into_raw()`. The context is not used by others, so neither are the options.
            let options = unsafe { (*context).fs_private.cast::<T::Options>().as_mut() };
            // SAFETY: `__fs_parse()` returned the index of this option for `parameter` and
            // `result`.
            unsafe { option.set(options.ok_or(EINVAL)?, cx, &*parameter, &result)? };
            Ok(0)
        })
    }

    /// `->get_tree()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`].
    unsafe extern "C" fn get_tree(context: *mut bindings::fs_context) -> c_int {
        // SAFETY: `context` is valid and not used by others. `kill_sb()` of the filesystem type
        // accepts superblocks of `get_tree_nodev()`.
        unsafe { bindings::get_tree_nodev(context, Some(Self::fill_super)) }
    }

    /// Fills a new superblock. If this fails, C calls `kill_sb()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`]. `sb` must be a new superblock of `T`, whose `s_umount` the current
    /// task holds for writing.
    unsafe extern "C" fn fill_super(
        sb: *mut bindings::super_block,
        context: *mut bindings::fs_context,
    ) -> c_int {
        from_result(|| {
            // SAFETY: `context` has this table: `get_tree()` passed it on.
            let options = unsafe { Self::take_options(context) }.ok_or(EINVAL)?;
            // SAFETY: `context` is valid and not used by others until this function returns.
            let cx = unsafe { FsContext::from_raw(context) };
            let data = T::data(KBox::into_inner(options), cx);
            let info = KBox::try_pin_init(SuperBlockInfo::<T>::new(data), GFP_KERNEL)?;
            // SAFETY: The object is not moved out of the box: `kill_sb()` pins it again.
            let info = KBox::into_raw(unsafe { Pin::into_inner_unchecked(info) });
            // SAFETY: `sb` is valid and new.
            unsafe { (*sb).s_fs_info = info.cast() };
            // SAFETY: `sb` is a new superblock of `T`, and `s_umount` is held for writing.
            unsafe { SuperVTable::<T>::init(sb) };
            // SAFETY: `sb` is a superblock of `T`, and `s_fs_info` was just set. It is valid until
            // `kill_sb()`, which C calls after this function.
            let super_block = unsafe { SuperBlock::<T>::from_raw(sb) };
            let root = T::root(super_block)?.publish();
            // SAFETY: `publish()` handed over a reference, which `d_make_root()` takes even if it
            // fails.
            let root = unsafe { bindings::d_make_root(root) };
            if root.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: `sb` is valid and new. It takes the reference to the root dentry, and
            // `kill_sb()` drops it.
            unsafe { (*sb).s_root = root };
            if T::HAS_POPULATE {
                // SAFETY: `root` is the root dentry of a superblock of `T`. It is not visible to
                // others: the superblock has no `SB_BORN` before this function returns.
                T::populate(&unsafe { RootDir::from_raw(root) })?;
            }
            Ok(0)
        })
    }

    /// `->reconfigure()`.
    ///
    /// # Safety
    ///
    /// As for [`Self::free`]. `root` of the context must be a dentry of a superblock of `T`.
    unsafe extern "C" fn reconfigure(context: *mut bindings::fs_context) -> c_int {
        from_result(|| {
            // SAFETY: The context holds the dentry `root`, which holds the superblock.
            let super_block = unsafe { SuperBlock::from_raw((*(*context).root).d_sb) };
            // SAFETY: `context` is valid and not used by others until this function returns.
            let cx = unsafe { FsContext::from_raw(context) };
            // SAFETY: The context has this table, so `fs_private` is null or a `KBox<T::Options>`
            // of `into_raw()`. The context is not used by others, so neither are the options.
            let options = unsafe { (*context).fs_private.cast::<T::Options>().as_ref() };
            T::reconfigure(super_block, options.ok_or(EINVAL)?, cx).map(|()| 0)
        })
    }
}
