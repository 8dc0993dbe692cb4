// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The order in which the kernel asks: making, removing and moving names.

use kernel::{
    fs::{
        mode::{InodeFlags, Mask, Mode},
        permission::{InodeAttrs, MappedFsIds},
    },
    uidgid::{Group, Kind, User},
};
use rustix::io::Errno;

use super::{
    decide::{Deciding, Done},
    layers::Layers,
    lookup::{Entry, Last, Place, Route},
    node::{Node, xattr},
    reason, subvolume,
    trace::Stop,
    tree::{is_above, is_filled},
    view::raw,
};

/// Filesystems that have files and directorys only, without owners.
const FAT: &[&str] = &["vfat", "msdos", "exfat"];

fn is_fat(node: &Node) -> bool {
    FAT.contains(&&*node.mount.filesystem)
}

const WRITE_AND_SEARCH: Mask = Mask::MAY_WRITE.with(Mask::MAY_EXEC);

/// Whether the caller may write to and search a directory.
fn writable(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    let what = || "writing to the directory".to_owned();
    deciding.permission("inode_permission", what, node, WRITE_AND_SEARCH)
}

/// Whose it is what the caller makes in a directory.
///
/// Mirrors `may_o_create()`, and `may_create_dentry()` for a directory that is there.
pub(super) fn may_create(deciding: &mut Deciding<'_>, dir: &Node) -> Result<MappedFsIds, Stop> {
    let access = deciding.access(dir);
    // The directory's permission is asked for after this, as a step of its own.
    let owner = access.may_o_create(dir, || Ok(()));
    let owner = deciding.trace.decide(
        "fsuidgid_has_mapping",
        || "storing the caller's ids as the new owner".to_owned(),
        owner,
        || reason::mapped_fsids(deciding.caller, dir),
    )?;
    writable(deciding, dir)?;
    copy_up(deciding, dir)?;
    let stored = owner.ownership_in(dir, Mode::EMPTY);
    in_layer(
        deciding,
        dir,
        Some(raw(stored.owner)),
        Some(raw(stored.group)),
    )?;
    Ok(owner)
}

/// Whether overlayfs can copy an object to the layer that it writes to, if it must.
pub(super) fn copy_up(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    let layers = node.mount.layers();
    if !layers.is_some_and(|layers| layers.is_complete() && !layers.is_upper(node)) {
        return Ok(());
    }
    let (user, group) = (raw(node.i_uid()), raw(node.i_gid()));
    in_layer(deciding, node, Some(user), Some(group))
}

/// Whether the layer that overlayfs writes to can store an owner and a group.
///
/// Mirrors `ovl_create_real()` and `ovl_setattr()`, which go through the mount of the layer.
pub(super) fn in_layer(
    deciding: &mut Deciding<'_>,
    node: &Node,
    user: Option<u32>,
    group: Option<u32>,
) -> Result<(), Stop> {
    let Some(upper) = node.mount.layers().and_then(Layers::upper) else {
        return Ok(());
    };
    let missing = [
        user.filter(|id| upper.stored::<User>(*id).is_none())
            .map(|id| (User::NAME, id)),
        group
            .filter(|id| upper.stored::<Group>(*id).is_none())
            .map(|id| (Group::NAME, id)),
    ];
    let what = format!("storing the ids in the layer {}", upper.path.display());
    match missing.into_iter().flatten().next() {
        Some((kind, id)) => {
            let target = upper.mount.target.display();
            let why = format!(
                "{kind} {id} has no entry in the map of the mount at {target}, which the layer was \
                 taken from"
            );
            let rule = "ovl_upper_mnt_idmap";
            deciding.trace.refuse(rule, what, Errno::OVERFLOW, why)
        }
        None => deciding
            .trace
            .decide("ovl_upper_mnt_idmap", || what, Ok(()), String::new),
    }
}

