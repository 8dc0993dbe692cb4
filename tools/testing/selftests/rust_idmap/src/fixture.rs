// SPDX-License-Identifier: GPL-2.0

//! Where operations are tried: a filesystem, and the same through a mount with a map.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kselftest::filesystem::{Feature, Filesystem};
use kselftest::ktap::{failed, Context, Failure, Outcome};
use rustix::fs::{chownat, lgetxattr, llistxattr, lremovexattr, lstat, AtFlags, FileType, CWD};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::attr;
use crate::caller::{CallerNamespaces, CallerNs, Who, DISK};
use crate::ops::exec;

/// A filesystem, and a mount of it with a map.
pub(crate) struct Fixture {
    pub(crate) kind: Filesystem,
    /// As it is.
    pub(crate) disk: PathBuf,
    /// Through the map.
    pub(crate) seen: PathBuf,
}

impl Fixture {
    /// Makes the filesystem and the mounts below `root`.
    pub(crate) fn new(
        kind: Filesystem,
        root: &Path,
        namespaces: &CallerNamespaces,
    ) -> Result<Self, Failure> {
        Self::of(kind, kind.mount(root)?, root, namespaces)
    }

    /// Makes the mount of a directory of a mounted filesystem.
    pub(crate) fn of(
        kind: Filesystem,
        disk: PathBuf,
        root: &Path,
        namespaces: &CallerNamespaces,
    ) -> Result<Self, Failure> {
        let seen = root.join("seen");
        fs::create_dir_all(&seen).context("creating the mount point")?;
        exec::prepare(&disk, kind)?;
        attr::idmap(&disk, &seen, namespaces.mounts.as_fd()).map_err(|errno| match errno {
            Errno::INVAL => failed(format_args!(
                "an idmapped mount fails with EINVAL: does {} set FS_ALLOW_IDMAP?",
                kind.name
            )),
            errno => failed(format_args!("an idmapped mount fails: {errno}")),
        })?;
        Ok(Self { kind, disk, seen })
    }

    /// A directory for one try, with `file` in it, both the owner's; the last one is removed.
    pub(crate) fn case(&self, who: Who, ns: CallerNs) -> Result<TestCase, Failure> {
        let case = TestCase {
            kind: self.kind,
            who,
            ns,
            disk: self.disk.join("t"),
            seen: self.seen.join("t"),
        };
        if case.disk.exists() {
            fs::remove_dir_all(&case.disk).context("removing the last directory")?;
        }
        fs::create_dir(&case.disk).context("making a directory")?;
        case.give(".", DISK, 0o755)?;
        case.file("file", DISK, 0o644)?;
        Ok(case)
    }
}

/// A test case: the caller, its user namespace, and the directory under test.
pub(crate) struct TestCase {
    pub(crate) kind: Filesystem,
    pub(crate) who: Who,
    pub(crate) ns: CallerNs,
    /// The directory as it is.
    pub(crate) disk: PathBuf,
    /// The directory through the map.
    pub(crate) seen: PathBuf,
}

impl TestCase {
    /// A path in the directory on disk.
    pub(crate) fn on_disk(&self, name: &str) -> PathBuf {
        self.disk.join(name)
    }

    /// Makes a file on disk with an owner, the group of the same number, and permission bits.
    pub(crate) fn file(&self, name: &str, owner: u32, mode: u32) -> Result<(), Failure> {
        fs::write(self.on_disk(name), "data\n").context(format_args!("making {name}"))?;
        self.give(name, owner, mode)
    }

    /// Gives this program a name in the directory, with owners and permission bits.
    pub(crate) fn program(&self, name: &str, user: u32, group: u32, mode: u32) -> Outcome {
        let program = self.disk.with_file_name("program");
        // The previous test case may have set it.
        let _ = lremovexattr(&program, "security.capability");
        fs::hard_link(program, self.on_disk(name)).context("naming the program")?;
        self.give_to(name, user, group, mode)
    }

    /// Makes a directory on disk.
    pub(crate) fn directory(&self, name: &str, owner: u32, mode: u32) -> Result<(), Failure> {
        fs::create_dir(self.on_disk(name)).context(format_args!("making {name}"))?;
        self.give(name, owner, mode)
    }

    /// Gives an entry on disk an owner, the group of the same number, and permission bits.
    pub(crate) fn give(&self, name: &str, owner: u32, mode: u32) -> Result<(), Failure> {
        self.give_to(name, owner, owner, mode)
    }

    /// Gives an entry on disk an owner, a group and permission bits, if these are stored at all.
    pub(crate) fn give_to(
        &self,
        name: &str,
        user: u32,
        group: u32,
        mode: u32,
    ) -> Result<(), Failure> {
        if !self.kind.has(Feature::Owners) {
            return Ok(());
        }
        let path = self.on_disk(name);
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(CWD, &path, Some(user), Some(group), flags)
            .context(format_args!("giving {name} to its owner"))?;
        if !path.is_symlink() {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
                .context(format_args!("setting the permissions of {name}"))?;
        }
        Ok(())
    }

    /// The owner and group on disk.
    pub(crate) fn owner(&self, name: &str) -> Result<(u32, u32), Failure> {
        let status = lstat(self.on_disk(name)).context(format_args!("looking at {name}"))?;
        Ok((status.st_uid, status.st_gid))
    }

    /// The permission bits on disk.
    pub(crate) fn mode(&self, name: &str) -> Result<u32, Failure> {
        let status = lstat(self.on_disk(name)).context(format_args!("looking at {name}"))?;
        Ok(status.st_mode & 0o7777)
    }

    /// All that is in the directory, and the directory itself, as they are on disk.
    pub(crate) fn state(&self) -> Result<State, Failure> {
        let mut state = State::new();
        let mut left = vec![self.disk.clone()];
        while let Some(path) = left.pop() {
            let what = format!("looking at {}", path.display());
            let status = lstat(&path).context(&what)?;
            let kind = FileType::from_raw_mode(status.st_mode);
            let mut size = status.st_size;
            if kind == FileType::Directory {
                // Its size goes by names that it once had.
                size = 0;
                for entry in fs::read_dir(&path).context(&what)? {
                    left.push(entry.context(&what)?.path());
                }
            }
            let seen = Seen {
                owner: (status.st_uid, status.st_gid),
                mode: status.st_mode,
                size,
                attributes: attributes(&path).context(&what)?,
            };
            state.insert(path, seen);
        }
        Ok(state)
    }
}

/// The state of all files, by path.
pub(crate) type State = BTreeMap<PathBuf, Seen>;

/// Something in a directory, as it is on disk.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    owner: (u32, u32),
    /// With its type.
    mode: u32,
    size: i64,
    attributes: Vec<(String, Vec<u8>)>,
}

/// The extended attributes, ACLs among them.
fn attributes(path: &Path) -> Result<Vec<(String, Vec<u8>)>, Errno> {
    let mut names = vec![0; 4096];
    let length = match llistxattr(path, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = String::from_utf8_lossy(&names[..length]).into_owned();
    let attribute = |name: &str| {
        let mut value = vec![0; 4096];
        let length = lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        Ok((name.to_owned(), value))
    };
    names.split_terminator('\0').map(attribute).collect()
}
