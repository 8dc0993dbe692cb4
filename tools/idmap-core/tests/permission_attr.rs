// SPDX-License-Identifier: GPL-2.0

//! Changing owner, group, mode and times.

mod support;

use kernel::{
    fs::{
        mode::{Mode, Valid},
        permission::{Access, CheckError, CheckResult, IattrValues},
    },
    host,
    uidgid::{Gid, Uid},
};
use support::{
    c_attr::{
        Attr, ASKED_KILL_PRIV, ASKED_SIZE, ATIME_SET, CAP_CHOWN, CTIME, FORCE, GID, KILL_PRIV,
        KILL_SGID, KILL_SUID, MODE, MTIME_SET, SIZE, S_VERITY, TIMES_SET, TOUCH, UID,
    },
    c_dir::S_APPEND,
    c_rules::{C, CAP_FOWNER, CAP_FSETID, S_IMMUTABLE},
    fixture::{ask, cap, raw, traced, Asked, Inode, Map, Who, NONE},
    scenes::{callers, pairs, stored, ways, Pick, SEEN},
};

fn iattr(attr: &Attr) -> IattrValues {
    IattrValues {
        valid: Valid::new(attr.valid),
        mode: Mode::new(attr.mode),
        vfsuid: host::id(attr.vfsuid),
        vfsgid: host::id(attr.vfsgid),
    }
}

fn plain(attr: &IattrValues) -> Attr {
    Attr {
        valid: attr.valid.bits(),
        mode: attr.mode.bits(),
        vfsuid: raw(attr.vfsuid),
        vfsgid: raw(attr.vfsgid),
    }
}

fn answer(asked: Asked, answer: i32) -> CheckResult {
    ask(asked);
    CheckError::from_c(answer)
}

const CAPS: [i32; 3] = [CAP_CHOWN, CAP_FOWNER, CAP_FSETID];

/// New owners and groups: the caller's, others that the mount shows, and ones that it does not.
const NEW: [u32; 6] = [2000, 2001, 2002, 1000, 2010, NONE];

/// Calls `check` with every map, caller with and without power over the filesystem, owner and
/// group.
fn every(mut check: impl FnMut(&Map, &Who, Inode)) {
    for (map, ns) in ways() {
        for who in callers(&CAPS) {
            for over_fs in [0, cap(CAP_CHOWN)] {
                for everywhere in [0, cap(CAP_FSETID)] {
                    let mut who = who.clone();
                    who.caps[ns.number] |= over_fs;
                    who.caps[0] |= everywhere;
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
    }
}

#[test]
fn every_change_of_owner_or_group() {
    let mut cases = 0;
    every(|map, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        for new in NEW {
            assert_eq!(
                traced(|| access.chown_ok(&inode, host::id(new))),
                traced(|| c.chown_ok(&inode, new)),
                "{who:?} {map:?} {inode:?} {new}"
            );
            assert_eq!(
                traced(|| access.chgrp_ok(&inode, host::id(new))),
                traced(|| c.chgrp_ok(&inode, new)),
                "{who:?} {map:?} {inode:?} {new}"
            );
            for valid in [0, UID, GID, UID | GID] {
                let attr = Attr {
                    valid,
                    mode: 0,
                    vfsuid: new,
                    vfsgid: new,
                };
                let change = iattr(&attr);
                let seen = |ids: u32| ids != NONE;
                assert_eq!(
                    access.i_uid_needs_update(&inode, &change),
                    valid & UID != 0 && !(seen(new) && new == c.vfsuid(&inode))
                );
                assert_eq!(
                    access.i_gid_needs_update(&inode, &change),
                    valid & GID != 0 && !(seen(new) && new == c.vfsgid(&inode))
                );
                assert_eq!(
                    CheckError::to_c(access.notify_change_ids(&inode, &change)),
                    c.notify_change_ids(&inode, &attr),
                    "{map:?} {inode:?} {attr:?}"
                );
                cases += 1;
            }
        }
    });
    assert_eq!(cases, 4 * 48 * 2 * 2 * 9 * 6 * 4);
}

#[test]
fn every_mode_that_loses_bits() {
    every(|map, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        for kind in [0o100000, 0o040000, 0o010000] {
            for special in 0..8 {
                for bits in [0o000, 0o010, 0o100, 0o755, 0o644] {
                    let inode = Inode {
                        mode: kind | special << 9 | bits,
                        ..inode.clone()
                    };
                    let what = format_args!("{who:?} {map:?} {inode:?}").to_string();
                    assert_eq!(
                        traced(|| access.setattr_should_drop_sgid(&inode).bits()),
                        traced(|| c.setattr_should_drop_sgid(&inode)),
                        "{what}"
                    );
                    assert_eq!(
                        traced(|| access.setattr_should_drop_suidgid(&inode).bits()),
                        traced(|| c.setattr_should_drop_suidgid(&inode)),
                        "{what}"
                    );
                    assert_eq!(
                        traced(|| access.chown_kill(&inode).bits()),
                        traced(|| c.chown_kill(&inode)),
                        "{what}"
                    );
                }
            }
        }
    });
}

#[test]
fn every_way_to_kill_bits() {
    let inode = |mode| Inode::new(mode, 2000, 2000);
    let (who, map) = (&callers(&[])[0], &Map::Nop);
    for mode in 0..=0o177777 {
        let inode = inode(mode);
        for choice in 0..8 {
            let valid = (choice & 1) * KILL_SUID
                + (choice >> 1 & 1) * KILL_SGID
                + (choice >> 2) * (CTIME | KILL_PRIV);
            let mut expected = Attr {
                valid,
                mode: 0o1234,
                vfsuid: NONE,
                vfsgid: NONE,
            };
            let mut mine = iattr(&expected);
            let left = mine.kill_suid_sgid(Mode::new(mode));
            assert_eq!(
                left,
                C { who, map }.notify_change_kill(&inode, &mut expected)
            );
            assert_eq!(plain(&mine), expected, "{mode:#o} {valid:#x}");
        }
    }
}

#[test]
fn every_attribute_that_may_be_set() {
    every(|map, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        for flags in [0, S_APPEND, S_IMMUTABLE, S_APPEND | S_IMMUTABLE] {
            let inode = Inode {
                flags,
                ..inode.clone()
            };
            for valid in [0, MODE, UID, GID, TIMES_SET, CTIME | SIZE] {
                for valid in [valid, valid | TOUCH] {
                    for given in [0, -13] {
                        let mine = traced(|| {
                            CheckError::to_c(access.may_setattr(
                                &inode,
                                Valid::new(valid),
                                |mask| answer(Asked::Permission(mask.bits()), given),
                            ))
                        });
                        let expected = traced(|| c.may_setattr(&inode, valid, given));
                        assert_eq!(mine, expected, "{who:?} {map:?} {inode:?} {valid:#x}");
                    }
                }
            }
        }
    });
}

