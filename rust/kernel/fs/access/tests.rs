// SPDX-License-Identifier: GPL-2.0

//! Comparison of decisions with the C that they take the place of, which is compiled beside under
//! other names.

mod world;

use crate::{
    bindings,
    prelude::*, //
};
use world::World;

/// What a decision said, and whether it used a capability, which the task remembers.
#[derive(Clone, Copy, PartialEq)]
struct Answer {
    returned: c_int,
    used_capability: bool,
}

/// Asks something of the current task.
fn ask(question: impl FnOnce() -> c_int) -> Answer {
    // SAFETY: The flags of the current task are changed by itself only.
    let flags = unsafe { &raw mut (*bindings::get_current()).flags };
    // SAFETY: As above.
    unsafe { *flags &= !bindings::PF_SUPERPRIV };
    let returned = question();
    // SAFETY: As above.
    let used_capability = unsafe { *flags & bindings::PF_SUPERPRIV != 0 };
    Answer {
        returned,
        used_capability,
    }
}

/// Counts cases, and tells of the first that differ.
#[derive(Default)]
struct Tally {
    compared: usize,
    differ: usize,
    used: usize,
}

impl Tally {
    fn compare(&mut self, world: &World, what: &str, ours: Answer, theirs: Answer) {
        self.compared += 1;
        self.used += usize::from(theirs.used_capability);
        if ours != theirs {
            self.differ += 1;
            if self.differ <= 5 {
                let (a, b) = (ours.returned, theirs.returned);
                let (c, d) = (ours.used_capability, theirs.used_capability);
                pr_err!("{what}: Rust says {a} {c}, C says {b} {d}, for {world}\n");
            }
        }
    }
}

#[kunit_tests(rust_fs_access)]
mod suite {
    use super::*;

    /// Each mode, what is wanted, kind of object and relation of the caller to it, with maps,
    /// namespaces, capabilities and ACLs at random.
    #[test]
    fn permission_as_in_c() -> Result {
        let mut world = World::new(1)?;
        let mut tally = Tally::default();
        for _ in 0..16 {
            for relation in 0..World::RELATIONS {
                for mode in 0..0o1000u16 {
                    for kind in [bindings::S_IFREG, bindings::S_IFDIR] {
                        world.shuffle(relation, kind as u16 | mode)?;
                        for want in 0..8 {
                            let mask = want | world.may_not_block();
                            let (idmap, inode) = (world.idmap(), world.inode());
                            // SAFETY: All of the world is valid.
                            let ours =
                                ask(|| unsafe { bindings::generic_permission(idmap, inode, mask) });
                            // SAFETY: As above.
                            let theirs = ask(|| unsafe {
                                bindings::oracle_generic_permission(idmap, inode, mask)
                            });
                            tally.compare(&world, "generic_permission", ours, theirs);
                        }
                    }
                }
            }
        }
        let (compared, used) = (tally.compared, tally.used);
        pr_info!("generic_permission: {compared} cases, {used} by capability\n");
        assert!(tally.compared > 1_000_000);
        assert!(tally.used > 1000);
        assert_eq!(tally.differ, 0);
        Ok(())
    }

    /// Each relation of the caller to the object.
    #[test]
    fn owner_as_in_c() -> Result {
        let mut world = World::new(2)?;
        let mut tally = Tally::default();
        for _ in 0..5000 {
            for relation in 0..World::RELATIONS {
                world.shuffle(relation, 0o100644)?;
                let (idmap, inode) = (world.idmap(), world.inode());
                // SAFETY: All of the world is valid.
                let ours =
                    ask(|| unsafe { c_int::from(bindings::inode_owner_or_capable(idmap, inode)) });
                // SAFETY: As above.
                let theirs = ask(|| unsafe {
                    c_int::from(bindings::oracle_inode_owner_or_capable(idmap, inode))
                });
                tally.compare(&world, "inode_owner_or_capable", ours, theirs);
            }
        }
        pr_info!("inode_owner_or_capable: {} cases\n", tally.compared);
        assert!(tally.used > 100);
        assert_eq!(tally.differ, 0);
        Ok(())
    }
}
