// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tries an operation as a caller, without a change to anything that exists.
//!
//! A process takes the credentials of the caller, opens the paths as the caller, and compares the
//! objects with those that were looked up. It then acts on stand-ins for them, on names that
//! nobody else has, or, where the operation changes nothing, on the objects themselves. All that
//! is made for this is removed again, also after the end of this program.

use std::{
    ffi::{CStr, CString, c_int},
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    rc::Rc,
};

use kernel::fs::{
    mode::{InodeFlags, Mode},
    permission::{InodeAttrs, Ownership, Tag},
};
use rustix::{
    fs::{Stat, fstat},
    io::Errno,
};

use super::{
    Explainer, Request, Target, attributes,
    caller::Caller,
    lookup::{End, Entry, Found, Last, Place, Route, Step as Lookup},
    mount::MountView,
    names::is_above,
    node::Node,
    operation::{OpenMode, Operation},
    standin::{self, StandIn, Workshop, is_writable, untried},
    view::raw,
};
use crate::{
    error::{Error, Step},
    sys::{self, Act, At, Become, Blocked, Expected, Identity, Name, Outcome, Start, Task, Way},
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
            mounts: process.mounts.as_ref().map(std::os::fd::AsFd::as_fd),
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

/// A last name, or all of a path, as it is handed to the kernel.
struct Handed {
    /// Whether it counts from the directory of its way.
    in_directory: bool,
    text: CString,
}

impl Handed {
    fn name(&self, way: usize) -> Name<'_> {
        let at = if self.in_directory {
            At::Way(way)
        } else {
            At::Cwd
        };
        Name(at, &self.text)
    }

    /// A name in the directory of the path, with the slash of the path after it.
    fn in_place(name: &[u8], place: &Place) -> Result<Self, Error> {
        let mut text = name.to_vec();
        if place.slash {
            text.push(b'/');
        }
        Ok(Self {
            in_directory: true,
            text: c_string(&text)?,
        })
    }
}

