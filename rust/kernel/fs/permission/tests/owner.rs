// SPDX-License-Identifier: GPL-2.0

//! Ownership, new inodes, and `stat()`.

use super::*;
use crate::fs::{
    inode::AnyInode,
    mode::{
        Mask,
        Mode, //
    },
    permission::CheckError, //
};
use core::ptr;

/// A group that a mount may show, or the invalid one.
fn group(draw: u32) -> bindings::vfsgid_t {
    bindings::vfsgid_t {
        val: [1000, 5000, 3000, u32::MAX][draw as usize % 4],
    }
}

/// The directory, or null.
fn dir(fixture: &Fixture, draw: u32) -> *mut bindings::inode {
    if draw % 5 == 0 {
        return ptr::null_mut();
    }
    fixture.dir()
}

#[kunit_tests(rust_fs_permission_owner)]
mod suite {
    use super::*;

    #[test]
    fn inode_owner_or_capable() -> Result {
        let name = "inode_owner_or_capable";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(2, name, |fixture, _| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            returned(bindings::inode_owner_or_capable(idmap, inode).into())
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn capable_wrt_inode_uidgid() -> Result {
        let name = "capable_wrt_inode_uidgid";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(3, name, |fixture, draw| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            let capability = (draw % 41) as c_int;
            returned(bindings::capable_wrt_inode_uidgid(idmap, inode, capability).into())
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn privileged_wrt_inode_uidgid() -> Result {
        let name = "privileged_wrt_inode_uidgid";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(4, name, |fixture, draw| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            let ns = fixture.namespaces()[draw as usize % 2];
            returned(bindings::privileged_wrt_inode_uidgid(ns, idmap, inode).into())
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    #[test]
    fn in_group_or_capable() -> Result {
        let name = "in_group_or_capable";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(5, name, |fixture, draw| unsafe {
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            returned(bindings::in_group_or_capable(idmap, inode, group(draw)).into())
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The credentials of a caller may contain the group -1. It is not the group of an inode whose
    /// group is not mapped.
    #[test]
    fn vfsgid_in_group_p_fails_for_invalid_group() -> Result {
        let mut fixture = Fixture::new(12)?;
        fixture.set(true, 0, 0o100070, 0);
        fixture.set_invalid_groups();
        // SAFETY: The functions read the credentials of the current task only.
        let in_group = |group| unsafe {
            let (kgid, vfsgid) = (
                bindings::kgid_t { val: group },
                bindings::vfsgid_t { val: group },
            );
            (
                bindings::in_group_p(kgid),
                bindings::vfsgid_in_group_p(vfsgid),
            )
        };
        assert_eq!(in_group(5000), (1, 1));
        assert_eq!(in_group(3000), (0, 0));
        assert_eq!(in_group(u32::MAX), (1, 0));
        // SAFETY: All objects of the fixture are valid.
        let in_group_or_capable = unsafe {
            let invalid = bindings::vfsgid_t { val: u32::MAX };
            bindings::in_group_or_capable(fixture.idmap(), fixture.inode(), invalid)
        };
        assert!(!in_group_or_capable);
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn inode_permission() -> Result {
        let name = "inode_permission";
        let mask = |fixture: &Fixture, draw| (draw % 8) as c_int | fixture.may_not_block();
        let tally = compare_pair(
            6,
            name,
            |fixture, draw| {
                let mask = Mask::new(mask(fixture, draw) as u32);
                let _walk = fixture.walk();
                // SAFETY: All objects of the fixture are valid.
                let (access, inode) =
                    unsafe { (access(fixture), AnyInode::from_raw(fixture.inode())) };
                returned(CheckError::to_c(access.mapped_inode_permission(
                    inode,
                    mask,
                    || access.mapped_generic_permission(inode, mask),
                )))
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, draw| unsafe {
                let mask = mask(fixture, draw);
                let _walk = fixture.walk();
                returned(bindings::inode_permission(
                    fixture.idmap(),
                    fixture.inode(),
                    mask,
                ))
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    #[test]
    fn inode_init_owner() -> Result {
        let name = "inode_init_owner";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(7, name, |fixture, draw| unsafe {
            let (dir, inode) = (dir(fixture, draw), fixture.inode());
            bindings::inode_init_owner(fixture.idmap(), inode, dir, draw as u16);
            let (uid, gid) = ((*inode).i_uid.val, (*inode).i_gid.val);
            [0, uid, gid, (*inode).i_mode.into()]
        })?;
        assert!(tally.holds(name));
        Ok(())
    }

    #[test]
    fn mode_strip_sgid() -> Result {
        let name = "mode_strip_sgid";
        // SAFETY: All objects of the fixture are valid.
        let tally = compare(8, name, |fixture, draw| unsafe {
            let dir = dir(fixture, draw);
            returned(bindings::mode_strip_sgid(fixture.idmap(), dir, draw as u16).into())
        })?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn fsuidgid_has_mapping() -> Result {
        let name = "fsuidgid_has_mapping";
        let tally = compare_pair(
            9,
            name,
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let inode = AnyInode::from_raw(fixture.inode());
                returned(access(fixture).mapped_fsids(inode).is_ok().into())
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let sb = (*fixture.inode()).i_sb;
                returned(bindings::fsuidgid_has_mapping(sb, fixture.idmap()).into())
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }

    /// The function stays in C.
    #[test]
    fn vfs_prepare_mode() -> Result {
        let name = "vfs_prepare_mode";
        // SAFETY: The function reads the current task only.
        let umask = Mode::new(unsafe { bindings::kunit_umask() });
        let kinds = [bindings::S_IFREG, bindings::S_IFDIR, bindings::S_IFSOCK, 0];
        let allowed = [0o7777, 0o1777, 0o777, u32::from(u16::MAX)];
        let chosen = |draw: u32| {
            let allowed = allowed[draw as usize % 4] as u16;
            (allowed, kinds[draw as usize / 4 % 4] as u16)
        };
        let tally = compare_pair(
            22,
            name,
            // SAFETY: All objects of the fixture are valid.
            |fixture, draw| unsafe {
                let (allowed, kind) = chosen(draw);
                let (allowed, kind) = (Mode::new(allowed), Mode::new(kind));
                let (dir, mode) = (AnyInode::from_raw(fixture.dir()), Mode::new(draw as u16));
                let mode = access(fixture).vfs_prepare_mode(dir, mode, allowed, kind, || umask);
                returned(mode.bits().into())
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, draw| unsafe {
                let (allowed, kind) = chosen(draw);
                let (idmap, dir) = (fixture.idmap(), fixture.dir());
                let mode = draw as u16;
                returned(bindings::kunit_vfs_prepare_mode(idmap, dir, mode, allowed, kind).into())
            },
        )?;
        assert!(tally.holds_with_capabilities(name));
        Ok(())
    }

    /// The function stays in C. It calls `make_vfsuid()` and `make_vfsgid()`, so its ids are
    /// compared with those of an idmap in C.
    #[test]
    fn generic_fillattr() -> Result {
        let name = "generic_fillattr";
        let tally = compare_pair(
            10,
            name,
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let mut stat: bindings::kstat = pin_init::zeroed();
                bindings::generic_fillattr(fixture.idmap(), 0, fixture.inode(), &mut stat);
                let inode = AnyInode::from_raw(fixture.inode());
                let (user, group) = access(fixture).stat_owner(inode);
                let same = (
                    crate::uidgid::Id::to_c(user),
                    crate::uidgid::Id::to_c(group),
                ) == (stat.uid.val, stat.gid.val);
                [same.into(), stat.uid.val, stat.gid.val, 0]
            },
            // SAFETY: All objects of the fixture are valid.
            |fixture, _| unsafe {
                let (idmap, inode) = (fixture.idmap_in_c(), fixture.inode());
                let ns = (*(*inode).i_sb).s_user_ns;
                let user = bindings::oracle_make_vfsuid(idmap, ns, (*inode).i_uid);
                let group = bindings::oracle_make_vfsgid(idmap, ns, (*inode).i_gid);
                [1, user.val, group.val, 0]
            },
        )?;
        assert!(tally.holds(name));
        Ok(())
    }
}
