// SPDX-License-Identifier: GPL-2.0

//! Where tests run: a filesystem of its own, plain or idmapped, in the first user namespace or
//! mounted in another.

use std::{
    error::Error,
    ffi::CString,
    fs,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use idmap::{Attributes, Detached, IdMaps, IdmappedMount, UserNs, unmount};
use kselftest::errno;
use kselftest::syscalls;
use rustix::mount::{MountFlags, mount};

/// Where everything is mounted.
pub(crate) const HERE: &str = "/run/conformance";

/// The first id of this many that a user namespace of ours has.
const USERNS_FIRST: u32 = 200_000;
/// How many ids each user namespace and each map has.
const IDS: u32 = 65536;

/// How a filesystem is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By root.
    Plain,
    /// By root, and used through an idmapped mount.
    Idmapped,
    /// By root of a user namespace.
    Userns,
    /// By root of a user namespace, and used through an idmapped mount.
    UsernsIdmapped,
}

impl Manner {
    /// Whether it is mounted in a user namespace.
    pub(crate) fn in_userns(self) -> bool {
        matches!(self, Self::Userns | Self::UsernsIdmapped)
    }

    /// By how much ids on disk are larger than those seen. In a user namespace there are few ids,
    /// and those seen are the lower half of them.
    fn shift(self) -> u32 {
        match self {
            Self::Plain | Self::Userns => 0,
            Self::Idmapped => 100_000,
            Self::UsernsIdmapped => IDS / 2,
        }
    }
}

/// Creates the user namespace in which filesystems are mounted.
pub(crate) fn userns() -> Result<UserNs, Box<dyn Error>> {
    let map: IdMaps = format!("b:0:{USERNS_FIRST}:{IDS}").parse()?;
    Ok(UserNs::new(&map)?)
}

/// A filesystem that is mounted until this is dropped.
pub(crate) struct TestMount {
    pub(crate) kind: String,
    pub(crate) manner: Manner,
    /// Where it is mounted.
    base: PathBuf,
    /// Where it is used.
    root: PathBuf,
}

impl TestMount {
    /// Mounts a filesystem with these options. The process is in the user namespace already.
    pub(crate) fn new(kind: &str, manner: Manner, options: &str) -> Result<Self, Box<dyn Error>> {
        let base = Path::new(HERE).join("base");
        fs::create_dir_all(&base)?;
        let text = CString::new(options)?;
        mount(
            kind,
            &base,
            kind,
            MountFlags::empty(),
            Some(text.as_c_str()),
        )
        .map_err(|errno| format!("mounting {kind} with options {options:?}: {errno}"))?;
        let mut test_mount = Self {
            kind: kind.to_owned(),
            manner,
            root: base.clone(),
            base,
        };
        let shift = manner.shift();
        if shift > 0 {
            let root = Path::new(HERE).join("seen");
            fs::create_dir_all(&root)?;
            syscalls::give(&test_mount.base, shift)?;
            test_mount.through(0, IDS / 2)?.attach(&root)?;
            test_mount.root = root;
        }
        Ok(test_mount)
    }

    /// Where it is used.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Another mount of it, in which only `count` ids from `first` on are seen, as themselves.
    pub(crate) fn through(&self, first: u32, count: u32) -> Result<Detached, Box<dyn Error>> {
        let stored = first + self.manner.shift();
        let map: IdMaps = format!("b:{stored}:{first}:{count}").parse()?;
        let userns = UserNs::new(&map)?;
        Ok(IdmappedMount::of(&self.base).map(&userns).detached()?)
    }

    /// Another mount of it, as it is seen here, with an attribute.
    pub(crate) fn with(&self, attribute: Attributes) -> Result<Detached, Box<dyn Error>> {
        Ok(IdmappedMount::of(&self.root).set(attribute).detached()?)
    }

    /// Another mount of it, as it is seen here.
    pub(crate) fn again(&self) -> Result<Detached, Box<dyn Error>> {
        Ok(IdmappedMount::of(&self.root).detached()?)
    }

    /// The path of a path in it as it is stored.
    pub(crate) fn stored(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.root) {
            Ok(below) => self.base.join(below),
            Err(_) => path.to_owned(),
        }
    }

    /// The id that is stored for an id seen here.
    pub(crate) fn stored_id(&self, id: u32) -> u32 {
        id + self.manner.shift()
    }

    /// Unmounts it, which must be possible: nothing of it is in use.
    pub(crate) fn end(self) -> Result<(), idmap::Error> {
        if self.root != self.base {
            unmount(&self.root, false)?;
        }
        unmount(&self.base, false)
    }
}

impl Drop for TestMount {
    fn drop(&mut self) {
        // After `end()` there is nothing left to do, unless that failed.
        let _ = unmount(&self.root, true);
        let _ = unmount(&self.base, true);
    }
}

/// The path of something in another mount of the place.
pub(crate) fn in_mount(test_mount: &TestMount, mount: &Detached, path: &Path) -> PathBuf {
    let below = path.strip_prefix(test_mount.root()).unwrap_or(path);
    Path::new(&syscalls::through(mount.as_fd())).join(below)
}

/// A directory outside of every place.
pub(crate) fn spare(name: &str) -> kselftest::errno::SyscallResult<PathBuf> {
    let path = Path::new(HERE).join(name);
    let made = fs::create_dir_all(&path);
    made.map_err(errno::from_io)?;
    Ok(path)
}
