// SPDX-License-Identifier: GPL-2.0

//! The short form of the checker. The program `confinement` goes on for longer.

use confinement::{
    model::Condition,
    search::{self, Report, Until},
    worlds,
};

/// Panics with the story if there is a counterexample.
fn assert_confined(report: &Report) {
    if let Some((_, story)) = &report.simplest {
        panic!("{} counterexamples, one of them:\n{story}", report.found);
    }
}

#[test]
fn all_worlds_of_three_ids_are_confined() {
    let (kinds, tally) = worlds::all_kinds(3);
    assert_eq!((tally.triples, tally.kinds), (22878, 91));
    let mut report = Report::default();
    for (users, groups) in worlds::pairs(&kinds, 1) {
        for entries in 0..2 {
            report += search::permissions(3, users, groups, entries);
        }
        report += search::operations(3, users, groups);
    }
    assert_confined(&report);
    // The rule refuses worlds in which an inode can name all ids of the caller's namespace.
    assert!(report.worlds > 150 && report.refused > 150, "{report:?}");
}

#[test]
fn idmaps_of_four_ids_are_composed_as_defined() {
    let (kinds, tally) = worlds::all_kinds(4);
    assert_eq!((tally.triples, kinds.len()), (1_614_000, 319));
}

#[test]
fn random_worlds_are_confined() {
    let report = search::random(7, 6, None, Until::Worlds(600));
    assert_confined(&report);
    assert!(report.worlds > 100, "{report:?}");
}

/// Without the condition there is a counterexample, so the checker can find one, and the condition
/// is necessary.
fn assert_necessary(condition: Condition) {
    let report = search::random(3, 5, Some(condition), Until::Found(20_000));
    let (_, story) = report.simplest.expect("the condition is not necessary");
    println!("Without {condition:?}:\n{story}");
}

#[test]
fn without_below_there_is_a_counterexample() {
    assert_necessary(Condition::Below);
}

#[test]
fn without_capabilities_there_is_a_counterexample() {
    assert_necessary(Condition::Capabilities);
}

#[test]
fn without_setgroups_there_is_a_counterexample() {
    assert_necessary(Condition::Setgroups);
}

#[test]
fn without_enough_users_there_is_a_counterexample() {
    assert_necessary(Condition::Users);
}

#[test]
fn without_enough_groups_there_is_a_counterexample() {
    assert_necessary(Condition::Groups);
}

#[test]
fn with_an_idmap_that_replaces_there_is_a_counterexample() {
    assert_necessary(Condition::Compose);
}

#[test]
fn with_an_idmap_that_is_removed_there_is_a_counterexample() {
    assert_necessary(Condition::Clear);
}

#[test]
fn with_privileges_for_others_there_is_a_counterexample() {
    assert_necessary(Condition::MaySuid);
}
