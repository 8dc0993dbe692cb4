// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Path lookup: each name of a path is opened once, by descriptors, in the order of the kernel.
//!
//! A lookup checks no permission. It records the steps at which the kernel checks one, and
//! [`Deciding::replay`](super::decide::Deciding::replay) checks them.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, openat, openat2, readlinkat, statat},
    io::Errno,
    mount::{OpenTreeFlags, open_tree},
};

pub(super) use super::route::{End, Entry, Found, Last, Place, Route, Step};
use super::{Explainer, caller::Caller, node::Node, origin::Origin};
use crate::error::{self, Error};

/// `MAXSYMLINKS` of `linux/namei.h`.
const MAX_LINKS: usize = 40;

/// How a name is opened that is only looked at.
const OPEN: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Looks paths up for a caller.
pub(super) struct Lookup<'a> {
    pub(super) caller: &'a Caller,
    pub(super) explainer: &'a Explainer,
    /// Assumptions.
    pub(super) doubts: Vec<String>,
}

/// Outcome of a lookup of one name.
enum Next {
    Into(Rc<Node>),
    Nothing,
    Stop(Step),
}

/// State of a lookup.
struct Walk {
    steps: Vec<Step>,
    at: Rc<Node>,
    /// The directory that has the name of `at`.
    directory: Option<Rc<Node>>,
    way: PathBuf,
    names: VecDeque<OsString>,
    slash: bool,
    links: usize,
}

