// SPDX-License-Identifier: GPL-2.0

//! Whole small worlds: every map, every id.
//!
//! The spaces are the smallest that leave room for what can go wrong, and the largest that can be
//! gone through in seconds:
//!
//! - of three bits, all lists of up to three ranges (2,763,741 of them), each id, each direction,
//!   each layout;
//! - of seven values, the same with every range of ids looked up as a whole;
//! - of six values, every pair of maps of up to two ranges, composed;
//! - of eight bits, every three numbers as a range, every map of one range, and maps of two and
//!   three ranges picked by a fixed rule.

mod support;

use kernel::user_namespace::{Extent, ExtentError, IdInt, IdMap, MapError};
use support::{all_extents, lookups, Raw, Relation, Small, Tiny};

/// Calls `check` with every list of up to three of the ranges.
fn every_list<T: Small>(mut check: impl FnMut(&[Raw], &[Extent<T>])) -> usize {
    let extents = all_extents::<T>();
    check(&[], &[]);
    let mut lists = 1;
    for a in &extents {
        check(&[a.0], &[a.1]);
        lists += 1;
        for b in &extents {
            check(&[a.0, b.0], &[a.1, b.1]);
            lists += 1;
            for c in &extents {
                check(&[a.0, b.0, c.0], &[a.1, b.1, c.1]);
                lists += 1;
            }
        }
    }
    lists
}

fn widen<T: Small>(id: Option<T>) -> Option<u8> {
    id.map(T::to_u8)
}

/// Compares both layouts of one direction with what it should be.
fn check_tables<T: Small>(extents: &[Extent<T>], expected: &[Option<u8>; 256]) {
    let (few, many) = lookups(extents);
    let few = few.unwrap();
    for id in T::all() {
        let expected = expected[usize::from(id.to_u8())].unwrap_or(T::NONE.to_u8());
        assert_eq!(few.get(id).to_u8(), expected, "few: {extents:?} at {id}");
        assert_eq!(many.get(id).to_u8(), expected, "many: {extents:?} at {id}");
        let has = expected != T::NONE.to_u8();
        assert_eq!(few.has(id), has, "few: {extents:?} has {id}");
        assert_eq!(many.has(id), has, "many: {extents:?} has {id}");
    }
}

/// Compares all that is looked up in a map with what it should be.
fn check_lookups<T: Small, B>(map: &IdMap<B>, expected: &Relation)
where
    B: std::ops::Deref<Target = [Extent<T>]>,
{
    for id in T::all() {
        let at = usize::from(id.to_u8());
        assert_eq!(widen(map.down(id)), expected.down[at], "{map:?} down {id}");
        assert_eq!(widen(map.up(id)), expected.up[at], "{map:?} up {id}");
    }
    check_tables(map.extents(), &expected.down);
    let mut inverse = [Extent::EMPTY; 3];
    let inverse = &mut inverse[..map.extents().len()];
    for (to, from) in inverse.iter_mut().zip(map.extents()) {
        *to = from.inverse();
    }
    check_tables(inverse, &expected.up);
}

#[test]
fn every_map_of_up_to_three_ranges() {
    type Id = Tiny<7>;
    let mut maps = 0;
    let lists = every_list::<Id>(|raw, extents| {
        let expected = Relation::new(raw, Id::NONE.0);
        let map = IdMap::from_storage(extents);
        assert_eq!(map.is_ok(), expected.is_map(), "{raw:?}");

        match map {
            Ok(map) => {
                maps += 1;
                check_lookups(&map, &expected);
            }
            Err(MapError::Empty) => assert!(raw.is_empty()),
            // What is complained of must be so.
            Err(MapError::FirstOverlap(a, b)) => {
                let pair = Relation::new(&[raw[a], raw[b]], Id::NONE.0);
                assert!(a < b && pair.twice[0], "{raw:?}: {a}, {b}");
            }
            Err(MapError::LowerOverlap(a, b)) => {
                let pair = Relation::new(&[raw[a], raw[b]], Id::NONE.0);
                assert!(a < b && pair.twice[1], "{raw:?}: {a}, {b}");
            }
            Err(error) => panic!("{raw:?}: {error}"),
        }
    });
    assert_eq!(lists, 1 + 140 + 140 * 140 + 140 * 140 * 140);
    println!("{lists} lists, {maps} of them maps");
}

#[test]
fn every_range_of_ids_in_every_map() {
    type Id = Tiny<6>;
    every_list::<Id>(|raw, extents| {
        let Ok(map) = IdMap::from_storage(extents) else {
            return;
        };
        for id in Id::all() {
            for count in Id::all() {
                // All of them in one range of the map, and at least one.
                let within = |first: u8| {
                    move |range: &&Raw| {
                        let start = if first == 0 { range.0 } else { range.1 };
                        count.0 > 0
                            && (id.0..id.0 + count.0).all(|id| id >= start && id - start < range.2)
                    }
                };
                let down = raw.iter().find(within(0)).map(|r| id.0 - r.0 + r.1);
                let up = raw.iter().find(within(1)).map(|r| id.0 - r.1 + r.0);
                assert_eq!(
                    widen(map.range_down(id, count)),
                    down,
                    "{raw:?} {id} {count}"
                );
                assert_eq!(widen(map.range_up(id, count)), up, "{raw:?} {id} {count}");
            }
        }
    });
}

