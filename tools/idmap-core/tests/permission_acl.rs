// SPDX-License-Identifier: GPL-2.0

//! What the entries of an ACL are called on disk, through a mount, and by a caller.

mod support;

use kernel::{
    fs::{
        mode::Mode,
        permission::{posix_acl_valid, Access, CheckError, Entry},
    },
    uidgid::{Filesystem, Local, Vfs},
};
use support::{
    c_rules::{C, CAP_FSETID},
    fixture::{down, entry, plain_entry, traced, up, Inode, Ns, NONE},
    scenes::{callers, pairs, stored, ways},
};

type Raw = (u16, u16, u32);

const NAMED_USER: u16 = 0x02;
const NAMED_GROUP: u16 = 0x08;

const IDS: [u32; 12] = [0, 1, 2, 9, 10, 1000, 1009, 1010, 2000, 2009, 2010, NONE];

/// An entry of each tag with each id, also of a tag that is none.
fn entries() -> impl Iterator<Item = Raw> {
    [0x01, 0x02, 0x04, 0x08, 0x10, 0x20]
        .into_iter()
        .flat_map(|tag| IDS.map(move |id| (tag, 5, id)))
}

/// The entry with another id, if its tag has one.
fn renamed(entry: Raw, user: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32) -> Raw {
    let (tag, perm, id) = entry;
    let id = match tag {
        NAMED_USER => user(id),
        NAMED_GROUP => group(id),
        _ => NONE,
    };
    (tag, perm, id)
}

/// Refuses an entry whose id is none, as reading one does.
fn checked(entry: Raw) -> Result<Raw, i32> {
    let (tag, _, id) = entry;
    if (tag == NAMED_USER || tag == NAMED_GROUP) && id == NONE {
        Err(-22)
    } else {
        Ok(entry)
    }
}

#[test]
fn between_disk_and_filesystem() {
    for (_, ns) in ways() {
        for raw in entries() {
            let read = entry::<Local>(raw).from_disk(ns);
            assert_eq!(
                read.map(plain_entry).map_err(CheckError::to_errno),
                checked(renamed(
                    raw,
                    |id| down(&ns.users, id),
                    |id| down(&ns.groups, id)
                )),
                "{raw:?} {ns:?}"
            );
            let written = entry::<Filesystem>(raw).to_disk(ns);
            assert_eq!(
                plain_entry(written),
                renamed(raw, |id| up(&ns.users, id), |id| up(&ns.groups, id)),
                "{raw:?} {ns:?}"
            );
            if let Ok(stored) = entry::<Local>(raw).from_disk(ns) {
                let again = renamed(raw, |id| id, |id| id);
                assert_eq!(plain_entry(stored.to_disk(ns)), again);
            }
        }
    }
    assert!(entry::<Local>((0x40, 0, 0))
        .from_disk(Ns::initial())
        .is_err());
}

#[test]
fn between_caller_and_filesystem() {
    for (map, ns) in ways() {
        let fs = Inode {
            ns,
            ..Inode::new(0o100644, 2000, 2000)
        };
        for who in callers(&[]) {
            let (access, c) = (
                Access::new(&who, &map),
                C {
                    who: &who,
                    map: &map,
                },
            );
            for raw in entries() {
                let seen = access.acl_from_caller(entry::<Local>(raw));
                assert_eq!(
                    seen.map(plain_entry).map_err(CheckError::to_errno),
                    checked(renamed(
                        raw,
                        |id| down(&who.ns.users, id),
                        |id| down(&who.ns.groups, id)
                    )),
                    "{raw:?} {who:?}"
                );
                assert_eq!(
                    plain_entry(access.acl_to_fs(&fs, entry::<Vfs>(raw))),
                    renamed(raw, |id| c.from_vfsuid(ns, id), |id| c.from_vfsgid(ns, id)),
                    "{raw:?} {map:?}"
                );
                assert_eq!(
                    plain_entry(access.acl_to_caller(&fs, entry::<Filesystem>(raw))),
                    renamed(
                        raw,
                        |id| up(&who.ns.users, c.make_vfsuid(ns, id)),
                        |id| up(&who.ns.groups, c.make_vfsgid(ns, id))
                    ),
                    "{raw:?} {map:?} {who:?}"
                );
            }
        }
    }
}

