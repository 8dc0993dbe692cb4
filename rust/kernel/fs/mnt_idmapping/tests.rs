// SPDX-License-Identifier: GPL-2.0

//! Comparisons with the functions of `fs/mnt_idmapping.c`, which have the prefix `oracle_` here.

pub(crate) mod fake;
mod in_use;
#[cfg(CONFIG_UML)]
mod timing;

use super::MntIdmap;
use crate::{
    alloc::flags::GFP_KERNEL,
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::aref::ARef,
    uidgid::{
        Group,
        User, //
    },
    user_namespace::{
        Extent,
        UserNamespace,
        MAX_BASE_EXTENTS,
        MAX_EXTENTS, //
    },
};
use fake::{
    FakeNamespace,
    Random, //
};

/// The idmap of a namespace in Rust and in C.
struct Pair {
    ours: ARef<MntIdmap>,
    theirs: *mut bindings::mnt_idmap,
}

impl Pair {
    fn new(ns: &FakeNamespace) -> Result<Self> {
        // SAFETY: The fields of the namespace that an idmap is made from are valid.
        let (ours, theirs) = unsafe {
            let ours = MntIdmap::new(UserNamespace::from_raw(ns.as_ptr()));
            let theirs = from_err_ptr(bindings::oracle_alloc_mnt_idmap(ns.as_ptr()));
            (ours, theirs)
        };
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => Ok(Self { ours, theirs }),
            (Err(ours), Err(theirs)) if ours == theirs => Err(ours),
            // An assertion fails the test in test functions only.
            (ours, theirs) => {
                let (ours, theirs) = (ours.map(|_| ()), theirs.map(|_| ()));
                pr_err!("allocation of an idmap: {ours:?} in Rust, {theirs:?} in C\n");
                Err(EDOM)
            }
        }
    }

    /// Compares the four functions for a number and a filesystem. Returns how many results are
    /// equal.
    fn agree(&self, fs: *mut bindings::user_namespace, id: u32) -> usize {
        let (ours, theirs) = (self.ours.as_ptr(), self.theirs);
        let (kuid, kgid) = (bindings::kuid_t { val: id }, bindings::kgid_t { val: id });
        let (vfsuid, vfsgid) = (
            bindings::vfsuid_t { val: id },
            bindings::vfsgid_t { val: id },
        );
        // SAFETY: Both maps and the namespace are valid.
        let results = unsafe {
            [
                (
                    bindings::make_vfsuid(ours, fs, kuid).val,
                    bindings::oracle_make_vfsuid(theirs, fs, kuid).val,
                ),
                (
                    bindings::make_vfsgid(ours, fs, kgid).val,
                    bindings::oracle_make_vfsgid(theirs, fs, kgid).val,
                ),
                (
                    bindings::from_vfsuid(ours, fs, vfsuid).val,
                    bindings::oracle_from_vfsuid(theirs, fs, vfsuid).val,
                ),
                (
                    bindings::from_vfsgid(ours, fs, vfsgid).val,
                    bindings::oracle_from_vfsgid(theirs, fs, vfsgid).val,
                ),
            ]
        };
        for (ours, theirs) in results {
            if ours != theirs {
                pr_err!("id {id}: {ours} in Rust, {theirs} in C\n");
            }
        }
        results.iter().filter(|(a, b)| a == b).count()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: This drops the reference that `oracle_alloc_mnt_idmap()` returned.
        unsafe { bindings::oracle_mnt_idmap_put(self.theirs) };
    }
}

/// Returns user namespaces for filesystems that are not mounted in the initial one.
fn filesystems(random: &mut Random) -> Result<[FakeNamespace; 2]> {
    let mut identity = FakeNamespace::new()?;
    let all = [Extent::new(0, 0, u32::MAX).map_err(|_| EINVAL)?];
    identity.set::<User>(&all)?;
    identity.set::<Group>(&all)?;
    Ok([identity, FakeNamespace::random(random, 7)?])
}

