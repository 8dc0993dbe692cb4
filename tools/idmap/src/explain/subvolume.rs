// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The order in which btrfs asks: subvolumes, and operations that meet them.

use std::os::fd::AsFd;

use kernel::fs::{
    mode::{Mask, Mode},
    permission::{Access, Caller as _, Capability, CheckError, CheckResult, InodeAttrs},
};
use rustix::io::Errno;

use super::{
    caller::Caller,
    decide::{Deciding, Done},
    fuse,
    lookup::{Last, Place, Route},
    mount::readable,
    names::{made, may_create, may_delete, victim},
    node::Node,
    reason,
    trace::Stop,
    view::MapView,
};
use crate::sys::btrfs;

/// The reason for which nothing is written.
pub(super) const READ_ONLY: &str = "its subvolume is read-only";

/// Whether btrfs refuses to write to an object before it looks at the mode.
pub(super) fn is_locked(node: &Node, mask: Mask) -> bool {
    let mode = node.mode();
    let is_stored = mode.is_reg() || mode.is_dir() || mode.is_lnk();
    mask.has(Mask::MAY_WRITE) && is_stored && node.is_subvolume_read_only()
}

/// Mirrors `->permission()` of btrfs and FUSE, and `generic_permission()` for other filesystems.
pub(super) fn permission(
    access: Access<'_, &Caller, MapView>,
    caller: &Caller,
    node: &Node,
    mask: Mask,
) -> CheckResult {
    match fuse::permission(access, caller, node, mask) {
        Some(result) => result,
        None if is_locked(node, mask) => Err(CheckError::EROFS),
        None => access.mapped_generic_permission(node, mask),
    }
}

/// Whether the subvolume of an object may be changed; `rule` is the function that checks this.
pub(super) fn writable(
    deciding: &mut Deciding<'_>,
    node: &Node,
    rule: &'static str,
    what: &str,
) -> Result<(), Stop> {
    let is_locked = node.is_subvolume_read_only();
    let trace = &mut deciding.trace;
    trace.refuse_if(is_locked, rule, what, Errno::ROFS, READ_ONLY)
}

fn is_btrfs(node: &Node) -> bool {
    node.mount.filesystem == "btrfs"
}

/// Mirrors `btrfs_link()`.
pub(super) fn may_link(
    deciding: &mut Deciding<'_>,
    node: &Node,
    directory: &Node,
) -> Result<(), Stop> {
    let apart = is_btrfs(node) && node.device != directory.device;
    let (what, why) = ("giving it another name", "the two are in two subvolumes");
    let trace = &mut deciding.trace;
    trace.refuse_if(apart, "btrfs_link", what, Errno::XDEV, why)
}

/// Mirrors `btrfs_rename()`.
pub(super) fn may_rename(
    deciding: &mut Deciding<'_>,
    source: &Node,
    target: Option<&Node>,
    old: &Node,
    new: &Node,
) -> Result<(), Stop> {
    if !is_btrfs(source) {
        return Ok(());
    }
    let (rule, what) = ("btrfs_rename", "moving the name");
    let trace = &mut deciding.trace;
    let apart = !source.is_subvolume() && old.device != new.device;
    let why = "the two are in two subvolumes";
    trace.refuse_if(apart, rule, what, Errno::XDEV, why)?;
    let onto = target.is_some_and(Node::is_subvolume);
    let why = "a subvolume has the new name";
    trace.refuse_if(onto, rule, what, Errno::NOTEMPTY, why)
}

/// Opens a directory for reading, as programs do for the ioctls of subvolumes.
fn open(deciding: &mut Deciding<'_>, directory: &Node) -> Result<(), Stop> {
    deciding.may_open(directory, Mask::MAY_READ)?;
    let why = format!(
        "the filesystem is {}, and only btrfs has subvolumes",
        directory.mount.filesystem
    );
    let (rule, what) = ("->unlocked_ioctl", "the ioctl");
    let trace = &mut deciding.trace;
    trace.refuse_if(!is_btrfs(directory), rule, what, Errno::NOTTY, &why)?;
    deciding.want_write(directory)
}

/// A place for a new subvolume; mirrors `__btrfs_ioctl_snap_create()` before `btrfs_mksubvol()`.
fn new_place(deciding: &mut Deciding<'_>, place: &Place) -> Result<(), Stop> {
    open(deciding, &place.directory)?;
    let errno = match place.last {
        Last::Name => return Ok(()),
        Last::Dot | Last::DotDot => Errno::EXIST,
        Last::Root => Errno::ACCESS,
    };
    let (rule, why) = (
        "__btrfs_ioctl_snap_create",
        "the path does not end with a name",
    );
    let what = "making a name".to_owned();
    deciding.trace.refuse(rule, what, errno, why.to_owned())
}

fn is_free(deciding: &mut Deciding<'_>, place: &Place) -> Result<(), Stop> {
    let exists = deciding.entry(place)?.is_some();
    let (what, why) = ("making a name", "something of that name is there");
    let trace = &mut deciding.trace;
    trace.refuse_if(exists, "may_create_dentry", what, Errno::EXIST, why)
}

