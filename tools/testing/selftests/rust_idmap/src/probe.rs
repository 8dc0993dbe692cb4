// SPDX-License-Identifier: GPL-2.0

//! Finds out which features a mounted filesystem has.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{ioctl_getflags, FileType, OFlags, RenameFlags};

use crate::filesystem::{program, Feature};
use crate::ktap::{Context, Failure};
use crate::{acl, handle, syscalls};

/// Owner and group that the root user does not have.
const OWNER: u32 = 1234;

/// Tries each feature in a new directory below `root`, and removes the directory. Returns the
/// features that the filesystem lacks. [`Feature::Cache`] is none that can be tried.
pub fn lacks(root: &Path) -> Result<Vec<Feature>, Failure> {
    let directory = root.join("probe");
    fs::create_dir(&directory).context(format_args!("creating {}", directory.display()))?;
    let file = directory.join("file");
    File::create(&file).context(format_args!("creating {}", file.display()))?;
    let features = [
        (Feature::Owners, owners(&directory)),
        (Feature::Xattr, xattr(&file)),
        (
            Feature::Acl,
            set(
                &file,
                acl::ACCESS,
                &acl::with_entry(6, (acl::USER, 4, OWNER), 4, 0),
            ),
        ),
        (
            Feature::Tmpfile,
            syscalls::open(&directory, OFlags::TMPFILE | OFlags::RDWR, 0o600).is_ok(),
        ),
        (
            Feature::Flags,
            File::open(&file).is_ok_and(|file| ioctl_getflags(file).is_ok()),
        ),
        (Feature::Handles, handle::of(&file, 0).is_ok()),
        (Feature::Exchange, exchange(&directory)),
        (Feature::UpperLayer, upper_layer(&directory)),
    ];
    fs::remove_dir_all(&directory).context(format_args!("removing {}", directory.display()))?;
    let lacking = features.into_iter().filter(|(_, has)| !has);
    Ok(lacking.map(|(feature, _)| feature).collect())
}

/// Tries an owner, mode bits, a symbolic link and a FIFO.
fn owners(directory: &Path) -> bool {
    let (file, fifo) = (directory.join("owned"), directory.join("fifo"));
    let tried = syscalls::create(&file, 0o600)
        .and_then(|_| syscalls::give(&file, OWNER))
        .and_then(|()| syscalls::chmod(&file, 0o2711))
        .and_then(|()| syscalls::symlink("owned", directory.join("link")))
        .and_then(|()| syscalls::mknod(fifo, FileType::Fifo, 0o600, 0));
    tried.is_ok()
        && syscalls::owner(&file) == Ok((OWNER, OWNER))
        && syscalls::mode(&file) == Ok(0o2711)
}

fn set(file: &Path, name: &str, value: &[u8]) -> bool {
    syscalls::set_xattr(file, name, value).is_ok()
        && syscalls::get_xattr(file, name).is_ok_and(|stored| stored == value)
}

fn exchange(directory: &Path) -> bool {
    let (one, other) = (directory.join("file"), directory.join("other"));
    File::create(&other).is_ok()
        && syscalls::rename_with(&one, &other, RenameFlags::EXCHANGE).is_ok()
}

fn xattr(file: &Path) -> bool {
    ["user.probe", "security.probe"]
        .iter()
        .all(|name| set(file, name, b"value"))
}

/// Mounts overlayfs with its upper layer in the directory, and creates a file.
fn upper_layer(directory: &Path) -> bool {
    let path = |name: &str| directory.join(name);
    let names = ["lower", "upper", "work", "merged"];
    if names.iter().any(|name| fs::create_dir(path(name)).is_err()) {
        return false;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        path("lower").display(),
        path("upper").display(),
        path("work").display()
    );
    let merged = path("merged");
    let target = merged.to_string_lossy();
    if program(&["mount", "-t", "overlay", "-o", &options, "overlay", &target]).is_err() {
        return false;
    }
    let created = File::create(merged.join("file")).is_ok();
    program(&["umount", &target]).is_ok() && created
}
