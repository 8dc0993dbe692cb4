// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Says what a caller may do with a file on an idmapped mount, and why not.
//!
//! The answers come from the very files that decide in the kernel, `rust/kernel/fs/permission/`: they
//! are asked about a picture of the file, of the directories that lead to it, of the mount and of the
//! caller, which is taken with ordinary system calls. What this module adds is the order in which
//! the kernel asks, and words.
//!
//! ```no_run
//! use idmap::explain::{Caller, Explainer, Operation, Request, Told, UserNsView};
//!
//! let caller = Caller::in_namespace(UserNsView::ours()?, 0, 0, &[])?;
//! let request = Request {
//!     caller: &caller,
//!     operation: Operation::Create,
//!     path: "/mnt/directory".into(),
//! };
//! let explanation = Explainer::new(Told::default()).explain(&request)?;
//! if let Some(refusal) = explanation.refusal() {
//!     println!("{}", refusal.what);
//! }
//! # Ok::<(), idmap::Error>(())
//! ```
//!
//! What cannot be known from outside: rules that a filesystem has for itself alone, quotas, leases,
//! full disks, and what security modules say.

mod attempt;
mod attributes;
mod caller;
mod decide;
mod fuse;
mod idmap;
mod layers;
mod lookup;
mod mount;
mod names;
mod node;
mod operation;
mod origin;
mod reason;
mod route;
mod sight;
mod standin;
mod subvolume;
mod trace;
mod tree;
mod view;
mod workshop;

use std::{
    cell::RefCell,
    fs,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    rc::Rc,
};

use kernel::fs::permission::Protected;
use rustix::io::Errno;

pub use self::{
    attempt::{After, Attempted, Stand},
    caller::Caller,
    mount::Told,
    operation::{AclEntry, OpenMode, Operation, OperationError},
    sight::{Column, LayerSight, Sight},
    trace::Asked,
    view::UserNsView,
};
use self::{
    decide::{Deciding, Settings},
    layers::Layers,
    lookup::{Lookup, Route},
    mount::MountView,
    trace::{Stop, Trace},
};
use crate::error::Error;

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who wants it.
    pub caller: &'a Caller,
    /// What.
    pub operation: Operation,
    /// The path, as the caller gives it to the kernel: from the root, the working directory and
    /// the mount namespace of a process that is the caller. For an operation that makes something
    /// this may also be a directory, in which it is then made.
    pub path: PathBuf,
}

/// The objects that the paths of a request lead to: each is looked up once, and held.
pub struct Target {
    pub(self) route: Route,
    pub(self) other: Option<Route>,
    doubts: Vec<String>,
}

impl Target {
    /// The path that is handed to the kernel.
    pub fn path(&self) -> &Path {
        &self.route.path
    }

    /// The object, or the directory that it is missing in; [`None`] if the path leads nowhere.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.route.node().map(|node| node.file())
    }

    fn other(&self) -> Result<&Route, Stop> {
        self.other.as_ref().ok_or_else(Stop::nowhere)
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.route.path).finish()
    }
}

/// An answer, and how it came about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The path that was asked about.
    pub path: PathBuf,
    /// Everything that was asked, in order.
    pub asked: Vec<Asked>,
    /// Whether it will work, or the error number.
    pub answer: Result<(), Errno>,
    /// What is seen of the object, or of the directory that it is missing in; [`None`] if the caller
    /// does not get there.
    pub sight: Option<Sight>,
    /// What is stored afterwards, of what is made or changed.
    pub after: Option<After>,
    /// Facts about what works, such as a set-user-id bit without effect.
    pub notes: Vec<String>,
    /// What was assumed because it could not be known.
    pub doubts: Vec<String>,
}

impl Explanation {
    /// The question that was answered with no.
    pub fn refusal(&self) -> Option<&Asked> {
        self.asked.last().filter(|asked| asked.refusal.is_some())
    }

    /// Whether an attempt came out as foreseen.
    pub fn is_like(&self, attempted: &Attempted) -> bool {
        let same = |foreseen: After| {
            attempted.after.is_none_or(|after| {
                (foreseen.user, foreseen.group) == (after.user, after.group)
                    && (foreseen.mode.is_none() || foreseen.mode == after.mode)
            })
        };
        let sight = self.sight.as_ref();
        let stat = sight.map(|sight| (sight.user.stat, sight.group.stat));
        self.answer == attempted.answer
            && (self.answer.is_err() || self.after.is_none_or(same))
            && (attempted.seen.is_none() || attempted.seen == stat)
    }
}