impl Lookup<'_> {
    /// Looks up the directory of the last name of a path. Mirrors `filename_parentat()`.
    pub(super) fn parent(&mut self, path: &Path) -> Result<Route, Error> {
        self.walk(path, true, false)
    }

    /// Looks up the object of a path. Mirrors `filename_lookup()`, and `open_last_lookups()` where
    /// the last name may be missing.
    pub(super) fn object(&mut self, path: &Path, follow: bool) -> Result<Route, Error> {
        self.walk(path, false, follow)
    }

    /// Looks up the place for a new name: in the directory at `path`, if a directory is there.
    pub(super) fn new_name(&mut self, path: &Path) -> Result<Route, Error> {
        if let End::There(found) = self.object(path, true)?.end {
            if found.node.is_directory() {
                let directory = found.node.best();
                let is_free = |name: &String| {
                    let status = statat(directory, &**name, AtFlags::SYMLINK_NOFOLLOW);
                    matches!(status, Err(Errno::NOENT))
                };
                let names = (0..1000u32).map(|number| format!("new-{number}"));
                let name = names.into_iter().find(is_free);
                return self.parent(&path.join(name.unwrap_or_else(|| "new".to_owned())));
            }
        }
        self.parent(path)
    }

    fn walk(&mut self, path: &Path, parent: bool, follow: bool) -> Result<Route, Error> {
        let bytes = path.as_os_str().as_bytes();
        let end = |steps, end| {
            Ok(Route {
                path: path.to_owned(),
                steps,
                end,
            })
        };
        if bytes.is_empty() {
            let step = fail(
                "getname",
                "looking up the path",
                Errno::NOENT,
                "it is empty",
            );
            return end(vec![step], End::Nowhere);
        }
        let is_absolute = bytes.starts_with(b"/");
        let mut walk = Walk {
            steps: Vec::new(),
            at: self.start(is_absolute)?,
            directory: None,
            way: PathBuf::from(if is_absolute { "/" } else { "." }),
            names: components(bytes),
            slash: bytes.ends_with(b"/"),
            links: 0,
        };
        if walk.names.is_empty() {
            let Walk { at, steps, .. } = walk;
            return end(
                steps,
                match parent {
                    true => End::At(Place {
                        directory: at,
                        name: OsString::new(),
                        last: Last::Root,
                        slash: false,
                        entry: Ok(None),
                    }),
                    false => End::There(Found {
                        directory: None,
                        node: at,
                    }),
                },
            );
        }
        let reached = self.names(&mut walk, parent, follow)?;
        end(walk.steps, reached)
    }

    /// Looks up the names of a path one after the other.
    fn names(&mut self, walk: &mut Walk, parent: bool, follow: bool) -> Result<End, Error> {
        while let Some(name) = walk.names.pop_front() {
            if !walk.at.is_directory() {
                let kind = walk.at.kind();
                walk.steps.push(Step::Fail {
                    rule: "link_path_walk",
                    what: format!("looking for {} in a {kind}", name.to_string_lossy()),
                    errno: Errno::NOTDIR,
                    why: format!("it is a {kind}"),
                });
                return Ok(End::Nowhere);
            }
            walk.steps.push(Step::Search {
                directory: Rc::clone(&walk.at),
                way: walk.way.clone(),
            });
            let is_last = walk.names.is_empty();
            let last = match name.as_bytes() {
                b"." => Last::Dot,
                b".." => Last::DotDot,
                _ => Last::Name,
            };
            if is_last && parent {
                return Ok(End::At(self.place(walk, name, last)));
            }
            if last == Last::Dot {
                if is_last {
                    walk.directory = None;
                }
                continue;
            }
            let node = match self.step(&walk.at, &name, last)? {
                Next::Into(node) => node,
                Next::Nothing if is_last => {
                    return Ok(End::At(Place {
                        directory: Rc::clone(&walk.at),
                        name,
                        last,
                        slash: walk.slash,
                        entry: Ok(None),
                    }));
                }
                Next::Nothing => {
                    walk.steps.push(missing(&name));
                    return Ok(End::Nowhere);
                }
                Next::Stop(step) => {
                    walk.steps.push(step);
                    return Ok(End::Nowhere);
                }
            };
            if node.is_link() && (!is_last || follow || walk.slash) {
                if let Some(end) = self.follow(walk, node, &name, is_last)? {
                    return Ok(end);
                }
                continue;
            }
            walk.directory = (last == Last::Name).then(|| Rc::clone(&walk.at));
            walk.way.push(&name);
            walk.at = node;
        }
        if walk.slash && !walk.at.is_directory() {
            let why = format!("it is a {}", walk.at.kind());
            let what = "looking for the directory that a path with a slash at its end names";
            walk.steps
                .push(fail("complete_walk", what, Errno::NOTDIR, &why));
            return Ok(End::Nowhere);
        }
        Ok(End::There(Found {
            directory: walk.directory.take(),
            node: Rc::clone(&walk.at),
        }))
    }

    /// Follows a symbolic link: by its text, or by the kernel where the text is not the way.
    fn follow(
        &mut self,
        walk: &mut Walk,
        link: Rc<Node>,
        name: &OsStr,
        is_last: bool,
    ) -> Result<Option<End>, Error> {
        walk.links += 1;
        if walk.links > MAX_LINKS {
            let why = format!("there are more than {MAX_LINKS} on the way");
            let what = "following one more symbolic link";
            walk.steps
                .push(fail("MAXSYMLINKS", what, Errno::LOOP, &why));
            return Ok(Some(End::Nowhere));
        }
        walk.steps.push(Step::Follow {
            link: Rc::clone(&link),
            trailing: is_last.then(|| Rc::clone(&walk.at)),
        });
        if self.is_magic(&walk.at, &link, name) {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let answer = openat(walk.at.file(), name, flags, Mode::empty());
            let node = answer
                .map_err(|errno| look(name, errno))
                .and_then(|file| self.node(file, None));
            let node = match node {
                Ok(node) => node,
                Err(error) => {
                    walk.steps.push(Step::Unknown(error));
                    return Ok(Some(End::Nowhere));
                }
            };
            self.doubts.push(format!(
                "the caller may follow {} (that takes the right to trace the process)",
                walk.way.join(name).display()
            ));
            walk.way.push(name);
            walk.directory = None;
            walk.at = node;
            return Ok(None);
        }
        let text = match self.text(&walk.at, &link, name) {
            Ok(text) => text,
            Err(error) => {
                walk.steps.push(Step::Unknown(error));
                return Ok(Some(End::Nowhere));
            }
        };
        let bytes = text.as_bytes();
        if is_last {
            walk.slash |= bytes.ends_with(b"/");
        }
        if bytes.starts_with(b"/") {
            walk.at = self.start(true)?;
            walk.way = PathBuf::from("/");
            walk.directory = None;
        }
        let rest = std::mem::replace(&mut walk.names, components(bytes));
        walk.names.extend(rest);
        Ok(None)
    }

    /// Whether the kernel follows a symbolic link by other means than its text.
    fn is_magic(&self, directory: &Node, link: &Node, name: &OsStr) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_MAGICLINKS;
        let open = || openat2(directory.file(), name, flags, Mode::empty(), resolve);
        link.mount.filesystem == "proc" && matches!(open(), Err(Errno::LOOP))
    }

    /// The text of a symbolic link, as the caller reads it.
    fn text(&self, directory: &Node, link: &Node, name: &OsStr) -> Result<OsString, Error> {
        let is_self = matches!(name.as_bytes(), b"self" | b"thread-self");
        if is_self && link.mount.filesystem == "proc" {
            if let Some(text) = self.caller.origin.own_directory(directory.file(), name) {
                return Ok(text);
            }
        }
        match readlinkat(link.best(), "", Vec::new()) {
            Ok(text) => Ok(OsString::from_vec(text.into_bytes())),
            Err(errno) => Err(look(name, errno)),
        }
    }

    /// The directory that a path begins at.
    fn start(&mut self, is_absolute: bool) -> Result<Rc<Node>, Error> {
        let origin = Rc::clone(&self.caller.origin);
        let file = match is_absolute {
            true => origin.root(),
            false => origin.directory(),
        };
        self.node(file?, None)
    }

    /// Opens a name in a directory.
    fn step(&mut self, directory: &Rc<Node>, name: &OsStr, last: Last) -> Result<Next, Error> {
        if last == Last::DotDot && self.is_root(directory)? {
            return Ok(Next::Into(Rc::clone(directory)));
        }
        let answer = match directory.is_only_plain() {
            true => Err(Errno::ACCESS),
            false => openat(directory.file(), name, OPEN, Mode::empty()),
        };
        // The map may leave this program out where it does not the caller.
        let (answer, only_plain) = match (answer, directory.plain()) {
            (Err(Errno::ACCESS), Some(plain)) => (openat(plain, name, OPEN, Mode::empty()), true),
            (answer, _) => (answer, false),
        };
        let node = match answer {
            Ok(file) if only_plain => {
                let mount = Rc::clone(&directory.mount);
                Node::only_plain(file, mount, &mut self.doubts).map(Rc::new)
            }
            Ok(file) => self.node(file, Some((directory, name))),
            Err(Errno::NOENT) => return Ok(Next::Nothing),
            Err(Errno::NAMETOOLONG) => {
                let what = format!("looking for {}", name.to_string_lossy());
                let why = "the filesystem has no names of this length";
                let step = fail("lookup", &what, Errno::NAMETOOLONG, why);
                return Ok(Next::Stop(step));
            }
            Err(errno) => Err(look(name, errno)),
        };
        Ok(node.map_or_else(|error| Next::Stop(Step::Unknown(error)), Next::Into))
    }

    /// Whether a directory is the root of the caller, above which there is nothing.
    fn is_root(&self, directory: &Node) -> Result<bool, Error> {
        let root = self.caller.origin.root()?;
        Ok(Origin::is_same(directory.file(), root.as_fd()))
    }

    /// A name in the directory that a lookup has reached, with its entry.
    fn place(&mut self, walk: &Walk, name: OsString, last: Last) -> Place {
        let entry = match last {
            Last::Name => self.entry(&walk.at, &name),
            Last::Root | Last::Dot | Last::DotDot => Ok(None),
        };
        Place {
            directory: Rc::clone(&walk.at),
            name,
            last,
            slash: walk.slash,
            entry: entry.map_err(Box::new),
        }
    }

    fn entry(&mut self, directory: &Rc<Node>, name: &OsStr) -> Result<Option<Entry>, Step> {
        let node = match self.step(directory, name, Last::Name) {
            Ok(Next::Into(node)) => node,
            Ok(Next::Nothing) => return Ok(None),
            Ok(Next::Stop(step)) => return Err(step),
            Err(error) => return Err(Step::Unknown(error)),
        };
        if node.mount.key == directory.mount.key {
            return Ok(Some(Entry {
                node,
                is_mounted_on: false,
            }));
        }
        let node = self.covered(directory, name).unwrap_or_else(|| {
            self.doubts.push(format!(
                "the directory {} that something is mounted on is owned as that is",
                name.to_string_lossy()
            ));
            node
        });
        Ok(Some(Entry {
            node,
            is_mounted_on: true,
        }))
    }

    /// The object that something is mounted on, seen in a copy of the mount below; this takes root.
    fn covered(&mut self, directory: &Node, name: &OsStr) -> Option<Rc<Node>> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let copy = match directory.plain() {
            Some(plain) => plain.try_clone_to_owned().ok()?,
            None => open_tree(directory.file(), "", flags).ok()?,
        };
        let file = openat(copy, name, OPEN, Mode::empty()).ok()?;
        let mount = Rc::clone(&directory.mount);
        let node = Node::only_plain(file, mount, &mut self.doubts);
        node.ok().map(Rc::new)
    }

    /// Looks at an opened object and at its mount.
    fn node(&mut self, file: OwnedFd, from: Option<(&Node, &OsStr)>) -> Result<Rc<Node>, Error> {
        let mount = self.explainer.mount(file.as_fd())?;
        mount.doubt(&self.caller.userns, &mut self.doubts);
        let plain = match from {
            Some((directory, name)) if Rc::ptr_eq(&directory.mount, &mount) => {
                let plain = directory.plain();
                plain.and_then(|plain| openat(plain, name, OPEN, Mode::empty()).ok())
            }
            _ => None,
        };
        let plain = plain.or_else(|| mount.without_map(file.as_fd()));
        let closed = mount.why_closed();
        match Node::new(file, mount, plain, &mut self.doubts) {
            Err(error) if error.errno == Errno::ACCESS && closed.is_some() => {
                Err(error.because(closed))
            }
            node => node.map(Rc::new),
        }
    }
}

/// The step that fails where a name is missing.
pub(super) fn missing(name: &OsStr) -> Step {
    let name = name.to_string_lossy();
    fail(
        "lookup",
        &format!("looking for {name}"),
        Errno::NOENT,
        &format!("there is no {name}"),
    )
}

fn fail(rule: &'static str, what: &str, errno: Errno, why: &str) -> Step {
    Step::Fail {
        rule,
        what: what.to_owned(),
        errno,
        why: why.to_owned(),
    }
}

fn look(name: &OsStr, errno: Errno) -> Error {
    Error::new(error::Step::LookAtObject, name.to_string_lossy(), errno)
}

/// The names in a path.
fn components(path: &[u8]) -> VecDeque<OsString> {
    let names = path.split(|byte| *byte == b'/');
    names
        .filter(|name| !name.is_empty())
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}

/// The path of an object, for messages.
pub(super) fn shown(node: &Node) -> String {
    let path = readlinkat(CWD, super::node::place(node.file()), Vec::new());
    path.map_or_else(
        |_| node.kind().to_owned(),
        |path| String::from_utf8_lossy(path.as_bytes()).into_owned(),
    )
}
