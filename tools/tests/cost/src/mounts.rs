// SPDX-License-Identifier: GPL-2.0

//! The tree that is measured, and the mounts that it is seen through.

use idmap::{IdMaps, IdmappedMount, UserNs, unmount};
use rustix::mount::{MountFlags, mount};
use std::{error::Error, fs, os::unix::fs::chown};

/// Where the tree is.
const DISK: &str = "/run/cost";
/// Where it is seen through the mount that is measured.
pub(crate) const SEEN: &str = "/mnt";

/// An owner, as stored and as seen through a mount.
pub(crate) struct Owner {
    pub(crate) disk: u32,
    pub(crate) seen: u32,
}

/// A tmpfs with `d/e/f`.
pub(crate) struct Tree;

/// The tree, mounted once more at [`SEEN`] until this is dropped.
pub(crate) struct Mount {
    size: u32,
}

/// The range with this index: two ids, then a gap of one.
fn range(index: u32) -> (u32, u32, u32) {
    (1000 + 3 * index, 5000 + 3 * index, 2)
}

impl Tree {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(DISK)?;
        mount("tmpfs", DISK, "tmpfs", MountFlags::empty(), None)?;
        fs::create_dir_all(format!("{DISK}/d/e"))?;
        fs::write(format!("{DISK}/d/e/f"), "")?;
        Ok(Self)
    }

    pub(crate) fn set_owner(&self, id: u32) -> Result<(), Box<dyn Error>> {
        for path in ["", "d", "d/e", "d/e/f"] {
            chown(format!("{DISK}/{path}"), Some(id), Some(id))?;
        }
        Ok(())
    }

    pub(crate) fn mount(&self, size: u32) -> Result<Mount, Box<dyn Error>> {
        let source = IdmappedMount::of(DISK);
        if size == 0 {
            source.attach(SEEN)?;
        } else {
            let map: String = (0..size)
                .map(|index| {
                    let (first, lower, count) = range(index);
                    format!("{first} {lower} {count}\n")
                })
                .collect();
            let userns = UserNs::new(&IdMaps::from_proc(&map, &map)?)?;
            source.map(&userns).attach(SEEN)?;
        }
        Ok(Mount { size })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = unmount(DISK, false);
    }
}

impl Mount {
    /// The owners that can be seen through the mount, one for each range.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Owner> + use<> {
        let idmapped = self.size > 0;
        (0..self.size.max(1)).map(move |index| {
            let (disk, lower, _) = range(index);
            let seen = if idmapped { lower } else { disk };
            Owner { disk, seen }
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = unmount(SEEN, false);
    }
}
