// SPDX-License-Identifier: GPL-2.0

//! What `/proc/self/mountinfo` tells of the mount that a path is on.

use std::{fs, path::Path};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

/// The mount of some path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MountInfo {
    /// The type of its filesystem.
    pub(crate) filesystem: String,
    /// Whether it has a map.
    pub(crate) idmapped: bool,
}

/// The mount that a path is on, if that can be told.
pub(crate) fn of(path: &Path) -> Option<MountInfo> {
    let flags = AtFlags::NO_AUTOMOUNT;
    let status = statx(CWD, path, flags, StatxFlags::MNT_ID).ok()?;
    if status.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return None;
    }
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    find(&table, status.stx_mnt_id)
}

/// Finds a mount by its id.
fn find(table: &str, id: u64) -> Option<MountInfo> {
    let id = id.to_string();
    let line = table
        .lines()
        .find(|line| line.split(' ').next() == Some(&id))?;
    // The sixth field has the mount's options; a lone dash ends the optional fields after it.
    let options = line.split(' ').nth(5)?;
    let filesystem = line.split_once(" - ")?.1.split(' ').next()?;
    Some(MountInfo {
        filesystem: filesystem.to_owned(),
        idmapped: options.split(',').any(|option| option == "idmapped"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 254:16 /d /d rw,relatime,idmapped - xfs /dev/vdb rw
3 22 0:20 / /a\\040-\\040b rw,nosuid - proc proc rw
";

    #[test]
    fn a_mount_is_found_by_its_id() {
        let found = |id| find(TABLE, id).map(|mount| (mount.filesystem, mount.idmapped));
        assert_eq!(found(22), Some(("ext4".to_owned(), false)));
        assert_eq!(found(31), Some(("xfs".to_owned(), true)));
        assert_eq!(found(3), Some(("proc".to_owned(), false)));
        assert_eq!(found(2), None);
    }

    #[test]
    fn the_root_has_one() {
        assert_eq!(of(Path::new("/proc/self/stat")).unwrap().filesystem, "proc");
    }
}
