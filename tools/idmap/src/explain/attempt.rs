// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tries an operation as a caller, without a change to anything that exists.
//!
//! A process takes the credentials of the caller, opens the paths as the caller, and compares the
//! objects with those that were looked up. It then acts on stand-ins for them, on names that
//! nobody else has, or, where the operation changes nothing, on the objects themselves. All that
//! is made for this is removed again, also after the end of this program.

mod names;
mod open;
mod paths;
mod subvolume;
mod values;

use std::{
    ffi::CStr,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
};

use kernel::fs::{mode::Mode, permission::Ownership};
use rustix::{
    fs::{Stat, fstat},
    io::Errno,
};

use self::{
    paths::{c_string, object_way, whole},
    values::{acl, caps},
};
use super::{
    Explainer, Request, Target,
    caller::Caller,
    lookup::{End, Place, Route, Step as Lookup},
    mount::MountView,
    node::Node,
    operation::Operation,
    standin::{self, StandIn, untried},
    view::raw,
    workshop::Workshop,
};
use crate::{
    error::{Error, Step},
    sys::{self, Act, Become, Blocked, Outcome, Start, Task, Way},
};

/// Outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempted {
    /// What the kernel answered.
    pub answer: Result<(), Errno>,
    /// For [`Operation::Stat`], the owner and the group that were shown.
    pub seen: Option<(u32, u32)>,
    /// What was stored after it, in the form of [`Explanation::after`](super::Explanation::after);
    /// [`None`] of what has no name.
    pub after: Option<After>,
}

/// An owner, a group and a mode as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The owner, as this program's user namespace calls it.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The permission bits; [`None`] where they were not foreseen.
    pub mode: Option<u16>,
}

/// The right to act as a caller.
#[derive(Debug)]
pub struct Stand {
    caller: Caller,
}

impl Stand {
    /// Checks that this program can act as a caller.
    ///
    /// This takes the capabilities to become one.
    pub fn new(caller: &Caller) -> Result<Self, Error> {
        let stand = Self {
            caller: caller.clone(),
        };
        stand.perform(&[], None, Act::None)?;
        Ok(stand)
    }

    /// Looks up the paths of a request and tries it: [`Explainer::lookup`] and [`Stand::try_on`].
    pub fn attempt(
        &self,
        explainer: &Explainer,
        request: &Request<'_>,
    ) -> Result<Attempted, Error> {
        self.try_on(&request.operation, &explainer.lookup(request)?)
    }

    /// Tries an operation on a target, and nothing else.
    ///
    /// An error with [`Step::Try`] gives the reason for which it was not tried.
    pub fn try_on(&self, operation: &Operation, target: &Target) -> Result<Attempted, Error> {
        let trial = Trial {
            stand: self,
            route: &target.route,
            other: target.other.as_ref(),
        };
        // A signal must not come between what is made and its removal.
        let blocked = Blocked::all().map_err(|errno| Error::new(Step::Try, "", errno))?;
        let attempted = trial.run(operation);
        drop(blocked);
        attempted
    }

    fn perform(
        &self,
        ways: &[Way<'_>],
        object: Option<BorrowedFd<'_>>,
        act: Act<'_>,
    ) -> Result<Outcome, Error> {
        let caller = &self.caller;
        let groups: Vec<u32> = caller.groups().collect();
        let start = caller.origin.process().map(|process| Start {
            mounts: process.mounts.as_ref().map(AsFd::as_fd),
            root: process.root(),
            directory: process.directory(),
        });
        let (user, group) = caller.ids();
        let task = Task {
            caller: (!caller.is_us).then(|| Become {
                userns: (!caller.userns.is_ours()).then(|| caller.userns.file()),
                user,
                group,
                groups: &groups,
                capabilities: caller.capabilities,
            }),
            start,
            ways,
            object,
            act,
        };
        sys::perform(&task).map_err(|errno| {
            let cause = match errno {
                Errno::PERM => Some(
                    "this needs root, or to be the caller oneself (without --as, --userns and \
                     --process)"
                        .to_owned(),
                ),
                Errno::INVAL => Some("this user namespace has no such ids".to_owned()),
                _ => None,
            };
            Error::new(Step::BecomeCaller, raw(caller.user).to_string(), errno).because(cause)
        })
    }
}

/// One attempt.
struct Trial<'a> {
    stand: &'a Stand,
    route: &'a Route,
    other: Option<&'a Route>,
}

