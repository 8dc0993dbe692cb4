// SPDX-License-Identifier: GPL-2.0

//! The order in which the kernel asks: making, removing and moving names.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use kernel::fs::{
    mode::{InodeFlags, Mask, Mode},
    permission::{InodeAttrs, MappedFsIds},
};
use rustix::{
    fs::{Dir, Mode as OpenMode, OFlags, openat},
    io::Errno,
};

use super::{
    decide::{Deciding, Done},
    node::{Node, xattr},
    reason,
    trace::Stop,
    walk::{Entry, Last, Place, Walk},
};

/// Filesystems that have files and folders only, without owners.
const FAT: &[&str] = &["vfat", "msdos", "exfat"];

fn is_fat(node: &Node) -> bool {
    FAT.contains(&&*node.mount.filesystem)
}

const WRITE_AND_SEARCH: Mask = Mask::MAY_WRITE.with(Mask::MAY_EXEC);

/// Whether the caller may write to and search a folder.
fn folder(walk: &mut Walk<'_>, node: &Node) -> Result<(), Stop> {
    let what = || "writing to the folder".to_owned();
    walk.permission("inode_permission", what, node, WRITE_AND_SEARCH)
}

/// Whose it is what the caller makes in a folder.
///
/// Mirrors `may_o_create()`, and `may_create_dentry()` for a folder that is there.
fn may_create(deciding: &mut Deciding<'_, '_>, dir: &Node) -> Result<MappedFsIds, Stop> {
    let walk = &mut *deciding.walk;
    let access = walk.access(dir);
    // The folder's permission is asked for after this, as a step of its own.
    let owner = access.may_o_create(dir, || Ok(()));
    let owner = walk.trace.decide(
        "fsuidgid_has_mapping",
        || "storing the caller's ids as the new owner".to_owned(),
        owner,
        || reason::mapped_fsids(walk.caller, dir),
    )?;
    folder(walk, dir)?;
    Ok(owner)
}

/// What is stored for something new.
fn made(deciding: &Deciding<'_, '_>, dir: &Node, owner: MappedFsIds, mode: Mode) -> Done {
    let has_default_acl =
        !mode.is_lnk() && xattr(&dir.best_path(), "system.posix_acl_default").is_ok();
    let umask = || Mode::new(deciding.settings.umask);
    let access = deciding.walk.access(dir);
    let mode = access.vfs_prepare_mode(dir, mode, Mode::new(0o7777), mode.kind(), umask);
    let mode = if mode.is_lnk() {
        mode
    } else {
        // Where there are ACLs, the filesystem does this.
        mode.without(umask())
    };
    let mut after = owner.ownership_in(dir, mode);
    if has_default_acl {
        after.mode = Mode::EMPTY;
    }
    Done { after: Some(after) }
}

/// `open(O_CREAT | O_EXCL)`.
pub(super) fn create(deciding: &mut Deciding<'_, '_>, path: &Path) -> Result<Done, Stop> {
    let place = deciding.walk.parent(path)?;
    deciding.show(&place.folder);
    let trace = &mut *deciding.walk.trace;
    let what = "making a file";
    if place.last == Last::Name {
        let why = "the path ends with a slash, hence names a folder";
        trace.refuse_if(place.slash, "open_last_lookups", what, Errno::ISDIR, why)?;
    }
    let exists = place.last != Last::Name || deciding.walk.entry(&place)?.is_some();
    let why = "something of that name is there";
    let trace = &mut *deciding.walk.trace;
    trace.refuse_if(exists, "do_open", what, Errno::EXIST, why)?;
    create_at(deciding, &place)
}

/// Mirrors what `lookup_open()` does where nothing is.
pub(super) fn create_at(deciding: &mut Deciding<'_, '_>, place: &Place) -> Result<Done, Stop> {
    deciding.show(&place.folder);
    deciding.want_write(&place.folder)?;
    let owner = may_create(deciding, &place.folder)?;
    Ok(made(deciding, &place.folder, owner, Mode::new(0o100666)))
}

