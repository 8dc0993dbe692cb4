// SPDX-License-Identifier: GPL-2.0

//! Who owns what, and whose capabilities count.

use super::*;
use crate::fs::{
    inode::AnyInode,
    mode::Mode, //
};
use core::ptr;

/// One of the groups that a mount may show, or none.
fn group(draw: u32) -> bindings::vfsgid_t {
    bindings::vfsgid_t {
        val: [1000, 5000, 3000, u32::MAX][draw as usize % 4],
    }
}

/// The directory, or none.
fn dir(world: &World, draw: u32) -> *mut bindings::inode {
    if draw % 5 == 0 {
        return ptr::null_mut();
    }
    world.dir()
}

/// What the inode is once it was initialized.
fn made(
    world: &World,
    draw: u32,
    init: unsafe extern "C" fn(
        *mut bindings::mnt_idmap,
        *mut bindings::inode,
        *const bindings::inode,
        bindings::umode_t,
    ),
) -> [u32; 4] {
    let inode = world.inode();
    // SAFETY: All of the world is valid.
    unsafe {
        init(world.idmap(), inode, dir(world, draw), draw as u16);
        [
            0,
            (*inode).i_uid.val,
            (*inode).i_gid.val,
            (*inode).i_mode.into(),
        ]
    }
}

#[kunit_tests(rust_fs_access_owner)]
mod suite {
    use super::*;

