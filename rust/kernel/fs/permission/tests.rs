// SPDX-License-Identifier: GPL-2.0

//! Comparison of the checks in Rust with those in C.
//!
//! A C function that calls `mnt_idmapping_in_rust()` runs in Rust for all tasks but the one in
//! `mnt_idmapping_c_task`. Tests call it twice, the second time with its body in C. Functions that
//! stay in C are compared with the Rust functions whose documentation names them.

mod attr;
mod fixture;
mod fscaps;
mod idmap_mount;
mod namei;
mod owner;
mod posix_acl;

use super::current::{
    Current,
    CurrentAccess, //
};
use crate::{
    bindings,
    fs::mnt_idmapping::MntIdmap,
    prelude::*, //
};
use core::ptr;
use fixture::Fixture;

/// The results of a check, and whether it used a capability, which the task records.
#[derive(Clone, Copy, PartialEq)]
struct Outcome {
    results: [u32; 4],
    used_capability: bool,
}

/// The results of a function that only returns a value.
fn returned(value: c_int) -> [u32; 4] {
    [value as u32, 0, 0, 0]
}

/// The current task at the mount of the fixture.
///
/// # Safety
///
/// The credentials of the fixture must be those of this thread.
unsafe fn access(fixture: &Fixture) -> CurrentAccess<'_> {
    // SAFETY: The thread keeps the credentials of the fixture.
    let current = unsafe { Current::new() };
    // SAFETY: The idmap of the fixture is valid.
    CurrentAccess::new(current, unsafe { MntIdmap::from_raw(fixture.idmap()) })
}

/// Runs a check.
fn run(check: impl FnOnce() -> [u32; 4]) -> Outcome {
    // SAFETY: The current task is valid.
    let flags = unsafe { &raw mut (*bindings::get_current()).flags };
    // SAFETY: Only the current task writes to its flags.
    unsafe { *flags &= !bindings::PF_SUPERPRIV };
    let results = check();
    // SAFETY: Only the current task writes to its flags.
    let used_capability = unsafe { *flags & bindings::PF_SUPERPRIV != 0 };
    Outcome {
        results,
        used_capability,
    }
}

/// Runs a check with the bodies in C of the functions that it calls.
fn run_c(check: impl FnOnce() -> [u32; 4]) -> Outcome {
    let task = &raw mut bindings::mnt_idmapping_c_task;
    // SAFETY: KUnit runs one test at a time, so only this thread writes to the variable.
    unsafe { task.write_volatile(bindings::get_current()) };
    let outcome = run(check);
    // SAFETY: KUnit runs one test at a time, so only this thread writes to the variable.
    unsafe { task.write_volatile(ptr::null_mut()) };
    outcome
}

/// Counts cases, and prints the first that differ.
#[derive(Default)]
struct Tally {
    compared: usize,
    differ: usize,
    /// The number of cases that used a capability.
    used: usize,
    /// The number of cases whose results are those of the first. It shows that results vary.
    like_first: usize,
    first: Option<[u32; 4]>,
}

impl Tally {
    fn compare(&mut self, fixture: &Fixture, function: &str, rust: Outcome, c: Outcome) {
        self.compared += 1;
        self.used += usize::from(c.used_capability);
        let first = *self.first.get_or_insert(c.results);
        self.like_first += usize::from(first == c.results);
        if rust != c {
            self.differ += 1;
            if self.differ <= 5 {
                for (engine, outcome) in [("Rust", rust), ("C", c)] {
                    let [w, x, y, z] = outcome.results;
                    let used = outcome.used_capability;
                    pr_err!("{function}: {engine}: {w:x} {x:x} {y:x} {z:x} {used}\n");
                }
                pr_err!("{function}: for {fixture}\n");
            }
        }
    }

    /// Returns whether Rust and C had equal results in all cases, and the results varied.
    fn holds(&self, function: &str) -> bool {
        let (compared, used) = (self.compared, self.used);
        pr_info!("{function}: {compared} cases, {used} with a capability\n");
        self.differ == 0 && compared > 10_000 && self.like_first < compared
    }

