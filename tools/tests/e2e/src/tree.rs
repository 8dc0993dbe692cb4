// SPDX-License-Identifier: GPL-2.0

//! Makes the files that a scene begins with.

use std::{fs, path::Path};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::{
    report::{Context, Failure},
    syscalls,
};

/// The type of an entry.
pub(crate) enum Entry<'a> {
    Directory,
    File(&'a [u8]),
    Link(&'a str),
    Fifo,
    /// A character device.
    Device(u32, u32),
}

/// Makes one entry with its owner (and the group of the same number) and its permissions; the
/// directory above it must be there. `.` is the root of the tree, which is there.
pub(crate) fn make(
    root: &Path,
    name: &str,
    entry: &Entry<'_>,
    owner: u32,
    mode: u32,
) -> Result<(), Failure> {
    let path = root.join(name);
    let special = |kind, device| mknodat(CWD, &path, kind, Mode::empty(), device);
    match entry {
        Entry::Directory if name == "." => Ok(()),
        Entry::Directory => fs::create_dir(&path),
        Entry::File(contents) => fs::write(&path, contents),
        Entry::Link(target) => std::os::unix::fs::symlink(target, &path),
        Entry::Fifo => special(FileType::Fifo, 0).map_err(Into::into),
        Entry::Device(major, minor) => {
            special(FileType::CharacterDevice, makedev(*major, *minor)).map_err(Into::into)
        }
    }
    .context(format_args!("making {}", path.display()))?;
    syscalls::chown(&path, owner).context(format_args!("giving {} to {owner}", path.display()))?;
    match entry {
        // A link has no permissions of its own.
        Entry::Link(_) => Ok(()),
        // After the owner, the change of which takes set-user-id away.
        _ => syscalls::chmod(&path, mode)
            .context(format_args!("changing the mode of {}", path.display())),
    }
}
