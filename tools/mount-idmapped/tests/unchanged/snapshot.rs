// SPDX-License-Identifier: GPL-2.0

//! Everything that is stored of a tree, to be compared.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{Dir, OFlags, lgetxattr, llistxattr};

/// A tree.
#[derive(PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Object>);

/// An object: numbers with their names, attributes and contents. Times of change of the inode
/// cannot be set by anybody.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    numbers: [(&'static str, i64); 12],
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    flags: Option<u32>,
    contents: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn of(roots: &[PathBuf]) -> Self {
        let mut all = BTreeMap::new();
        for root in roots {
            add(root, &mut all);
        }
        Self(all)
    }

    /// Fails with the differences.
    pub(crate) fn compare(&self, after: &Self, what: &str) {
        if self == after {
            return;
        }
        let paths = self.0.keys().chain(after.0.keys());
        for path in paths {
            let (one, other) = (self.0.get(path), after.0.get(path));
            if one != other {
                eprintln!("{}:\n  before {one:?}\n  after  {other:?}", path.display());
            }
        }
        panic!("{what} has changed the tree");
    }
}

/// Opens an object so that neither a look at it nor its contents show in its time of access.
fn open(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).ok()
}

/// The names in a directory.
fn names(path: &Path) -> Vec<OsString> {
    let Some(Ok(mut entries)) = open(path).map(Dir::new) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    while let Some(Ok(entry)) = entries.read() {
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names
}

fn add(path: &Path, all: &mut BTreeMap<PathBuf, Object>) {
    let status = fs::symlink_metadata(path).expect("the tree is there");
    let kind = status.file_type();
    let mut list = vec![0; 4096];
    let length = llistxattr(path, &mut list[..]).unwrap_or(0);
    let listed = list[..length].split(|byte| *byte == 0);
    let attributes = listed.filter(|name| !name.is_empty()).map(|name| {
        let mut value = vec![0; 4096];
        let length =
            lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).expect("an attribute");
        value.truncate(length);
        (name.to_vec(), value)
    });
    let attributes = attributes.collect();
    let (mut flags, mut contents) = (None, Vec::new());
    if kind.is_file() || kind.is_dir() {
        let mut file = File::from(open(path).expect("opening an object of the tree"));
        flags = rustix::fs::ioctl_getflags(&file)
            .ok()
            .map(|flags| flags.bits());
        if kind.is_file() {
            std::io::Read::read_to_end(&mut file, &mut contents).expect("reading a file");
        }
    } else if kind.is_symlink() {
        contents = fs::read_link(path)
            .expect("a link")
            .into_os_string()
            .as_bytes()
            .to_vec();
    }
    // The kernel sets the time of access of a link whenever it is followed.
    let accessed = match kind.is_symlink() {
        true => [0, 0],
        false => [status.atime(), status.atime_nsec()],
    };
    let size = if kind.is_dir() {
        0
    } else {
        status.size() as i64
    };
    let object = Object {
        numbers: [
            ("device", status.dev() as i64),
            ("inode", status.ino() as i64),
            ("mode", status.mode().into()),
            ("links", status.nlink() as i64),
            ("owner", status.uid().into()),
            ("group", status.gid().into()),
            ("rdev", status.rdev() as i64),
            ("size", size),
            ("atime", accessed[0]),
            ("atime part", accessed[1]),
            ("mtime", status.mtime()),
            ("mtime part", status.mtime_nsec()),
        ],
        attributes,
        flags,
        contents,
    };
    all.insert(path.to_owned(), object);
    if kind.is_dir() {
        for name in names(path) {
            add(&path.join(name), all);
        }
    }
}
