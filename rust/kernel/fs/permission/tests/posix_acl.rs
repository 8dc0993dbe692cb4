// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs.

use super::*;
use crate::fs::{
    inode::AnyInode,
    mode::Mode, //
};
use core::ptr;

/// A size that is enough for the extended attribute of each ACL of a fixture.
const SIZE: usize = 200;

/// A number that depends on all bytes and on their order.
fn digest(bytes: &[u8]) -> u32 {
    let add = |sum: u32, byte: &u8| sum.rotate_left(7) ^ u32::from(*byte);
    bytes.iter().fold(0, add)
}

#[kunit_tests(rust_fs_permission_posix_acl)]
mod suite {
    use super::*;

    #[test]
    fn posix_acl_permission() -> Result {
        let name = "posix_acl_permission";
        let tally = compare(33, name, |fixture, draw| {
            let acl = fixture.acl();
            if acl.is_null() {
                return [1, 0, 0, 0];
            }
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            // SAFETY: All objects of the fixture are valid.
            returned(unsafe {
                bindings::posix_acl_permission(idmap, inode, acl, (draw % 8) as c_int)
            })
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    #[test]
    fn vfs_posix_acl_to_xattr() -> Result {
        let name = "vfs_posix_acl_to_xattr";
        let tally = compare(27, name, |fixture, draw| {
            let acl = fixture.acl();
            if acl.is_null() {
                return [1, 0, 0, 0];
            }
            let mut xattr = [0u8; SIZE];
            let (buffer, size) = match draw % 8 {
                0 => (ptr::null_mut(), 0),
                1 => (xattr.as_mut_ptr(), draw as usize / 8 % 64),
                _ => (xattr.as_mut_ptr(), SIZE),
            };
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            // SAFETY: All objects of the fixture are valid, and the buffer has at least this size.
            let size = unsafe {
                bindings::kunit_vfs_posix_acl_to_xattr(idmap, inode, acl, buffer.cast(), size)
            };
            [size as u32, digest(&xattr), 0, 0]
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    #[test]
    fn vfs_set_acl_idmapped_mnt() -> Result {
        let name = "vfs_set_acl_idmapped_mnt";
        let tally = compare(18, name, |fixture, _| {
            if fixture.acl().is_null() {
                return [1, 0, 0, 0];
            }
            // SAFETY: All objects of the fixture are valid, and nothing else uses the copy.
            unsafe {
                let copy = bindings::posix_acl_clone(fixture.acl(), bindings::GFP_KERNEL);
                if copy.is_null() {
                    return [u32::MAX; 4];
                }
                let userns = (*(*fixture.inode()).i_sb).s_user_ns;
                let error = bindings::kunit_vfs_set_acl_idmapped_mnt(fixture.idmap(), userns, copy);
                let count = (*copy).__bindgen_anon_1.__bindgen_anon_1.a_count as usize;
                let entries: *const bindings::posix_acl_entry =
                    (&raw const (*copy).a_entries).cast();
                let ids = core::slice::from_raw_parts(entries, count).iter();
                let digest = ids.fold(0, |sum: u32, entry| {
                    sum.rotate_left(7) ^ entry.__bindgen_anon_1.e_uid.val
                });
                bindings::posix_acl_release(copy);
                [error as u32, digest, 0, 0]
            }
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    /// The function stays in C. It also computes the mode equivalent to an ACL.
    #[test]
    fn posix_acl_update_mode() -> Result {
        let name = "posix_acl_update_mode";
        let tally = compare_pair(
            26,
            name,
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                if fixture.acl().is_null() {
                    return [0; 4];
                }
                let mut mode = (*fixture.inode()).i_mode;
                bindings::posix_acl_equiv_mode(fixture.acl(), &mut mode);
                let inode = AnyInode::from_raw(fixture.inode());
                let mode = access(fixture).posix_acl_update_mode(inode, Mode::new(mode));
                [0, mode.bits().into(), 0, 0]
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let (mut acl, mut mode) = (fixture.acl(), 0);
                if acl.is_null() {
                    return [0; 4];
                }
                let (idmap, inode) = (fixture.idmap(), fixture.inode());
                let error = bindings::posix_acl_update_mode(idmap, inode, &mut mode, &mut acl);
                [error as u32, mode.into(), 0, 0]
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }
}
