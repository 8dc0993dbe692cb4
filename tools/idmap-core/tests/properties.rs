// SPDX-License-Identifier: GPL-2.0

//! Maps of the kernel's size, with 1 to 340 ranges of awkward shapes.

mod support;

use kernel::{
    fs::mnt_idmapping::fill,
    user_namespace::{Extent, ExtentError, IdMap, MapError, MAX_BASE_EXTENTS, MAX_EXTENTS},
};
use proptest::{prelude::*, sample::Index, test_runner::TestCaseResult};
use support::lookups;

/// Ids that exist: all but the greatest number.
const IDS: u64 = u32::MAX as u64;

/// How long the ranges of a map are.
#[derive(Clone, Copy, Debug)]
enum Counts {
    /// All the same.
    Equal(u32),
    /// Single ids and one range as long as there is room for.
    OneGiant,
    /// Anything from single ids to millions.
    Mixed(u64),
}

/// Where the ids go that no range has.
#[derive(Clone, Copy, Debug)]
enum Gaps {
    /// Nowhere between ranges: they follow one another from the lowest id on.
    AtEnd,
    /// The same, and the last range ends with the greatest id.
    AtStart,
    /// One gap of nearly all ids in the middle of a cluster.
    OneHole,
    /// The same gap before each.
    Even,
    /// Gaps of all sizes.
    Mixed(u64),
}

/// A sequence of numbers that looks random and depends on the seed alone.
struct Mix(u64);

impl Mix {
    fn next(&mut self) -> u64 {
        // The steps of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }

    /// A number of at most `bits` bits, small ones as likely as great ones.
    fn log(&mut self, bits: u64) -> u64 {
        let shift = 64 - self.next() % (bits + 1);
        self.next().checked_shr(shift as u32).unwrap_or(0)
    }
}

fn counts(n: usize, counts: Counts) -> Vec<u64> {
    let room = IDS / n as u64;
    match counts {
        Counts::Equal(count) => vec![u64::from(count).clamp(1, room); n],
        Counts::OneGiant => {
            let mut list = vec![1; n];
            list[n / 2] = IDS / 2;
            list
        }
        Counts::Mixed(seed) => {
            let mut mix = Mix(seed);
            (0..n).map(|_| mix.log(22).clamp(1, room)).collect()
        }
    }
}

/// Where ranges of these lengths start.
fn starts(counts: &[u64], gaps: Gaps) -> Vec<u32> {
    let n = counts.len();
    let spare = IDS - counts.iter().sum::<u64>();
    let before: Vec<u64> = match gaps {
        Gaps::AtEnd => vec![0; n],
        Gaps::AtStart => (0..n).map(|i| if i == 0 { spare } else { 0 }).collect(),
        Gaps::OneHole => (0..n).map(|i| if i == n / 2 { spare } else { 0 }).collect(),
        Gaps::Even => vec![spare / n as u64; n],
        Gaps::Mixed(seed) => {
            let mut mix = Mix(seed);
            let mut left = spare;
            let mut gap = || {
                let gap = mix.log(32).min(left);
                left -= gap;
                gap
            };
            (0..n).map(|_| gap()).collect()
        }
    };
    let mut at = 0;
    (0..n)
        .map(|i| {
            let start = at + before[i];
            at = start + counts[i];
            start as u32
        })
        .collect()
}

/// Puts a list in an order that looks random and depends on the seed alone.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut mix = Mix(seed);
    for i in (1..list.len()).rev() {
        list.swap(i, (mix.next() % (i as u64 + 1)) as usize);
    }
}

fn any_counts() -> impl Strategy<Value = Counts> {
    prop_oneof![
        (0u32..24).prop_map(|bits| Counts::Equal(1 << bits)),
        any::<u32>().prop_map(Counts::Equal),
        Just(Counts::OneGiant),
        any::<u64>().prop_map(Counts::Mixed),
    ]
}

fn any_gaps() -> impl Strategy<Value = Gaps> {
    prop_oneof![
        Just(Gaps::AtEnd),
        Just(Gaps::AtStart),
        Just(Gaps::OneHole),
        Just(Gaps::Even),
        any::<u64>().prop_map(Gaps::Mixed),
    ]
}