/// A place for a new name; mirrors `filename_create()`.
fn new_place(deciding: &mut Deciding<'_, '_>, path: &Path, is_dir: bool) -> Result<Place, Stop> {
    let place = deciding.walk.parent(path)?;
    deciding.show(&place.folder);
    let exists = place.last != Last::Name || deciding.walk.entry(&place)?.is_some();
    let (what, why) = ("making a name", "something of that name is there");
    let trace = &mut *deciding.walk.trace;
    trace.refuse_if(exists, "filename_create", what, Errno::EXIST, why)?;
    let slash = place.slash && !is_dir;
    let why = "the path ends with a slash, and no folder is to be made";
    trace.refuse_if(slash, "filename_create", what, Errno::NOENT, why)?;
    deciding.want_write(&place.folder)?;
    Ok(place)
}

/// `mkdir()`, `mkfifo()` and `symlink()`.
pub(super) fn make(deciding: &mut Deciding<'_, '_>, path: &Path, mode: Mode) -> Result<Done, Stop> {
    let place = new_place(deciding, path, mode.is_dir())?;
    let owner = may_create(deciding, &place.folder)?;
    deciding.walk.trace.refuse_if(
        is_fat(&place.folder) && !mode.is_dir(),
        "vfs_mknod",
        "making it",
        Errno::PERM,
        "the filesystem has no such objects",
    )?;
    Ok(made(deciding, &place.folder, owner, mode))
}

/// `open(O_TMPFILE)`; mirrors `do_tmpfile()`.
pub(super) fn tmpfile(deciding: &mut Deciding<'_, '_>, path: &Path) -> Result<Done, Stop> {
    let found = deciding.lookup(path, true)?;
    let dir = &found.node;
    let (what, why) = ("making a file in it", "it is no folder");
    let trace = &mut *deciding.walk.trace;
    let is_dir = dir.mode().is_dir();
    trace.refuse_if(!is_dir, "path_lookupat", what, Errno::NOTDIR, why)?;
    deciding.want_write(dir)?;
    let owner = may_create(deciding, dir)?;
    let why = "the filesystem has no files without a name";
    let trace = &mut *deciding.walk.trace;
    trace.refuse_if(is_fat(dir), "vfs_tmpfile", what, Errno::OPNOTSUPP, why)?;
    Ok(made(deciding, dir, owner, Mode::new(0o100666)))
}

/// The victim of a removal, which must be there.
fn victim(deciding: &mut Deciding<'_, '_>, place: &Place) -> Result<Entry, Stop> {
    match deciding.walk.entry(place)? {
        Some(entry) => {
            deciding.show(&entry.node);
            Ok(entry)
        }
        None => deciding.walk.missing(place),
    }
}

/// Whether a name may be removed; mirrors `may_delete_dentry()`.
fn may_delete(
    deciding: &mut Deciding<'_, '_>,
    dir: &Node,
    node: &Node,
    as_dir: bool,
) -> Result<(), Stop> {
    let walk = &mut *deciding.walk;
    let access = walk.access(dir);
    if let Some(text) = reason::unmapped(walk.caller, node) {
        let verdict = access.may_delete(dir, node, || Ok(()));
        let what = || "removing the name".to_owned();
        let why = || format!("{text}, and its link count would be stored with it");
        walk.trace.decide("may_delete_dentry", what, verdict, why)?;
    }
    folder(walk, dir)?;
    let access = walk.access(dir);
    let verdict = access.may_delete(dir, node, || Ok(()));
    let why = || {
        if dir.flags().has(InodeFlags::S_APPEND) {
            "the folder is append-only (chattr +a)".to_owned()
        } else if access.check_sticky(dir, node) {
            let why = reason::not_owner(walk.caller, node, "CAP_FOWNER");
            format!("the folder is sticky and not the caller's; {why}")
        } else {
            "it is immutable or append-only (chattr), or swap".to_owned()
        }
    };
    let what = || "removing the name".to_owned();
    walk.trace.decide("may_delete_dentry", what, verdict, why)?;
    let is_dir = node.mode().is_dir();
    let (rule, what) = ("may_delete_dentry", "removing the name");
    let trace = &mut *walk.trace;
    trace.refuse_if(
        as_dir && !is_dir,
        rule,
        what,
        Errno::NOTDIR,
        "it is no folder",
    )?;
    trace.refuse_if(
        !as_dir && is_dir,
        rule,
        what,
        Errno::ISDIR,
        "it is a folder",
    )
}