/// What is stored for something new.
pub(super) fn made(deciding: &Deciding<'_>, dir: &Node, owner: MappedFsIds, mode: Mode) -> Done {
    let has_default_acl =
        !mode.is_lnk() && xattr(&dir.best_path(), "system.posix_acl_default").is_ok();
    let umask = || Mode::new(deciding.settings.umask);
    let access = deciding.access(dir);
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
pub(super) fn create(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let place = deciding.parent(route)?;
    deciding.show(&place.directory);
    let trace = &mut deciding.trace;
    let what = "making a file";
    if place.last == Last::Name {
        let why = "the path ends with a slash, hence names a directory";
        trace.refuse_if(place.slash, "open_last_lookups", what, Errno::ISDIR, why)?;
    }
    let exists = place.last != Last::Name || deciding.entry(place)?.is_some();
    let why = "something of that name is there";
    let trace = &mut deciding.trace;
    trace.refuse_if(exists, "do_open", what, Errno::EXIST, why)?;
    create_at(deciding, place)
}

/// Mirrors what `lookup_open()` does where nothing is.
pub(super) fn create_at(deciding: &mut Deciding<'_>, place: &Place) -> Result<Done, Stop> {
    deciding.show(&place.directory);
    deciding.want_write(&place.directory)?;
    let owner = may_create(deciding, &place.directory)?;
    Ok(made(deciding, &place.directory, owner, Mode::new(0o100666)))
}

/// A place for a new name; mirrors `filename_create()`.
fn new_place<'r>(
    deciding: &mut Deciding<'_>,
    route: &'r Route,
    is_dir: bool,
) -> Result<&'r Place, Stop> {
    let place = deciding.parent(route)?;
    deciding.show(&place.directory);
    let exists = place.last != Last::Name || deciding.entry(place)?.is_some();
    let (what, why) = ("making a name", "something of that name is there");
    let trace = &mut deciding.trace;
    trace.refuse_if(exists, "filename_create", what, Errno::EXIST, why)?;
    let slash = place.slash && !is_dir;
    let why = "the path ends with a slash, and no directory is to be made";
    trace.refuse_if(slash, "filename_create", what, Errno::NOENT, why)?;
    deciding.want_write(&place.directory)?;
    Ok(place)
}

/// `mkdir()`, `mkfifo()` and `symlink()`.
pub(super) fn make(deciding: &mut Deciding<'_>, route: &Route, mode: Mode) -> Result<Done, Stop> {
    let place = new_place(deciding, route, mode.is_dir())?;
    let owner = may_create(deciding, &place.directory)?;
    deciding.trace.refuse_if(
        is_fat(&place.directory) && !mode.is_dir(),
        "vfs_mknod",
        "making it",
        Errno::PERM,
        "the filesystem has no such objects",
    )?;
    Ok(made(deciding, &place.directory, owner, mode))
}

/// `open(O_TMPFILE)`; mirrors `do_tmpfile()`.
pub(super) fn tmpfile(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let dir: &Node = &found.node;
    let (what, why) = ("making a file in it", "it is no directory");
    let trace = &mut deciding.trace;
    let is_dir = dir.mode().is_dir();
    trace.refuse_if(!is_dir, "path_lookupat", what, Errno::NOTDIR, why)?;
    deciding.want_write(dir)?;
    let owner = may_create(deciding, dir)?;
    let why = "the filesystem has no files without a name";
    let trace = &mut deciding.trace;
    trace.refuse_if(is_fat(dir), "vfs_tmpfile", what, Errno::OPNOTSUPP, why)?;
    Ok(made(deciding, dir, owner, Mode::new(0o100666)))
}

/// The victim of a removal, which must be there.
pub(super) fn victim<'r>(deciding: &mut Deciding<'_>, place: &'r Place) -> Result<&'r Entry, Stop> {
    match deciding.entry(place)? {
        Some(entry) => {
            deciding.show(&entry.node);
            Ok(entry)
        }
        None => deciding.missing(place),
    }
}