/// The ranges of a valid map with a number of ranges in `len`, in any order.
fn ranges(len: impl Strategy<Value = usize>) -> impl Strategy<Value = Vec<Extent>> {
    let shape = (len, any_counts(), any_gaps(), any_gaps(), any::<[u64; 2]>());
    shape.prop_map(|(n, shape, upper, lower, seeds)| {
        let counts = counts(n, shape);
        let uppers = starts(&counts, upper);
        // The lower ranges lie in an order of their own.
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut order, seeds[0]);
        let lower_counts: Vec<u64> = order.iter().map(|&i| counts[i]).collect();
        let mut lowers = vec![0; n];
        for (&i, start) in order.iter().zip(starts(&lower_counts, lower)) {
            lowers[i] = start;
        }
        let mut ranges: Vec<Extent> = (0..n)
            .map(|i| Extent::new(uppers[i], lowers[i], counts[i] as u32).unwrap())
            .collect();
        shuffle(&mut ranges, seeds[1]);
        ranges
    })
}

fn any_len() -> impl Strategy<Value = usize> {
    prop_oneof![
        1..=MAX_BASE_EXTENTS,
        MAX_BASE_EXTENTS + 1..=2 * MAX_BASE_EXTENTS,
        1..=MAX_EXTENTS,
        Just(MAX_EXTENTS),
    ]
}

/// The ids where something may change, one to each side of them, and the ends of all ids.
fn edges(ranges: &[Extent]) -> Vec<u32> {
    let mut ids = vec![0, 1, u32::MAX - 1, u32::MAX];
    for range in ranges {
        for id in [range.first(), range.end()] {
            ids.extend([id.wrapping_sub(1), id, id.wrapping_add(1)]);
        }
        ids.push(range.first() + range.count() / 2);
    }
    ids
}

fn inverse(ranges: &[Extent]) -> Vec<Extent> {
    ranges.iter().map(|range| range.inverse()).collect()
}

/// Compares the layouts of one direction with the map's definition.
fn check_tables(ranges: &[Extent], random: &[u32]) -> TestCaseResult {
    let map = IdMap::from_storage(ranges).unwrap();
    let (few, many) = lookups(ranges);
    prop_assert_eq!(few.is_some(), ranges.len() <= MAX_BASE_EXTENTS);
    for id in edges(ranges).iter().chain(random).copied() {
        let expected = map.down(id).unwrap_or(u32::MAX);
        let has = expected != u32::MAX;
        prop_assert_eq!(many.get(id), expected, "many: {} of {:?}", id, ranges);
        prop_assert_eq!(many.has(id), has, "many: {} of {:?}", id, ranges);
        if let Some(few) = &few {
            prop_assert_eq!(few.get(id), expected, "few: {} of {:?}", id, ranges);
            prop_assert_eq!(few.has(id), has, "few: {} of {:?}", id, ranges);
        }
    }
    Ok(())
}