/// Mirrors `btrfs_ioctl_snap_create()` and `btrfs_mksubvol()`.
pub(super) fn create(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let place = deciding.parent(route)?;
    deciding.show(&place.directory);
    new_place(deciding, place)?;
    is_free(deciding, place)?;
    let owner = may_create(deciding, &place.directory)?;
    let mut done = made(deciding, &place.directory, owner, Mode::new(0o040777));
    if let Some(after) = &mut done.after {
        // btrfs gives inode_init_owner() no directory: a set-group-id bit passes nothing on.
        after.group = Some(owner.group());
        after.mode = Mode::new(after.mode.bits() & !0o2000);
    }
    Ok(done)
}

/// Mirrors `__btrfs_ioctl_snap_create()` for a snapshot.
pub(super) fn snapshot(
    deciding: &mut Deciding<'_>,
    from: &Route,
    to: &Route,
) -> Result<Done, Stop> {
    let found = deciding.object(from)?;
    let source: &Node = &found.node;
    let place = deciding.parent(to)?;
    deciding.show(source);
    deciding.may_open(source, Mask::MAY_READ)?;
    new_place(deciding, place)?;
    let (rule, what) = ("__btrfs_ioctl_snap_create", "making the snapshot");
    let trace = &mut deciding.trace;
    let apart = source.mount.device != place.directory.mount.device;
    let why = "the two are on two filesystems";
    trace.refuse_if(apart, rule, what, Errno::XDEV, why)?;
    // The map is that of the mount that the snapshot is made through.
    let access = deciding.access(&place.directory);
    if !access.inode_owner_or_capable(source) {
        let why = reason::not_owner(deciding.caller, source, "CAP_FOWNER");
        let what = what.to_owned();
        return deciding.trace.refuse(rule, what, Errno::PERM, why);
    }
    let trace = &mut deciding.trace;
    let is_root = source.is_subvolume();
    let why = "it is not the root directory of a subvolume";
    trace.refuse_if(!is_root, rule, what, Errno::INVAL, why)?;
    is_free(deciding, place)?;
    may_create(deciding, &place.directory)?;
    Ok(Done::default())
}

/// Mirrors `btrfs_ioctl_snap_destroy()`.
pub(super) fn delete(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    const RULE: &str = "btrfs_ioctl_snap_destroy";
    let place = deciding.parent(route)?;
    let directory: &Node = &place.directory;
    deciding.show(directory);
    open(deciding, directory)?;
    let what = "deleting the subvolume";
    let errno = match place.last {
        Last::Name => None,
        Last::DotDot => Some(Errno::INVAL),
        Last::Dot | Last::Root => Some(Errno::ACCESS),
    };
    if let Some(errno) = errno {
        let why = "the path does not end with its name".to_owned();
        return deciding.trace.refuse(RULE, what.to_owned(), errno, why);
    }
    let node: &Node = &victim(deciding, place)?.node;
    if !(&deciding.caller).capable(Capability::SysAdmin) {
        let is_allowed = directory.mount.has_option("user_subvol_rm_allowed");
        let why = "it takes CAP_SYS_ADMIN in the initial user namespace, or a filesystem that is \
                   mounted with the option user_subvol_rm_allowed (rmdir removes an empty \
                   subvolume without either)";
        let trace = &mut deciding.trace;
        trace.refuse_if(!is_allowed, RULE, what, Errno::PERM, why)?;
        let is_inside = node.device == directory.device;
        trace.refuse_if(is_inside, RULE, what, Errno::INVAL, NO_ROOT)?;
        let mask = Mask::MAY_WRITE.with(Mask::MAY_EXEC);
        let words = || "writing to the subvolume".to_owned();
        deciding.permission("inode_permission", words, node, mask)?;
    }
    may_delete(deciding, directory, node, true)?;
    let is_root = node.is_subvolume();
    let trace = &mut deciding.trace;
    trace.refuse_if(!is_root, RULE, what, Errno::INVAL, NO_ROOT)?;
    may_destroy(deciding, node)?;
    let note = "all that is in the subvolume is deleted with it, whoever owns it";
    deciding.notes.push(note.to_owned());
    Ok(Done::default())
}

const NO_ROOT: &str = "it is not the root directory of a subvolume";

/// Whether a subvolume may be deleted, with or without a check for entries; mirrors
/// `may_destroy_subvol()`.
pub(super) fn may_destroy(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    let (rule, what) = ("may_destroy_subvol", "deleting the subvolume");
    let trace = &mut deciding.trace;
    let why = "it is the subvolume that is mounted by default (btrfs subvolume set-default)";
    trace.refuse_if(is_default(node), rule, what, Errno::PERM, why)?;
    let why = "there are subvolumes in it";
    trace.refuse_if(is_parent(node), rule, what, Errno::NOTEMPTY, why)
}

/// Whether a subvolume is the one that is mounted by default, as far as that is shown.
pub(super) fn is_default(node: &Node) -> bool {
    let Some(file) = readable(node.best()) else {
        return false;
    };
    let tree = btrfs::subvolume_of(file.as_fd()).map(|(tree, _)| tree);
    let default = btrfs::default_subvolume(file.as_fd());
    matches!((tree, default), (Ok(tree), Ok(Some(default))) if tree == default)
}

/// Whether there are subvolumes in a subvolume.
pub(super) fn is_parent(node: &Node) -> bool {
    let file = readable(node.best());
    node.is_subvolume() && file.is_some_and(|it| btrfs::has_subvolumes(it.as_fd()) == Ok(true))
}