/// Returns the ends of each extent, and the ids before and after them.
fn edges(extents: &[Extent]) -> impl Iterator<Item = u32> + '_ {
    extents.iter().flat_map(|extent| {
        let ends = [extent.first(), extent.lower_first()];
        ends.into_iter().flat_map(|first| {
            let last = first.wrapping_add(extent.count()).wrapping_sub(1);
            [first, last]
                .into_iter()
                .flat_map(|id| [id.wrapping_sub(1), id, id.wrapping_add(1)])
        })
    })
}

const INIT: *mut bindings::user_namespace = &raw mut bindings::init_user_ns;

#[kunit_tests(rust_mnt_idmapping)]
mod suite {
    use super::*;

    /// Compares the ids at the ends of extents, for each layout of a map.
    #[test]
    fn edges_as_in_c() -> Result {
        let mut random = Random::new(1);
        let filesystems = filesystems(&mut random)?;
        let (mut compared, mut agreed) = (0usize, 0usize);
        for size in [
            1,
            2,
            3,
            4,
            MAX_BASE_EXTENTS,
            MAX_BASE_EXTENTS + 1,
            7,
            16,
            64,
            339,
            MAX_EXTENTS,
        ] {
            for round in 0..20 {
                // In most namespaces the maps of users and groups are equal, and the idmap has one
                // map.
                let ns = if round % 2 == 0 {
                    FakeNamespace::random(&mut random, size)?
                } else {
                    FakeNamespace::alike(&mut random, size)?
                };
                let pair = Pair::new(&ns)?;
                let (users, groups) = (ns.extents::<User>(), ns.extents::<Group>());
                let ids = Iterator::chain(edges(users), edges(groups));
                for id in Iterator::chain(ids, [0, 1, u32::MAX - 1, u32::MAX]) {
                    for fs in [INIT, filesystems[0].as_ptr(), filesystems[1].as_ptr()] {
                        agreed += pair.agree(fs, id);
                        compared += 4;
                    }
                }
            }
        }
        pr_info!("edges: {compared} answers compared\n");
        assert!(compared > 1_000_000);
        assert_eq!(agreed, compared);
        Ok(())
    }

    /// Compares random ids, maps and filesystems.
    #[test]
    fn random_as_in_c() -> Result {
        let mut random = Random::new(2);
        let (mut compared, mut agreed) = (0usize, 0usize);
        for _ in 0..500 {
            let sizes = [random.below(5) + 1, random.below(MAX_EXTENTS as u32) + 1];
            let size = sizes[random.below(2) as usize] as usize;
            let ns = FakeNamespace::random(&mut random, size)?;
            let few = random.below(8) as usize + 1;
            let fs = FakeNamespace::random(&mut random, few)?;
            let pair = Pair::new(&ns)?;
            for _ in 0..200 {
                let id = match random.below(4) {
                    0 => random.next(),
                    1 => ns.any_id::<User>(&mut random),
                    2 => ns.any_id::<Group>(&mut random),
                    _ => fs.any_id::<User>(&mut random),
                };
                for fs in [INIT, INIT, fs.as_ptr()] {
                    agreed += pair.agree(fs, id);
                    compared += 4;
                }
            }
        }
        pr_info!("random: {compared} answers compared\n");
        assert!(compared >= 1_000_000);
        assert_eq!(agreed, compared);
        Ok(())
    }

    /// Compares the two static idmaps.
    #[test]
    fn static_maps_as_in_c() -> Result {
        let mut random = Random::new(3);
        let filesystems = filesystems(&mut random)?;
        let pairs = [
            (
                &raw mut bindings::nop_mnt_idmap,
                &raw mut bindings::oracle_nop_mnt_idmap,
            ),
            (
                &raw mut bindings::invalid_mnt_idmap,
                &raw mut bindings::oracle_invalid_mnt_idmap,
            ),
        ];
        for (ours, theirs) in pairs {
            // SAFETY: These idmaps are static, and have no reference count.
            let (got, pair) = unsafe {
                let got = bindings::mnt_idmap_get(ours);
                bindings::mnt_idmap_put(ours);
                let ours = ARef::from(MntIdmap::from_raw(ours));
                (got, Pair { ours, theirs })
            };
            assert_eq!(got, ours);
            assert!(!pair.ours.is_idmapped());
            let ids = [0, 1, 1000, 65534, 1 << 31, u32::MAX - 1, u32::MAX];
            for id in ids {
                for fs in [INIT, filesystems[0].as_ptr(), filesystems[1].as_ptr()] {
                    assert_eq!(pair.agree(fs, id), 4);
                }
            }
        }
        Ok(())
    }

