// SPDX-License-Identifier: GPL-2.0

//! Names and what protects them, and ACLs.

use super::*;
use crate::fs::{
    inode::AnyInode,
    mode::Mode,
    permission::CheckError, //
};
use core::ptr;

/// The directory that a path walk came through, by its mode and owner.
fn parent(draw: u32) -> (bindings::umode_t, bindings::vfsuid_t) {
    let mode = [0o1777, 0o1775, 0o1755, 0o777, 0o7777][draw as usize % 5];
    let owner = [1000, 5000, 3000, u32::MAX][draw as usize / 5 % 4];
    let vfsuid = bindings::vfsuid_t { val: owner };
    (bindings::S_IFDIR as u16 | mode, vfsuid)
}

/// What `may_create_in_sticky()` says.
fn create_in_sticky(world: &World, draw: u32, in_c: bool) -> [u32; 4] {
    let (mode, owner) = parent(draw);
    let (regular, fifos) = ((draw / 20 % 3) as c_int, (draw / 60 % 3) as c_int);
    // SAFETY: All of the world is valid.
    only(unsafe {
        bindings::kunit_may_create_in_sticky(
            world.idmap(),
            world.inode(),
            mode,
            owner,
            regular,
            fifos,
            in_c,
        )
    })
}

/// What `may_linkat()` says.
fn linkat(world: &World, draw: u32, in_c: bool) -> [u32; 4] {
    // SAFETY: All of the world is valid.
    only(unsafe { bindings::kunit_may_linkat(world.idmap(), world.name(), draw % 4 != 0, in_c) })
}

/// The most bytes of the attribute that is made of an ACL of the world.
const ATTRIBUTE: usize = 200;

