// SPDX-License-Identifier: GPL-2.0

//! Making, removing and linking, and the protections of sticky directories.

mod support;

use kernel::{
    fs::{
        mode::{InodeFlags, Mode},
        permission::{
            Access, CheckError, CheckResult, HasNamespace, InodeAttrs, MappedFsIds, Parent,
            Protected,
        },
    },
    host,
    uidgid::{FsGid, FsUid},
};
use std::cell::Cell;
use support::{
    c_dir::{with_ids, Sysctl, S_APPEND, S_DEAD, S_SWAPFILE},
    c_rules::{C, CAP_FOWNER, S_IMMUTABLE},
    fixture::{ask, traced, Asked, Inode, Map, Ns, Who, NONE},
    scenes::{callers, pairs, stored, ways, SEEN},
};

/// Calls `check` with every map, caller, owner and group.
fn every(mut check: impl FnMut(&Map, &'static Ns, &Who, Inode)) {
    for (map, ns) in ways() {
        for who in callers(&[CAP_FOWNER]) {
            for (owner, group) in pairs() {
                let inode = Inode {
                    ns,
                    ..Inode::new(0o100644, stored(&map, owner), stored(&map, group))
                };
                check(&map, ns, &who, inode);
            }
        }
    }
}

/// What a permission check that was noted gives.
fn permission(mask: u32, answer: i32) -> CheckResult {
    ask(Asked::Permission(mask));
    CheckError::from_c(answer)
}

fn no_owner(verdict: CheckResult<MappedFsIds>) -> i32 {
    CheckError::to_c(verdict.map(|_| ()))
}

/// All combinations of flags, with the others clear.
fn flags(bits: &[u32]) -> impl Iterator<Item = u32> + '_ {
    (0..1 << bits.len()).map(|choice| {
        let chosen = bits
            .iter()
            .enumerate()
            .filter(|(i, _)| choice >> i & 1 == 1);
        chosen.map(|(_, bit)| bit).sum()
    })
}

#[test]
fn removing() {
    let mut cases = 0;
    every(|map, ns, who, inode| {
        for dir_owner in SEEN {
            for dir_mode in [0o040777, 0o041777, 0o040000] {
                for dir_flags in flags(&[S_APPEND, S_IMMUTABLE]) {
                    for inode_flags in flags(&[S_APPEND, S_IMMUTABLE, S_SWAPFILE, S_DEAD]) {
                        for answer in [0, -13] {
                            let dir = Inode {
                                ns,
                                flags: dir_flags,
                                ..Inode::new(dir_mode, stored(map, dir_owner), 7)
                            };
                            let inode = Inode {
                                flags: inode_flags,
                                ..inode.clone()
                            };
                            let mine = traced(|| {
                                CheckError::to_c(Access::new(who, map).may_delete(
                                    &dir,
                                    &inode,
                                    || permission(3, answer),
                                ))
                            });
                            let expected =
                                traced(|| C { who, map }.may_delete(&dir, &inode, answer));
                            assert_eq!(mine, expected, "{who:?} {map:?} {dir:?} {inode:?}");
                            cases += 1;
                        }
                    }
                }
                let dir = Inode {
                    ns,
                    ..Inode::new(dir_mode, stored(map, dir_owner), 7)
                };
                assert_eq!(
                    traced(|| Access::new(who, map).check_sticky(&dir, &inode)),
                    traced(|| C { who, map }.check_sticky(&dir, &inode)),
                );
            }
        }
    });
    assert_eq!(cases, 4 * 12 * 9 * 3 * 3 * 4 * 16 * 2);
}

/// An object that somebody gives to another owner and group while it is decided upon.
struct Given {
    before: Inode,
    after: Inode,
    given: Cell<bool>,
}

impl Given {
    fn now(&self) -> &Inode {
        if self.given.get() {
            &self.after
        } else {
            &self.before
        }
    }
}

impl HasNamespace<Ns> for Given {
    fn namespace(&self) -> &Ns {
        self.now().namespace()
    }
}

impl InodeAttrs<Ns> for Given {
    fn mode(&self) -> Mode {
        self.now().mode()
    }

    fn i_uid(&self) -> Option<FsUid> {
        self.now().i_uid()
    }

    fn i_gid(&self) -> Option<FsGid> {
        self.now().i_gid()
    }

    fn flags(&self) -> InodeFlags {
        self.now().flags()
    }
}

/// The second look at the ids says otherwise than the first, with another error.
#[test]
fn removing_what_is_given_away_meanwhile() {
    let mut cases = 0;
    every(|map, ns, who, before| {
        let c = C { who, map };
        if c.vfsuid(&before) == NONE || c.vfsgid(&before) == NONE {
            return;
        }
        for (uid, gid) in [(NONE, before.gid), (before.uid, NONE), (NONE, NONE)] {
            let inode = Given {
                before: before.clone(),
                after: Inode {
                    uid,
                    gid,
                    ..before.clone()
                },
                given: Cell::new(false),
            };
            let dir = Inode {
                ns,
                ..Inode::new(0o040777, before.uid, before.gid)
            };
            let mine = Access::new(who, map).may_delete(&dir, &inode, || {
                inode.given.set(true);
                Ok(())
            });
            assert_eq!(mine, Err(CheckError::EPERM), "{who:?} {map:?} {before:?}");
            cases += 1;
        }
    });
    assert!(cases > 100);
}