/// Whether `count` ids from `id` on are in the upper range of an extent, in numbers that hold.
fn has_all(extent: &Extent, id: u32, count: u32) -> bool {
    let (first, end) = (
        u64::from(extent.first()),
        u64::from(extent.first()) + u64::from(extent.count()),
    );
    count > 0 && u64::from(id) >= first && u64::from(id) + u64::from(count) <= end
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn tables_are_what_the_map_says(
        ranges in ranges(any_len()),
        random in prop::collection::vec(any::<u32>(), 32),
    ) {
        check_tables(&ranges, &random)?;
        check_tables(&inverse(&ranges), &random)?;
    }

    /// The scale of a directory keeps each id of the span within the directory, and comes near to
    /// the quotient of 64 bits that it stands for.
    #[test]
    fn the_scale_is_nearly_the_quotient(
        parts in 1usize..=MAX_EXTENTS * 3 / 2,
        span in prop_oneof![1..=2000u32, any::<u32>().prop_map(|span| span.max(1))],
    ) {
        let extent = Extent::new(0, 0, span).unwrap();
        let mut directory = vec![u16::MAX; parts];
        let scale = fill(&mut directory, |entry| entry, 0, span, [extent].into_iter());
        let exact = ((parts as u64) << 32) / u64::from(span);
        prop_assert!(scale <= exact, "{} {}", scale, exact);
        prop_assert!(scale >= exact - exact / (1 << 14) - 1, "{} {}", scale, exact);
        prop_assert!(directory.iter().all(|&entry| entry == 0));
    }

    #[test]
    fn up_undoes_down(
        ranges in ranges(any_len()),
        random in prop::collection::vec(any::<u32>(), 32),
    ) {
        let map = IdMap::from_storage(&ranges[..]).unwrap();
        for id in edges(&ranges).into_iter().chain(random) {
            let mapped = ranges.iter().any(|range| has_all(range, id, 1));
            prop_assert_eq!(map.down(id).is_some(), mapped);
            if let Some(down) = map.down(id) {
                prop_assert_eq!(map.up(down), Some(id));
                prop_assert_ne!(down, u32::MAX);
            }
            if let Some(up) = map.up(id) {
                prop_assert_eq!(map.down(up), Some(id));
                prop_assert_ne!(up, u32::MAX);
            }
        }
        prop_assert_eq!(map.down(u32::MAX), None);
        prop_assert_eq!(map.up(u32::MAX), None);
    }

    #[test]
    fn what_is_displayed_is_parsed(ranges in ranges(any_len())) {
        let text = IdMap::from_storage(&ranges[..]).unwrap().to_string();
        let mut room = vec![Extent::EMPTY; ranges.len()];
        let read = IdMap::parse(&text, &mut room).unwrap();
        prop_assert_eq!(read.extents(), &ranges[..]);
        // As the kernel prints it.
        let wide: String = ranges
            .iter()
            .map(|r| format!("{:>10} {:>10} {:>10}\n", r.first(), r.lower_first(), r.count()))
            .collect();
        let read = IdMap::parse(&wide, &mut room).unwrap();
        prop_assert_eq!(read.extents(), &ranges[..]);
        let less = ranges.len() - 1;
        prop_assert_eq!(
            IdMap::<&[Extent]>::parse(&text, &mut room[..less]).err(),
            Some(MapError::NoRoom)
        );
    }

    #[test]
    fn greater_numbers_are_refused_not_cut(
        ranges in ranges(1..=20usize),
        line in any::<Index>(),
        column in 0..3usize,
        high in 1..=u32::MAX,
    ) {
        let line = line.index(ranges.len());
        let mut text = String::new();
        for (i, r) in ranges.iter().enumerate() {
            let mut numbers = [r.first(), r.lower_first(), r.count()].map(u64::from);
            if i == line {
                // The low 32 bits stay those of a valid map.
                numbers[column] |= u64::from(high) << 32;
            }
            text += &format!("{} {} {}\n", numbers[0], numbers[1], numbers[2]);
        }
        let mut room = vec![Extent::<u32>::EMPTY; ranges.len()];
        prop_assert_eq!(IdMap::parse(&text, &mut room).err(), Some(MapError::Syntax { line }));
    }

    #[test]
    fn a_map_and_its_inverse_compose_to_nothing_changed(ranges in ranges(1..=60usize)) {
        let map = IdMap::from_storage(&ranges[..]).unwrap();
        let back = inverse(&ranges);
        let back = IdMap::from_storage(&back[..]).unwrap();
        let mut room = vec![Extent::EMPTY; ranges.len()];
        let both = map.compose(&back, &mut room).unwrap();
        for id in edges(&ranges) {
            prop_assert_eq!(both.down(id), map.down(id).map(|_| id));
            prop_assert_eq!(both.up(id), map.down(id).map(|_| id));
        }
    }

    #[test]
    fn composing_is_following(
        a in ranges(1..=20usize),
        b in ranges(1..=20usize),
        c in ranges(1..=20usize),
    ) {
        let [mut ab, mut bc, mut ab_c, mut a_bc] =
            [const { [Extent::EMPTY; MAX_EXTENTS] }; 4];
        let a = IdMap::from_storage(&a[..]).unwrap();
        let b = IdMap::from_storage(&b[..]).unwrap();
        let c = IdMap::from_storage(&c[..]).unwrap();
        let follow = |id| b.down(a.down(id)?);
        let ab = a.compose(&b, &mut ab);
        match &ab {
            Ok(ab) => {
                for id in edges(a.extents()).into_iter().chain(edges(ab.extents())) {
                    prop_assert_eq!(ab.down(id), follow(id));
                }
                prop_assert!(IdMap::from_storage(ab.extents()).is_ok());
            }
            Err(error) => prop_assert_eq!(*error, MapError::Empty),
        }
        // Whichever pair goes together first, the result is the same. It need not be a map at all.
        let left = ab.and_then(|ab| ab.compose(&c, &mut ab_c));
        let bc = b.compose(&c, &mut bc);
        let right = bc.and_then(|bc| a.compose(&bc, &mut a_bc));
        prop_assert_eq!(
            left.map(|map| map.extents().to_vec()),
            right.map(|map| map.extents().to_vec())
        );
    }

    #[test]
    fn ranges_are_found_whole(
        ranges in ranges(any_len()),
        random in prop::collection::vec(any::<[u32; 2]>(), 16),
    ) {
        let map = IdMap::from_storage(&ranges[..]).unwrap();
        let near = edges(&ranges).into_iter().flat_map(|id| {
            let whole = ranges.iter().find(|range| range.first() == id).map_or(7, |r| r.count());
            [0, 1, 2, whole.wrapping_sub(1), whole, whole.wrapping_add(1), u32::MAX]
                .map(|count| [id, count])
        });
        for [id, count] in near.chain(random) {
            let down = ranges
                .iter()
                .find(|range| has_all(range, id, count))
                .map(|range| id - range.first() + range.lower_first());
            prop_assert_eq!(map.range_down(id, count), down, "{} {}", id, count);
            let up = ranges
                .iter()
                .find(|range| has_all(&range.inverse(), id, count))
                .map(|range| id - range.lower_first() + range.first());
            prop_assert_eq!(map.range_up(id, count), up, "{} {}", id, count);
        }
    }

    #[test]
    fn a_map_that_names_an_id_twice_is_none(
        ranges in ranges(2..=MAX_EXTENTS),
        from in any::<Index>(),
        to in any::<Index>(),
        inside in any::<Index>(),
        lower in any::<bool>(),
    ) {
        let (from, to) = (from.index(ranges.len()), to.index(ranges.len()));
        prop_assume!(from != to);
        // The one range begins at an id of the other.
        let range = ranges[from];
        let id = range.first() + inside.index(range.count() as usize) as u32;
        let mut ranges = ranges;
        let moved = Extent::new(id, ranges[to].lower_first(), 1).unwrap();
        ranges[to] = moved;
        if lower {
            ranges = inverse(&ranges);
        }
        let error = IdMap::from_storage(&ranges[..]).err();
        let (a, b) = (from.min(to), from.max(to));
        prop_assert_eq!(
            error,
            Some(if lower { MapError::LowerOverlap(a, b) } else { MapError::FirstOverlap(a, b) })
        );
    }
}

