// SPDX-License-Identifier: GPL-2.0

//! A fixture: a filesystem, its mounts, callers, and a sequence of operations.

use std::{fs, io, io::Write};

use idmap::{Attributes, IdmappedMount, UserNs};
use kselftest::filesystem::TMPFS;
use kselftest::rng::Rng;
use kselftest::syscalls;
use kselftest::target::Place;

use crate::{
    count::Counts,
    disk::Disk,
    mutate::Mutator,
    op::{Step, shown},
    shape::{ROOTED, Shape},
    syscalls::{mount_path, result_name},
    test_mount::{Disks, Layers, TestMount},
    userns,
    worker::Worker,
};

/// The number of mutations before the first operation.
const FIRST_MUTATIONS: usize = 60;
/// In how many of a hundred steps root mutates it again.
const MUTATION_PERCENT: usize = 25;

/// Which world: everything about it follows.
pub(crate) struct Fixture {
    pub(crate) number: u64,
    pub(crate) on: Place,
    pub(crate) seed: u64,
    pub(crate) ops: u64,
}

/// The world while it lasts.
struct Run<'a> {
    shape: &'a Shape,
    disk: Disk,
    mutator: Mutator,
    workers: Vec<Worker>,
}

impl Fixture {
    /// Sets the fixture up, runs the operations and writes the trace.
    pub(crate) fn run(
        &self,
        disks: &Disks,
        counts: &mut Counts,
        trace: &mut impl Write,
    ) -> io::Result<()> {
        let mut rng = Rng::of(self.seed, u64::MAX);
        let shape = Shape::random(&mut rng, self.on == Place::Known(TMPFS));
        writeln!(trace, "world {} on {}", self.number, self.on.name())?;
        self.describe(&shape, trace)?;
        let namespaces = self.namespaces(&shape)?;
        let userns = |number: usize| UserNs::open(syscalls::through(&namespaces[number]));
        let layer = userns(ROOTED - 1).map_err(io::Error::other)?;
        let layers = Layers {
            lower: rng.chance(50).then_some(&layer),
            upper: rng.chance(50).then_some(&layer),
            root: shape.namespaces[ROOTED].root().unwrap_or_default(),
        };
        let inside = match shape.filesystem {
            0 => None,
            number => Some((&namespaces[number - 1], &shape.namespaces[number])),
        };
        let mut mutator = None;
        let test_mount = TestMount::make(
            &self.on,
            disks,
            &layers,
            inside,
            &mut rng,
            |directory, rng| {
                let mut first = Mutator::new(directory);
                for _ in 0..FIRST_MUTATIONS {
                    first.mutate(rng, &shape);
                }
                mutator = Some(first);
                Ok(())
            },
        )?;
        let mut mutator = mutator.unwrap_or_else(|| Mutator::new(&test_mount.files));
        mutator.move_to(&test_mount.files);
        for (number, mount) in shape.mounts.iter().enumerate() {
            let target = mount_path(number);
            fs::create_dir(&target)?;
            let mut idmapped = IdmappedMount::of(&test_mount.files);
            if mount.nosuid {
                idmapped = idmapped.set(Attributes::NO_SUID);
            }
            if mount.readonly {
                idmapped = idmapped.set(Attributes::READ_ONLY);
            }
            let map = mount
                .map
                .map(|map| userns(map - 1))
                .transpose()
                .map_err(io::Error::other)?;
            if let Some(map) = &map {
                idmapped = idmapped.map(map);
            }
            idmapped.attach(&target).map_err(io::Error::other)?;
        }
        let workers = (0..shape.callers.len()).map(|number| {
            let namespace = shape.callers[number].namespace;
            let inside = namespace.checked_sub(1).map(|index| &namespaces[index]);
            Worker::start(&shape, self.seed, number, inside)
        });
        let workers = workers.collect::<io::Result<Vec<_>>>()?;
        let mut directories = vec![test_mount.files.clone()];
        directories.extend(test_mount.upper.clone());
        let mut run = Run {
            shape: &shape,
            disk: Disk::new(directories),
            mutator,
            workers,
        };
        let happened = run.execute(self, counts, trace);
        drop(run);
        test_mount.remove()?;
        happened
    }

    fn describe(&self, shape: &Shape, trace: &mut impl Write) -> io::Result<()> {
        for (number, namespace) in shape.namespaces.iter().enumerate() {
            writeln!(trace, "n{number} {namespace}")?;
        }
        writeln!(trace, "filesystem of n{}", shape.filesystem)?;
        for (number, mount) in shape.mounts.iter().enumerate() {
            writeln!(trace, "m{number} {mount}")?;
        }
        for (number, caller) in shape.callers.iter().enumerate() {
            writeln!(trace, "c{number} {caller}")?;
        }
        Ok(())
    }

    /// Makes the user namespaces but for the initial one.
    fn namespaces(&self, shape: &Shape) -> io::Result<Vec<kselftest::userns::UserNs>> {
        let mut made: Vec<kselftest::userns::UserNs> = Vec::new();
        for namespace in &shape.namespaces {
            let Some(parent) = namespace.parent else {
                continue;
            };
            let outside = parent
                .checked_sub(1)
                .map(|index| (&made[index], &shape.namespaces[parent]));
            made.push(userns::make(outside, namespace)?);
        }
        Ok(made)
    }
}

impl Run<'_> {
    fn execute(
        &mut self,
        world: &Fixture,
        counts: &mut Counts,
        trace: &mut impl Write,
    ) -> io::Result<()> {
        let mut rng = Rng::of(world.seed, u64::MAX - 1);
        for _ in 0..FIRST_MUTATIONS {
            self.mutate(&mut rng, trace)?;
        }
        for step in 0..world.ops {
            if rng.chance(MUTATION_PERCENT) {
                self.mutate(&mut rng, trace)?;
            }
            if rng.chance(2) {
                writeln!(trace, "root sets {}", Mutator::set(&mut rng)?)?;
            }
            self.step(world, step, counts, trace)?;
        }
        for path in self.disk.paths() {
            if let Some(now) = self.disk.change(&path) {
                writeln!(trace, "end {} {now}", shown(&path))?;
            }
        }
        Ok(())
    }

    fn mutate(&mut self, rng: &mut Rng, trace: &mut impl Write) -> io::Result<()> {
        let path = self.mutator.mutate(rng, self.shape);
        match self.disk.change(&path) {
            Some(now) => writeln!(trace, "root {} {now}", shown(&path)),
            None => Ok(()),
        }
    }

    fn step(
        &mut self,
        world: &Fixture,
        number: u64,
        counts: &mut Counts,
        trace: &mut impl Write,
    ) -> io::Result<()> {
        let step = Step::random(&mut Rng::of(world.seed, number), self.shape);
        let answer = self.workers[step.caller].tell(number).map_err(|error| {
            io::Error::other(format!(
                "world {} step {number}: {}: {error}",
                world.number, step.op
            ))
        })?;
        counts.add(step.op.kind(), &result_name(&answer));
        write!(trace, "{number} c{} m{}", step.caller, step.mount)?;
        if step.to_mount != step.mount {
            write!(trace, ">m{}", step.to_mount)?;
        }
        write!(trace, " {} = {}", step.op, result_name(&answer))?;
        if let Ok(text) = answer {
            if !text.is_empty() {
                write!(trace, " {text}")?;
            }
        }
        for path in step.op.changes() {
            if let Some(now) = self.disk.change(path) {
                write!(trace, " | {} {now}", shown(path))?;
            }
        }
        writeln!(trace)
    }
}
