// SPDX-License-Identifier: GPL-2.0

//! Says what a caller may do with a file on an idmapped mount, and why not.
//!
//! The answers come from the very files that decide in the kernel, `rust/kernel/fs/permission/`: they
//! are asked about a picture of the file, of the folders that lead to it, of the mount and of the
//! caller, which is taken with ordinary system calls. What this module adds is the order in which
//! the kernel asks, and words.
//!
//! ```no_run
//! use mount_idmapped::explain::{Caller, Explainer, Operation, Request, Told, UserNsView};
//!
//! let caller = Caller::in_namespace(UserNsView::ours()?, 0, 0, &[])?;
//! let request = Request {
//!     caller: &caller,
//!     operation: Operation::Create,
//!     path: "/mnt/folder".into(),
//! };
//! let explanation = Explainer::new(Told::default()).explain(&request)?;
//! if let Some(refusal) = explanation.refusal() {
//!     println!("{}", refusal.what);
//! }
//! # Ok::<(), mount_idmapped::Error>(())
//! ```
//!
//! What cannot be known from outside: rules that a filesystem has for itself alone, quotas, leases,
//! full disks, and what security modules say.

mod attempt;
mod attributes;
mod caller;
mod decide;
mod mount;
mod names;
mod node;
mod operation;
mod reason;
mod sight;
mod trace;
mod undo;
mod view;
mod walk;

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
    sight::{Column, Sight},
    trace::Asked,
    view::UserNsView,
};
use self::{
    decide::{Deciding, Settings},
    mount::MountView,
    trace::{Stop, Trace},
    walk::Walk,
};
use crate::error::{Error, Step};

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who wants it.
    pub caller: &'a Caller,
    /// What.
    pub operation: Operation,
    /// To what, by an absolute path. For what makes something this may also be a folder, in which
    /// it is then made.
    pub path: PathBuf,
}

impl Request<'_> {
    /// The path that is handed to the kernel.
    fn place(&self) -> PathBuf {
        if !self.operation.makes() || !self.path.is_dir() {
            return self.path.clone();
        }
        let free = |name: &String| fs::symlink_metadata(self.path.join(name)).is_err();
        let names = (0u32..).map(|number| format!("new-{number}"));
        let name = names.into_iter().find(free).unwrap_or_default();
        self.path.join(name)
    }
}

/// An answer, and how it came about.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The path that was asked about.
    pub path: PathBuf,
    /// Everything that was asked, in order.
    pub asked: Vec<Asked>,
    /// Whether it will work, or the error number.
    pub answer: Result<(), Errno>,
    /// What is seen of the object, or of the folder that it is missing in; [`None`] if the caller
    /// does not get there.
    pub sight: Option<Sight>,
    /// What is stored afterwards, of what is made or changed.
    pub after: Option<After>,
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

    /// Explains what comes of an operation.
    ///
    /// An error says that something could not be found out; that the caller is refused is none.
    pub fn explain(&self, request: &Request<'_>) -> Result<Explanation, Error> {
        if !request.path.is_absolute() {
            let path = request.path.display().to_string();
            let cause = Some("an absolute path is needed".to_owned());
            return Err(Error::new(Step::LookAtObject, path, Errno::INVAL).because(cause));
        }
        let path = request.place();
        let mut trace = Trace::default();
        let mut deciding = Deciding {
            walk: &mut Walk::new(request.caller, self, &mut trace),
            settings: self.settings,
            sight: None,
        };
        let done = deciding.run(&request.operation, &path);
        let sight = deciding.sight;
        let (answer, after) = match done {
            Ok(done) => (Ok(()), done.after.map(undo::foreseen)),
            Err(Stop::Refused(refused)) => (Err(refused.0), None),
            Err(Stop::Unknown(error)) => return Err(error),
        };
        let mut doubts = trace.doubts;
        doubts.sort();
        doubts.dedup();
        Ok(Explanation {
            path,
            asked: trace.asked,
            answer,
            sight,
            after,
            doubts,
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