#[test]
fn making() {
    every(|map, ns, who, dir| {
        for fsuid in [0, 1000, 2000, 2010, NONE] {
            for fsgid in [0, 1000, 2000, 2010] {
                let who = &with_ids(who, fsuid, fsgid);
                for exists in [false, true] {
                    for dir_flags in flags(&[S_DEAD, S_APPEND]) {
                        for answer in [0, -13] {
                            let dir = Inode {
                                ns,
                                flags: dir_flags,
                                mode: 0o040777,
                                ..dir.clone()
                            };
                            let (access, c) = (Access::new(who, map), C { who, map });
                            let mine = traced(|| {
                                no_owner(access.may_create(&dir, exists, || permission(3, answer)))
                            });
                            let expected = traced(|| c.may_create(&dir, exists, answer));
                            assert_eq!(mine, expected, "{who:?} {map:?} {dir:?}");
                            if dir_flags & S_DEAD == 0 && !exists {
                                let mine = traced(|| {
                                    no_owner(access.may_o_create(&dir, || permission(3, answer)))
                                });
                                assert_eq!(mine, expected, "{who:?} {map:?} {dir:?}");
                            }
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn linking() {
    every(|map, _, who, inode| {
        let (access, c) = (Access::new(who, map), C { who, map });
        for inode_flags in flags(&[S_APPEND, S_IMMUTABLE, S_SWAPFILE]) {
            let inode = Inode {
                flags: inode_flags,
                ..inode.clone()
            };
            assert_eq!(
                CheckError::to_c(access.may_write_xattr(&inode)),
                c.may_write_xattr(&inode)
            );
        }
        for kind in [0o100000, 0o040000, 0o120000, 0o010000] {
            for bits in flags(&[0o4000, 0o2000, 0o010, 0o100, 0o644]) {
                let inode = Inode {
                    mode: kind | bits as u16,
                    ..inode.clone()
                };
                for protected in [false, true] {
                    for answer in [0, -13] {
                        let mine = traced(|| {
                            CheckError::to_c(access.may_linkat(&inode, protected, |mask| {
                                permission(mask.bits(), answer)
                            }))
                        });
                        let expected = traced(|| c.may_linkat(&inode, protected, answer));
                        assert_eq!(mine, expected, "{who:?} {map:?} {inode:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn following_links() {
    every(|map, _, who, link| {
        for mode in 0..0o2000 {
            for dir_owner in [2000, 2001, 1000, NONE] {
                for protected in [false, true] {
                    for rcu in [false, true] {
                        let parent = Parent {
                            mode: Mode::new(0o040000 | mode),
                            owner: host::id(dir_owner),
                        };
                        let mine =
                            Access::new(who, map).may_follow_link(&link, parent, protected, rcu);
                        let expected = C { who, map }.may_follow_link(
                            &link,
                            0o040000 | mode,
                            dir_owner,
                            protected,
                            rcu,
                        );
                        assert_eq!(CheckError::to_c(mine), expected, "{who:?} {map:?} {link:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn opening_what_others_put_there() {
    let mut refused = 0;
    every(|map, _, who, inode| {
        for kind in [0o100000, 0o010000, 0o040000, 0o140000] {
            for dir_mode in flags(&[0o1000, 0o020, 0o002, 0o755]) {
                for dir_owner in [2000, 2001, 1000, NONE] {
                    for (regular, fifos) in (0..3).flat_map(|r| (0..3).map(move |f| (r, f))) {
                        let inode = Inode {
                            mode: kind | 0o666,
                            ..inode.clone()
                        };
                        let parent = Parent {
                            mode: Mode::new(0o040000 | dir_mode as u16),
                            owner: host::id(dir_owner),
                        };
                        let mine = Access::new(who, map).may_create_in_sticky(
                            &inode,
                            parent,
                            Protected { regular, fifos },
                        );
                        let expected = C { who, map }.may_create_in_sticky(
                            &inode,
                            dir_mode as u16,
                            dir_owner,
                            Sysctl { regular, fifos },
                        );
                        let mine = mine.err();
                        assert_eq!(
                            mine.map(|why| why.operation().to_str().unwrap()),
                            expected,
                            "{who:?} {map:?} {inode:?}"
                        );
                        assert!(mine.is_none_or(|why| CheckError::from(why) == CheckError::EACCES));
                        refused += usize::from(mine.is_some());
                    }
                }
            }
        }
    });
    assert!(refused > 0);
}