    /// [`Tally::holds`], for a function that checks capabilities.
    fn holds_with_capabilities(&self, function: &str) -> bool {
        self.holds(function) && self.used > 100
    }
}

/// The number of times that all relations of a caller to an inode are compared.
const ROUNDS: u32 = 5000;

/// Compares two functions on random fixtures: the second runs in C.
fn compare_pair(
    seed: u64,
    function: &str,
    mut rust: impl FnMut(&mut Fixture, u32) -> [u32; 4],
    mut c: impl FnMut(&mut Fixture, u32) -> [u32; 4],
) -> Result<Tally> {
    let mut fixture = Fixture::new(seed)?;
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        for relation in 0..Fixture::RELATIONS {
            let mode = fixture.any_kind() | fixture.below(0o10000);
            fixture.shuffle(relation, mode as u16)?;
            let draw = fixture.below(1 << 16);
            let in_rust = run(|| rust(&mut fixture, draw));
            let in_c = run_c(|| c(&mut fixture, draw));
            tally.compare(&fixture, function, in_rust, in_c);
        }
    }
    Ok(tally)
}

/// Compares a function, which runs in Rust and then in C, on random fixtures.
fn compare(
    seed: u64,
    function: &str,
    check: impl Fn(&mut Fixture, u32) -> [u32; 4],
) -> Result<Tally> {
    compare_pair(seed, function, &check, &check)
}

#[kunit_tests(rust_fs_permission)]
mod suite {
    use super::*;

    /// If this fails, the other tests compare Rust with Rust.
    #[test]
    fn switch_selects_the_engine() {
        // SAFETY: The function only reads `mnt_idmapping_c_task`.
        let in_rust = || unsafe { returned(bindings::kunit_mnt_idmapping_in_rust().into()) };
        assert_eq!(run(in_rust).results, returned(1));
        assert_eq!(run_c(in_rust).results, returned(0));
        assert_eq!(run(in_rust).results, returned(1));
    }

    /// Compares each access mask.
    fn compare_permissions(fixture: &Fixture, tally: &mut Tally) {
        for want in 0..8 {
            let mask = want | fixture.may_not_block();
            let (idmap, inode) = (fixture.idmap(), fixture.inode());
            let _walk = fixture.walk();
            // SAFETY: All objects of the fixture are valid.
            let check = || unsafe { returned(bindings::generic_permission(idmap, inode, mask)) };
            tally.compare(fixture, "generic_permission", run(check), run_c(check));
        }
    }

    /// Each mode, access mask, file type, relation of the caller to the inode, and capability that the
    /// check uses, on a mount with an idmap and on one without.
    #[test]
    fn generic_permission_exhaustive() -> Result {
        const CAPABILITIES: [u64; 4] = [
            0,
            1 << bindings::CAP_DAC_OVERRIDE,
            1 << bindings::CAP_DAC_READ_SEARCH,
            1 << bindings::CAP_DAC_OVERRIDE | 1 << bindings::CAP_DAC_READ_SEARCH,
        ];
        let mut fixture = Fixture::new(20)?;
        let mut tally = Tally::default();
        fixture.shuffle(0, 0)?;
        for idmapped in [false, true] {
            for relation in 0..Fixture::RELATIONS {
                for capabilities in CAPABILITIES {
                    for kind in [bindings::S_IFREG, bindings::S_IFDIR] {
                        for mode in 0..0o1000u16 {
                            fixture.set(idmapped, relation, kind as u16 | mode, capabilities);
                            compare_permissions(&fixture, &mut tally);
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

    /// Each mode, access mask and relation of the caller to the inode. The type of file, idmaps,
    /// namespaces, groups, capabilities and ACLs are random.
    #[test]
    fn generic_permission_random() -> Result {
        let mut fixture = Fixture::new(1)?;
        let mut tally = Tally::default();
        for _ in 0..8 {
            for relation in 0..Fixture::RELATIONS {
                for mode in 0..0o1000u16 {
                    for kind in [bindings::S_IFDIR, fixture.any_kind()] {
                        let special = fixture.below(8) << 9;
                        fixture.shuffle(relation, (kind | special) as u16 | mode)?;
                        compare_permissions(&fixture, &mut tally);
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