/// Where to look at what is stored.
enum Look<'a> {
    Nothing,
    /// A stand-in that was changed.
    StandIn(&'a StandIn, &'a Node),
    /// A name that was made.
    Name(&'a Node, &'a CStr),
}

impl Trial<'_> {
    fn run(&self, operation: &Operation) -> Result<Attempted, Error> {
        for route in [Some(self.route), self.other].into_iter().flatten() {
            if let Some(Lookup::Unknown(error)) = route.steps.last() {
                return Err(error.clone());
            }
            if let End::At(Place {
                entry: Err(step), ..
            }) = &route.end
            {
                if let Lookup::Unknown(error) = &**step {
                    return Err(error.clone());
                }
            }
        }
        match operation {
            Operation::Stat => self.on_object(Act::Stat),
            Operation::Exec => match self.on_object(Act::Exec)? {
                // The file was found, and the flag was not.
                Attempted {
                    answer: Err(Errno::INVAL),
                    ..
                } => Err(untried("a check of execve() alone needs Linux 6.14")),
                attempted => Ok(attempted),
            },
            Operation::Connect => self.connect(),
            Operation::Tmpfile => match &self.route.end {
                End::There(found) if standin::is_copied(&found.node) => {
                    Err(untried(standin::COPIED))
                }
                _ => self.on_object(Act::Reopen(libc::O_TMPFILE | libc::O_WRONLY)),
            },
            Operation::Open(mode) => self.open(*mode),
            Operation::Create | Operation::Mkdir | Operation::Mkfifo | Operation::Symlink => {
                self.make(operation)
            }
            Operation::Unlink => self.remove(0),
            Operation::Rmdir => self.remove(libc::AT_REMOVEDIR),
            Operation::Rename(_) => self.rename(),
            Operation::Link(_) => self.link(),
            Operation::Chmod(mode) => self.change(Act::Chmod(*mode)),
            Operation::Chown(user, group) => {
                let id = |id: &Option<u32>| id.unwrap_or(u32::MAX);
                self.change(Act::Chown(id(user), id(group)))
            }
            Operation::Touch => self.change(Act::Times(None)),
            Operation::SetTimes => self.change(Act::Times(Some(1_000_000_000))),
            Operation::Truncate => self.change(Act::Truncate),
            Operation::SetXattr(name) => {
                self.change(Act::SetXattr(&c_string(name.as_bytes())?, b"1"))
            }
            Operation::SetCap(root) => {
                self.change(Act::SetXattr(c"security.capability", &caps(*root)))
            }
            Operation::SetFacl(entry) => {
                self.change(Act::SetXattr(c"system.posix_acl_access", &acl(*entry)))
            }
            Operation::SubvolCreate => self.make_subvolume(),
            Operation::SubvolDelete => self.delete_subvolume(),
            Operation::SubvolSnapshot(_) => self.snapshot(),
            Operation::Idmap => Err(untried("the task 'check' tries an idmap")),
        }
    }

    /// Makes the system call; an error if the paths lead elsewhere by now.
    fn perform(
        &self,
        ways: &[Way<'_>],
        object: Option<BorrowedFd<'_>>,
        act: Act<'_>,
    ) -> Result<Attempted, Error> {
        let is_stat = matches!(act, Act::Stat);
        match self.stand.perform(ways, object, act)? {
            Outcome::Changed => Err(untried(
                "the path leads to another object by now, or the caller cannot look at it",
            )),
            Outcome::Done(answer) => Ok(Attempted {
                seen: answer.ok().filter(|_| is_stat),
                answer: answer.map(|_| ()),
                after: None,
            }),
        }
    }

    /// Makes the system call, looks at what is stored, and removes what was made.
    fn perform_in(
        &self,
        workshop: Workshop,
        ways: &[Way<'_>],
        object: Option<BorrowedFd<'_>>,
        act: Act<'_>,
        look: Look<'_>,
    ) -> Result<Attempted, Error> {
        let attempted = self.perform(ways, object, act).map(|mut attempted| {
            if attempted.answer.is_ok() {
                attempted.after = look.stored();
            }
            attempted
        });
        workshop.close()?;
        attempted
    }

    /// Acts on the object itself, which that does not change.
    fn on_object(&self, act: Act<'_>) -> Result<Attempted, Error> {
        let path = whole(self.route)?;
        self.perform(&[object_way(self.route, &path, 0)], None, act)
    }

    /// Changes a stand-in for the object.
    fn change(&self, act: Act<'_>) -> Result<Attempted, Error> {
        let path = whole(self.route)?;
        let way = object_way(self.route, &path, 0);
        let End::There(found) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if found.node.mount.is_read_only() {
            // The mount may become writable at any time, and a copy of it does not.
            let copy = standin::read_only_copy(&found.node)?;
            return self.perform(&[way], Some(copy.as_fd()), act);
        }
        let places = standin::workplaces(self.route, &found.node);
        if places.is_empty() {
            return Err(untried(NO_WORKPLACE));
        }
        let workshop = Workshop::open(places)?;
        match make_anywhere(&workshop, self.route, &found.node) {
            Ok(stand_in) => {
                let look = Look::StandIn(&stand_in, &found.node);
                let object = Some(stand_in.seen());
                self.perform_in(workshop, &[way], object, act, look)
            }
            Err(error) => {
                workshop.close()?;
                Err(error)
            }
        }
    }

    fn other(&self) -> Result<&Route, Error> {
        self.other.ok_or_else(|| untried("there is no second path"))
    }
}

/// Why there is no stand-in.
const NO_WORKPLACE: &str = "a change is tried on a new object beside the real one, and none can \
                            be made on its mount";

impl Look<'_> {
    /// What is stored, if that can be told.
    fn stored(&self) -> Option<After> {
        let (status, mount) = match self {
            Self::Nothing => return None,
            Self::StandIn(stand_in, node) => (fstat(&stand_in.file).ok()?, node.map_of_best()),
            Self::Name(directory, name) => (
                standin::status_of(directory, name).ok()?,
                directory.map_of_best(),
            ),
        };
        after(status, mount.as_deref())
    }
}

fn after(status: Stat, mount: Option<&MountView>) -> Option<After> {
    let (user, group) = match mount {
        Some(mount) => mount.stored(status.st_uid, status.st_gid)?,
        None => (status.st_uid, status.st_gid),
    };
    let mode = u16::try_from(status.st_mode & 0o7777).ok();
    Some(After { user, group, mode })
}

/// What was foreseen to be stored, for comparison.
pub(super) fn foreseen(after: Ownership) -> After {
    After {
        user: raw(after.owner),
        group: raw(after.group),
        mode: (after.mode != Mode::EMPTY).then_some(after.mode.bits() & 0o7777),
    }
}

/// Makes a stand-in in the first of the directories where this is possible.
fn make_anywhere(
    workshop: &Workshop,
    route: &Route,
    original: &Rc<Node>,
) -> Result<StandIn, Error> {
    let mut first = None;
    for directory in standin::workplaces(route, original) {
        match workshop.make(original, &directory) {
            Ok(stand_in) => return Ok(stand_in),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| untried(NO_WORKPLACE)))
}
