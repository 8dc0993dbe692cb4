// SPDX-License-Identifier: GPL-2.0

//! Sources that are filesystems: a device, or an image file with the option `loop`.

use std::{
    fs,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
    process::Command,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    mount::{MountPropagationFlags, mount_change},
    process::{chroot, fchdir},
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

use crate::{options::Options, run::Failure};

/// Where the filesystem is mounted: a directory that procfs always has, and that mount(8) has no
/// need of.
const PLACE: &str = "/proc/driver";

/// A directory or a file to be mounted at another place.
pub(crate) enum Source<'a> {
    Path(&'a Path),
    /// The filesystem is mounted in a mount namespace of this program, which the kernel removes with
    /// the mount when this program leaves it or is killed.
    Mounted(Left),
}

/// Where this program was before.
pub(crate) struct Left {
    mounts: OwnedFd,
    root: OwnedFd,
    directory: OwnedFd,
}

impl Left {
    /// Moves this program to a new mount namespace, in which a mount at [`PLACE`] is seen by nobody
    /// else. Its root and its working directory stay.
    fn new() -> Result<Self, Errno> {
        let open = |path: &str, flags| openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
        let left = Self {
            mounts: open("/proc/self/ns/mnt", OFlags::RDONLY)?,
            root: open("/", OFlags::PATH)?,
            directory: open(".", OFlags::PATH)?,
        };
        // SAFETY: This program has one thread, and no descriptor is shared anew.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change("/proc", MountPropagationFlags::PRIVATE)?;
        Ok(left)
    }

    /// Moves it back.
    fn back(&self) -> Result<(), Errno> {
        let kind = Some(LinkNameSpaceType::Mount);
        move_into_link_name_space(self.mounts.as_fd(), kind)?;
        fchdir(&self.root)?;
        chroot(".")?;
        fchdir(&self.directory)
    }
}

impl<'a> Source<'a> {
    /// Mounts the filesystem of a source that is a device or an image file by mount(8), which knows
    /// its type and sets up a loop device.
    pub(crate) fn open(source: &'a Path, options: &Options) -> Result<Self, Failure> {
        let is_device = fs::metadata(source).is_ok_and(|it| it.file_type().is_block_device());
        if !is_device && !options.is_loop {
            return Ok(Self::Path(source));
        }
        let fail = |text: String| Failure::Unfit(format!("{}: {text}", source.display()));
        let left = Left::new().map_err(|errno| {
            fail(match errno {
                Errno::PERM => {
                    "mounting its filesystem needs CAP_SYS_ADMIN: run this as root".to_owned()
                }
                errno => format!("making a mount namespace for its filesystem: {errno}"),
            })
        })?;
        let mut words = Vec::new();
        words.extend(options.is_loop.then_some("loop"));
        words.extend(options.is_read_only().then_some("ro"));
        let mut mount = Command::new("mount");
        if !words.is_empty() {
            mount.arg("-o").arg(words.join(","));
        }
        match mount.arg("--").arg(source).arg(PLACE).status() {
            Ok(status) if status.success() => Ok(Self::Mounted(left)),
            Ok(_) => Err(fail("mount(8) has not mounted its filesystem".to_owned())),
            Err(error) => Err(fail(format!("running mount(8): {error}"))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Mounted(_) => Path::new(PLACE),
        }
    }

    /// Moves this program back, once the mount was copied. The copy keeps the filesystem, and the
    /// filesystem keeps its loop device.
    pub(crate) fn close(self) -> Result<(), Failure> {
        let Self::Mounted(left) = self else {
            return Ok(());
        };
        let back = left.back();
        back.map_err(|errno| Failure::Unfit(format!("leaving the mount namespace: {errno}")))
    }
}
