// SPDX-License-Identifier: GPL-2.0

//! Names and what protects them, and ACLs.

use super::*;

/// The number of entries of an ACL.
///
/// # Safety
///
/// `acl` must be valid.
unsafe fn count(acl: *mut bindings::posix_acl) -> usize {
    // SAFETY: By the requirements above.
    unsafe { (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count as usize }
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
        let digest = ids.fold(0u32, |sum, id| sum.rotate_left(7) ^ id);
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