#[test]
fn a_map_has_1_to_340_ranges() {
    let ranges: Vec<Extent> = (0..=MAX_EXTENTS as u32)
        .map(|i| Extent::new(2 * i, 2 * i, 1).unwrap())
        .collect();
    assert_eq!(
        IdMap::from_storage(&ranges[..]).err(),
        Some(MapError::TooMany)
    );
    let text: String = ranges.iter().map(|range| format!("{range}\n")).collect();
    let mut room = vec![Extent::<u32>::EMPTY; ranges.len()];
    assert_eq!(
        IdMap::parse(&text, &mut room).err(),
        Some(MapError::TooMany)
    );
    assert!(IdMap::from_storage(&ranges[..MAX_EXTENTS]).is_ok());
    assert_eq!(
        IdMap::<&[Extent]>::from_storage(&[]).err(),
        Some(MapError::Empty)
    );
    assert_eq!(
        IdMap::from_storage([Extent::<u32>::EMPTY].as_slice()).err(),
        Some(MapError::Extent {
            line: 0,
            error: ExtentError::Empty
        }),
    );
}

#[test]
fn what_is_no_map_is_refused_with_its_line() {
    let mut room = [Extent::<u32>::EMPTY; 4];
    let mut error = |text| IdMap::parse(text, &mut room).err();
    assert_eq!(error(""), Some(MapError::Empty));
    for (text, line) in [
        ("\n", 0),
        ("0 0", 0),
        ("0 0 1 1", 0),
        ("0 0 +1", 0),
        ("0 0 -1", 0),
        ("0 0 0x1", 0),
        ("0 0 1.", 0),
        ("0 0 4294967296", 0),
        ("0 0 1\n\n1 1 1\n", 1),
        ("0 0 1\n1 1 1\nroot 2 1\n", 2),
    ] {
        assert_eq!(error(text), Some(MapError::Syntax { line }), "{text:?}");
    }
    assert_eq!(
        error("0 0 1\n5 5 0\n").map(|e| e.to_string()).as_deref(),
        Some("range 2: a range of no ids")
    );
    assert_eq!(
        error("1 0 4294967295").map(|e| e.to_string()).as_deref(),
        Some("range 1: the first range ends past the greatest id")
    );
    assert_eq!(
        error("0 1 4294967295").map(|e| e.to_string()).as_deref(),
        Some("range 1: the second range ends past the greatest id")
    );
    assert_eq!(error("0 0 4294967295\n"), None);
    assert_eq!(error("\t0 0\t1\r\n 1 1 1"), None);
}
