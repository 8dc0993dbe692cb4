// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The layers of overlayfs, on whose filesystems its objects are stored.
//!
//! The layers are looked up by the options of the mount, from the root of this program. The mounts
//! that they were taken from may have maps of their own, which overlayfs keeps.

use std::{
    ffi::OsString,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use kernel::{
    fs::permission::KindIdmap,
    host,
    uidgid::{Filesystem, Group, Id, User, Vfs},
};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

use super::{
    Explainer,
    mount::MountView,
    node::Node,
    view::{Pick, raw},
};
use crate::mountinfo;

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) path: PathBuf,
    root: OwnedFd,
    pub(super) mount: Rc<MountView>,
}

/// The layers of a mount of overlayfs, the writable one first.
#[derive(Debug, Default)]
pub(super) struct Layers {
    has_upper: bool,
    layers: Vec<Layer>,
    /// Whether all of the layers were found.
    is_complete: bool,
}

/// Owner and group of an object in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl Layers {
    /// Looks up the layers of the mount that an object is on.
    pub(super) fn of(file: BorrowedFd<'_>, explainer: &Explainer) -> Self {
        let options = mountinfo::sb_options_of(file);
        let paths = paths(&options);
        let has_upper = options
            .iter()
            .any(|option| option.starts_with(b"upperdir="));
        let mut layers = Vec::new();
        for path in &paths {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(root) = openat(CWD, path, flags, Mode::empty()) else {
                break;
            };
            let Ok(mount) = explainer.mount(root.as_fd()) else {
                break;
            };
            layers.push(Layer {
                path: path.clone(),
                root,
                mount,
            });
        }
        Self {
            has_upper,
            is_complete: !paths.is_empty() && layers.len() == paths.len(),
            layers,
        }
    }

    /// Whether all of the layers were found.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The layer that is written to.
    pub(super) fn upper(&self) -> Option<&Layer> {
        self.layers.first().filter(|_| self.has_upper)
    }

    /// Whether an object is in the layer that is written to.
    pub(super) fn is_upper(&self, node: &Node) -> bool {
        let layer = self.find(node).map(|(layer, _)| std::ptr::from_ref(layer));
        layer.is_some() && layer == self.upper().map(std::ptr::from_ref)
    }

    /// The layer that an object is in, with its owner and group there.
    pub(super) fn find(&self, node: &Node) -> Option<(&Layer, Stored)> {
        if !self.is_complete {
            return None;
        }
        let below = node.mount.below_root(&super::lookup::shown(node))?;
        self.layers
            .iter()
            .find_map(|layer| Some((layer, layer.find(&below, node)?)))
    }
}

impl Layer {
    fn find(&self, below: &Path, node: &Node) -> Option<Stored> {
        let plain = self.mount.without_map(self.root.as_fd());
        let has_map = plain.is_none() && self.mount.is_idmapped();
        let root = plain.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let below = match below.as_os_str().is_empty() {
            true => Path::new("."),
            false => below,
        };
        let file = openat2(root, below, flags, Mode::empty(), resolve).ok()?;
        let status = fstat(file).ok()?;
        // A whiteout, or the mark of another object, is none.
        let kind = FileType::from_raw_mode(status.st_mode);
        if kind != FileType::from_raw_mode(node.raw_mode()) {
            return None;
        }
        let (user, group) = (status.st_uid, status.st_gid);
        Some(match has_map {
            false => Stored {
                user: Some(user),
                group: Some(group),
            },
            true => Stored {
                user: self.stored::<User>(user),
                group: self.stored::<Group>(group),
            },
        })
    }

    /// The id that is stored for one that is seen through the mount of the layer.
    pub(super) fn stored<K: Pick>(&self, id: u32) -> Option<u32> {
        let seen: Option<Id<K, Vfs>> = host::id(id);
        let stored: Option<Id<K, Filesystem>> = self.mount.map.from_vfsid(&*self.mount, seen);
        (raw(stored) != u32::MAX).then(|| raw(stored))
    }
}

/// The directories of the layers in the options of a mount, the writable one first.
fn paths(options: &[Vec<u8>]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    for option in options {
        if let Some(upper) = option.strip_prefix(b"upperdir=") {
            paths.insert(0, path(upper));
        } else if let Some(lower) = option.strip_prefix(b"lowerdir+=") {
            paths.push(path(lower));
        } else if let Some(all) = option.strip_prefix(b"lowerdir=") {
            // Two colons begin layers that have data only, in which no names are looked up.
            paths.extend(split(all).iter().map(|lower| path(lower)));
        }
    }
    paths
}

/// The parts of a list with colons between them, of which those in names have a backslash.
fn split(list: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = list.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                let escaped = bytes.next();
                if let Some(part) = parts.last_mut() {
                    part.extend(escaped);
                }
            }
            b':' if bytes.peek() == Some(&b':') => break,
            b':' => parts.push(Vec::new()),
            byte => {
                if let Some(part) = parts.last_mut() {
                    part.push(byte);
                }
            }
        }
    }
    parts.retain(|part| !part.as_slice().is_empty());
    parts
}

impl MountView {
    /// The path of an object below the root of the filesystem, by its path from the root of this
    /// program.
    fn below_root(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.target).ok()?;
        let root = self.root.strip_prefix("/").unwrap_or(&self.root);
        Some(root.join(below)).filter(|path| !path.as_os_str().as_bytes().ends_with(b" (deleted)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_from_the_options() {
        let read = |options: &[&str]| {
            let options: Vec<Vec<u8>> = options.iter().map(|it| it.as_bytes().to_vec()).collect();
            let paths = paths(&options).into_iter();
            paths
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read(&[
                "rw",
                "lowerdir=/a:/b\\:c::/data",
                "upperdir=/u",
                "workdir=/w"
            ]),
            ["/u", "/a", "/b:c"]
        );
        assert_eq!(read(&["lowerdir+=/a:b", "lowerdir+=/c"]), ["/a:b", "/c"]);
        assert!(read(&["rw"]).is_empty());
    }
}
