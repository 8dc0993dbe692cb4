// SPDX-License-Identifier: GPL-2.0

//! What ids are and compare as.

use kernel::{
    host::id,
    uidgid::{FsGid, FsUid, Gid, Group, Id, Kernel, Kgid, Kuid, Uid, User, Vfs, VfsGid, VfsUid},
};
use std::collections::HashSet;

const EDGES: [u32; 7] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX - 2,
    u32::MAX - 1,
];

#[test]
fn the_greatest_number_is_no_id_and_all_others_are() {
    assert_eq!(Uid::new(u32::MAX), None);
    assert_eq!(id::<User, Vfs>(u32::MAX), None);
    for raw in EDGES {
        assert_eq!(Uid::new(raw).unwrap().get(), raw);
        assert_eq!(id::<Group, Kernel>(raw).unwrap().get(), raw);
    }
}

#[test]
fn no_id_takes_no_room() {
    assert_eq!(size_of::<Option<VfsUid>>(), 4);
    assert_eq!(size_of::<Option<FsGid>>(), 4);
}

#[test]
fn ids_are_ordered_and_hashed_by_their_number() {
    for a in EDGES {
        for b in EDGES {
            let (x, y) = (Gid::new(a).unwrap(), Gid::new(b).unwrap());
            assert_eq!(x.cmp(&y), a.cmp(&b));
            assert_eq!(x == y, a == b);
            assert_eq!(HashSet::from([x, y]).len(), if a == b { 1 } else { 2 });
        }
    }
}

#[test]
fn ids_are_shown_with_their_kind_and_space() {
    let shown = [
        format!("{:?}", Uid::new(5).unwrap()),
        format!("{:?}", id::<Group, Kernel>(5).unwrap()),
        format!("{:?}", {
            let stored: FsUid = id(5).unwrap();
            stored
        }),
        format!("{:?}", id::<Group, Vfs>(5).unwrap()),
    ];
    assert_eq!(shown, ["uid u5", "gid k5", "uid k5", "gid v5"]);
    assert_eq!(Uid::new(5).unwrap().to_string(), "5");
}

#[test]
fn an_owner_that_is_seen_equals_the_caller_with_its_number() {
    for a in EDGES {
        for b in EDGES {
            let (seen, caller): (VfsUid, Kuid) = (id(a).unwrap(), id(b).unwrap());
            assert_eq!(seen == caller, a == b);
            assert_eq!(caller == seen, a == b);
            let (seen, caller): (VfsGid, Kgid) = (id(a).unwrap(), id(b).unwrap());
            assert_eq!(seen == caller, a == b);
        }
    }
}

#[test]
fn a_caller_becomes_an_owner_and_back() {
    for raw in EDGES {
        let caller: Kuid = id(raw).unwrap();
        assert_eq!(VfsUid::from_caller(caller).get(), raw);
        assert_eq!(Id::into_kernel(VfsUid::from_caller(caller)), caller);
    }
}