/// What a caller writes it reads again, wherever its ids can be stored.
#[test]
fn what_is_written_is_read() {
    let mut round = 0;
    for (map, ns) in ways() {
        let fs = Inode {
            ns,
            ..Inode::new(0o100644, 2000, 2000)
        };
        for who in callers(&[]) {
            let access = Access::new(&who, &map);
            for raw in entries() {
                let Ok(seen) = access.acl_from_caller(entry::<Local>(raw)) else {
                    continue;
                };
                let stored: Entry<Filesystem> = access.acl_to_fs(&fs, seen);
                let Ok(disk) = stored.to_disk(ns).from_disk(ns) else {
                    continue;
                };
                let read = access.acl_to_caller(&fs, disk);
                assert_eq!(plain_entry(read), renamed(raw, |id| id, |id| id));
                round += 1;
            }
        }
    }
    assert!(round > 100);
}

/// Whether entries are as `acl(5)` wants them: an owner, users, a group, groups, a mask that may be
/// left out where no user or group is named, and the others.
fn well_formed(ns: &Ns, acl: &[Raw]) -> bool {
    let mut rest = acl;
    let mut take = |tag: u16, valid: &dyn Fn(u32) -> bool| {
        let taken = rest
            .first()
            .is_some_and(|entry| entry.0 == tag && valid(entry.2));
        if taken {
            rest = &rest[1..];
        }
        taken
    };
    let any = |_| true;
    let mut named = 0;
    if !take(0x01, &any) {
        return false;
    }
    while take(0x02, &|id| up(&ns.users, id) != NONE) {
        named += 1;
    }
    if !take(0x04, &any) {
        return false;
    }
    while take(0x08, &|id| up(&ns.groups, id) != NONE) {
        named += 1;
    }
    let mask = take(0x10, &any);
    let other = take(0x20, &any);
    let done = rest.is_empty();
    other && done && (mask || named == 0) && acl.iter().all(|entry| entry.1 <= 7)
}

#[test]
fn every_order_of_up_to_six_entries() {
    // The namespace has 1000 and not 5.
    let ns = Ns::new(3, vec![[0, 1000, 10]], vec![[0, 1000, 10]], Ns::initial());
    let all = [
        (0x01, 7, NONE),
        (0x02, 6, 1000),
        (0x02, 6, 5),
        (0x04, 5, NONE),
        (0x08, 4, 1009),
        (0x08, 4, 5),
        (0x10, 3, NONE),
        (0x20, 0, NONE),
        (0x20, 8, NONE),
        (0x40, 0, NONE),
    ];
    let mut valid = 0;
    let mut lists = 0;
    for len in 0..=6 {
        for mut number in 0..10usize.pow(len) {
            let mut acl = Vec::new();
            for _ in 0..len {
                acl.push(all[number % 10]);
                number /= 10;
            }
            let verdict = posix_acl_valid(ns, acl.iter().copied().map(entry));
            let expected = well_formed(ns, &acl);
            assert_eq!(
                CheckError::to_c(verdict),
                if expected { 0 } else { -22 },
                "{acl:?}"
            );
            valid += usize::from(expected);
            lists += 1;
        }
    }
    println!("{lists} lists, {valid} of them valid");
    // The shortest, and those with a mask and nought to two named users or groups.
    assert_eq!((lists, valid), (1_111_111, 1 + 1 + 2 + 3));
}

#[test]
fn the_mode_that_an_acl_leaves() {
    for (map, ns) in ways() {
        for who in callers(&[CAP_FSETID]) {
            for (owner, group) in pairs() {
                let inode = Inode {
                    ns,
                    ..Inode::new(0o102755, stored(&map, owner), stored(&map, group))
                };
                let c = C {
                    who: &who,
                    map: &map,
                };
                for mode in [0o102770, 0o100770] {
                    let mine = traced(|| {
                        let mode = Mode::new(mode);
                        Access::new(&who, &map)
                            .posix_acl_update_mode(&inode, mode)
                            .bits()
                    });
                    let expected = traced(|| {
                        if c.in_group_or_capable(&inode, c.vfsgid(&inode)) {
                            mode
                        } else {
                            mode & !0o2000
                        }
                    });
                    assert_eq!(mine, expected, "{who:?} {map:?} {inode:?}");
                }
            }
        }
    }
}