impl Trial<'_> {
    fn run(&self, operation: &Operation) -> Result<Attempted, Error> {
        for route in [Some(self.route), self.other].into_iter().flatten() {
            if let Some(Lookup::Unknown(error)) = route.steps.last() {
                return Err(error.clone());
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
            Outcome::Changed => Err(untried("the path leads to another object by now")),
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

    fn open(&self, mode: OpenMode) -> Result<Attempted, Error> {
        let (flags, writes) = match mode {
            OpenMode::Read => (libc::O_RDONLY, false),
            OpenMode::Write | OpenMode::Create => (libc::O_WRONLY, true),
            OpenMode::ReadWrite => (libc::O_RDWR, true),
            OpenMode::Append => (libc::O_WRONLY | libc::O_APPEND, true),
            OpenMode::NoAtime => (libc::O_RDONLY | libc::O_NOATIME, false),
        };
        let attempted = match &self.route.end {
            End::There(found) => self.open_found(found, mode, flags, writes),
            End::At(place) if mode == OpenMode::Create => self.open_new(place),
            End::At(_) | End::Nowhere => self.on_object(Act::None),
        }?;
        Ok(match attempted.answer {
            // A pipe or a device that nothing answers behind: all checks come before that.
            Err(Errno::NXIO) => Attempted {
                answer: Ok(()),
                ..attempted
            },
            _ => attempted,
        })
    }

    fn open_found(
        &self,
        found: &Found,
        mode: OpenMode,
        flags: c_int,
        writes: bool,
    ) -> Result<Attempted, Error> {
        let node = &found.node;
        let path = whole(self.route)?;
        let way = object_way(self.route, &path, 0);
        let kind = node.mode();
        let is_plain = kind.is_reg() || kind.is_dir() || kind.bits() & 0o170000 == 0o140000;
        let sticky = found.directory.as_ref().filter(|directory| {
            mode == OpenMode::Create && !kind.is_dir() && directory.mode().has(Mode::S_ISVTX)
        });
        if let Some(directory) = sticky {
            if directory.is_only_plain() || !is_writable(directory) {
                return Err(untried(
                    "nothing can be made in its directory to open with O_CREAT instead",
                ));
            }
            let workshop = Workshop::open(vec![Rc::clone(directory)])?;
            let name = workshop.names.spare[0].clone();
            let stand_in = workshop.make_name(node, directory, &name);
            if let Err(error) = stand_in {
                workshop.close()?;
                return Err(error);
            }
            let at = Name(At::Given(directory.file()), &name);
            let act = Act::Open(at, flags | libc::O_CREAT);
            return self.perform_in(workshop, &[way], None, act, Look::Nothing);
        }
        // Opening a pipe wakes those at its other end, opening a device may do anything, and
        // overlayfs copies a file that is opened for writing.
        let copies = writes && kind.is_reg() && node.mount.layers().is_some();
        if is_plain && !copies || node.mount.is_read_only() && kind.is_reg() {
            return self.perform(&[way], None, Act::Reopen(flags));
        }
        self.change(Act::Reopen(flags)).map(|attempted| Attempted {
            after: None,
            ..attempted
        })
    }

    /// Connects to a stand-in, at which nobody listens.
    fn connect(&self) -> Result<Attempted, Error> {
        let is_socket = match &self.route.end {
            End::There(found) => found.node.mode().kind().bits() == 0o140000,
            End::At(_) | End::Nowhere => false,
        };
        let attempted = match is_socket {
            true => self.change(Act::Connect)?,
            false => self.on_object(Act::Connect)?,
        };
        Ok(match attempted.answer {
            // All checks come before that.
            Err(Errno::CONNREFUSED) if is_socket => Attempted {
                answer: Ok(()),
                ..attempted
            },
            _ => attempted,
        })
    }

    fn open_new(&self, place: &Place) -> Result<Attempted, Error> {
        let path = whole(self.route)?;
        let flags = libc::O_WRONLY | libc::O_CREAT;
        if place.slash || place.last != Last::Name {
            // The kernel makes nothing with such a path.
            return self.perform(&[], None, Act::Open(Name(At::Cwd, &path), flags));
        }
        let way = Way {
            expected: Expected::Missing,
            ..object_way(self.route, &path, 0)
        };
        let directory = &place.directory;
        if directory.is_only_plain() {
            return Err(untried(
                "this program does not get into the directory through the mount",
            ));
        }
        let workshop = open_workshop(directory)?;
        let name = workshop.names.spare[0].clone();
        let act = Act::Open(Name(At::Given(directory.file()), &name), flags);
        self.perform_in(workshop, &[way], None, act, Look::Name(directory, &name))
    }

    /// Makes a new name in the directory of the path, or finds that the name is taken.
    fn make(&self, operation: &Operation) -> Result<Attempted, Error> {
        let act = |name| match operation {
            Operation::Mkdir => Act::Mkdir(name),
            Operation::Mkfifo => Act::Mkfifo(name),
            Operation::Symlink => Act::Symlink(name),
            _ => Act::Open(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL),
        };
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if !is_free(place) && !is_workable(place) {
            let handed = real(self.route, place)?;
            return self.perform(&[way], None, act(handed.name(0)));
        }
        let workshop = open_workshop(&place.directory)?;
        let handed = match taken(&workshop, place) {
            Ok(handed) => handed,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let name = workshop.names.spare[0].clone();
        let look = Look::Name(&place.directory, &name);
        self.perform_in(workshop, &[way], None, act(handed.name(0)), look)
    }

    fn remove(&self, flags: c_int) -> Result<Attempted, Error> {
        let parent = parent_text(self.route)?;
        let way = parent_way(self.route, &parent);
        let End::At(place) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if must_fail(place) {
            let handed = real(self.route, place)?;
            return self.perform(&[way], None, Act::Unlink(handed.name(0), flags));
        }
        let workshop = open_workshop(&place.directory)?;
        let handed = match victim(&workshop, place, 0) {
            Ok(handed) => handed,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let act = Act::Unlink(handed.name(0), flags);
        self.perform_in(workshop, &[way], None, act, Look::Nothing)
    }

    fn rename(&self) -> Result<Attempted, Error> {
        let other = self.other()?;
        let (from, to) = (parent_text(self.route)?, parent_text(other)?);
        let ways = [parent_way(self.route, &from), parent_way(other, &to)];
        let (End::At(old), End::At(new)) = (&self.route.end, &other.end) else {
            return self.perform(&ways, None, Act::None);
        };
        let apart = old.directory.mount.key != new.directory.mount.key;
        if apart || old.last != Last::Name || new.last != Last::Name {
            // The kernel moves no name between mounts, and none of these.
            let (from, to) = (real(self.route, old)?, real(other, new)?);
            return self.perform(&ways, None, Act::Rename(from.name(0), to.name(1)));
        }
        if let (Ok(Some(source)), Ok(target)) = (&old.entry, &new.entry) {
            let crosses = !old.directory.is(&new.directory);
            let target = target.as_ref().map(|entry| &entry.node);
            let inside = source.node.is_directory() && is_above(&source.node, &new.directory);
            let around = target.is_some_and(|target| is_above(target, &old.directory));
            if crosses && (inside || around) {
                return Err(untried("one of the two directories is in the other"));
            }
        }
        if must_fail(old) || must_fail(new) && new.directory.mount.is_read_only() {
            let (from, to) = (real(self.route, old)?, real(other, new)?);
            return self.perform(&ways, None, Act::Rename(from.name(0), to.name(1)));
        }
        let mut places = vec![Rc::clone(&old.directory)];
        if is_writable(&new.directory) && !new.directory.is(&old.directory) {
            places.push(Rc::clone(&new.directory));
        }
        let workshop = Workshop::open(places)?;
        let names = rename_names(&workshop, other, old, new);
        let (from, to) = match names {
            Ok(names) => names,
            Err(error) => {
                workshop.close()?;
                return Err(error);
            }
        };
        let act = Act::Rename(from.name(0), to.name(1));
        self.perform_in(workshop, &ways, None, act, Look::Nothing)
    }

    fn link(&self) -> Result<Attempted, Error> {
        let other = self.other()?;
        let (from, to) = (whole(self.route)?, parent_text(other)?);
        let ways = [
            object_way(self.route, &from, libc::O_NOFOLLOW),
            parent_way(other, &to),
        ];
        let (End::There(found), End::At(new)) = (&self.route.end, &other.end) else {
            return self.perform(&ways, None, Act::None);
        };
        let taken_for_good = !is_free(new) && !is_workable(new);
        let mut places = Vec::new();
        // A link from a read-only mount to another one is none that can be made.
        let is_real = found.node.mount.is_read_only();
        if !is_real {
            places.extend(standin::workplaces(self.route, &found.node));
            if places.is_empty() {
                return Err(untried(NO_WORKPLACE));
            }
        }
        if is_writable(&new.directory) && !places.iter().any(|place| place.is(&new.directory)) {
            places.push(Rc::clone(&new.directory));
        }
        if new.last == Last::Name && is_free(new) {
            not_append_only(&new.directory)?;
        }
        let workshop = Workshop::open(places)?;
        let prepare = || -> Result<(Option<StandIn>, Handed), Error> {
            let stand_in = match is_real {
                true => None,
                false => Some(make_anywhere(&workshop, self.route, &found.node)?),
            };
            let handed = match taken_for_good {
                true => real(other, new)?,
                false => taken(&workshop, new)?,
            };
            Ok((stand_in, handed))
        };
        match prepare() {
            Ok((stand_in, handed)) => {
                let object = stand_in.as_ref().map(StandIn::seen);
                let act = Act::Link(handed.name(1));
                self.perform_in(workshop, &ways, object, act, Look::Nothing)
            }
            Err(error) => {
                workshop.close()?;
                Err(error)
            }
        }
    }

    /// Changes a stand-in for the object.
    fn change(&self, act: Act<'_>) -> Result<Attempted, Error> {
        let path = whole(self.route)?;
        let way = object_way(self.route, &path, 0);
        let End::There(found) = &self.route.end else {
            return self.perform(&[way], None, Act::None);
        };
        if found.node.mount.is_read_only() {
            // The kernel changes nothing through such a mount.
            return self.perform(&[way], None, act);
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

/// A workshop in the directory of a name, where names can be made, and else in none.
fn open_workshop(directory: &Rc<Node>) -> Result<Workshop, Error> {
    not_append_only(directory)?;
    Workshop::open(match is_writable(directory) {
        true => vec![Rc::clone(directory)],
        false => Vec::new(),
    })
}

fn not_append_only(directory: &Node) -> Result<(), Error> {
    match directory.flags().has(InodeFlags::S_APPEND) {
        true => Err(untried(
            "a name that is made in an append-only directory cannot be removed again",
        )),
        false => Ok(()),
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

/// Whether nothing has the name, which can then be made.
fn is_free(place: &Place) -> bool {
    place.last == Last::Name && matches!(place.entry, Ok(None))
}

/// Whether stand-ins can be made in the directory of a name.
fn is_workable(place: &Place) -> bool {
    place.last == Last::Name && place.entry.is_ok() && is_writable(&place.directory)
}

/// Whether the kernel removes nothing at a place, whatever its names are.
fn must_fail(place: &Place) -> bool {
    place.last != Last::Name || place.entry.is_err() || !is_writable(&place.directory)
}

/// A name for something new: a spare one, or, if the real name is taken, one that is.
fn taken(workshop: &Workshop, place: &Place) -> Result<Handed, Error> {
    if is_free(place) {
        return Handed::in_place(workshop.names.spare[0].to_bytes(), place);
    }
    if !is_workable(place) {
        return Err(untried("nothing can be made in the directory"));
    }
    workshop.room(&place.directory)?;
    Handed::in_place(workshop.names.room.to_bytes(), place)
}

/// The spare name of a stand-in for an entry; without an entry, the spare name of nothing.
fn victim(workshop: &Workshop, place: &Place, index: usize) -> Result<Handed, Error> {
    let name = &workshop.names.spare[index];
    if let Ok(Some(Entry {
        node,
        is_mounted_on,
    })) = &place.entry
    {
        if *is_mounted_on {
            return Err(untried("something is mounted on it"));
        }
        workshop.make_name(node, &place.directory, name)?;
    }
    Handed::in_place(name.to_bytes(), place)
}

/// The names of the stand-ins for both names of a renaming.
fn rename_names(
    workshop: &Workshop,
    other: &Route,
    old: &Place,
    new: &Place,
) -> Result<(Handed, Handed), Error> {
    let is_one = match (&old.entry, &new.entry) {
        (Ok(Some(one)), Ok(Some(two))) => one.node.is(&two.node),
        _ => false,
    };
    let from = victim(workshop, old, 0)?;
    if must_fail(new) {
        return Ok((from, real(other, new)?));
    }
    if !is_one {
        return Ok((from, victim(workshop, new, 1)?));
    }
    let [name, second] = &workshop.names.spare;
    let directories = (&old.directory, &new.directory);
    if old.name == new.name && directories.0.is(directories.1) {
        return Ok((from, Handed::in_place(name.to_bytes(), new)?));
    }
    workshop.link(directories.0, name, directories.1, second)?;
    Ok((from, Handed::in_place(second.to_bytes(), new)?))
}

/// The path or its last name as it is, for an operation that must fail.
fn real(route: &Route, place: &Place) -> Result<Handed, Error> {
    if place.last != Last::Name {
        return Ok(Handed {
            in_directory: false,
            text: whole(route)?,
        });
    }
    Handed::in_place(place.name.as_bytes(), place)
}

fn whole(route: &Route) -> Result<CString, Error> {
    c_string(route.path.as_os_str().as_bytes())
}

fn c_string(bytes: &[u8]) -> Result<CString, Error> {
    CString::new(bytes).map_err(|_| Error::new(Step::LookAtObject, "", Errno::INVAL))
}

/// The part of a path before its last name.
fn parent_text(route: &Route) -> Result<CString, Error> {
    c_string(parent_of(route.path.as_os_str().as_bytes()))
}

fn parent_of(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/');
    let named = path.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
    let start = named.iter().rposition(|byte| *byte == b'/');
    match (start, end) {
        (Some(start), _) => named.get(..=start).unwrap_or_default(),
        (None, Some(_)) => b".",
        (None, None) => path,
    }
}

/// The way to the object of a path, which must be the one that was looked up.
fn object_way<'p>(route: &Route, path: &'p CStr, flags: c_int) -> Way<'p> {
    Way {
        path,
        flags,
        expected: match &route.end {
            End::There(found) => Expected::Object(identity(&found.node)),
            End::At(_) | End::Nowhere => Expected::Failure,
        },
    }
}

/// The way to the directory of a path's last name.
fn parent_way<'p>(route: &Route, path: &'p CStr) -> Way<'p> {
    Way {
        path,
        flags: libc::O_DIRECTORY,
        expected: match &route.end {
            End::At(place) => Expected::Object(identity(&place.directory)),
            End::There(_) | End::Nowhere => Expected::Failure,
        },
    }
}

fn identity(node: &Node) -> Identity {
    Identity {
        device: node.device,
        inode: node.inode,
        mount: node.mount.key,
    }
}

/// The ACL that is set, in the form of an attribute.
fn acl(entry: super::AclEntry) -> Vec<u8> {
    let mut value = 2u32.to_le_bytes().to_vec();
    for entry in attributes::acl(entry) {
        let (tag, id): (u16, _) = match entry.tag {
            Tag::UserObj => (0x01, u32::MAX),
            Tag::User(user) => (0x02, raw(user)),
            Tag::GroupObj => (0x04, u32::MAX),
            Tag::Group(group) => (0x08, raw(group)),
            Tag::Mask => (0x10, u32::MAX),
            Tag::Other | Tag::Unknown => (0x20, u32::MAX),
        };
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&entry.perm.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    value
}

/// `struct vfs_cap_data` or `struct vfs_ns_cap_data` of `linux/capability.h`: CAP_NET_RAW.
fn caps(root: Option<u32>) -> Vec<u8> {
    const NET_RAW: u32 = 1 << 13;
    let revision: u32 = if root.is_some() {
        0x0300_0000
    } else {
        0x0200_0000
    };
    let words = [revision, NET_RAW, 0, 0, 0];
    let words = words.into_iter().chain(root);
    words.flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_before_the_last_name_is_cut_as_the_kernel_does() {
        for (path, parent) in [
            ("a", "."),
            ("a/", "."),
            ("/a", "/"),
            ("/a//", "/"),
            ("a/b", "a/"),
            ("/a//b/", "/a//"),
            ("/", "/"),
            ("//", "//"),
            ("..", "."),
        ] {
            assert_eq!(parent_of(path.as_bytes()), parent.as_bytes(), "{path}");
        }
    }
}
