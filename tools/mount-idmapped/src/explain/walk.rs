// SPDX-License-Identifier: GPL-2.0

//! Walks paths as the kernel does, and asks at each folder what it asks.

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

use kernel::fs::{
    mode::Mask,
    permission::{Access, InodeAttrs, Parent},
};
use rustix::{
    fs::{CWD, Mode, OFlags, openat, readlinkat},
    io::Errno,
    mount::{OpenTreeFlags, open_tree},
};

use super::{
    Explainer,
    caller::Caller,
    node::Node,
    trace::{Refused, Stop, Trace},
    view::MapView,
};
use crate::error::{Error, Step};

/// `MAXSYMLINKS` of `linux/namei.h`.
const MAX_LINKS: usize = 40;

/// How names are opened that are to be looked at only.
const OPEN: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It is the root.
    Root,
    Dot,
    DotDot,
    Name,
}

/// A folder, and a name in it.
pub(super) struct Place {
    pub(super) folder: Node,
    pub(super) name: OsString,
    pub(super) last: Last,
    /// Whether the path ends with a slash after the name.
    pub(super) slash: bool,
}

/// What a path leads to.
pub(super) struct Found {
    /// The folder that it was found in, as its mount shows it.
    pub(super) parent: Option<Parent>,
    pub(super) node: Node,
}

/// What a path leads to if nothing is there: where it would be.
pub(super) enum Target {
    There(Found),
    Missing(Place),
}

/// What walking takes.
pub(super) struct Walk<'a> {
    pub(super) caller: &'a Caller,
    explainer: &'a Explainer,
    pub(super) trace: &'a mut Trace,
    /// Whether the caller's permission is asked for, and not only the way looked for.
    asks: bool,
}

/// An entry of a folder.
pub(super) struct Entry {
    pub(super) node: Node,
    pub(super) is_mounted_on: bool,
}

/// The step that a walk takes next.
enum Next {
    Into(Node),
    Nothing,
}

impl<'a> Walk<'a> {
    pub(super) fn new(caller: &'a Caller, explainer: &'a Explainer, trace: &'a mut Trace) -> Self {
        Self {
            caller,
            explainer,
            trace,
            asks: true,
        }
    }

    /// The same without asking whether the caller may.
    pub(super) fn without_asking(mut self) -> Self {
        self.asks = false;
        self
    }