    /// A namespace whose user map or group map was not written yet has no idmap.
    #[test]
    fn unwritten_maps_are_refused() -> Result {
        let one = [Extent::new(0, 1000, 1).map_err(|_| EINVAL)?];
        for written in 0..4 {
            let mut ns = FakeNamespace::new()?;
            if written & 1 != 0 {
                ns.set::<User>(&one)?;
            }
            if written & 2 != 0 {
                ns.set::<Group>(&one)?;
            }
            let made = Pair::new(&ns).map(|_| ());
            let expected = if written == 3 { Ok(()) } else { Err(EINVAL) };
            assert_eq!(made, expected);
        }
        Ok(())
    }

    /// An idmap is valid while it has a reference.
    #[test]
    fn references() -> Result {
        let mut random = Random::new(4);
        for size in [1, MAX_BASE_EXTENTS, MAX_BASE_EXTENTS + 1, MAX_EXTENTS] {
            let ns = FakeNamespace::random(&mut random, size)?;
            let pair = Pair::new(&ns)?;
            // SAFETY: `pair` holds a reference.
            let second = unsafe { bindings::mnt_idmap_get(pair.ours.as_ptr()) };
            assert_eq!(second, pair.ours.as_ptr());
            let theirs = pair.theirs;
            // SAFETY: `pair` holds a reference to both idmaps. `second` is another reference to
            // ours.
            unsafe { bindings::oracle_mnt_idmap_get(theirs) };
            drop(pair);
            // SAFETY: `second` is a reference.
            let ours = ARef::from(unsafe { MntIdmap::from_raw(second) });
            let pair = Pair { ours, theirs };
            // SAFETY: `second` is a reference, which is dropped here.
            unsafe { bindings::mnt_idmap_put(second) };
            for id in edges(ns.extents::<User>()) {
                assert_eq!(pair.agree(INIT, id), 4);
            }
        }
        Ok(())
    }

    /// The extents in a namespace are those that `map_id_range_up()` maps.
    #[test]
    fn seen_as_in_c() -> Result {
        let mut random = Random::new(5);
        let (mut shown, mut hidden) = (0usize, 0usize);
        for size in [
            1,
            3,
            MAX_BASE_EXTENTS,
            MAX_BASE_EXTENTS + 1,
            50,
            MAX_EXTENTS,
        ] {
            for round in 0..20 {
                // In most namespaces the maps of users and groups are equal, and the idmap has one
                // map.
                let ns = if round % 2 == 0 {
                    FakeNamespace::random(&mut random, size)?
                } else {
                    FakeNamespace::alike(&mut random, size)?
                };
                let pair = Pair::new(&ns)?;
                let few = random.below(8) as usize + 1;
                let mut viewer = FakeNamespace::random(&mut random, few)?;
                // The namespace maps some of the extents.
                viewer.set::<User>(&ns.inner_ranges::<User>(few)?)?;
                // SAFETY: The namespace is valid for reading its maps.
                let viewer_ns = unsafe { UserNamespace::from_raw(viewer.as_ptr()) };
                let mut seen = pair.ours.extents_in::<User>(viewer_ns);
                for extent in ns.extents::<User>() {
                    // SAFETY: The user map of `viewer` is valid, and does not change.
                    let lower = unsafe {
                        bindings::map_id_range_up(
                            &raw mut (*viewer.as_ptr()).uid_map,
                            extent.lower_first(),
                            extent.count(),
                        )
                    };
                    if lower == u32::MAX {
                        hidden += 1;
                    } else {
                        let expected = Some((extent.first(), lower, extent.count()));
                        assert_eq!(seen.next(), expected);
                        shown += 1;
                    }
                }
                assert_eq!(seen.next(), None);
            }
        }
        assert!(shown > 100);
        assert!(hidden > 100);
        Ok(())
    }

