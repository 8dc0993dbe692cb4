// SPDX-License-Identifier: GPL-2.0

//! Extended attributes with constant values.

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

const NAMES: [&CStr; 2] = [c"user.a", c"user.none"];
/// The names as `listxattr()` returns them.
const LIST: &[u8] = b"user.a\0user.none\0";
const VALUE: &[u8] = b"a value";

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
fn with_buffer(call: impl FnOnce(*mut u8, usize) -> isize, room: usize) -> Result<KVec<u8>> {
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
unsafe fn value_of_root(
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
    with_buffer(get, room)
}

/// Returns the names of the attributes of the root directory.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn names_of_root(mount: *mut bindings::vfsmount, room: usize) -> Result<KVec<u8>> {
    let list = |to: *mut u8, room| {
        // SAFETY: `mount` is a mount of the filesystem, and `to` has `room` bytes.
        unsafe { bindings::vfs_listxattr((*mount).mnt_root, to.cast(), room) }
    };
    with_buffer(list, room)
}

#[macros::kunit_tests(rust_fs_xattr)]
mod cases {
    use super::{
        super::calls::mounted,
        *, //
    };

    #[test]
    fn xattr_buffers_are_checked() -> Result {
        let (list, value) = (LIST, VALUE);
        // SAFETY: `mount` is a mount of the filesystem.
        let (names, values, others) = mounted(None, |mount| unsafe {
            let names = [0, list.len() - 1, list.len(), 99];
            let values = [0, value.len() - 1, value.len(), 99];
            let others = [c"user.none", c"user.long", c"user.b"];
            (
                names.map(|room| names_of_root(mount, room)),
                values.map(|room| value_of_root(mount, c"user.a", room)),
                others.map(|name| value_of_root(mount, name, 1).map(|value| value.len())),
            )
        })?;
        for (results, expected) in [(names, list), (values, value)] {
            let [length, less, exact, more] = results;
            assert_eq!(length?.len(), expected.len());
            assert_eq!(less.err(), Some(ERANGE));
            assert!(exact?[..] == *expected);
            assert!(more?[..] == *expected);
        }
        assert_eq!(others, [Ok(0), Err(E2BIG), Err(ENODATA)]);
        Ok(())
    }
}