/// Whether a name may be removed; mirrors `may_delete_dentry()`.
pub(super) fn may_delete(
    deciding: &mut Deciding<'_>,
    dir: &Node,
    node: &Node,
    as_dir: bool,
) -> Result<(), Stop> {
    let access = deciding.access(dir);
    if let Some(text) = reason::unmapped(deciding.caller, node) {
        let verdict = access.may_delete(dir, node, || Ok(()));
        let what = || "removing the name".to_owned();
        let why = || format!("{text}, and its link count would be stored with it");
        deciding
            .trace
            .decide("may_delete_dentry", what, verdict, why)?;
    }
    writable(deciding, dir)?;
    let access = deciding.access(dir);
    let verdict = access.may_delete(dir, node, || Ok(()));
    let why = || {
        if dir.flags().has(InodeFlags::S_APPEND) {
            "the directory is append-only (chattr +a)".to_owned()
        } else if access.check_sticky(dir, node) {
            let why = reason::not_owner(deciding.caller, node, "CAP_FOWNER");
            format!("the directory is sticky and not the caller's; {why}")
        } else {
            "it is immutable or append-only (chattr), or swap".to_owned()
        }
    };
    let what = || "removing the name".to_owned();
    deciding
        .trace
        .decide("may_delete_dentry", what, verdict, why)?;
    let is_dir = node.mode().is_dir();
    let (rule, what) = ("may_delete_dentry", "removing the name");
    let trace = &mut deciding.trace;
    trace.refuse_if(
        as_dir && !is_dir,
        rule,
        what,
        Errno::NOTDIR,
        "it is no directory",
    )?;
    trace.refuse_if(
        !as_dir && is_dir,
        rule,
        what,
        Errno::ISDIR,
        "it is a directory",
    )
}

fn not_mounted_on(deciding: &mut Deciding<'_>, entry: &Entry) -> Result<(), Stop> {
    deciding.trace.refuse_if(
        entry.is_mounted_on,
        "is_local_mountpoint",
        "removing the name",
        Errno::BUSY,
        "something is mounted on it",
    )
}

/// Mirrors `filename_unlinkat()`.
pub(super) fn unlink(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let place = deciding.parent(route)?;
    deciding.show(&place.directory);
    let (rule, what) = ("filename_unlinkat", "removing the name");
    let is_name = place.last == Last::Name;
    let trace = &mut deciding.trace;
    trace.refuse_if(
        !is_name,
        rule,
        what,
        Errno::ISDIR,
        "the path names a directory",
    )?;
    deciding.want_write(&place.directory)?;
    let entry = victim(deciding, place)?;
    let node: &Node = &entry.node;
    let trace = &mut deciding.trace;
    if place.slash {
        let errno = if node.mode().is_dir() {
            Errno::ISDIR
        } else {
            Errno::NOTDIR
        };
        let why = "the path ends with a slash, hence names a directory";
        trace.refuse_if(true, rule, what, errno, why)?;
    }
    may_delete(deciding, &place.directory, node, false)?;
    not_mounted_on(deciding, entry)?;
    copy_up(deciding, &place.directory)?;
    Ok(Done::default())
}

/// Mirrors `filename_rmdir()`.
pub(super) fn rmdir(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let place = deciding.parent(route)?;
    deciding.show(&place.directory);
    let errno = match place.last {
        Last::Name => None,
        Last::DotDot => Some(Errno::NOTEMPTY),
        Last::Dot => Some(Errno::INVAL),
        Last::Root => Some(Errno::BUSY),
    };
    if let Some(errno) = errno {
        let what = "removing the directory".to_owned();
        let why = "the path does not end with its name".to_owned();
        return deciding.trace.refuse("filename_rmdir", what, errno, why);
    }
    deciding.want_write(&place.directory)?;
    let entry = victim(deciding, place)?;
    may_delete(deciding, &place.directory, &entry.node, true)?;
    not_mounted_on(deciding, entry)?;
    copy_up(deciding, &place.directory)?;
    empty(deciding, &entry.node)?;
    if entry.node.is_subvolume() {
        subvolume::may_destroy(deciding, &entry.node)?;
    }
    Ok(Done::default())
}

fn empty(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    deciding.trace.refuse_if(
        is_filled(node),
        "->rmdir",
        "removing the directory",
        Errno::NOTEMPTY,
        "it is not empty",
    )
}