    #[test]
    fn inode_owner_or_capable() -> Result {
        let tally = compare(
            2,
            "inode_owner_or_capable",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                only(c_int::from(bindings::inode_owner_or_capable(
                    world.idmap(),
                    world.inode(),
                )))
            },
            // SAFETY: As above.
            |world, _| unsafe {
                only(c_int::from(bindings::oracle_inode_owner_or_capable(
                    world.idmap(),
                    world.inode(),
                )))
            },
        )?;
        assert!(tally.holds("inode_owner_or_capable"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn capable_wrt_inode_uidgid() -> Result {
        let tally = compare(
            3,
            "capable_wrt_inode_uidgid",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(c_int::from(bindings::capable_wrt_inode_uidgid(
                    world.idmap(),
                    world.inode(),
                    (draw % 41) as c_int,
                )))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(c_int::from(bindings::oracle_capable_wrt_inode_uidgid(
                    world.idmap(),
                    world.inode(),
                    (draw % 41) as c_int,
                )))
            },
        )?;
        assert!(tally.holds("capable_wrt_inode_uidgid"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn privileged_wrt_inode_uidgid() -> Result {
        let tally = compare(
            4,
            "privileged_wrt_inode_uidgid",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(c_int::from(bindings::privileged_wrt_inode_uidgid(
                    world.namespaces()[draw as usize % 2],
                    world.idmap(),
                    world.inode(),
                )))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(c_int::from(bindings::oracle_privileged_wrt_inode_uidgid(
                    world.namespaces()[draw as usize % 2],
                    world.idmap(),
                    world.inode(),
                )))
            },
        )?;
        assert!(tally.holds("privileged_wrt_inode_uidgid"));
        Ok(())
    }

    #[test]
    fn in_group_or_capable() -> Result {
        let tally = compare(
            5,
            "in_group_or_capable",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(c_int::from(bindings::in_group_or_capable(
                    world.idmap(),
                    world.inode(),
                    group(draw),
                )))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(c_int::from(bindings::oracle_in_group_or_capable(
                    world.idmap(),
                    world.inode(),
                    group(draw),
                )))
            },
        )?;
        assert!(tally.holds("in_group_or_capable"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn inode_permission() -> Result {
        let tally = compare(
            6,
            "inode_permission",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                let _walk = world.walk();
                only(bindings::inode_permission(
                    world.idmap(),
                    world.inode(),
                    (draw % 8) as c_int | world.may_not_block(),
                ))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                let _walk = world.walk();
                only(bindings::oracle_inode_permission(
                    world.idmap(),
                    world.inode(),
                    (draw % 8) as c_int | world.may_not_block(),
                ))
            },
        )?;
        assert!(tally.holds("inode_permission"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn inode_init_owner() -> Result {
        let tally = compare(
            7,
            "inode_init_owner",
            |world, draw| made(world, draw, bindings::inode_init_owner),
            |world, draw| made(world, draw, bindings::oracle_inode_init_owner),
        )?;
        assert!(tally.holds("inode_init_owner"));
        Ok(())
    }

    #[test]
    fn mode_strip_sgid() -> Result {
        let tally = compare(
            8,
            "mode_strip_sgid",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                only(c_int::from(bindings::mode_strip_sgid(
                    world.idmap(),
                    dir(world, draw),
                    draw as u16,
                )))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                only(c_int::from(bindings::oracle_mode_strip_sgid(
                    world.idmap(),
                    dir(world, draw),
                    draw as u16,
                )))
            },
        )?;
        assert!(tally.holds("mode_strip_sgid"));
        assert!(tally.used > 100);
        Ok(())
    }

    #[test]
    fn fsuidgid_has_mapping() -> Result {
        let tally = compare(
            9,
            "fsuidgid_has_mapping",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                only(c_int::from(
                    task(world)
                        .mapped_fsids(AnyInode::from_raw(world.inode()))
                        .is_ok(),
                ))
            },
            // SAFETY: As above.
            |world, _| unsafe {
                only(c_int::from(bindings::fsuidgid_has_mapping(
                    (*world.inode()).i_sb,
                    world.idmap(),
                )))
            },
        )?;
        assert!(tally.holds("fsuidgid_has_mapping"));
        Ok(())
    }

    #[test]
    fn vfs_prepare_mode() -> Result {
        // SAFETY: This reads what belongs to the current task.
        let umask = Mode::new(unsafe { bindings::kunit_umask() });
        let kinds = [bindings::S_IFREG, bindings::S_IFDIR, bindings::S_IFSOCK, 0];
        let allowed = [0o7777, 0o1777, 0o777, u32::from(u16::MAX)];
        let chosen = |draw: u32| {
            (
                allowed[draw as usize % 4] as u16,
                kinds[draw as usize / 4 % 4] as u16,
            )
        };
        let tally = compare(
            22,
            "vfs_prepare_mode",
            // SAFETY: All of the world is valid.
            |world, draw| unsafe {
                let (allowed, kind) = chosen(draw);
                let (dir, mode) = (AnyInode::from_raw(world.dir()), Mode::new(draw as u16));
                let mode = task(world).vfs_prepare_mode(
                    dir,
                    mode,
                    Mode::new(allowed),
                    Mode::new(kind),
                    || umask,
                );
                only(c_int::from(mode.bits()))
            },
            // SAFETY: As above.
            |world, draw| unsafe {
                let (allowed, kind) = chosen(draw);
                only(c_int::from(bindings::kunit_vfs_prepare_mode(
                    world.idmap(),
                    world.dir(),
                    draw as u16,
                    allowed,
                    kind,
                )))
            },
        )?;
        assert!(tally.holds("vfs_prepare_mode"));
        assert!(tally.used > 100);
        Ok(())
    }

    /// What C has inline there are these two, which are compared with those of a map in C.
    #[test]
    fn generic_fillattr_owner() -> Result {
        let tally = compare(
            10,
            "generic_fillattr",
            // SAFETY: All of the world is valid.
            |world, _| unsafe {
                let mut stat: bindings::kstat = pin_init::zeroed();
                let (idmap, inode) = (world.idmap(), world.inode());
                bindings::rust_fillattr_owner(idmap, inode, &mut stat, world.cred());
                [0, stat.uid.val, stat.gid.val, 0]
            },
            // SAFETY: As above.
            |world, _| unsafe {
                let (idmap, inode) = (world.idmap_in_c(), world.inode());
                let ns = (*(*inode).i_sb).s_user_ns;
                let user = bindings::oracle_make_vfsuid(idmap, ns, (*inode).i_uid);
                let group = bindings::oracle_make_vfsgid(idmap, ns, (*inode).i_gid);
                [0, user.val, group.val, 0]
            },
        )?;
        assert!(tally.holds("generic_fillattr"));
        Ok(())
    }
}
