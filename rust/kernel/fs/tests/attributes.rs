// SPDX-License-Identifier: GPL-2.0

//! Extended attributes whose values are constants.

use super::{
    Node,
    TestFs, //
};
use crate::{
    bindings,
    error::to_result,
    fs::{
        inode::Inode,
        mnt_idmapping::MntIdmap,
        xattr::{
            NameList,
            SetFlags,
            ValueBuffer,
            XattrOperations, //
        },
    },
    prelude::*, //
};

pub(super) const NAMES: [&CStr; 2] = [c"user.a", c"user.none"];
/// The names as `listxattr()` returns them.
pub(super) const LIST: &[u8] = b"user.a\0user.none\0";
pub(super) const VALUE: &[u8] = b"what a is";

/// Stores both names.
pub(super) fn list(_inode: &Inode<TestFs>, list: &mut NameList) -> Result {
    NAMES.iter().try_for_each(|name| list.put(name))
}

impl XattrOperations for TestFs {
    fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result {
        let _: &Node = inode.data();
        match name.to_bytes() {
            b"user.a" => value.put(VALUE),
            b"user.none" => value.put(b""),
            b"user.long" => value.put(&KVec::from_elem(0, 1 << 17, GFP_KERNEL)?),
            _ => Err(ENODATA),
        }
    }

    fn set(
        _idmap: &MntIdmap,
        _inode: &Inode<Self>,
        _name: &CStr,
        _value: Option<&[u8]>,
        _flags: SetFlags,
    ) -> Result {
        Err(EPERM)
    }
}

/// Calls a function with a buffer of `room` bytes, or with a null pointer if `room` is 0.
fn asked(call: impl FnOnce(*mut u8, usize) -> isize, room: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0xff, room, GFP_KERNEL)?;
    let to = match room {
        0 => core::ptr::null_mut(),
        _ => bytes.as_mut_ptr(),
    };
    let used = call(to, room);
    to_result(used.min(0) as c_int)?;
    if room == 0 {
        return Ok(KVec::from_elem(0, used as usize, GFP_KERNEL)?);
    }
    bytes.truncate(used as usize);
    Ok(bytes)
}

/// Returns the value of an attribute of the root directory.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn value(
    mount: *mut bindings::vfsmount,
    name: &CStr,
    room: usize,
) -> Result<KVec<u8>> {
    let get = |to: *mut u8, room| {
        let idmap = &raw mut bindings::nop_mnt_idmap;
        // SAFETY: `mount` is a mount of the filesystem, and `to` has `room` bytes.
        unsafe {
            let root = (*mount).mnt_root;
            bindings::vfs_getxattr(idmap, root, name.as_char_ptr(), to.cast(), room)
        }
    };
    asked(get, room)
}

/// Returns the names of the attributes of the root directory.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn names(mount: *mut bindings::vfsmount, room: usize) -> Result<KVec<u8>> {
    let list = |to: *mut u8, room| {
        // SAFETY: `mount` is a mount of the filesystem, and `to` has `room` bytes.
        unsafe { bindings::vfs_listxattr((*mount).mnt_root, to.cast(), room) }
    };
    asked(list, room)
}
