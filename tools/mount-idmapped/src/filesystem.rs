// SPDX-License-Identifier: GPL-2.0

//! Sources that are filesystems: a device, or an image file with the option `loop`.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, FileTypeExt},
    path::{Path, PathBuf},
    process::Command,
};

use idmap::unmount;

use crate::{options::Options, run::Failure};

/// A directory or a file to be mounted at another place.
pub(crate) enum Source<'a> {
    Path(&'a Path),
    /// The filesystem is mounted at a directory of this program until this value is dropped.
    Mounted(PathBuf),
}

impl<'a> Source<'a> {
    /// Mounts the filesystem of a source that is a device or an image file by mount(8), which knows
    /// its type and sets up a loop device.
    pub(crate) fn open(source: &'a Path, options: &Options) -> Result<Self, Failure> {
        let is_device = fs::metadata(source).is_ok_and(|it| it.file_type().is_block_device());
        if !is_device && !options.is_loop {
            return Ok(Self::Path(source));
        }
        let directory = std::env::temp_dir().join(format!("mount-idmapped.{}", std::process::id()));
        let fail = |text: String| Failure::Unfit(format!("{}: {text}", source.display()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|error| fail(format!("making {}: {error}", directory.display())))?;
        let mut words = Vec::new();
        words.extend(options.is_loop.then_some("loop"));
        words.extend(options.is_read_only().then_some("ro"));
        let mut mount = Command::new("mount");
        if !words.is_empty() {
            mount.arg("-o").arg(words.join(","));
        }
        let status = mount.arg("--").arg(source).arg(&directory).status();
        let failure = match status {
            Ok(status) if status.success() => return Ok(Self::Mounted(directory)),
            Ok(_) => fail("mount(8) has not mounted its filesystem".to_owned()),
            Err(error) => fail(format!("running mount(8): {error}")),
        };
        let _ = fs::remove_dir(&directory);
        Err(failure)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Mounted(path) => path,
        }
    }
}

/// A copy of the mount keeps the filesystem, and the filesystem keeps its loop device.
impl Drop for Source<'_> {
    fn drop(&mut self) {
        if let Self::Mounted(path) = self {
            // Without the mount, the directory would not be empty.
            if unmount(&*path, true).is_ok() {
                let _ = fs::remove_dir(path);
            }
        }
    }
}
