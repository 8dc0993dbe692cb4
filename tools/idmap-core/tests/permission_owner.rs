// SPDX-License-Identifier: GPL-2.0

//! Who owns an object, whose capabilities count for it, and who owns a new one.

mod support;

use kernel::{
    fs::{
        mode::Mode,
        permission::{Access, Capability, Ownership},
    },
    host,
    uidgid::{Group, User},
};
use support::{
    c_dir::with_ids,
    c_rules::{C, CAP_FOWNER, CAP_FSETID},
    fixture::{raw, traced, Inode, Map, Ns, Who, NONE},
    scenes::{callers, pairs, stored, ways},
};

fn plain(ownership: Ownership) -> (u32, u32, u16) {
    (
        raw(ownership.owner),
        raw(ownership.group),
        ownership.mode.bits(),
    )
}

/// Calls `check` with every map, caller, owner and group.
fn every(capabilities: &[i32], mut check: impl FnMut(&Map, &Who, Inode)) {
    for (map, ns) in ways() {
        for who in callers(capabilities) {
            for (owner, group) in pairs() {
                let inode = Inode {
                    ns,
                    ..Inode::new(0o100644, stored(&map, owner), stored(&map, group))
                };
                check(&map, &who, inode);
            }
        }
    }
}

#[test]
fn owners_and_groups_as_seen() {
    every(&[], |map, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        assert_eq!(raw(access.i_uid_into_vfsuid(&inode)), c.vfsuid(&inode));
        assert_eq!(raw(access.i_gid_into_vfsgid(&inode)), c.vfsgid(&inode));
        let (uid, gid) = access.stat_owner(&inode);
        assert_eq!((raw(uid), raw(gid)), (c.vfsuid(&inode), c.vfsgid(&inode)));
        assert_eq!(
            access.has_unmapped_id(&inode),
            c.vfsuid(&inode) == NONE || c.vfsgid(&inode) == NONE
        );
        for id in [0, 999, 1000, 1009, 1010, 1999, 2000, 2009, 2010, NONE] {
            assert_eq!(
                access.has_fsmapping(&inode, host::id::<User, _>(id)),
                c.from_vfsuid(inode.ns, id) != NONE
            );
            assert_eq!(
                access.has_fsmapping(&inode, host::id::<Group, _>(id)),
                c.from_vfsgid(inode.ns, id) != NONE
            );
        }
    });
}

#[test]
fn whose_capabilities_count() {
    every(&[CAP_FOWNER, CAP_FSETID], |map, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        assert_eq!(
            traced(|| access.inode_owner_or_capable(&inode)),
            traced(|| c.inode_owner_or_capable(&inode)),
            "{who:?} {map:?} {inode:?}"
        );
        for (mine, number) in [(Capability::Fowner, 3), (Capability::Fsetid, 4)] {
            assert_eq!(
                traced(|| access.capable_wrt_inode_uidgid(&inode, mine)),
                traced(|| c.capable_wrt_inode_uidgid(&inode, number)),
                "{who:?} {map:?} {inode:?}"
            );
        }
        for ns in [Ns::initial(), who.ns, inode.ns] {
            assert_eq!(
                access.privileged_wrt_inode_uidgid(ns, &inode),
                c.privileged_wrt_inode_uidgid(ns, &inode)
            );
        }
        for group in [2000, 2001, 2002, 5, NONE] {
            assert_eq!(
                traced(|| access.in_group_or_capable(&inode, host::id(group))),
                traced(|| c.in_group_or_capable(&inode, group)),
                "{who:?} {map:?} {inode:?} {group}"
            );
        }
    });
}

#[test]
fn who_owns_what_is_made() {
    let ids = [0, 1000, 1009, 2000, 2009, 2010, NONE];
    let mut refused = 0;
    every(&[], |map, who, dir| {
        for (fsuid, fsgid) in ids.iter().flat_map(|u| ids.map(|g| (*u, g))) {
            let who = with_ids(who, fsuid, fsgid);
            let (access, c) = (Access::new(&who, map), C { who: &who, map });
            assert_eq!(raw(access.mapped_fsuid(&dir)), c.from_vfsuid(dir.ns, fsuid));
            assert_eq!(raw(access.mapped_fsgid(&dir)), c.from_vfsgid(dir.ns, fsgid));

            let new = access.mapped_fsids(&dir);
            assert_eq!(
                new.is_ok(),
                c.fsuidgid_has_mapping(dir.ns),
                "{who:?} {map:?} {dir:?}"
            );
            refused += usize::from(new.is_err());
            for kind in [0o040000, 0o100000] {
                for bits in [0o755, 0o2755, 0o2644, 0o4711] {
                    let mode = kind | bits;
                    let plain_dir = Inode {
                        mode: 0o040777,
                        ..dir.clone()
                    };
                    let sgid_dir = Inode {
                        mode: 0o042777,
                        ..dir.clone()
                    };
                    for dir in [None, Some(&plain_dir), Some(&sgid_dir)] {
                        let expected = c.inode_init_owner(plain_dir.ns, dir, mode);
                        let mine = access.inode_init_owner(&plain_dir, dir, Mode::new(mode));
                        assert_eq!(plain(mine), expected);
                        if let (Ok(new), Some(dir)) = (new, dir) {
                            let mine = new.ownership_in::<Ns>(dir, Mode::new(mode));
                            assert_eq!(plain(mine), expected);
                            assert_eq!(new.owner().get(), expected.0);
                        }
                    }
                }
            }
        }
    });
    assert!(refused > 0);
}

#[test]
fn every_new_mode() {
    every(&[CAP_FSETID], |map, who, dir| {
        let (access, c) = (Access::new(who, map), C { who, map });
        for dir_mode in [0o040777, 0o042777] {
            for sb_posixacl in [false, true] {
                let dir = Inode {
                    mode: dir_mode,
                    sb_posixacl,
                    ..dir.clone()
                };
                for kind in [0o040000, 0o100000, 0o010000, 0] {
                    for bits in 0..0o10000 {
                        // Neither the others' bits nor those of read and write by themselves
                        // differ; leave out some of what only takes time.
                        if bits & 0o0666 != 0o0644 && bits & 0o0666 != 0 {
                            continue;
                        }
                        let mode = kind | bits;
                        assert_eq!(
                            traced(|| access.mode_strip_sgid(Some(&dir), Mode::new(mode)).bits()),
                            traced(|| c.mode_strip_sgid(Some(&dir), mode)),
                            "{who:?} {map:?} {dir:?} {mode:#o}"
                        );
                        for (allowed, new_kind, umask) in
                            [(0o7777, 0o100000, 0o022), (0o1777, 0o040000, 0o077)]
                        {
                            assert_eq!(
                                traced(|| access
                                    .vfs_prepare_mode(
                                        &dir,
                                        Mode::new(mode),
                                        Mode::new(allowed),
                                        Mode::new(new_kind),
                                        || Mode::new(umask)
                                    )
                                    .bits()),
                                traced(|| c.vfs_prepare_mode(&dir, mode, allowed, new_kind, umask)),
                                "{who:?} {map:?} {dir:?} {mode:#o}"
                            );
                        }
                    }
                }
            }
        }
        assert_eq!(
            access.mode_strip_sgid(None::<&Inode>, Mode::new(0o102755)),
            Mode::new(0o102755)
        );
    });
}
