// SPDX-License-Identifier: GPL-2.0

//! Mistakes that were really made about idmapped mounts, one test for each: it fails when the
//! mistake is put back.
//!
//! Those that the types here make impossible are examples in the documentation of the types
//! instead, which must not compile. The commit that a test names is the kernel's own correction.

mod support;

use kernel::{
    fs::{
        mode::{Mask, Mode, Valid},
        permission::{
            Access, CallerCaps, CapsRoot, CheckError, DiskCaps, IattrValues, IdmapRequest,
            MountFacts, NewMap, NoIdmap, UsernsFd,
        },
    },
    host,
    uidgid::{Filesystem, Id, Local, Uid, Vfs},
    user_namespace::{Extent, IdMap, MapError, MAX_BASE_EXTENTS, MAX_EXTENTS},
};
use support::{
    fixture::{entry, plain_entry, raw, Acl, Inode, Map, Ns, Ranges, Who, NONE},
    lookups,
};

fn who(fsuid: u32, fsgid: u32, groups: &[u32]) -> Who {
    Who {
        fsuid,
        fsgid,
        groups: groups.to_vec(),
        ns: Ns::initial(),
        caps: [0; 4],
    }
}

fn both(ranges: Ranges) -> Map {
    Map::Ranges(ranges.clone(), ranges)
}

/// 1000 and 1001 change places.
fn swapped() -> Map {
    both(vec![[1000, 1001, 1], [1001, 1000, 1]])
}

/// 1000 on disk is seen as 2000, and so on.
fn shifted() -> Map {
    both(vec![[1000, 2000, 100]])
}

const CAP_FOWNER: u64 = 1 << 3;
const CAP_FSETID: u64 = 1 << 4;
const CAP_SETFCAP: u64 = 1 << 31;

/// The new owner, as the filesystem calls it, was compared with the old one as the mount shows it:
/// where the map changes two ids round, owners could not keep their files and could give them away.
/// 968219708108 ("fs: handle circular mappings correctly").
#[test]
fn owners_keep_their_files_where_ids_change_places() {
    let (map, owner) = (swapped(), who(1000, 1000, &[]));
    let access = Access::new(&owner, &map);
    let file = Inode::new(0o100644, 1001, 1001);
    assert!(access.chown_ok(&file, host::id(1000)));
    assert!(!access.chown_ok(&file, host::id(1001)));
    assert!(access.chgrp_ok(&file, host::id(1000)));
    assert!(!access.chgrp_ok(&file, host::id(1001)));
}

/// The caller was looked for in the group that is stored, not in the one that is seen.
/// 168f91289340 ("fs: account for group membership").
#[test]
fn files_can_be_given_to_a_group_of_ones_own() {
    let (map, owner) = (shifted(), who(2000, 2000, &[2005]));
    let access = Access::new(&owner, &map);
    let file = Inode::new(0o100644, 1000, 1000);
    assert!(access.chgrp_ok(&file, host::id(2005)));
    assert!(!access.chgrp_ok(&file, host::id(1005)));
    // Likewise the bit that goes with the group.
    let program = Inode::new(0o102745, 1001, 1005);
    assert_eq!(access.setattr_should_drop_sgid(&program), Valid::EMPTY);
    let stored_only = who(2000, 2000, &[1005]);
    let access = Access::new(&stored_only, &map);
    let dropped = access.setattr_should_drop_sgid(&program);
    assert_eq!(dropped, Valid::ATTR_KILL_SGID);
}

