// SPDX-License-Identifier: GPL-2.0

//! File handles of inodes in memory: `name_to_handle_at()`, `open_by_handle_at()`, NFS.
//!
//! A handle is the generation and the number of an inode, in the form that tmpfs has. An inode in
//! memory is found by it for as long as there is one; there is nowhere else to look.
//!
//! C header: [`include/linux/exportfs.h`](srctree/include/linux/exportfs.h)

use crate::{
    bindings,
    prelude::*, //
};

/// The number of 32 bit words in a handle.
const WORDS: c_int = 3;

/// The type of a handle, which says nothing more than that there is one.
const TYPE: c_int = 1;

/// C's table.
#[repr(transparent)]
pub(in crate::fs) struct ExportVTable(bindings::export_operations);

// SAFETY: It never changes.
unsafe impl Sync for ExportVTable {}

impl ExportVTable {
    pub(in crate::fs) fn as_ptr(&self) -> *const bindings::export_operations {
        &self.0
    }
}

/// For inodes in memory of any filesystem.
pub(in crate::fs) static IN_MEMORY: ExportVTable = ExportVTable(bindings::export_operations {
    encode_fh: Some(encode_fh),
    fh_to_dentry: Some(fh_to_dentry),
    get_parent: Some(get_parent),
    ..pin_init::zeroed()
});

/// # Safety
///
/// `inode` must be valid, `words` have room for `length` words.
unsafe extern "C" fn encode_fh(
    inode: *mut bindings::inode,
    words: *mut u32,
    length: *mut c_int,
    _parent: *mut bindings::inode,
) -> c_int {
    // SAFETY: By the requirements above.
    unsafe {
        let room = core::mem::replace(&mut *length, WORDS);
        if room < WORDS {
            return bindings::fid_type_FILEID_INVALID as c_int;
        }
        let ino = (*inode).i_ino;
        words.write((*inode).i_generation);
        words.add(1).write(ino as u32);
        words.add(2).write((ino >> 32) as u32);
    }
    TYPE
}

/// # Safety
///
/// `sb` must be valid, `fid` have `length` words.
unsafe extern "C" fn fh_to_dentry(
    sb: *mut bindings::super_block,
    fid: *mut bindings::fid,
    length: c_int,
    kind: c_int,
) -> *mut bindings::dentry {
    if length < WORDS || kind != TYPE {
        return core::ptr::null_mut();
    }
    // SAFETY: By the requirements above. An inode that is found comes with a reference, which is
    // given back.
    unsafe {
        let words: *const u32 = fid.cast();
        let generation = words.read();
        let ino = u64::from(words.add(1).read()) | u64::from(words.add(2).read()) << 32;
        let inode = bindings::ilookup(sb, ino);
        if inode.is_null() {
            return core::ptr::null_mut();
        }
        let found = if (*inode).i_generation == generation {
            // A name that is left; where none is, the one that it was opened by.
            let left = bindings::d_find_alias(inode);
            if left.is_null() {
                bindings::d_find_any_alias(inode)
            } else {
                left
            }
        } else {
            core::ptr::null_mut()
        };
        bindings::iput(inode);
        found
    }
}

/// # Safety
///
/// None: a directory in memory is always connected to its parent.
unsafe extern "C" fn get_parent(_child: *mut bindings::dentry) -> *mut bindings::dentry {
    ESTALE.to_ptr()
}