    /// The caller at the mount that an object was reached through.
    pub(super) fn access<'b>(&self, node: &'b Node) -> Access<'b, &'a Caller, MapView> {
        Access::new(self.caller, &node.mount.map)
    }

    /// The folder that the last name of a path is in: what creates and removes names looks for.
    ///
    /// Mirrors `filename_parentat()`.
    pub(super) fn parent(&mut self, path: &Path) -> Result<Place, Stop> {
        match self.walk(path, true, false)? {
            Target::Missing(place) => Ok(place),
            Target::There(_) => Err(Stop::Refused(Refused(Errno::NOENT))),
        }
    }

    /// What a path leads to.
    ///
    /// Mirrors `filename_lookup()`, and `open_last_lookups()` where something may be missing.
    pub(super) fn target(&mut self, path: &Path, follow: bool) -> Result<Target, Stop> {
        self.walk(path, false, follow)
    }

    /// What a path leads to, which must be there.
    pub(super) fn lookup(&mut self, path: &Path, follow: bool) -> Result<Found, Stop> {
        match self.target(path, follow)? {
            Target::There(found) => Ok(found),
            Target::Missing(place) => self.missing(&place),
        }
    }

    /// Says that nothing is there.
    pub(super) fn missing<T>(&mut self, place: &Place) -> Result<T, Stop> {
        let name = place.name.to_string_lossy().into_owned();
        self.trace.refuse(
            "lookup",
            format!("looking for {name}"),
            Errno::NOENT,
            format!("there is no {name}"),
        )
    }

    /// The entry of a folder, if it is there, and not what is mounted on it.
    pub(super) fn entry(&mut self, place: &Place) -> Result<Option<Entry>, Stop> {
        let Next::Into(node) = self.step(&place.folder, &place.name)? else {
            return Ok(None);
        };
        if node.mount.key == place.folder.mount.key {
            return Ok(Some(Entry {
                node,
                is_mounted_on: false,
            }));
        }
        let node = match self.covered(place) {
            Some(node) => node?,
            None => {
                let what = place.name.to_string_lossy();
                self.trace.doubts.push(format!(
                    "the folder {what} that something is mounted on is owned as that is"
                ));
                node
            }
        };
        Ok(Some(Entry {
            node,
            is_mounted_on: true,
        }))
    }

    /// What something is mounted on, seen in a copy of the mount below; that takes root.
    fn covered(&mut self, place: &Place) -> Option<Result<Node, Stop>> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let copy = match place.folder.plain() {
            Some(plain) => plain.try_clone_to_owned().ok()?,
            None => open_tree(place.folder.file(), "", flags).ok()?,
        };
        let file = openat(copy, &place.name, OPEN, Mode::empty()).ok()?;
        let mount = Rc::clone(&place.folder.mount);
        let node = Node::only_plain(file, mount, &mut self.trace.doubts);
        Some(node.map_err(Stop::from))
    }

    fn walk(&mut self, path: &Path, parent: bool, follow: bool) -> Result<Target, Stop> {
        let bytes = path.as_os_str().as_bytes();
        let mut links = 0;
        let mut slash = bytes.ends_with(b"/");
        let mut names: VecDeque<OsString> = components(bytes);
        let mut at = self.root()?;
        let mut way = PathBuf::from("/");
        let mut seen_from = None;
        if names.is_empty() {
            return Ok(match parent {
                true => Target::Missing(Place {
                    folder: at,
                    name: OsString::new(),
                    last: Last::Root,
                    slash: false,
                }),
                false => Target::There(Found {
                    parent: None,
                    node: at,
                }),
            });
        }
        while let Some(name) = names.pop_front() {
            if !at.mode().is_dir() {
                return self.trace.refuse(
                    "link_path_walk",
                    format!("looking for {} in {}", name.to_string_lossy(), at.kind()),
                    Errno::NOTDIR,
                    format!("it is a {}", at.kind()),
                );
            }
            self.search(&at, &way)?;
            let last = names.is_empty();
            let sort = match name.as_bytes() {
                b"." => Last::Dot,
                b".." => Last::DotDot,
                _ => Last::Name,
            };
            if last && parent {
                return Ok(Target::Missing(Place {
                    folder: at,
                    name,
                    last: sort,
                    slash,
                }));
            }
            let next = match sort {
                Last::Dot | Last::Root => continue,
                Last::DotDot | Last::Name => self.step(&at, &name)?,
            };
            let node = match next {
                Next::Into(node) => node,
                Next::Nothing if last => {
                    return Ok(Target::Missing(Place {
                        folder: at,
                        name,
                        last: sort,
                        slash,
                    }));
                }
                Next::Nothing => {
                    let place = Place {
                        folder: at,
                        name,
                        last: sort,
                        slash,
                    };
                    return self.missing(&place);
                }
            };
            let facts = Parent {
                mode: at.mode(),
                owner: self.access(&at).i_uid_into_vfsuid(&at),
            };
            if node.mode().is_lnk() && (!last || follow || slash) {
                links += 1;
                let text = self.follow(&node, last.then_some(facts), links)?;
                let bytes = text.as_bytes();
                if last {
                    slash |= bytes.ends_with(b"/");
                }
                if bytes.starts_with(b"/") {
                    at = self.root()?;
                    way = PathBuf::from("/");
                }
                let rest = std::mem::replace(&mut names, components(bytes));
                names.extend(rest);
                continue;
            }
            seen_from = Some(facts);
            way.push(name);
            at = node;
        }
        if slash && !at.mode().is_dir() {
            return self.trace.refuse(
                "complete_walk",
                "looking for a folder, which is what a path with a slash at its end names"
                    .to_owned(),
                Errno::NOTDIR,
                format!("it is a {}", at.kind()),
            );
        }
        Ok(Target::There(Found {
            parent: seen_from,
            node: at,
        }))
    }

    /// Whether the caller may look for names in a folder.
    fn search(&mut self, folder: &Node, way: &Path) -> Result<(), Stop> {
        let what = || format!("searching {}", way.display());
        self.permission("may_lookup", what, folder, Mask::MAY_EXEC)
    }

    /// Whether the caller may read, write or execute.
    ///
    /// Mirrors `inode_permission()` for objects of filesystems without rules of their own.
    pub(super) fn permission(
        &mut self,
        rule: &'static str,
        what: impl FnOnce() -> String,
        node: &Node,
        mask: Mask,
    ) -> Result<(), Stop> {
        if !self.asks {
            return Ok(());
        }
        let access = self.access(node);
        let verdict = access
            .mapped_inode_permission(node, mask, || access.mapped_generic_permission(node, mask));
        let why = || super::reason::permission(self.caller, node, mask);
        self.trace.decide(rule, what, verdict, why)
    }

    /// What a link says, if it may be followed.
    fn follow(
        &mut self,
        link: &Node,
        trailing: Option<Parent>,
        links: usize,
    ) -> Result<OsString, Stop> {
        if links > MAX_LINKS {
            let what = "following one more symbolic link".to_owned();
            let why = format!("there are more than {MAX_LINKS} on the way");
            return self.trace.refuse("MAXSYMLINKS", what, Errno::LOOP, why);
        }
        if let Some(parent) = trailing.filter(|_| self.asks) {
            let access = self.access(link);
            let verdict = access.may_follow_link(
                link,
                parent,
                self.explainer.settings.protected_symlinks,
                false,
            );
            self.trace.decide(
                "may_follow_link",
                || "following the symbolic link".to_owned(),
                verdict,
                || {
                    "fs.protected_symlinks: it is in a sticky folder where everybody may write, \
                     and neither the caller's nor that of the folder's owner"
                        .to_owned()
                },
            )?;
        }
        if self.asks && link.mount.is_nosymfollow() {
            let what = "following the symbolic link".to_owned();
            let why = "the mount has the attribute nosymfollow".to_owned();
            return self.trace.refuse("pick_link", what, Errno::LOOP, why);
        }
        let text = readlinkat(link.file(), "", Vec::new()).map_err(|errno| {
            Error::new(Step::LookAtObject, super::node::place(link.file()), errno)
        })?;
        Ok(OsString::from_vec(text.into_bytes()))
    }

    fn root(&mut self) -> Result<Node, Stop> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = openat(CWD, "/", flags, Mode::empty())
            .map_err(|errno| Error::new(Step::LookAtObject, "/", errno))?;
        self.node(file, None)
    }

    /// Opens a name in a folder.
    fn step(&mut self, folder: &Node, name: &OsStr) -> Result<Next, Stop> {
        let answer = match folder.is_only_plain() {
            true => Err(Errno::ACCESS),
            false => openat(folder.file(), name, OPEN, Mode::empty()),
        };
        // The map may leave this program out where it does not the caller.
        let (answer, only_plain) = match (answer, folder.plain()) {
            (Err(Errno::ACCESS), Some(plain)) => (openat(plain, name, OPEN, Mode::empty()), true),
            (answer, _) => (answer, false),
        };
        match answer {
            Ok(file) if only_plain => {
                let mount = Rc::clone(&folder.mount);
                let doubts = &mut self.trace.doubts;
                Ok(Next::Into(Node::only_plain(file, mount, doubts)?))
            }
            Ok(file) => self.node(file, Some((folder, name))).map(Next::Into),
            Err(Errno::NOENT) => Ok(Next::Nothing),
            Err(Errno::NAMETOOLONG) => self.trace.refuse(
                "lookup",
                format!("looking for {}", name.to_string_lossy()),
                Errno::NAMETOOLONG,
                "the filesystem has no names of this length".to_owned(),
            ),
            Err(errno) => {
                let name = name.to_string_lossy();
                Err(Error::new(Step::LookAtObject, name, errno).into())
            }
        }
    }

    /// Looks at an object that was opened, and at its mount.
    fn node(&mut self, file: OwnedFd, from: Option<(&Node, &OsStr)>) -> Result<Node, Stop> {
        let mount = self.explainer.mount(file.as_fd())?;
        let doubts = &mut self.trace.doubts;
        mount.doubt(&self.caller.userns, doubts);
        let plain = match from {
            Some((folder, name)) if Rc::ptr_eq(&folder.mount, &mount) => {
                let plain = folder.plain();
                plain.and_then(|plain| openat(plain, name, OPEN, Mode::empty()).ok())
            }
            _ => None,
        };
        let plain = plain.or_else(|| mount.without_map(file.as_fd()));
        Ok(Node::new(file, mount, plain, doubts)?)
    }
}

/// The names in a path.
fn components(path: &[u8]) -> VecDeque<OsString> {
    let names = path.split(|byte| *byte == b'/');
    names
        .filter(|name| !name.is_empty())
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}

/// Where an object is, for people.
pub(super) fn shown(node: &Node) -> String {
    let path = std::fs::read_link(super::node::place(node.file()));
    path.map_or_else(
        |_| node.kind().to_owned(),
        |path| path.display().to_string(),
    )
}