#[test]
fn every_map_turned_round_twice() {
    type Id = Tiny<6>;
    every_list::<Id>(|raw, extents| {
        let mut room = extents.to_vec();
        let Ok(map) = IdMap::from_storage(&mut room[..]) else {
            return;
        };
        let inverse = map.into_inverse();
        for id in Id::all() {
            let expected = Relation::new(raw, Id::NONE.0);
            let at = usize::from(id.0);
            assert_eq!(widen(inverse.down(id)), expected.up[at]);
            assert_eq!(widen(inverse.up(id)), expected.down[at]);
        }
        assert_eq!(inverse.into_inverse().extents(), extents);
    });
}

#[test]
fn every_pair_of_maps_composed() {
    type Id = Tiny<5>;
    let extents = all_extents::<Id>();
    let mut maps = Vec::new();
    for a in &extents {
        maps.push((vec![a.1], Relation::new(&[a.0], Id::NONE.0)));
        for b in &extents {
            maps.push((vec![a.1, b.1], Relation::new(&[a.0, b.0], Id::NONE.0)));
        }
    }
    maps.retain(|(_, relation)| relation.is_map());

    for (first, first_relation) in &maps {
        for (second, second_relation) in &maps {
            let a = IdMap::from_storage(&first[..]).unwrap();
            let b = IdMap::from_storage(&second[..]).unwrap();
            let expected = first_relation.then(second_relation);
            let mut room = [Extent::EMPTY; 4];
            match a.compose(&b, &mut room) {
                Ok(both) => {
                    for id in Id::all() {
                        let at = usize::from(id.0);
                        assert_eq!(widen(both.down(id)), expected.down[at], "{a:?} {b:?} {id}");
                        assert_eq!(widen(both.up(id)), expected.up[at], "{a:?} {b:?} {id}");
                    }
                    // It is a map by all the rules, and needs the room that it took.
                    assert!(IdMap::from_storage(both.extents()).is_ok(), "{a:?} {b:?}");
                    let used = both.extents().len();
                    assert_eq!(
                        a.compose(&b, &mut room[..used - 1]).err(),
                        Some(MapError::NoRoom)
                    );
                }
                Err(error) => {
                    assert_eq!(error, MapError::Empty);
                    assert_eq!(expected.down, [None; 256], "{a:?} {b:?}");
                }
            }
        }
    }
    println!("{} pairs", maps.len() * maps.len());
}

#[test]
fn every_three_numbers_as_a_range_of_u8() {
    for first in 0..=u8::MAX {
        for lower in 0..=u8::MAX {
            for count in 0..=u8::MAX {
                // The rule as `map_write()` has it, in arithmetic that wraps.
                let wraps = |from: u8| from.wrapping_add(count) <= from;
                let made = Extent::new(first, lower, count);
                assert_eq!(
                    made.is_ok(),
                    first != u8::MAX && lower != u8::MAX && !wraps(first) && !wraps(lower)
                );
                match made {
                    Ok(extent) => assert_eq!(
                        (extent.first(), extent.lower_first(), extent.count()),
                        (first, lower, count)
                    ),
                    Err(ExtentError::Empty) => assert_eq!(count, 0),
                    Err(ExtentError::FirstOverflows) => assert!(count > 0 && wraps(first)),
                    Err(ExtentError::LowerOverflows) => assert!(count > 0 && wraps(lower)),
                    Err(error) => panic!("unknown error: {error}"),
                }
            }
        }
    }
}

#[test]
fn every_map_of_one_range_of_u8() {
    let mut maps = 0;
    for (raw, extent) in all_extents::<u8>() {
        let map = IdMap::new([extent]).unwrap();
        let table = lookups(&[extent]).0.unwrap();
        let (first, lower, count) = raw;
        for id in 0..=u8::MAX {
            let down = (first..first + count)
                .contains(&id)
                .then(|| lower + (id - first));
            let up = (lower..lower + count)
                .contains(&id)
                .then(|| first + (id - lower));
            assert_eq!(map.down(id), down, "{raw:?} {id}");
            assert_eq!(extent.has(id), down.is_some(), "{raw:?} {id}");
            assert_eq!(map.up(id), up, "{raw:?} {id}");
            assert_eq!(table.get(id), down.unwrap_or(u8::MAX), "{raw:?} {id}");
        }
        maps += 1;
    }
    // The sum of the squares of 1 to 255.
    assert_eq!(maps, 255 * 256 * 511 / 6);
}

#[test]
fn picked_maps_of_two_and_three_ranges_of_u8() {
    // A fixed sequence, so that a failure can be seen again.
    let mut state = 1u64;
    let mut next = move |below: u16| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((state >> 33) % u64::from(below)) as u8
    };
    let mut maps = 0;
    while maps < 200_000 {
        let len = 2 + usize::from(next(2));
        let mut raw = [(0, 0, 0); 3];
        let mut extents = [Extent::EMPTY; 3];
        let mut made = 0;
        while made < len {
            // Mostly short ones: long ones rarely go together.
            let short = next(4) > 0;
            let range = (next(256), next(256), next(if short { 48 } else { 256 }));
            if let Ok(extent) = Extent::new(range.0, range.1, range.2) {
                raw[made] = range;
                extents[made] = extent;
                made += 1;
            }
        }
        let expected = Relation::new(&raw[..len], u8::MAX);
        let map = IdMap::from_storage(&extents[..len]);
        assert_eq!(map.is_ok(), expected.is_map(), "{raw:?}");
        if let Ok(map) = map {
            check_lookups(&map, &expected);
            maps += 1;
        }
    }
}