/// Mirrors `filename_renameat2()` and `vfs_rename()`.
pub(super) fn rename(deciding: &mut Deciding<'_>, from: &Route, to: &Route) -> Result<Done, Stop> {
    let old = deciding.parent(from)?;
    deciding.show(&old.directory);
    let new = deciding.parent(to)?;
    let (rule, what) = ("filename_renameat2", "moving the name");
    let trace = &mut deciding.trace;
    let apart = old.directory.mount.key != new.directory.mount.key;
    trace.refuse_if(apart, rule, what, Errno::XDEV, "the two are on two mounts")?;
    let odd = old.last != Last::Name || new.last != Last::Name;
    let why = "a path does not end with a name";
    trace.refuse_if(odd, rule, what, Errno::BUSY, why)?;
    deciding.want_write(&old.directory)?;
    let from = victim(deciding, old)?;
    let onto = deciding.entry(new)?;
    let source: &Node = &from.node;
    let target: Option<&Node> = onto.map(|entry| &*entry.node);
    let crosses = !old.directory.is(&new.directory);
    let is_dir = source.mode().is_dir();
    let trace = &mut deciding.trace;
    if crosses {
        let inside = is_dir && is_above(source, &new.directory);
        let why = "a directory cannot be moved into itself";
        trace.refuse_if(inside, "lock_rename", what, Errno::INVAL, why)?;
        let around = target.is_some_and(|target| is_above(target, &old.directory));
        let why = "what is to be replaced has the name in it";
        trace.refuse_if(around, "lock_rename", what, Errno::NOTEMPTY, why)?;
    }
    let slash = !is_dir && (old.slash || new.slash);
    let why = "a path ends with a slash, hence names a directory";
    trace.refuse_if(slash, rule, what, Errno::NOTDIR, why)?;
    if target.is_some_and(|target| target.is(source)) {
        // Two names of one file are left as they are.
        return Ok(Done::default());
    }
    may_delete(deciding, &old.directory, source, is_dir)?;
    match target {
        None => drop(may_create(deciding, &new.directory)?),
        Some(target) => may_delete(deciding, &new.directory, target, is_dir)?,
    }
    if crosses && is_dir {
        let what = || "changing the directory's own entry for its parent".to_owned();
        deciding.permission("vfs_rename", what, source, Mask::MAY_WRITE)?;
    }
    not_mounted_on(deciding, from)?;
    subvolume::may_rename(deciding, source, target, &old.directory, &new.directory)?;
    if let Some(onto) = &onto {
        not_mounted_on(deciding, onto)?;
        if onto.node.mode().is_dir() {
            empty(deciding, &onto.node)?;
        }
    }
    Ok(Done::default())
}

/// Mirrors `filename_linkat()` and `vfs_link()`.
pub(super) fn link(deciding: &mut Deciding<'_>, from: &Route, to: &Route) -> Result<Done, Stop> {
    let found = deciding.object(from)?;
    let node: &Node = &found.node;
    let new = new_place(deciding, to, false)?;
    deciding.show(node);
    let what = "giving it another name";
    let apart = node.mount.key != new.directory.mount.key;
    let why = "the two are on two mounts";
    let trace = &mut deciding.trace;
    trace.refuse_if(apart, "filename_linkat", what, Errno::XDEV, why)?;

    let access = deciding.access(node);
    let (caller, protected) = (deciding.caller, deciding.settings.protected_hardlinks);
    let verdict = access.may_linkat(node, protected, |mask| {
        access.mapped_inode_permission(node, mask, || {
            subvolume::permission(access, caller, node, mask)
        })
    });
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
    deciding
        .trace
        .decide("may_linkat", || what.to_owned(), verdict, why)?;
    may_create(deciding, &new.directory)?;
    let verdict = deciding.access(node).may_write_xattr(node);
    let why = || "it is immutable or append-only (chattr)".to_owned();
    deciding
        .trace
        .decide("vfs_link", || what.to_owned(), verdict, why)?;
    let trace = &mut deciding.trace;
    let why = "the filesystem has no second names";
    trace.refuse_if(is_fat(node), "vfs_link", what, Errno::PERM, why)?;
    let is_dir = node.mode().is_dir();
    trace.refuse_if(is_dir, "vfs_link", what, Errno::PERM, "it is a directory")?;
    subvolume::may_link(deciding, node, &new.directory)?;
    Ok(Done::default())
}
