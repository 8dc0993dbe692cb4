// SPDX-License-Identifier: GPL-2.0

//! Comparison of decisions with the C that they take the place of, which is compiled beside under
//! other names.

mod attr;
mod fixture;
mod fscaps;
mod idmap_mount;
mod namei;
mod owner;

use super::current::{
    Current,
    CurrentAccess, //
};
use crate::{
    bindings,
    fs::mnt_idmapping::MntIdmap,
    prelude::*, //
};
use fixture::World;

/// What a decision said and did, and whether it used a capability, which the task remembers.
#[derive(Clone, Copy, PartialEq)]
struct Answer {
    said: [u32; 4],
    used_capability: bool,
}

/// What a C function returned, where it does nothing else.
fn only(returned: c_int) -> [u32; 4] {
    [returned as u32, 0, 0, 0]
}

/// The current task at the world's mount.
///
/// # Safety
///
/// The world's credentials must be those of this thread.
unsafe fn task(world: &World) -> CurrentAccess<'_> {
    // SAFETY: By the requirements above.
    unsafe {
        CurrentAccess::new(
            Current::from_cred(world.cred()),
            MntIdmap::from_raw(world.idmap()),
        )
    }
}

/// Asks something of the current task.
fn ask(question: impl FnOnce() -> [u32; 4]) -> Answer {
    // SAFETY: The flags of the current task are changed by itself only.
    let flags = unsafe { &raw mut (*bindings::get_current()).flags };
    // SAFETY: As above.
    unsafe { *flags &= !bindings::PF_SUPERPRIV };
    let said = question();
    // SAFETY: As above.
    let used_capability = unsafe { *flags & bindings::PF_SUPERPRIV != 0 };
    Answer {
        said,
        used_capability,
    }
}

/// Counts cases, and tells of the first that differ.
#[derive(Default)]
struct Tally {
    compared: usize,
    differ: usize,
    /// How many used a capability.
    used: usize,
    /// How many ended with the answer of the first, to see that answers vary.
    like_first: usize,
    first: Option<[u32; 4]>,
}

impl Tally {
    fn compare(&mut self, world: &World, what: &str, ours: Answer, theirs: Answer) {
        self.compared += 1;
        self.used += usize::from(theirs.used_capability);
        let first = *self.first.get_or_insert(theirs.said);
        self.like_first += usize::from(first == theirs.said);
        if ours != theirs {
            self.differ += 1;
            if self.differ <= 5 {
                let ([a, b, c, d], [e, f, g, h]) = (ours.said, theirs.said);
                let (x, y) = (ours.used_capability, theirs.used_capability);
                pr_err!("{what}: Rust: {a:x} {b:x} {c:x} {d:x} {x}\n");
                pr_err!("{what}: C:    {e:x} {f:x} {g:x} {h:x} {y}\n");
                pr_err!("{what}: for {world}\n");
            }
        }
    }

    /// Whether all were equal, and there were some of each kind.
    fn holds(&self, what: &str) -> bool {
        let (compared, used) = (self.compared, self.used);
        pr_info!("{what}: {compared} cases, {used} by capability\n");
        self.differ == 0 && compared > 10_000 && self.like_first < compared
    }
}

/// Asks both engines something about many random worlds.
fn compare(
    seed: u64,
    what: &str,
    mut ours: impl FnMut(&mut World, u32) -> [u32; 4],
    mut theirs: impl FnMut(&mut World, u32) -> [u32; 4],
) -> Result<Tally> {
    let mut world = World::new(seed)?;
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for relation in 0..World::RELATIONS {
            let mode = world.any_kind() | world.below(0o10000);
            world.shuffle(relation, mode as u16)?;
            // Both have to draw the same.
            let draw = world.below(1 << 16);
            let ours = ask(|| ours(&mut world, draw));
            let theirs = ask(|| theirs(&mut world, draw));
            tally.compare(&world, what, ours, theirs);
        }
    }
    Ok(tally)
}

/// How often all relations of a caller to an object are gone through.
const ROUNDS: u32 = 5000;

#[kunit_tests(rust_fs_access)]
mod suite {
    use super::*;

    /// Asks both engines for each permission.
    fn compare_permissions(world: &World, tally: &mut Tally) {
        for want in 0..8 {
            let mask = want | world.may_not_block();
            let (idmap, inode) = (world.idmap(), world.inode());
            let _walk = world.walk();
            // SAFETY: All of the world is valid.
            let ours = ask(|| unsafe { only(bindings::generic_permission(idmap, inode, mask)) });
            // SAFETY: As above.
            let theirs =
                ask(|| unsafe { only(bindings::oracle_generic_permission(idmap, inode, mask)) });
            tally.compare(world, "generic_permission", ours, theirs);
        }
    }

    /// Each mode, what is wanted, kind of object, relation of the caller to it and capability that
    /// counts, where the mount is idmapped and where it is not.
    #[test]
    fn all_permissions_as_in_c() -> Result {
        const CAPABILITIES: [u64; 4] = [
            0,
            1 << bindings::CAP_DAC_OVERRIDE,
            1 << bindings::CAP_DAC_READ_SEARCH,
            1 << bindings::CAP_DAC_OVERRIDE | 1 << bindings::CAP_DAC_READ_SEARCH,
        ];
        let mut world = World::new(20)?;
        let mut tally = Tally::default();
        world.shuffle(0, 0)?;
        for idmapped in [false, true] {
            for relation in 0..World::RELATIONS {
                for capabilities in CAPABILITIES {
                    for kind in [bindings::S_IFREG, bindings::S_IFDIR] {
                        for mode in 0..0o1000u16 {
                            world.set(idmapped, relation, kind as u16 | mode, capabilities);
                            compare_permissions(&world, &mut tally);
                        }
                    }
                }
            }
        }
        assert!(tally.holds("generic_permission"));
        assert_eq!(tally.compared, 2 * 9 * 4 * 2 * 512 * 8);
        assert!(tally.used > 1000);
        Ok(())
    }

    /// Each mode, what is wanted and relation of the caller to the object, with its kind, maps,
    /// namespaces, groups, capabilities and ACLs at random.
    #[test]
    fn permission_as_in_c() -> Result {
        let mut world = World::new(1)?;
        let mut tally = Tally::default();
        for _ in 0..8 {
            for relation in 0..World::RELATIONS {
                for mode in 0..0o1000u16 {
                    for kind in [bindings::S_IFDIR, world.any_kind()] {
                        let special = world.below(8) << 9;
                        world.shuffle(relation, (kind | special) as u16 | mode)?;
                        compare_permissions(&world, &mut tally);
                    }
                }
            }
        }
        assert!(tally.holds("generic_permission"));
        assert!(tally.compared > 500_000);
        assert!(tally.used > 1000);
        Ok(())
    }
}
