// SPDX-License-Identifier: GPL-2.0

//! The tree that is attacked, and what is on disk of it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use kselftest::{
    acl,
    errno::{SyscallResult, from_io},
    fscaps,
    rng::Rng,
    syscalls,
};
use rustix::io::Errno;

use crate::ids::Old;

/// The content of files that no id which the nested idmap maps may read: neither as owner, nor by
/// group, ACL or mode.
pub(crate) const SECRET: &[u8] = b"secret\n";
/// The content of other files.
pub(crate) const PUBLIC: &[u8] = b"public\n";

/// Makes a tree whose inodes have all kinds of owners, modes and attributes.
pub(crate) fn populate(root: &Path, old: Old, rng: &mut Rng) -> SyscallResult {
    let owner = old.stored(0);
    syscalls::chown(root, Some(owner), Some(owner))?;
    syscalls::chmod(root, 0o777)?;
    for outer in 0..8 {
        let dir = root.join(format!("d{outer}"));
        syscalls::mkdir(&dir, 0o700)?;
        for inner in 0..3 {
            let below = dir.join(format!("d{inner}"));
            syscalls::mkdir(&below, 0o700)?;
            for number in 0..4 {
                file(&below.join(format!("f{number}")), old, rng)?;
            }
            finish(&below, old, rng, true)?;
        }
        for number in 0..8 {
            file(&dir.join(format!("f{number}")), old, rng)?;
        }
        finish(&dir, old, rng, true)?;
    }
    Ok(())
}

fn file(path: &Path, old: Old, rng: &mut Rng) -> SyscallResult {
    syscalls::write_file(path, PUBLIC)?;
    finish(path, old, rng, false)
}

/// Sets attributes, the owner before the mode.
fn finish(path: &Path, old: Old, rng: &mut Rng, dir: bool) -> SyscallResult {
    let owners = old.owners();
    let (user, group) = (rng.pick(&owners), rng.pick(&owners));
    syscalls::chown(path, Some(user), Some(group))?;
    if !dir && rng.once_in(6) {
        let caps = fscaps::encode(fscaps::NET_RAW, Some(old.stored(0)));
        syscalls::set_xattr(path, fscaps::NAME, &caps)?;
    }
    let modes = match dir {
        true => [0o777, 0o1777, 0o2777, 0o755, 0o3775, 0o711],
        false => [0o600, 0o640, 0o660, 0o666, 0o6755, 0o604],
    };
    let mode = rng.pick(&modes);
    syscalls::chmod(path, mode)?;
    let mut readers = vec![user, group];
    if rng.once_in(4) {
        let entry = (
            rng.pick(&[acl::USER, acl::GROUP]),
            rng.pick(&[0, 6]),
            rng.pick(&owners),
        );
        readers.push(entry.2);
        let list = acl::with_entry((mode >> 6 & 7) as u16, entry, 7, (mode & 7) as u16);
        // Not every filesystem has ACLs.
        match syscalls::set_xattr(path, acl::ACCESS, &list) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    let is_mapped = readers.iter().any(|id| old.is_mapped(*id));
    if !dir && !is_mapped && mode & 4 == 0 {
        syscalls::write_file(path, SECRET)?;
        // Writing removes the special bits.
        syscalls::chmod(path, mode)?;
    }
    Ok(())
}

/// What an inode has on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    path: PathBuf,
    pub(crate) user: u32,
    pub(crate) group: u32,
    mode: u32,
    links: u64,
    size: u64,
    changed: (i64, i64),
    contents: Vec<u8>,
    names: Vec<String>,
    xattrs: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// Compares all but the path, which a rename of a directory above changes.
    fn is_same(&self, other: &Self) -> bool {
        let path = self.path.clone();
        *self
            == Self {
                path,
                ..other.clone()
            }
    }

    /// Likewise, and not the time of the last change.
    fn is_same_but_for_time(&self, other: &Self) -> bool {
        let changed = self.changed;
        self.is_same(&Self {
            changed,
            ..other.clone()
        })
    }
}

/// All inodes below a directory, by their numbers.
pub(crate) type Snapshot = BTreeMap<u64, Record>;

/// Reads all inodes below a directory.
pub(crate) fn snapshot(dir: &Path) -> SyscallResult<Snapshot> {
    let mut found = Snapshot::new();
    read(dir, &mut found)?;
    Ok(found)
}

fn read(path: &Path, found: &mut Snapshot) -> SyscallResult {
    let stat = fs::symlink_metadata(path).map_err(from_io)?;
    let mut names = Vec::new();
    let mut contents = Vec::new();
    if stat.is_dir() {
        names = syscalls::names(path)?;
        names.sort_unstable();
    } else if stat.is_file() {
        contents = syscalls::read_file(path)?;
    }
    let mut xattrs = Vec::new();
    if !stat.is_symlink() {
        for name in syscalls::list_xattr(path)? {
            let value = syscalls::get_xattr(path, &name)?;
            xattrs.push((name, value));
        }
    }
    for name in names.iter().filter(|name| *name != "." && *name != "..") {
        read(&path.join(name), found)?;
    }
    let record = Record {
        path: path.to_owned(),
        user: stat.uid(),
        group: stat.gid(),
        mode: stat.mode(),
        links: stat.nlink(),
        size: stat.size(),
        changed: (stat.ctime(), stat.ctime_nsec()),
        contents,
        names,
        xattrs,
    };
    found.insert(stat.ino(), record);
    Ok(())
}

/// What the attack did to the disk.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// How many inodes that the nested idmap maps changed, came or went.
    pub(crate) changed: usize,
    /// How many inodes it does not map.
    pub(crate) kept: usize,
    /// What happened to inodes that it does not map.
    pub(crate) breaches: Vec<String>,
}

impl Damage {
    fn changed_to(&mut self, was: &Record, now: &Record) {
        self.breaches.push(format!("changed: {was:?} to {now:?}"));
    }
}

/// Compares two snapshots. `is_id_mapped` returns whether the nested idmap maps a stored id.
pub(crate) fn compare(
    before: &Snapshot,
    after: &Snapshot,
    is_id_mapped: impl Fn(u32) -> bool,
) -> Damage {
    let is_mapped = |record: &Record| is_id_mapped(record.user) && is_id_mapped(record.group);
    let mut damage = Damage::default();
    for (ino, record) in before {
        let now = after.get(ino);
        if is_mapped(record) {
            damage.changed += usize::from(now.is_none_or(|now| !record.is_same(now)));
            continue;
        }
        // The owner may give an inode another group, and then do all to it. Before that, the owner
        // may set the flags of chattr(1), which changes the time. Both need no new mount.
        if is_id_mapped(record.user) {
            let is_kept = |now: &Record| record.is_same_but_for_time(now);
            if now.is_none_or(is_mapped) {
                damage.changed += 1;
                continue;
            }
            damage.kept += 1;
            if let Some(now) = now.filter(|now| !is_kept(now)) {
                damage.changed_to(record, now);
            }
            continue;
        }
        damage.kept += 1;
        match now {
            None => damage.breaches.push(format!("gone: {record:?}")),
            Some(now) if !record.is_same(now) => damage.changed_to(record, now),
            Some(_) => {}
        }
    }
    for (ino, record) in after {
        let was = before.get(ino);
        if was.is_none() {
            damage.changed += 1;
        }
        if !is_mapped(record) && was.is_none_or(is_mapped) {
            damage.breaches.push(format!("made: {record:?}"));
        }
    }
    damage
}
