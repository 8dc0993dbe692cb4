// SPDX-License-Identifier: GPL-2.0

//! Permissions: every mode, relation, capability, mask and kind of ACL.

mod support;

use kernel::fs::{
    mode::Mask,
    permission::{Access, CheckError},
};
use proptest::prelude::*;
use support::{
    c_dir::with_ids,
    c_rules::{C, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH},
    fixture::{ask, entry, traced, Acl, Asked, Inode, Map, Who, NONE},
    scenes::{callers, pairs, stored, ways, SEEN},
};

fn check_generic(who: &Who, map: &Map, inode: &Inode, mask: u32) {
    let (mine, my_trace) = traced(|| {
        CheckError::to_c(Access::new(who, map).mapped_generic_permission(inode, Mask::new(mask)))
    });
    let (expected, trace) = traced(|| C { who, map }.generic_permission(inode, mask));
    assert_eq!(
        (mine, my_trace),
        (expected, trace),
        "{who:?} {map:?} {inode:?} {mask:#x}"
    );
}

#[test]
fn every_mode_relation_capability_and_mask() {
    let mut cases = 0u64;
    for (map, ns) in ways() {
        for who in callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH]) {
            for (owner, group) in pairs() {
                for kind in [0o040000, 0o100000, 0o010000] {
                    for permissions in 0..0o1000 {
                        let inode = Inode {
                            ns,
                            ..Inode::new(
                                kind | permissions,
                                stored(&map, owner),
                                stored(&map, group),
                            )
                        };
                        for mask in 0..8 {
                            check_generic(&who, &map, &inode, mask);
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 4 * 24 * 9 * 3 * 512 * 8);
}

#[test]
fn every_state_of_the_acl_cache_blocking_or_not() {
    let acl = vec![
        (0x01, 7, NONE),
        (0x02, 5, 1000),
        (0x04, 4, NONE),
        (0x10, 6, NONE),
        (0x20, 0, NONE),
    ];
    let states = [
        Acl::None,
        Acl::NoneToBeRead,
        Acl::Cached(acl.clone()),
        Acl::ToBeRead(acl),
        Acl::Error(-5),
        Acl::Error(-11),
        Acl::Error(-12),
        Acl::Error(-13),
    ];
    for (map, ns) in ways() {
        for who in callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH]) {
            for (owner, group) in pairs() {
                for acl in &states {
                    for sb_posixacl in [false, true] {
                        for mode in [0o040000, 0o100000].map(|kind| move |p: u16| kind | p) {
                            for permissions in [0, 0o007, 0o070, 0o700, 0o755, 0o644, 0o606, 0o777]
                            {
                                let inode = Inode {
                                    ns,
                                    acl: acl.clone(),
                                    sb_posixacl,
                                    ..Inode::new(
                                        mode(permissions),
                                        stored(&map, owner),
                                        stored(&map, group),
                                    )
                                };
                                for mask in (0..8).chain(0x80..0x88) {
                                    check_generic(&who, &map, &inode, mask);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn check_acl(who: &Who, map: &Map, inode: &Inode, acl: &[(u16, u16, u32)], want: u32) {
    let mine = Access::new(who, map).posix_acl_permission(
        inode,
        acl.iter().copied().map(entry),
        Mask::new(want),
    );
    let expected = C { who, map }.posix_acl_permission(inode, acl, want);
    assert_eq!(
        CheckError::to_c(mine),
        expected,
        "{who:?} {map:?} {inode:?} {acl:?} {want}"
    );
}

#[test]
fn every_acl_in_the_usual_order() {
    let permissions = [0u16, 4, 6, 7];
    let mut cases = 0u64;
    for (map, ns) in ways() {
        for who in callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH])
            .iter()
            .step_by(4)
            .take(3)
        {
            for (owner, group) in [(Some(2001), Some(2000)), (Some(2001), None), (None, None)] {
                let inode = Inode {
                    ns,
                    ..Inode::new(0o100660, stored(&map, owner), stored(&map, group))
                };
                for named in 0..18 {
                    // No user, the caller, or one without a name; likewise for groups; a mask.
                    let user = [None, Some(Some(2000)), Some(None)][named % 3];
                    let named_group = [None, Some(Some(2000)), Some(None)][named / 3 % 3];
                    let mask = named / 9 == 1;
                    for bits in 0..1 << 12 {
                        let perm = |i: u32| permissions[bits >> (2 * i) & 3];
                        let mut acl = vec![(0x01, perm(0), NONE)];
                        acl.extend(user.map(|id| (0x02, perm(1), stored(&map, id))));
                        acl.push((0x04, perm(2), NONE));
                        acl.extend(named_group.map(|id| (0x08, perm(3), stored(&map, id))));
                        acl.extend(mask.then(|| (0x10, perm(4), NONE)));
                        acl.push((0x20, perm(5), NONE));
                        for want in [1, 2, 4, 6] {
                            check_acl(who, &map, &inode, &acl, want);
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 4 * 3 * 3 * 18 * 4096 * 4);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn acls_in_any_order_and_with_any_tag(
        acl in prop::collection::vec(
            (
                prop_oneof![
                    prop::sample::select(vec![0x01u16, 0x02, 0x04, 0x08, 0x10, 0x20]),
                    any::<u16>(),
                ],
                0..8u16,
                prop::sample::select(vec![1000u32, 1001, 1010, 2000, 2001, NONE]),
            ),
            0..8,
        ),
        who in 0..24usize,
        owner in 0..3usize,
        group in 0..3usize,
        want in 0..0x100u32,
    ) {
        for (map, ns) in ways() {
            let inode = Inode {
                ns,
                ..Inode::new(0o100660, stored(&map, SEEN[owner]), stored(&map, SEEN[group]))
            };
            let who = &callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH])[who];
            check_acl(who, &map, &inode, &acl, want);
        }
    }
}

#[test]
fn every_object_that_is_not_written_to() {
    for (map, ns) in ways() {
        let who = &callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH])[0];
        for (owner, group) in pairs() {
            for kind in 0..16u16 {
                for flags in 0..32 {
                    for sb_rdonly in [false, true] {
                        let inode = Inode {
                            ns,
                            flags,
                            sb_rdonly,
                            ..Inode::new(
                                kind << 12 | 0o644,
                                stored(&map, owner),
                                stored(&map, group),
                            )
                        };
                        for mask in 0..0x100 {
                            for rest in [0, -13] {
                                let mine = traced(|| {
                                    let verdict = Access::new(who, &map).mapped_inode_permission(
                                        &inode,
                                        Mask::new(mask),
                                        || {
                                            ask(Asked::Permission(mask));
                                            CheckError::from_c(rest)
                                        },
                                    );
                                    CheckError::to_c(verdict)
                                });
                                let expected = traced(|| {
                                    C { who, map: &map }.inode_permission(&inode, mask, rest)
                                });
                                assert_eq!(mine, expected, "{map:?} {inode:?} {mask:#x}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_mount_whose_map_is_not_known_has_no_owners() {
    let who = &callers(&[CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH])[0];
    let inode = Inode::new(0o100700, 2000, 2000);
    check_generic(who, &Map::Invalid, &inode, 4);
    let denied = Access::new(who, &Map::Invalid).mapped_generic_permission(&inode, Mask::MAY_READ);
    assert_eq!(denied, Err(CheckError::EACCES));
}

#[test]
fn a_caller_that_is_nobody_owns_nothing() {
    for (map, ns) in ways() {
        let who = &with_ids(&callers(&[])[0], NONE, 2002);
        for (owner, group) in pairs() {
            for permissions in 0..0o1000 {
                let inode = Inode {
                    ns,
                    ..Inode::new(
                        0o100000 | permissions,
                        stored(&map, owner),
                        stored(&map, group),
                    )
                };
                for mask in 0..8 {
                    check_generic(who, &map, &inode, mask);
                }
            }
        }
    }
}