/// The number of entries of an ACL.
///
/// # Safety
///
/// `acl` must be valid.
unsafe fn count(acl: *mut bindings::posix_acl) -> usize {
    // SAFETY: By the requirements above.
    unsafe { (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count as usize }
}

/// One number for some ids in their order.
fn digest(ids: impl Iterator<Item = u32>) -> u32 {
    ids.fold(0, |sum: u32, id| sum.rotate_left(7) ^ id)
}

/// A digest of the ids of the world's ACL, if it has one, once a copy of it was mapped.
fn mapped(
    world: &World,
    map: impl FnOnce(*mut bindings::mnt_idmap, *mut bindings::user_namespace, *mut bindings::posix_acl),
) -> [u32; 4] {
    if world.acl().is_null() {
        return [0; 4];
    }
    // SAFETY: All of the world is valid, and the copy belongs to this function.
    unsafe {
        let copy = bindings::posix_acl_clone(world.acl(), bindings::GFP_KERNEL);
        if copy.is_null() {
            return [u32::MAX; 4];
        }
        let userns = (*(*world.inode()).i_sb).s_user_ns;
        map(world.idmap(), userns, copy);
        let first = (&raw const (*copy).a_entries).cast::<bindings::posix_acl_entry>();
        let ids = (0..count(copy)).map(|index| (*first.add(index)).__bindgen_anon_1.e_uid.val);
        let digest = digest(ids);
        bindings::posix_acl_release(copy);
        [1, digest, 0, 0]
    }
}

#[kunit_tests(rust_fs_access_dir)]
mod suite {
    use super::*;

    #[test]
    fn check_sticky() -> Result {
        let tally = compare(
            16,
            "__check_sticky",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                only(bindings::__check_sticky(
                    world.idmap(),
                    world.dir(),
                    world.inode(),
                ))
            },
            // SAFETY: As above.
            |world, _| unsafe {
                only(bindings::oracle___check_sticky(
                    world.idmap(),
                    world.dir(),
                    world.inode(),
                ))
            },
        )?;
        assert!(tally.holds("__check_sticky"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn may_delete_dentry() -> Result {
        let tally = compare(
            17,
            "may_delete_dentry",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(bindings::may_delete_dentry(
                    world.idmap(),
                    world.dir(),
                    world.name(),
                    draw % 2 == 0,
                ))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(bindings::oracle_may_delete_dentry(
                    world.idmap(),
                    world.dir(),
                    world.name(),
                    draw % 2 == 0,
                ))
            },
        )?;
        assert!(tally.holds("may_delete_dentry"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn may_linkat() -> Result {
        let tally = compare(
            23,
            "may_linkat",
            |world, draw| linkat(world, draw, false),
            |world, draw| linkat(world, draw, true),
        )?;
        assert!(tally.holds("may_linkat"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn may_create_in_sticky() -> Result {
        let tally = compare(
            24,
            "may_create_in_sticky",
            |world, draw| create_in_sticky(world, draw, false),
            |world, draw| create_in_sticky(world, draw, true),
        )?;
        assert!(tally.holds("may_create_in_sticky"));
        Ok(())
    }

    /// The function stays in C; the kernel crate has one that must say the same.
    #[test]
    fn may_write_xattr() -> Result {
        let tally = compare(
            25,
            "may_write_xattr",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                let inode = AnyInode::from_raw(world.inode());
                only(CheckError::to_c(task(world).may_write_xattr(inode)))
            },
            // SAFETY: As above.
            |world, _| unsafe { only(bindings::may_write_xattr(world.idmap(), world.inode())) },
        )?;
        assert!(tally.holds("may_write_xattr"));
        Ok(())
    }

    /// Likewise. C alone finds the mode that an ACL comes down to.
    #[test]
    fn posix_acl_update_mode() -> Result {
        let tally = compare(
            26,
            "posix_acl_update_mode",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                if world.acl().is_null() {
                    return [0; 4];
                }
                let mut mode = (*world.inode()).i_mode;
                bindings::posix_acl_equiv_mode(world.acl(), &mut mode);
                let inode = AnyInode::from_raw(world.inode());
                let mode = task(world).posix_acl_update_mode(inode, Mode::new(mode));
                [0, mode.bits().into(), 0, 0]
            },
            // SAFETY: As above.
            |world, _| unsafe {
                let (mut acl, mut mode) = (world.acl(), 0);
                if acl.is_null() {
                    return [0; 4];
                }
                let (idmap, inode) = (world.idmap(), world.inode());
                let said = bindings::posix_acl_update_mode(idmap, inode, &mut mode, &mut acl);
                [said as u32, mode.into(), 0, 0]
            },
        )?;
        assert!(tally.holds("posix_acl_update_mode"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn vfs_posix_acl_to_xattr() -> Result {
        let tally = compare(
            27,
            "vfs_posix_acl_to_xattr",
            |world, _| {
                let acl = world.acl();
                if acl.is_null() {
                    return [0; 4];
                }
                // SAFETY: All of the world is valid.
                let ids = unsafe {
                    let userns = (*(*world.inode()).i_sb).s_user_ns;
                    let first = (&raw const (*acl).a_entries).cast::<bindings::posix_acl_entry>();
                    (0..count(acl)).map(move |index| {
                        bindings::rust_posix_acl_entry_to_caller(
                            world.idmap(),
                            userns,
                            first.add(index),
                            world.cred(),
                        )
                    })
                };
                [1, digest(ids), 0, 0]
            },
            |world, _| {
                let acl = world.acl();
                if acl.is_null() {
                    return [0; 4];
                }
                let mut attribute = [0u8; ATTRIBUTE];
                // SAFETY: All of the world is valid, and the attribute as long as it is said.
                let size = unsafe {
                    bindings::oracle_vfs_posix_acl_to_xattr(
                        world.idmap(),
                        world.inode(),
                        acl,
                        ptr::from_mut(&mut attribute).cast(),
                        ATTRIBUTE,
                    )
                };
                // A header of four bytes, then entries of eight bytes that end with the id.
                let entries = attribute.get(4..size as usize).unwrap_or(&[]);
                let ids = entries.chunks_exact(8).map(|entry| match entry {
                    [_, _, _, _, id @ ..] => id
                        .iter()
                        .rev()
                        .fold(0, |id, byte| id << 8 | u32::from(*byte)),
                    _ => 0,
                });
                [1, digest(ids), 0, 0]
            },
        )?;
        assert!(tally.holds("vfs_posix_acl_to_xattr"));
        Ok(())
    }

    #[test]
    fn vfs_set_acl_idmapped_mnt() -> Result {
        let tally = compare(
            18,
            "vfs_set_acl_idmapped_mnt",
            |world, _| {
                mapped(world, |idmap, fs_userns, acl| {
                    // SAFETY: All of the world is valid, and the ACL belongs to this test.
                    unsafe {
                        let first = (&raw mut (*acl).a_entries).cast::<bindings::posix_acl_entry>();
                        for index in 0..count(acl) {
                            let entry = first.add(index);
                            bindings::rust_posix_acl_entry_to_fs(
                                idmap,
                                fs_userns,
                                entry,
                                world.cred(),
                            );
                        }
                    }
                })
            },
            |world, _| {
                mapped(world, |idmap, fs_userns, acl| {
                    // SAFETY: As above.
                    unsafe { bindings::oracle_vfs_set_acl_idmapped_mnt(idmap, fs_userns, acl) };
                })
            },
        )?;
        assert!(tally.holds("vfs_set_acl_idmapped_mnt"));
        Ok(())
    }
}
