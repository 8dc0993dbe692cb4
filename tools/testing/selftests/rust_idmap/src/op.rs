// SPDX-License-Identifier: GPL-2.0

//! Operations: what is tried by every caller from every user namespace, and what must come of it.

use std::env::set_current_dir;

use rustix::io::Errno;

use crate::caller::{Answer, Place, Places, Who};
use crate::filesystem::{Can, Kind};
use crate::fixture::{Scene, Stage};
use crate::ktap::{wrong, Failure, Outcome, Test};

pub(crate) const OK: Answer = Ok(0);
/// The permission bits, or an ACL, say no.
pub(crate) const EACCES: Answer = Err(Errno::ACCESS);
/// Only an owner or somebody with a capability may.
pub(crate) const EPERM: Answer = Err(Errno::PERM);
/// An id that cannot be stored.
pub(crate) const EOVERFLOW: Answer = Err(Errno::OVERFLOW);
pub(crate) const EINVAL: Answer = Err(Errno::INVAL);

type SetUp = fn(&Scene) -> Result<(), Failure>;
type After = fn(&Scene) -> Result<(), Failure>;
type Expect = Box<dyn Fn(&Scene) -> Answer>;

/// An operation.
pub(crate) struct Op {
    /// Its part of the series, and what it is about.
    name: &'static str,
    act: fn(&Scene) -> Answer,
    expect: Expect,
    set_up: Vec<SetUp>,
    after: Vec<After>,
    needs: Vec<Can>,
    not_on: Vec<Kind>,
    known: Option<(Kind, &'static str)>,
}

/// Begins an operation: its name, and what the caller does, in the folder of the scene.
pub(crate) fn op(name: &'static str, act: fn(&Scene) -> Answer) -> Op {
    Op {
        name,
        act,
        expect: Box::new(|_| OK),
        set_up: Vec::new(),
        after: Vec::new(),
        needs: vec![Can::Owners],
        not_on: Vec::new(),
        known: None,
    }
}

impl Op {
    /// What must come of it for the owner, a member of the group, a stranger, an unmapped caller,
    /// and a caller with capabilities.
    pub(crate) fn each(self, answers: [Answer; 5]) -> Self {
        self.by(move |scene| {
            let callers = Who::ALL.iter().zip(answers);
            callers
                .into_iter()
                .find(|(who, _)| **who == scene.who)
                .map_or(OK, |(_, it)| it)
        })
    }

    /// What must come of it, by a rule.
    pub(crate) fn by(mut self, rule: impl Fn(&Scene) -> Answer + 'static) -> Self {
        self.expect = Box::new(rule);
        self
    }

    /// What root prepares on disk.
    pub(crate) fn with(mut self, set_up: SetUp) -> Self {
        self.set_up.push(set_up);
        self
    }

    /// What must be seen on disk after it went well.
    pub(crate) fn then(mut self, after: After) -> Self {
        self.after.push(after);
        self
    }

    /// What the filesystem must be able to do besides.
    pub(crate) fn needs(mut self, can: Can) -> Self {
        self.needs.push(can);
        self
    }

    /// Runs on filesystems without owners, too.
    pub(crate) fn everywhere(mut self) -> Self {
        self.needs.retain(|can| *can != Can::Owners);
        self
    }

    /// Where it says something else for a reason that is no matter of idmapped mounts.
    pub(crate) fn not_on(mut self, kinds: &[Kind]) -> Self {
        self.not_on.extend(kinds);
        self
    }

    /// Why it is known to say something else on kernels of today, on one filesystem.
    pub(crate) fn known(mut self, kind: Kind, why: &'static str) -> Self {
        self.known = Some((kind, why));
        self
    }

    fn runs_on(&self, kind: Kind) -> bool {
        self.needs.iter().all(|can| kind.can(*can)) && !self.not_on.contains(&kind)
    }

    /// Tries it with all callers from one namespace.
    fn run(&self, stage: &Stage, places: &Places, place: Place) -> Outcome {
        let mut said = String::new();
        for who in Who::ALL {
            let scene = stage.scene(who, place)?;
            for set_up in &self.set_up {
                set_up(&scene)?;
            }
            let expected = (self.expect)(&scene);
            let before = expected.is_err().then(|| scene.state()).transpose()?;
            let seen = &scene.seen;
            set_current_dir(seen).map_err(|error| wrong(format_args!("entering: {error}")))?;
            let answer = places.act(who, place, || (self.act)(&scene));
            set_current_dir("/").map_err(wrong)?;
            let mut note = |what: &str| said += &format!("{}: {what}\n", who.name());
            if answer != expected {
                note(&format!("{}, not {}", show(answer), show(expected)));
            } else if let Some(before) = before {
                // What is refused changes nothing.
                let after = scene.state()?;
                if after != before {
                    note(&format!("refused, but {before:?} became {after:?}"));
                }
            } else {
                for after in &self.after {
                    // What cannot be looked at is not right either.
                    if let Err(Failure::Wrong(what) | Failure::Skip(what)) = after(&scene) {
                        note(&what);
                    }
                }
            }
        }
        match said.is_empty() {
            true => Ok(()),
            false => Err(Failure::Wrong(said)),
        }
    }
}

/// An answer in words.
pub(crate) fn show(answer: Answer) -> String {
    match answer {
        Ok(value) => format!("done ({value:#o})"),
        Err(Errno::CANCELED) => "it died".to_owned(),
        Err(errno) => format!("{errno} ({})", errno.raw_os_error()),
    }
}

/// A test for each operation that runs on this filesystem, and each namespace.
pub(crate) fn tests<'a>(ops: &'a [Op], stage: &'a Stage, places: &'a Places) -> Vec<Test<'a>> {
    let ops = ops.iter().filter(|op| op.runs_on(stage.kind));
    ops.flat_map(|op| Place::ALL.map(|place| (op, place)))
        .map(|(op, place)| {
            let name = format!("{}.{}.{}", op.name, stage.kind.name(), place.name());
            let known = op
                .known
                .filter(|(kind, _)| *kind == stage.kind)
                .map(|(_, why)| why);
            Test::new(name, move || op.run(stage, places, place)).known(known)
        })
        .collect()
}

/// Requires two values to be the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Outcome {
    match seen == expected {
        true => Ok(()),
        false => Err(wrong(format_args!("{what}: {seen:?}, not {expected:?}"))),
    }
}