    /// `statmount()` writes the same bytes and returns the same result for each size of the buffer.
    #[test]
    fn statmount_as_in_c() -> Result {
        let mut random = Random::new(6);
        for size in [1, 2, MAX_BASE_EXTENTS, MAX_BASE_EXTENTS + 1, MAX_EXTENTS] {
            let ns = FakeNamespace::random(&mut random, size)?;
            let pair = Pair::new(&ns)?;
            for room in [1, 2, 5, 20, 33, 100, 1000, 4000, 16000] {
                for uid_map in [true, false] {
                    let ours = fake::statmount(room, |seq| {
                        // SAFETY: The map and the file are valid.
                        unsafe { bindings::statmount_mnt_idmap(pair.ours.as_ptr(), seq, uid_map) }
                    })?;
                    let theirs = fake::statmount(room, |seq| {
                        // SAFETY: The map and the file are valid.
                        unsafe { bindings::oracle_statmount_mnt_idmap(pair.theirs, seq, uid_map) }
                    })?;
                    assert_eq!(ours.result, theirs.result);
                    if ours.result >= 0 {
                        assert!(ours.text() == theirs.text());
                        assert!(!ours.text().is_empty());
                    }
                }
            }
        }
        Ok(())
    }

    /// The slab allocator allocates at most as much as in C, if users and groups are mapped alike.
    #[test]
    fn memory() -> Result {
        let mut random = Random::new(7);
        for size in [
            1,
            MAX_BASE_EXTENTS,
            MAX_BASE_EXTENTS + 1,
            16,
            64,
            MAX_EXTENTS,
        ] {
            let pair = Pair::new(&FakeNamespace::alike(&mut random, size)?)?;
            let different = Pair::new(&FakeNamespace::random(&mut random, size)?)?;
            let array = KVec::<Extent>::with_capacity(size, GFP_KERNEL)?;
            // SAFETY: Both were allocated by `kmalloc()`.
            let (object, array) = unsafe {
                let array = bindings::ksize(array.as_ptr().cast());
                (bindings::ksize(pair.theirs.cast()), array)
            };
            // C has two arrays for each kind of id if there are more than five extents.
            let theirs = object
                + if size > MAX_BASE_EXTENTS {
                    4 * array
                } else {
                    0
                };
            let ours = pair.ours.slab_bytes();
            let apart = different.ours.slab_bytes();
            pr_info!("{size} extents: Rust {ours} bytes, {apart} if not alike, C {theirs}\n");
            assert!(ours <= theirs);
            assert!(apart <= 2 * ours);
        }
        Ok(())
    }

    /// Compares the times of a lookup: the best of several rounds.
    ///
    /// Under User Mode Linux only: the times in an emulator are not those of a processor.
    #[test]
    #[cfg(CONFIG_UML)]
    fn time() -> Result {
        // The limits are percentages of the time in C.
        for (size, limit) in [(1, 100), (MAX_BASE_EXTENTS, 70), (MAX_EXTENTS, 40)] {
            let mut ns = FakeNamespace::new()?;
            let map = timing::spaced_map(size)?;
            ns.set::<User>(&map)?;
            ns.set::<Group>(&map)?;
            let pair = Pair::new(&ns)?;
            // Other tasks of the machine can only make a round longer.
            let held = (0..5).any(|_| {
                let ours = timing::best_time(&map, |kuid| {
                    // SAFETY: The map and the namespace are valid.
                    unsafe { bindings::make_vfsuid(pair.ours.as_ptr(), INIT, kuid) }
                });
                let theirs = timing::best_time(&map, |kuid| {
                    // SAFETY: The idmap and the namespace are valid.
                    unsafe { bindings::oracle_make_vfsuid(pair.theirs, INIT, kuid) }
                });
                pr_info!("time: {size} ranges: Rust {ours} ps a lookup, C {theirs} ps\n");
                ours * 100 <= theirs * limit
            });
            assert!(held);
        }
        Ok(())
    }
}