/// Files without a name were made for callers whom the filesystem could not store, and belonged to
/// (uid_t)-1. 539dce114465 ("fs: refuse O_TMPFILE creation with an unmapped fsuid or fsgid").
#[test]
fn nobody_makes_what_nobody_owns() {
    let map = shifted();
    let dir = Inode::new(0o040777, 1000, 1000);
    for (user, group) in [(3000, 2000), (2000, 3000), (3000, 3000)] {
        let stranger = who(user, group, &[]);
        let refused = Access::new(&stranger, &map).mapped_fsids(&dir);
        assert_eq!(refused.unwrap_err(), CheckError::EOVERFLOW);
    }
    // Without a map it is the filesystem's own namespace that may lack them.
    let inside = Ns::new(1, vec![[0, 2000, 10]], vec![[0, 2000, 5]], Ns::initial());
    let dir_inside = Inode {
        ns: inside,
        ..dir.clone()
    };
    for (user, group, refused) in [(2000, 2007, true), (2017, 2000, true), (2009, 2004, false)] {
        let caller = who(user, group, &[]);
        let owner = Access::new(&caller, &Map::Nop).mapped_fsids(&dir_inside);
        assert_eq!(owner.is_err(), refused, "{user} {group}");
    }
    let known = who(2000, 2001, &[]);
    let owner = Access::new(&known, &map).mapped_fsids(&dir).unwrap();
    let ids = (owner.owner().get(), owner.group().get());
    assert_eq!(ids, (1000, 1001));
}

/// Ids of ACLs were left as they are wherever a mount has no map, also on filesystems that belong
/// to a user namespace; and by the number of the filesystem's namespace where it has one.
/// 705191b03d50 ("fs: fix acl translation").
#[test]
fn acls_mean_the_same_with_a_map_and_without() {
    let inside = Ns::new(1, vec![[0, 5000, 10]], vec![[0, 5000, 10]], Ns::initial());
    let caller = Who {
        ns: inside,
        ..who(5000, 5000, &[])
    };
    let fs = Inode {
        ns: inside,
        ..Inode::new(0o100644, 5000, 5000)
    };
    let access = Access::new(&caller, &Map::Nop);
    for tag in [0x02, 0x08] {
        let seen = access.acl_from_caller(entry::<Local>((tag, 7, 3))).unwrap();
        let stored = access.acl_to_fs(&fs, seen);
        assert_eq!(plain_entry(stored), (tag, 7, 5003));
        assert_eq!(plain_entry(stored.to_disk(inside)), (tag, 7, 3));
        assert_eq!(plain_entry(access.acl_to_caller(&fs, stored)), (tag, 7, 3));
    }
}

/// Overlayfs showed the ids of ACLs as the layer has them, not as its mount shows them, and then
/// changed the layer's own copy. 4a47c6385bb4 ("ovl: turn of SB_POSIXACL with idmapped layers
/// temporarily").
#[test]
fn acls_are_judged_by_the_ids_that_are_seen() {
    let map = shifted();
    let stored = vec![
        (0x01, 0, NONE),
        (0x02, 7, 1001),
        (0x04, 0, NONE),
        (0x10, 7, NONE),
    ];
    let stored: Vec<_> = stored.into_iter().chain([(0x20, 0, NONE)]).collect();
    let file = Inode {
        acl: Acl::Cached(stored.clone()),
        ..Inode::new(0o100070, 1000, 1000)
    };
    let (named, same_number) = (who(2001, 9, &[]), who(1001, 9, &[]));
    let read =
        |caller: &Who| Access::new(caller, &map).mapped_generic_permission(&file, Mask::MAY_READ);
    assert_eq!(read(&named), Ok(()));
    assert_eq!(read(&same_number), Err(CheckError::EACCES));
    // What is shown does not change what is stored.
    let access = Access::new(&named, &map);
    let shown = access.acl_to_caller(&file, entry::<Filesystem>(stored[1]));
    assert_eq!(plain_entry(shown), (0x02, 7, 2001));
    let back = access.acl_to_fs(&file, entry::<Vfs>(plain_entry(shown)));
    assert_eq!(plain_entry(back), stored[1]);
}

/// A change of owner held the id to store, so that those who looked at it on the way could not
/// tell which it was, and it could be mapped twice.
/// b27c82e12965 ("attr: port attribute changes to new types").
#[test]
fn new_owners_are_mapped_once() {
    let (map, root) = (swapped(), who(0, 0, &[]));
    let access = Access::new(&root, &map);
    let file = Inode::new(0o100644, 5, 5);
    let attr = access.chown_attr(Uid::new(1000), None).unwrap();
    assert_eq!(raw(attr.vfsuid), 1000);
    assert_eq!(raw(access.i_uid_update(&file, &attr)), 1001);
    assert_eq!(raw(access.setattr_copy(&file, &attr).owner), 1001);
    // The owner as it is seen already is no change, the one that is stored is.
    let file = Inode::new(0o100644, 1001, 1001);
    assert!(!access.i_uid_needs_update(&file, &attr));
    let attr = access.chown_attr(Uid::new(1001), None).unwrap();
    assert!(access.i_uid_needs_update(&file, &attr));
}

