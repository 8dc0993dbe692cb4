// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Paths and their last names, as a trial hands them to the kernel.

use std::{
    ffi::{CStr, CString, OsStr, c_int},
    os::unix::ffi::OsStrExt,
};

use rustix::io::Errno;

use super::super::{
    lookup::{End, Last, Place, Route},
    node::Node,
};
use crate::{
    error::{Error, Step},
    sys::{At, Expected, Identity, Name, Way},
};

/// A last name, or all of a path, as it is handed to the kernel.
pub(super) struct Handed {
    /// Whether it counts from the directory of its way.
    in_directory: bool,
    text: CString,
}

impl Handed {
    pub(super) fn name(&self, way: usize) -> Name<'_> {
        let at = if self.in_directory {
            At::Way(way)
        } else {
            At::Cwd
        };
        Name(at, &self.text)
    }

    /// The same in another directory.
    pub(super) fn name_at<'h>(&'h self, at: At<'h>) -> Name<'h> {
        Name(at, &self.text)
    }

    /// A name in the directory of the path, without a slash.
    pub(super) fn without_slash(name: &OsStr) -> Result<Self, Error> {
        Ok(Self {
            in_directory: true,
            text: c_string(name.as_bytes())?,
        })
    }

    /// A name in the directory of the path, with the slash of the path after it.
    pub(super) fn in_place(name: &[u8], place: &Place) -> Result<Self, Error> {
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
/// The path or its last name as it is, for an operation that must fail.
pub(super) fn real(route: &Route, place: &Place) -> Result<Handed, Error> {
    if place.last != Last::Name {
        return Ok(Handed {
            in_directory: false,
            text: whole(route)?,
        });
    }
    Handed::in_place(place.name.as_bytes(), place)
}

pub(super) fn whole(route: &Route) -> Result<CString, Error> {
    c_string(route.path.as_os_str().as_bytes())
}

pub(super) fn c_string(bytes: &[u8]) -> Result<CString, Error> {
    CString::new(bytes).map_err(|_| Error::new(Step::LookAtObject, "", Errno::INVAL))
}

/// The part of a path before its last name, such that the directory is searched as well when it is
/// looked up.
pub(super) fn parent_text(route: &Route) -> Result<CString, Error> {
    let mut text = parent_of(route.path.as_os_str().as_bytes()).to_vec();
    if text.ends_with(b"/") {
        text.push(b'.');
    }
    c_string(&text)
}

/// The part of a path before its last name.
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
pub(super) fn object_way<'p>(route: &Route, path: &'p CStr, flags: c_int) -> Way<'p> {
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
pub(super) fn parent_way<'p>(route: &Route, path: &'p CStr) -> Way<'p> {
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
