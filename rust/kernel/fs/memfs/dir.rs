// SPDX-License-Identifier: GPL-2.0

//! Directories that are in memory: the names are in the dentry cache, and nowhere else.
//!
//! Each directory has a table of offsets, by which reading it goes on at the right place whatever
//! was made or removed meanwhile. The functions here keep it in step with the names, as those of
//! `mm/shmem.c` do. They are not generic, so that modules need not be able to call what C does not
//! export.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    error::to_result,
    prelude::*, //
};

/// The offsets of a directory.
///
/// # Safety
///
/// `dir` must be valid, and a directory that has offsets.
unsafe fn offsets(dir: *mut bindings::inode) -> *mut bindings::offset_ctx {
    // SAFETY: By the requirements above there is the operation.
    unsafe {
        match (*(*dir).i_op).get_offset_ctx {
            Some(get) => get(dir),
            None => core::ptr::null_mut(),
        }
    }
}

/// Reserves an offset for a name that is about to be filled.
///
/// # Safety
///
/// `dir` must be a locked directory that has offsets, and `dentry` a dentry in it. If this is no
/// error the dentry must be filled, or [`release`]d.
#[inline(never)]
pub(in crate::fs) unsafe fn reserve(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
) -> Result {
    // SAFETY: By the requirements above.
    to_result(unsafe { bindings::simple_offset_add(offsets(dir), dentry) })
}

/// Takes an offset back.
///
/// # Safety
///
/// As for [`reserve`].
unsafe fn release(dir: *mut bindings::inode, dentry: *mut bindings::dentry) {
    // SAFETY: By the requirements above.
    unsafe { bindings::simple_offset_remove(offsets(dir), dentry) };
}

/// Gives a name, with its offset, to a new inode.
///
/// # Safety
///
/// `dir` must be a locked directory, and `dentry` a negative dentry in it that has an offset. The
/// reference to `inode` is given away.
#[inline(never)]
pub(in crate::fs) unsafe fn fill(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    inode: *mut bindings::inode,
) {
    // SAFETY: By the requirements above.
    unsafe {
        if u32::from((*inode).i_mode) & bindings::S_IFMT == bindings::S_IFDIR {
            // The name that the parent has in it.
            bindings::inc_nlink(dir);
        }
        bindings::inode_set_mtime_to_ts(dir, bindings::inode_set_ctime_current(dir));
        bindings::d_make_persistent(dentry, inode);
    }
}

/// Removes the name of something that is no directory.
///
/// # Safety
///
/// `dir` must be a locked directory that has offsets, and `dentry` a positive dentry in it.
#[inline(never)]
pub(in crate::fs) unsafe fn unlink(dir: *mut bindings::inode, dentry: *mut bindings::dentry) {
    // SAFETY: By the requirements above.
    unsafe {
        release(dir, dentry);
        bindings::simple_unlink(dir, dentry);
    }
}

/// Removes the name of an empty directory.
///
/// # Safety
///
/// As for [`unlink`]; `dentry` must be an empty directory.
#[inline(never)]
pub(in crate::fs) unsafe fn rmdir(dir: *mut bindings::inode, dentry: *mut bindings::dentry) {
    // SAFETY: By the requirements above.
    unsafe {
        bindings::drop_nlink((*dentry).d_inode);
        bindings::drop_nlink(dir);
        unlink(dir, dentry);
    }
}

/// A name that is to become another: both directories and dentries, in the order of `rename()`.
#[derive(Clone, Copy)]
pub(in crate::fs) struct Move {
    pub(in crate::fs) old_dir: *mut bindings::inode,
    pub(in crate::fs) old: *mut bindings::dentry,
    pub(in crate::fs) new_dir: *mut bindings::inode,
    pub(in crate::fs) new: *mut bindings::dentry,
}

/// Has two names change places.
///
/// # Safety
///
/// Both directories must be locked and have offsets, and both dentries be positive and in them.
#[inline(never)]
pub(in crate::fs) unsafe fn exchange(to: Move) -> Result {
    // SAFETY: By the requirements above.
    to_result(unsafe {
        bindings::simple_offset_rename_exchange(to.old_dir, to.old, to.new_dir, to.new)
    })
}

/// Gives something another name, which it takes from what had that name. Where it was, `whiteout`
/// is left if it is not null.
///
/// The order is that of `shmem_rename2()`: what can fail comes first.
///
/// # Safety
///
/// Both directories must be locked and have offsets, and both dentries be in them; `old` must be
/// positive. `whiteout` must be null or an inode whose reference this may take; if this fails it
/// has not.
#[inline(never)]
pub(in crate::fs) unsafe fn replace(to: Move, whiteout: *mut bindings::inode) -> Result {
    let Move {
        old_dir,
        old,
        new_dir,
        new,
    } = to;
    // SAFETY: By the requirements above.
    unsafe {
        if bindings::simple_empty(new) == 0 {
            return Err(ENOTEMPTY);
        }
        let had_offset = match reserve(new_dir, new) {
            Err(error) if error == EBUSY => true,
            reserved => reserved.map(|()| false)?,
        };
        if !whiteout.is_null() {
            if let Err(error) = leave(old_dir, old, whiteout) {
                if !had_offset {
                    release(new_dir, new);
                }
                return Err(error);
            }
        }
        let is_directory =
            u32::from((*(*old).d_inode).i_mode) & bindings::S_IFMT == bindings::S_IFDIR;
        bindings::simple_offset_rename(old_dir, old, new_dir, new);
        if !(*new).d_inode.is_null() {
            unlink(new_dir, new);
            if is_directory {
                bindings::drop_nlink((*new).d_inode);
                bindings::drop_nlink(old_dir);
            }
        } else if is_directory {
            bindings::drop_nlink(old_dir);
            bindings::inc_nlink(new_dir);
        }
        bindings::simple_rename_timestamp(old_dir, old, new_dir, new);
    }
    Ok(())
}

/// Leaves a whiteout where a name is about to be moved away.
///
/// # Safety
///
/// `dir` must be locked and have offsets, and `dentry` be in it. The reference to `whiteout` is
/// given away if this is no error.
unsafe fn leave(
    dir: *mut bindings::inode,
    dentry: *mut bindings::dentry,
    whiteout: *mut bindings::inode,
) -> Result {
    // SAFETY: By the requirements above; the name is stable under the directory's lock.
    unsafe {
        let name = &raw const (*dentry).__bindgen_anon_1.d_name;
        let left = bindings::d_alloc((*dentry).d_parent, name);
        if left.is_null() {
            return Err(ENOMEM);
        }
        let reserved = reserve(dir, left);
        if reserved.is_ok() {
            fill(dir, left, whiteout);
        }
        bindings::dput(left);
        reserved
    }
}