/// Filesystems took the set-group-id bit away from new files each for itself, some of them after
/// the umask, by which it was judged wrongly. 1639a49ccdce ("fs: move S_ISGID stripping into the
/// vfs_*() helpers").
#[test]
fn the_set_group_id_bit_goes_before_the_umask() {
    let all = Mode::new(0o7777);
    let file = Mode::new(0o100000);
    let dir = Inode {
        sb_posixacl: false,
        ..Inode::new(0o042777, 1000, 1000)
    };
    let map = shifted();
    let make = |caller: &Who, umask| {
        let access = Access::new(caller, &map);
        let mode = access.vfs_prepare_mode(&dir, Mode::new(0o2777), all, file, || Mode::new(umask));
        mode.bits()
    };
    let (stranger, member) = (who(2001, 2001, &[]), who(2001, 2001, &[2000]));
    assert_eq!(make(&stranger, 0o022), 0o100755);
    // The umask takes the permission away that tells a program from a file with locks.
    assert_eq!(make(&stranger, 0o077), 0o100700);
    assert_eq!(make(&member, 0o077), 0o102700);
    // The group as it is stored is not the one that is seen.
    assert_eq!(make(&who(2001, 2001, &[1000]), 0), 0o100777);
}

/// Files without a name got a mode that the umask had not been taken from.
/// ac6800e279a2 ("fs: Add missing umask strip in vfs_tmpfile").
#[test]
fn the_umask_is_heeded_unless_an_acl_takes_its_place() {
    let (map, caller) = (Map::Nop, who(1000, 1000, &[]));
    let access = Access::new(&caller, &map);
    let made = |sb_posixacl| {
        let dir = Inode {
            sb_posixacl,
            ..Inode::new(0o040777, 1000, 1000)
        };
        let (all, file) = (Mode::new(0o7777), Mode::new(0o100000));
        let umask = || Mode::new(0o027);
        access
            .vfs_prepare_mode(&dir, Mode::new(0o666), all, file, umask)
            .bits()
    };
    assert_eq!(made(false), 0o100640);
    assert_eq!(made(true), 0o100666);
}

/// What takes the set-group-id bit away when a file is written to or given away was written down
/// several times, each time otherwise.
/// 72ae017c5451 ("attr: add setattr_should_drop_sgid()") and those around it.
#[test]
fn the_set_group_id_bit_is_lost_by_one_rule() {
    let map = shifted();
    let (stranger, member) = (who(2001, 2001, &[]), who(2001, 2001, &[2000]));
    for (mode, caller, written, given) in [
        // A program loses it, whoever writes to it.
        (0o102755, &stranger, true, true),
        (0o102755, &member, true, true),
        // What only has the bit loses it to those who may not set it.
        (0o102644, &stranger, true, true),
        (0o102644, &member, false, false),
        (0o100755, &stranger, false, false),
    ] {
        let access = Access::new(caller, &map);
        let file = Inode::new(mode, 1000, 1000);
        let kill = access.setattr_should_drop_suidgid(&file);
        assert_eq!(
            kill.has(Valid::ATTR_KILL_SGID),
            written,
            "{mode:o} {caller:?}"
        );
        let kill = access.chown_kill(&file);
        assert_eq!(
            kill.has(Valid::ATTR_KILL_SGID),
            given,
            "{mode:o} {caller:?}"
        );
        assert!(kill.has(Valid::ATTR_KILL_SUID) && kill.has(Valid::ATTR_KILL_PRIV));
    }
    // Nobody who may set it everywhere takes it away by writing.
    let mut root = stranger.clone();
    root.caps[0] = CAP_FSETID;
    let kill =
        Access::new(&root, &map).setattr_should_drop_suidgid(&Inode::new(0o106755, 1000, 1000));
    assert_eq!(kill, Valid::EMPTY);
}

