// SPDX-License-Identifier: GPL-2.0

//! Extended attributes that are nowhere: what they say is made when somebody asks.

use super::{
    Counted,
    TestFs, //
};
use crate::{
    bindings,
    error::to_result,
    fs::{
        inode::{
            Inode,
            Locked, //
        },
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
/// Both, as they are listed.
pub(super) const LIST: &[u8] = b"user.a\0user.none\0";
pub(super) const VALUE: &[u8] = b"what a is";

/// Names both.
pub(super) fn list(_inode: &Inode<TestFs>, list: &mut NameList) -> Result {
    NAMES.iter().try_for_each(|name| list.put(name))
}

impl XattrOperations for TestFs {
    fn get(inode: &Inode<Self>, name: &CStr, value: &mut ValueBuffer) -> Result {
        let _: &Counted = inode.data();
        match name.to_bytes() {
            b"user.a" => value.put(VALUE),
            b"user.none" => value.put(b""),
            b"user.long" => value.put(&KVec::from_elem(0, 1 << 17, GFP_KERNEL)?),
            _ => Err(ENODATA),
        }
    }

    fn set(
        _idmap: &MntIdmap,
        _inode: &Locked<'_, Self>,
        _name: &CStr,
        _value: Option<&[u8]>,
        _flags: SetFlags,
    ) -> Result {
        Err(EPERM)
    }
}

/// What a call answers that is given some room, or none to be told how much it takes.
fn asked(call: impl FnOnce(*mut u8, usize) -> isize, room: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0xff, room, GFP_KERNEL)?;
    let to = match room {
        0 => core::ptr::null_mut(),
        _ => bytes.as_mut_ptr(),
    };
    let used = call(to, room);
    to_result(used.min(0) as c_int)?;
    if room == 0 {
        // As many bytes as it takes.
        return Ok(KVec::from_elem(0, used as usize, GFP_KERNEL)?);
    }
    bytes.truncate(used as usize);
    Ok(bytes)
}

/// Gets an attribute of the root of a mount.
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
        // SAFETY: By the requirements above, and there is that much room.
        unsafe {
            let root = (*mount).mnt_root;
            bindings::vfs_getxattr(idmap, root, name.as_char_ptr(), to.cast(), room)
        }
    };
    asked(get, room)
}

/// Lists the attributes of the root of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn names(mount: *mut bindings::vfsmount, room: usize) -> Result<KVec<u8>> {
    let list = |to: *mut u8, room| {
        // SAFETY: By the requirements above, and there is that much room.
        unsafe { bindings::vfs_listxattr((*mount).mnt_root, to.cast(), room) }
    };
    asked(list, room)
}
