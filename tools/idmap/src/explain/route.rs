// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Outcomes of path lookup.

use std::{ffi::OsString, path::PathBuf, rc::Rc};

use rustix::io::Errno;

use super::node::Node;
use crate::error::Error;

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It is the root.
    Root,
    Dot,
    DotDot,
    Name,
}

/// A step of a lookup at which the kernel checks something.
#[derive(Clone)]
pub(super) enum Step {
    /// A directory is searched.
    Search { directory: Rc<Node>, way: PathBuf },
    /// A symbolic link is followed; `trailing` is its directory if its name is the last one.
    Follow {
        link: Rc<Node>,
        trailing: Option<Rc<Node>>,
    },
    /// The kernel fails with this.
    Fail {
        rule: &'static str,
        what: String,
        errno: Errno,
        why: String,
    },
    /// This program cannot look further.
    Unknown(Error),
}

/// A directory, and a name in it.
pub(super) struct Place {
    pub(super) directory: Rc<Node>,
    pub(super) name: OsString,
    pub(super) last: Last,
    /// Whether the path ends with a slash after the name.
    pub(super) slash: bool,
    /// The object that has the name, and not what is mounted on it.
    pub(super) entry: Result<Option<Entry>, Box<Step>>,
}

/// An entry of a directory.
pub(super) struct Entry {
    pub(super) node: Rc<Node>,
    pub(super) is_mounted_on: bool,
}

/// The object that a path leads to.
pub(super) struct Found {
    /// The directory that has its name; [`None`] for a root, `.`, `..`, or behind a magic link.
    pub(super) directory: Option<Rc<Node>>,
    pub(super) node: Rc<Node>,
}

/// Where a lookup ends.
pub(super) enum End {
    There(Found),
    /// Nothing has the name, or a lookup of a parent ends here.
    At(Place),
    /// The last step fails.
    Nowhere,
}

/// A lookup.
pub(super) struct Route {
    /// The path, as the caller gives it to the kernel.
    pub(super) path: PathBuf,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

impl Route {
    /// The object, or else the directory, that the lookup ends at.
    pub(super) fn node(&self) -> Option<&Rc<Node>> {
        match &self.end {
            End::There(found) => Some(&found.node),
            End::At(place) => Some(&place.directory),
            End::Nowhere => None,
        }
    }
}