/// XFS did not take the bit away with a change of the mode as all others do.
/// e014f37db1a2 ("xfs: use setattr_copy to set vfs inode attributes").
#[test]
fn a_new_mode_has_the_set_group_id_bit_of_members_only() {
    let map = shifted();
    let file = Inode::new(0o100644, 1001, 1000);
    let attr = IattrValues {
        valid: Valid::ATTR_MODE,
        mode: Mode::new(0o102755),
        vfsuid: None,
        vfsgid: None,
    };
    for (groups, stored) in [
        (&[][..], 0o100755),
        (&[2000], 0o102755),
        (&[1000], 0o100755),
    ] {
        let owner = who(2001, 2001, groups);
        let copied = Access::new(&owner, &map).setattr_copy(&file, &attr);
        assert_eq!(copied.mode.bits(), stored, "{groups:?}");
    }
}

/// The root that a file's capabilities are for was not written by the number that the filesystem
/// calls it, and root in a namespace wrote them for the root of all.
/// 3b0c2d3eaa83 ("Revert 95ebabde382c"), db2e718a4798 ("capabilities: require CAP_SETFCAP to map
/// uid 0").
#[test]
fn capabilities_are_for_the_root_that_is_seen() {
    let inside = Ns::new(1, vec![[0, 2000, 10]], vec![[0, 2000, 10]], Ns::initial());
    let mut root_inside = Who {
        ns: inside,
        ..who(2000, 2000, &[])
    };
    root_inside.caps[1] = CAP_SETFCAP;
    let map = shifted();
    let file = Inode::new(0o100755, 1000, 1000);
    let access = Access::new(&root_inside, &map);
    let stored = access.caps_from_caller(&file, CallerCaps(CapsRoot::V2));
    let expected = DiskCaps(CapsRoot::V3(Uid::new(1000)));
    assert_eq!(stored, Ok(expected));
    assert_eq!(
        access.caps_to_execute(&file, expected).map(Id::get),
        Ok(2000)
    );
    assert_eq!(
        access.caps_to_caller(&file, expected),
        Ok(CallerCaps(CapsRoot::V2))
    );
    // They are nobody's without the map, and not those of the caller with its number.
    let plain = Access::new(&root_inside, &Map::Nop);
    assert_eq!(
        plain.caps_to_execute(&file, expected),
        Err(CheckError::ENODATA)
    );
    let host_root = who(0, 0, &[]);
    let access = Access::new(&host_root, &map);
    assert_eq!(
        access.caps_to_execute(&file, expected),
        Err(CheckError::ENODATA)
    );
}

/// A mount that can be seen is not given another map: who has it open would act by both.
/// 9308366f0621 ("open_tree_attr: do not allow id-mapping changes without OPEN_TREE_CLONE").
#[test]
fn only_a_mount_that_nobody_sees_is_given_a_map() {
    let fresh = MountFacts {
        map_is_the_filesystems: false,
        replace: false,
        is_idmapped: false,
        allows: true,
        refuses: false,
        is_anonymous: true,
    };
    assert_eq!(fresh.can_idmap(|| true), Ok(()));
    let attached = MountFacts {
        is_anonymous: false,
        ..fresh
    };
    assert_eq!(attached.can_idmap(|| true), Err(NoIdmap::Attached));
    let replaced = MountFacts {
        replace: true,
        is_idmapped: true,
        ..attached
    };
    assert_eq!(replaced.can_idmap(|| true), Err(NoIdmap::Attached));
    let again = MountFacts {
        is_idmapped: true,
        ..fresh
    };
    assert_eq!(again.can_idmap(|| true), Err(NoIdmap::AlreadyIdmapped));
}