fn not_mounted_on(deciding: &mut Deciding<'_, '_>, entry: &Entry) -> Result<(), Stop> {
    deciding.walk.trace.refuse_if(
        entry.is_mounted_on,
        "is_local_mountpoint",
        "removing the name",
        Errno::BUSY,
        "something is mounted on it",
    )
}

/// Whether a folder has entries.
fn is_filled(node: &Node) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(file) = openat(node.best(), ".", flags, OpenMode::empty()) else {
        return false;
    };
    let Ok(mut entries) = Dir::new(file) else {
        return false;
    };
    entries
        .any(|entry| entry.is_ok_and(|entry| !matches!(entry.file_name().to_bytes(), b"." | b"..")))
}

/// Mirrors `filename_unlinkat()`.
pub(super) fn unlink(deciding: &mut Deciding<'_, '_>, path: &Path) -> Result<Done, Stop> {
    let place = deciding.walk.parent(path)?;
    deciding.show(&place.folder);
    let (rule, what) = ("filename_unlinkat", "removing the name");
    let is_name = place.last == Last::Name;
    let trace = &mut *deciding.walk.trace;
    trace.refuse_if(
        !is_name,
        rule,
        what,
        Errno::ISDIR,
        "the path names a folder",
    )?;
    deciding.want_write(&place.folder)?;
    let entry = victim(deciding, &place)?;
    let node = &entry.node;
    let trace = &mut *deciding.walk.trace;
    if place.slash {
        let errno = if node.mode().is_dir() {
            Errno::ISDIR
        } else {
            Errno::NOTDIR
        };
        let why = "the path ends with a slash, hence names a folder";
        trace.refuse_if(true, rule, what, errno, why)?;
    }
    may_delete(deciding, &place.folder, node, false)?;
    not_mounted_on(deciding, &entry)?;
    Ok(Done::default())
}

/// Mirrors `filename_rmdir()`.
pub(super) fn rmdir(deciding: &mut Deciding<'_, '_>, path: &Path) -> Result<Done, Stop> {
    let place = deciding.walk.parent(path)?;
    deciding.show(&place.folder);
    let errno = match place.last {
        Last::Name => None,
        Last::DotDot => Some(Errno::NOTEMPTY),
        Last::Dot => Some(Errno::INVAL),
        Last::Root => Some(Errno::BUSY),
    };
    if let Some(errno) = errno {
        let what = "removing the folder".to_owned();
        let why = "the path does not end with its name".to_owned();
        return deciding
            .walk
            .trace
            .refuse("filename_rmdir", what, errno, why);
    }
    deciding.want_write(&place.folder)?;
    let entry = victim(deciding, &place)?;
    may_delete(deciding, &place.folder, &entry.node, true)?;
    not_mounted_on(deciding, &entry)?;
    empty(deciding, &entry.node)?;
    Ok(Done::default())
}

fn empty(deciding: &mut Deciding<'_, '_>, node: &Node) -> Result<(), Stop> {
    deciding.walk.trace.refuse_if(
        is_filled(node),
        "->rmdir",
        "removing the folder",
        Errno::NOTEMPTY,
        "it is not empty",
    )
}

/// Whether `node` is `folder` or above it, on the same mount.
fn is_above(node: &Node, folder: &Node) -> bool {
    fn open(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat(at, name, flags, OpenMode::empty())
    }
    let Ok(mut at) = open(folder.best(), ".") else {
        return false;
    };
    let mut before = None;
    loop {
        let Ok(status) = rustix::fs::fstat(&at) else {
            return false;
        };
        let key = (status.st_dev, status.st_ino);
        if key
            == (
                rustix::fs::makedev(node.device.0, node.device.1),
                node.inode,
            )
        {
            return true;
        }
        // At the root, what is above is the same.
        if before == Some(key) {
            return false;
        }
        before = Some(key);
        let Ok(above) = open(at.as_fd(), "..") else {
            return false;
        };
        at = above;
    }
}