/// Answers questions.
///
/// Mounts and the settings of the machine are looked at once, files each time.
#[derive(Debug)]
pub struct Explainer {
    told: Told,
    settings: Settings,
    mounts: RefCell<Vec<Rc<MountView>>>,
}

impl Explainer {
    /// Starts with what is known beside what the kernel tells.
    pub fn new(told: Told) -> Self {
        Self {
            told,
            settings: settings(),
            mounts: RefCell::default(),
        }
    }

    /// Explains what comes of an operation: [`Explainer::lookup`] and [`Explainer::check`].
    ///
    /// An error means that something could not be found out; that the caller is refused is none.
    pub fn explain(&self, request: &Request<'_>) -> Result<Explanation, Error> {
        let target = self.lookup(request)?;
        self.check(request.caller, &request.operation, &target)
    }

    /// Looks up the paths of a request, without a check of permissions.
    pub fn lookup(&self, request: &Request<'_>) -> Result<Target, Error> {
        let mut lookup = Lookup {
            caller: request.caller,
            explainer: self,
            doubts: Vec::new(),
        };
        let path = &*request.path;
        let ends_with_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let route = match &request.operation {
            Operation::Open(OpenMode::Create) if ends_with_slash => lookup.parent(path)?,
            Operation::Create
            | Operation::Mkdir
            | Operation::Mkfifo
            | Operation::Symlink
            | Operation::SubvolCreate => lookup.new_name(path)?,
            Operation::Unlink
            | Operation::Rmdir
            | Operation::Rename(_)
            | Operation::SubvolDelete => lookup.parent(path)?,
            Operation::Link(_) => lookup.object(path, false)?,
            _ => lookup.object(path, true)?,
        };
        let other = match &request.operation {
            Operation::Rename(to) | Operation::Link(to) | Operation::SubvolSnapshot(to) => {
                Some(lookup.parent(to)?)
            }
            _ => None,
        };
        let mut doubts = lookup.doubts;
        doubts.sort();
        doubts.dedup();
        Ok(Target {
            route,
            other,
            doubts,
        })
    }

    /// Checks an operation on a target as the kernel does.
    pub fn check(
        &self,
        caller: &Caller,
        operation: &Operation,
        target: &Target,
    ) -> Result<Explanation, Error> {
        let mut deciding = Deciding {
            caller,
            settings: self.settings,
            trace: Trace::default(),
            notes: Vec::new(),
            sight: None,
        };
        let done = deciding.run(operation, target);
        let (answer, after) = match done {
            Ok(done) => (Ok(()), done.after.map(attempt::foreseen)),
            Err(Stop::Refused(refused)) => (Err(refused.0), None),
            Err(Stop::Unknown(error)) => return Err(error),
        };
        Ok(Explanation {
            path: target.route.path.clone(),
            asked: deciding.trace.asked,
            answer,
            sight: deciding.sight,
            after,
            notes: deciding.notes,
            doubts: target.doubts.clone(),
        })
    }

    /// The mount that an open object is on.
    fn mount(&self, file: BorrowedFd<'_>) -> Result<Rc<MountView>, Error> {
        let key = MountView::key_of(file)?;
        let mut mounts = self.mounts.borrow_mut();
        if let Some(mount) = mounts.iter().find(|mount| mount.key == key) {
            return Ok(Rc::clone(mount));
        }
        let mount = Rc::new(MountView::of(file, key, &self.told)?);
        mounts.push(Rc::clone(&mount));
        // The mounts of the layers are looked up in their turn.
        drop(mounts);
        if mount.filesystem == "overlay" {
            mount.set_layers(Layers::of(file, self));
        }
        Ok(mount)
    }
}

/// Reads what the machine is set to.
fn settings() -> Settings {
    let number = |file: &str| {
        let text = fs::read_to_string(Path::new("/proc/sys").join(file));
        text.ok()?.trim().parse::<u32>().ok()
    };
    let level = |file| number(file).and_then(|level| i32::try_from(level).ok());
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let umask = umask.and_then(|umask| u16::from_str_radix(umask.trim(), 8).ok());
    Settings {
        protected: Protected {
            regular: level("fs/protected_regular").unwrap_or(0),
            fifos: level("fs/protected_fifos").unwrap_or(0),
        },
        protected_symlinks: number("fs/protected_symlinks") == Some(1),
        protected_hardlinks: number("fs/protected_hardlinks") == Some(1),
        umask: umask.unwrap_or(0o022),
        overflow: (
            number("kernel/overflowuid").unwrap_or(65534),
            number("kernel/overflowgid").unwrap_or(65534),
        ),
    }
}