#[test]
fn every_request_of_chown() {
    for (map, _) in ways() {
        for who in callers(&[]) {
            for user in [0, 1, 1000, 2000, 2009, NONE - 1, NONE] {
                for group in [0, 1, 2, 1000, 2000, NONE - 1, NONE] {
                    let mine = Access::new(&who, &map).chown_attr(Uid::new(user), Gid::new(group));
                    let expected = C {
                        who: &who,
                        map: &map,
                    }
                    .chown_attr(user, group);
                    assert_eq!(
                        mine.map(|attr| plain(&attr)).map_err(CheckError::to_errno),
                        expected
                    );
                }
            }
        }
    }
}

/// There are too many combinations of these to go through, so a fixed sequence picks.
#[test]
fn two_million_changes() {
    let mut pick = Pick(7);
    let ways = ways();
    let callers = callers(&CAPS);
    let bits = [
        MODE, UID, GID, SIZE, ATIME_SET, MTIME_SET, TIMES_SET, FORCE, KILL_PRIV, CTIME,
    ];
    let mut outcomes = std::collections::BTreeMap::new();
    for _ in 0..2_000_000 {
        let (map, ns) = &ways[pick.below(4) as usize];
        let mut who = pick.of(&callers);
        who.caps[ns.number] |= pick.of(&[0, cap(CAP_CHOWN)]);
        let inode = Inode {
            ns,
            flags: pick.of(&[0, 0, 0, S_VERITY]),
            ..Inode::new(
                pick.of(&[0o100644, 0o102755, 0o042775, 0o106755]),
                stored(map, pick.of(&SEEN)),
                stored(map, pick.of(&SEEN)),
            )
        };
        let mut valid = 0;
        for bit in bits {
            // Few at a time, so that each is what decides often enough.
            if pick.below(3) == 0 {
                valid |= bit;
            }
        }
        let before = Attr {
            valid,
            mode: pick.of(&[0o100644, 0o102755, 0o102644, 0o104755]),
            vfsuid: pick.of(&NEW),
            vfsgid: pick.of(&NEW),
        };
        let size = pick.of(&[0, 0, 0, -27]);
        let kill_priv = pick.of(&[0, 0, 0, -5]);
        let (access, c) = (Access::new(&who, map), C { who: &who, map });

        let (mut mine, mut expected) = (iattr(&before), before);
        let verdict = traced(|| {
            CheckError::to_c(access.setattr_prepare(
                &inode,
                &mut mine,
                || answer(ASKED_SIZE, size),
                || answer(ASKED_KILL_PRIV, kill_priv),
            ))
        });
        let c_verdict = traced(|| c.setattr_prepare(&inode, &mut expected, size, kill_priv));
        assert_eq!(verdict, c_verdict, "{who:?} {map:?} {inode:?} {before:?}");
        // The mode is changed even where something else is refused later.
        assert_eq!(
            plain(&mine),
            expected,
            "{who:?} {map:?} {inode:?} {before:?}"
        );
        *outcomes
            .entry((verdict.0, mine.mode != Mode::new(before.mode)))
            .or_insert(0) += 1;

        let (copied, trace) = traced(|| access.setattr_copy(&inode, &iattr(&before)));
        let mut changed = inode.clone();
        let ((), c_trace) = traced(|| c.setattr_copy(&mut changed, &before));
        assert_eq!(
            (
                raw(copied.owner),
                raw(copied.group),
                copied.mode.bits(),
                trace
            ),
            (changed.uid, changed.gid, changed.mode, c_trace),
            "{who:?} {map:?} {inode:?} {before:?}"
        );
    }
    // Each way to end was met: granted and refused by each, with the bit taken and not. What the
    // caller is refused for is found out before the bit is looked at, or for the same reason.
    println!("{outcomes:?}");
    let met: Vec<_> = outcomes.into_keys().collect();
    assert_eq!(
        met,
        [
            (-27, false),
            (-5, false),
            (-5, true),
            (-1, false),
            (0, false),
            (0, true)
        ]
    );
}
