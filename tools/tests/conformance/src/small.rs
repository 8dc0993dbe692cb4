// SPDX-License-Identifier: GPL-2.0

//! A filesystem with own options, and its free space.

use std::{
    ffi::CString,
    path::{Path, PathBuf},
};

use idmap::unmount;
use kselftest::errno::SyscallResult;
use kselftest::mounts;
use rustix::{
    io::Errno,
    mount::{MountFlags, mount, mount_remount},
};

use crate::test_mount;

/// A filesystem that is mounted until this is dropped.
pub(crate) struct Small {
    root: PathBuf,
}

/// The counts of `statfs()`, in pages and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) blocks: u64,
    pub(crate) free_blocks: u64,
    pub(crate) inodes: u64,
    pub(crate) free_inodes: u64,
}

impl Small {
    /// Mounts one, at `/run/conformance/NAME`.
    pub(crate) fn new(kind: &str, name: &str, options: &str) -> SyscallResult<Self> {
        let root = test_mount::spare(name)?;
        let data = CString::new(options).map_err(|_| Errno::INVAL)?;
        mount(kind, &root, kind, MountFlags::empty(), data.as_c_str())?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Changes its options.
    pub(crate) fn remount(&self, options: &str) -> SyscallResult<()> {
        remount(&self.root, options)
    }

    pub(crate) fn space(&self) -> SyscallResult<Space> {
        let all = rustix::fs::statfs(&self.root)?;
        Ok(Space {
            blocks: all.f_blocks,
            free_blocks: all.f_bfree,
            inodes: all.f_files,
            free_inodes: all.f_ffree,
        })
    }

    /// Its options, as `/proc/self/mountinfo` shows them.
    pub(crate) fn options(&self) -> SyscallResult<Vec<String>> {
        let options = mounts::at(&self.root)?.super_options;
        Ok(options.split(',').map(str::to_owned).collect())
    }

    /// Unmounts it, which must be possible: nothing of it is in use.
    pub(crate) fn end(self) -> SyscallResult<()> {
        let flags = rustix::mount::UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&self.root, flags)
    }
}

/// Changes the options of the filesystem that is mounted at `root`.
pub(crate) fn remount(root: &Path, options: &str) -> SyscallResult<()> {
    mount_remount(root, MountFlags::empty(), options)
}

impl Drop for Small {
    fn drop(&mut self) {
        // After `end()` there is none, unless one of the same name has been mounted since.
        let _ = unmount(&self.root, true);
    }
}
