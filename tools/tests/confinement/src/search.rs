// SPDX-License-Identifier: GPL-2.0

//! Going through worlds.

use crate::{
    effects::Effect,
    ids::each,
    model::{Condition, Setup, Target},
    world::Ns,
    worlds::{Kind, Random, inode, setup},
};
use std::{
    ops::AddAssign,
    rc::Rc,
    time::{Duration, Instant},
};

/// What a search went through.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many worlds the rule accepted.
    pub worlds: u64,
    /// How many worlds the rule refused.
    pub refused: u64,
    /// How many inodes, or groups of inodes, were looked at in them.
    pub targets: u64,
    /// How many credentials were tried at a mount.
    pub tried: u64,
    /// How many counterexamples there are.
    pub found: u64,
    /// The simplest of them: its effect, and the story in words.
    pub simplest: Option<(Effect, String)>,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.refused += other.refused;
        self.targets += other.targets;
        self.tried += other.tried;
        self.found += other.found;
        if let Some(other) = other.simplest {
            if self.is_simplest(other.0) {
                self.simplest = Some(other);
            }
        }
    }
}

impl Report {
    fn is_simplest(&self, effect: Effect) -> bool {
        self.simplest
            .as_ref()
            .is_none_or(|(simplest, _)| effect < *simplest)
    }
}

/// Checks one world with the targets that `targets` makes.
fn check(
    report: &mut Report,
    setup: &Setup,
    without: Option<Condition>,
    targets: impl FnOnce(&Rc<Ns>, &mut dyn FnMut(Target)),
) {
    let world = setup.world(without);
    let Ok(new) = world.new_mount() else {
        report.refused += 1;
        return;
    };
    let creds = world.creds();
    report.worlds += 1;
    targets(&world.fs, &mut |target| {
        report.targets += 1;
        report.tried += 2 * creds.len() as u64;
        if let Some(effect) = world.counterexample(&new, &creds, &target) {
            report.found += 1;
            if report.is_simplest(effect) {
                let story = world.story(&new, &creds, &target, effect);
                report.simplest = Some((effect, story));
            }
        }
    });
}

/// Checks every owner, group, mode and ACL entry of an inode, in each pair of two kinds.
pub fn permissions(count: u32, users: &Kind, groups: &Kind, entries: u64) -> Report {
    let mut report = Report::default();
    let setup = setup(count, users, groups, 1 + entries);
    check(&mut report, &setup, None, |fs, look| {
        let ids = (1 << count) - 1;
        for uid in each(ids) {
            for gid in each(ids) {
                if entries == 0 {
                    for mode in 0..0o1000 {
                        look(Target::Permissions(inode(fs, 0o100000 | mode, uid, gid)));
                    }
                    continue;
                }
                for id in each(ids) {
                    for (group, perm) in [(false, 0), (false, 6), (true, 0), (true, 6)] {
                        for mode in [0o604, 0o670, 0o664, 0o074, 0o666] {
                            let mut inode = inode(fs, 0o100000 | mode, uid, gid);
                            inode.named.push((group, perm, id));
                            inode.group_perm = if mode == 0o666 { 0 } else { 4 };
                            look(Target::Permissions(inode));
                        }
                    }
                }
            }
        }
    });
    report
}

/// Checks everything that is done to an inode and to a directory, with each owner and group, and
/// the modes that have special bits.
pub fn operations(count: u32, users: &Kind, groups: &Kind) -> Report {
    let mut report = Report::default();
    let setup = setup(count, users, groups, 1);
    check(&mut report, &setup, None, |fs, look| {
        let ids = (1 << count) - 1;
        for uid in each(ids) {
            for gid in each(ids) {
                for mode in [0o100644, 0o106751, 0o102604, 0o040755, 0o041777] {
                    look(Target::Inode(inode(fs, mode, uid, gid)));
                }
                let file = inode(fs, 0o100664, uid, gid);
                for owner in each(ids) {
                    for mode in [0o1777, 0o3775, 0o2707] {
                        let dir = inode(fs, 0o040000 | mode, owner, gid);
                        look(Target::Directory(dir, file.clone()));
                    }
                }
            }
        }
    });
    report
}

/// How long a random search goes on.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// For a number of worlds.
    Worlds(u64),
    /// For a time.
    Time(Duration),
    /// Until there is a counterexample, but for no more than a number of worlds.
    Found(u64),
}

/// Checks random worlds.
pub fn random(seed: u64, count: u32, without: Option<Condition>, until: Until) -> Report {
    let start = Instant::now();
    let mut random = Random::new(seed, count);
    let mut report = Report::default();
    let mut made = 0u64;
    loop {
        let done = match until {
            Until::Worlds(worlds) => made >= worlds,
            Until::Time(time) => start.elapsed() >= time,
            Until::Found(worlds) => report.found > 0 || made >= worlds,
        };
        if done {
            return report;
        }
        made += 1;
        let entries = (made % 3) as usize;
        let setup = random.setup(without, entries);
        check(&mut report, &setup, without, |fs, look| {
            for _ in 0..8 {
                look(random.target(fs, entries));
            }
        });
    }
}