/// Mirrors `filename_renameat2()` and `vfs_rename()`.
pub(super) fn rename(
    deciding: &mut Deciding<'_, '_>,
    from: &Path,
    to: &Path,
) -> Result<Done, Stop> {
    let old = deciding.walk.parent(from)?;
    deciding.show(&old.folder);
    let new = deciding.walk.parent(to)?;
    let (rule, what) = ("filename_renameat2", "moving the name");
    let trace = &mut *deciding.walk.trace;
    let apart = old.folder.mount.key != new.folder.mount.key;
    trace.refuse_if(apart, rule, what, Errno::XDEV, "the two are on two mounts")?;
    let odd = old.last != Last::Name || new.last != Last::Name;
    let why = "a path does not end with a name";
    trace.refuse_if(odd, rule, what, Errno::BUSY, why)?;
    deciding.want_write(&old.folder)?;
    let from = victim(deciding, &old)?;
    let onto = deciding.walk.entry(&new)?;
    let source = &from.node;
    let target = onto.as_ref().map(|entry| &entry.node);
    let crosses = !old.folder.is(&new.folder);
    let is_dir = source.mode().is_dir();
    let trace = &mut *deciding.walk.trace;
    if crosses {
        let inside = is_dir && is_above(source, &new.folder);
        let why = "a folder cannot be moved into itself";
        trace.refuse_if(inside, "lock_rename", what, Errno::INVAL, why)?;
        let around = target.is_some_and(|target| is_above(target, &old.folder));
        let why = "what is to be replaced has the name in it";
        trace.refuse_if(around, "lock_rename", what, Errno::NOTEMPTY, why)?;
    }
    let slash = !is_dir && (old.slash || new.slash);
    let why = "a path ends with a slash, hence names a folder";
    trace.refuse_if(slash, rule, what, Errno::NOTDIR, why)?;
    if target.is_some_and(|target| target.is(source)) {
        // Two names of one file are left as they are.
        return Ok(Done::default());
    }
    may_delete(deciding, &old.folder, source, is_dir)?;
    match target {
        None => drop(may_create(deciding, &new.folder)?),
        Some(target) => may_delete(deciding, &new.folder, target, is_dir)?,
    }
    if crosses && is_dir {
        let what = || "changing the folder's own entry for its parent".to_owned();
        let walk = &mut *deciding.walk;
        walk.permission("vfs_rename", what, source, Mask::MAY_WRITE)?;
    }
    not_mounted_on(deciding, &from)?;
    if let Some(onto) = &onto {
        not_mounted_on(deciding, onto)?;
        if onto.node.mode().is_dir() {
            empty(deciding, &onto.node)?;
        }
    }
    Ok(Done::default())
}

/// Mirrors `filename_linkat()` and `vfs_link()`.
pub(super) fn link(deciding: &mut Deciding<'_, '_>, from: &Path, to: &Path) -> Result<Done, Stop> {
    let found = deciding.lookup(from, false)?;
    let node = &found.node;
    let new = new_place(deciding, to, false)?;
    deciding.show(node);
    let what = "giving it another name";
    let apart = node.mount.key != new.folder.mount.key;
    let why = "the two are on two mounts";
    let trace = &mut *deciding.walk.trace;
    trace.refuse_if(apart, "filename_linkat", what, Errno::XDEV, why)?;

    let walk = &mut *deciding.walk;
    let access = walk.access(node);
    let protected = deciding.settings.protected_hardlinks;
    let verdict = access.may_linkat(node, protected, |mask| {
        access.mapped_inode_permission(node, mask, || access.mapped_generic_permission(node, mask))
    });
    let caller = walk.caller;
    let why = || match reason::unmapped(caller, node) {
        Some(text) => format!("{text}, and its link count would be stored with it"),
        None => {
            let why = reason::not_owner(caller, node, "CAP_FOWNER");
            format!(
                "fs.protected_hardlinks: it is no plain file that the caller may read and write; \
                 {why}"
            )
        }
    };
    walk.trace
        .decide("may_linkat", || what.to_owned(), verdict, why)?;
    may_create(deciding, &new.folder)?;
    let walk = &mut *deciding.walk;
    let verdict = walk.access(node).may_write_xattr(node);
    let why = || "it is immutable or append-only (chattr)".to_owned();
    walk.trace
        .decide("vfs_link", || what.to_owned(), verdict, why)?;
    let trace = &mut *walk.trace;
    let why = "the filesystem has no second names";
    trace.refuse_if(is_fat(node), "vfs_link", what, Errno::PERM, why)?;
    let is_dir = node.mode().is_dir();
    trace.refuse_if(is_dir, "vfs_link", what, Errno::PERM, "it is a folder")?;
    Ok(Done::default())
}
