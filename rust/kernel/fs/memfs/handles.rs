// SPDX-License-Identifier: GPL-2.0

//! File handles of inodes in memory, for `open_by_handle_at()` and for NFS.
//!
//! A handle has the generation and the number of an inode, in the format of tmpfs. It is valid for
//! as long as the inode is in memory.
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)

use crate::{
    bindings,
    prelude::*, //
};

/// The number of 32-bit words of a handle.
const WORDS: c_int = 3;

/// The type of a handle. The value is private to the filesystem.
const TYPE: c_int = 1;

/// The C table, for inodes in memory of any filesystem.
#[repr(transparent)]
pub(in crate::fs) struct ExportVTable(bindings::export_operations);

// SAFETY: The table never changes.
unsafe impl Sync for ExportVTable {}

impl ExportVTable {
    pub(in crate::fs) const TABLE: Self = Self(bindings::export_operations {
        encode_fh: Some(encode_fh),
        fh_to_dentry: Some(fh_to_dentry),
        get_parent: Some(get_parent),
        ..pin_init::zeroed()
    });

    pub(in crate::fs) const fn as_ptr(&'static self) -> *const bindings::export_operations {
        &self.0
    }
}

/// `->encode_fh()`: stores the handle of an inode.
///
/// # Safety
///
/// `inode` must be valid. `words` must be valid for writes of `length` words.
unsafe extern "C" fn encode_fh(
    inode: *mut bindings::inode,
    words: *mut u32,
    length: *mut c_int,
    _parent: *mut bindings::inode,
) -> c_int {
    // SAFETY: `length` is valid, by the requirements of this function.
    let room = unsafe { core::mem::replace(&mut *length, WORDS) };
    if room < WORDS {
        return bindings::fid_type_FILEID_INVALID as c_int;
    }
    // SAFETY: `inode` is valid. Its number and its generation do not change.
    let (ino, generation) = unsafe { ((*inode).i_ino, (*inode).i_generation) };
    for (index, word) in [generation, ino as u32, (ino >> 32) as u32]
        .into_iter()
        .enumerate()
    {
        // SAFETY: `words` is valid for writes of at least `WORDS` words, as checked above.
        unsafe { words.add(index).write(word) };
    }
    TYPE
}

/// `->fh_to_dentry()`: returns a dentry of the inode of a handle, or null.
///
/// # Safety
///
/// `sb` must be valid. `fid` must be valid for reads of `length` words.
unsafe extern "C" fn fh_to_dentry(
    sb: *mut bindings::super_block,
    fid: *mut bindings::fid,
    length: c_int,
    kind: c_int,
) -> *mut bindings::dentry {
    if length < WORDS || kind != TYPE {
        return core::ptr::null_mut();
    }
    // SAFETY: `fid` is valid for reads of at least `WORDS` words, as checked above. An array of
    // `u32` has the alignment of a handle.
    let [generation, low, high] = unsafe { fid.cast::<[u32; 3]>().read() };
    // SAFETY: `sb` is valid.
    let inode = unsafe { bindings::ilookup(sb, u64::from(low) | u64::from(high) << 32) };
    if inode.is_null() {
        return core::ptr::null_mut();
    }
    let mut dentry = core::ptr::null_mut();
    // SAFETY: `ilookup()` returned a reference to the inode.
    if unsafe { (*inode).i_generation } == generation {
        // A hashed dentry if there is one. An open file without a name has another one.
        //
        // SAFETY: `ilookup()` returned a reference to the inode.
        dentry = unsafe { bindings::d_find_alias(inode) };
        if dentry.is_null() {
            // SAFETY: `ilookup()` returned a reference to the inode.
            dentry = unsafe { bindings::d_find_any_alias(inode) };
        }
    }
    // SAFETY: `ilookup()` returned a reference, which is dropped here.
    unsafe { bindings::iput(inode) };
    dentry
}

/// `->get_parent()`: never called, because each directory in memory is connected.
///
/// # Safety
///
/// None.
unsafe extern "C" fn get_parent(_child: *mut bindings::dentry) -> *mut bindings::dentry {
    ESTALE.to_ptr()
}