/// Whoever could open a user namespace could use its map, also one with more rights.
/// bf1ac16edf67 ("fs: require CAP_SYS_ADMIN in target namespace for idmapped mounts").
#[test]
fn the_map_is_that_of_a_namespace_one_controls() {
    let request = IdmapRequest {
        set: true,
        clear: false,
        replace: false,
        userns_fd: 3,
    };
    let foreign = |_| UsernsFd::UserNamespace("theirs", false);
    let refused = request.build(foreign, |_| false);
    assert_eq!(refused, Err(NoIdmap::NamespaceNotControlled));
    assert_eq!(
        CheckError::from(NoIdmap::NamespaceNotControlled),
        CheckError::EPERM
    );
    assert_eq!(request.build(foreign, |_| true), Ok(NewMap::Of("theirs")));
}

/// A user namespace whose map was not written yet gave a mount that maps nothing.
/// dacfd001eaf2 ("fs/mnt_idmapping.c: Return -EINVAL when no map is written").
#[test]
fn there_is_no_map_without_ranges() {
    assert_eq!(
        IdMap::from_storage(Vec::<Extent>::new()).err(),
        Some(MapError::Empty)
    );
    let mut room = [Extent::<u32>::EMPTY; MAX_EXTENTS];
    assert_eq!(IdMap::parse("", &mut room).err(), Some(MapError::Empty));
}

/// Of maps with many ranges, one direction was turned into the kernel's ids and the other was not.
/// d2f007dbe7e4 ("userns: also map extents in the reverse map to kernel IDs").
#[test]
fn both_directions_of_a_map_agree() {
    for count in [
        1,
        2,
        MAX_BASE_EXTENTS as u32,
        MAX_BASE_EXTENTS as u32 + 1,
        16,
        MAX_EXTENTS as u32,
    ] {
        // Neither column is in order.
        let extent = |index: u32| {
            let (first, lower) = ((index * 7919) % 340 * 10, (index * 5003) % 340 * 10);
            Extent::new(100 + first, 200_000 + lower, 7).unwrap()
        };
        let extents: Vec<Extent> = (0..count).map(extent).collect();
        let map = IdMap::from_storage(extents.clone()).unwrap();
        // The kernel keeps each direction in a table of its own.
        let (down, up) = (
            look_up(map.extents()),
            look_up(map.clone().into_inverse().extents()),
        );
        let mut mapped = 0;
        for id in (0..4000).chain(199_000..204_000) {
            assert_eq!(down(id), map.down(id), "{count} {id}");
            assert_eq!(up(id), map.up(id), "{count} {id}");
            if let Some(lower) = down(id) {
                assert_eq!(up(lower), Some(id), "{count}");
                mapped += 1;
            }
        }
        assert_eq!(mapped, 7 * count);
    }
}

/// What the kernel's table of these ranges says.
fn look_up(extents: &[Extent]) -> impl Fn(u32) -> Option<u32> {
    let (few, many) = lookups(extents);
    let table = few.unwrap_or(many);
    move |id| Some(table.get(id)).filter(|&id| id != NONE)
}

/// A count that is too great for 32 bits lost its upper ones: "0 0 4294967297" became one id.
#[test]
fn numbers_are_not_cut_short() {
    let mut room = [Extent::<u32>::EMPTY; MAX_EXTENTS];
    for text in [
        "0 0 4294967297\n",
        "4294967296 0 1\n",
        "0 4294967296 1\n",
        "0 0 4294967296\n",
    ] {
        assert!(IdMap::parse(text, &mut room).is_err(), "{text}");
    }
    assert!(IdMap::parse("0 0 4294967295\n", &mut room).is_ok());
}

/// Where the owner has no name in the caller's namespace, a capability there is worth nothing.
/// CVE-2023-0386 and others began with the opposite.
#[test]
fn capabilities_end_where_names_do() {
    let inside = Ns::new(1, vec![[0, 2000, 1]], vec![[0, 2000, 1]], Ns::initial());
    let mut caller = Who {
        ns: inside,
        ..who(2000, 2000, &[])
    };
    caller.caps[1] = CAP_FOWNER | CAP_FSETID;
    let map = shifted();
    let access = Access::new(&caller, &map);
    assert!(access.inode_owner_or_capable(&Inode::new(0o100644, 1000, 1000)));
    for owner in [1001, 2000, 5] {
        assert!(
            !access.inode_owner_or_capable(&Inode::new(0o100644, owner, 1000)),
            "{owner}"
        );
    }
}
