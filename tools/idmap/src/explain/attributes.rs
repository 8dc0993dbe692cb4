// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The order in which the kernel asks: changing owner, mode, times, size and extended attributes.

use kernel::{
    fs::{
        mode::{Mask, Mode, Valid},
        permission::{
            CallerCaps, Capability, CapsRoot, CheckError, CheckResult, Entry, IattrValues,
            InodeAttrs, InodePerm, Tag, posix_acl_valid,
        },
    },
    uidgid::{Gid, Local, Uid},
};
use rustix::{fs::getxattr, io::Errno};

use super::{
    decide::{Deciding, Done},
    fuse,
    lookup::Route,
    names::{copy_up, in_layer},
    node::Node,
    operation::AclEntry,
    reason, subvolume,
    trace::Stop,
    view::raw,
};

fn attr(valid: Valid) -> IattrValues {
    IattrValues {
        valid,
        mode: Mode::EMPTY,
        vfsuid: None,
        vfsgid: None,
    }
}

/// What is wanted, in words, and the new ids by the caller's names.
struct Change {
    what: &'static str,
    user: Option<u32>,
    group: Option<u32>,
}

impl Change {
    fn of(what: &'static str) -> Self {
        Self {
            what,
            user: None,
            group: None,
        }
    }
}

/// Mirrors `notify_change()`, and `setattr_prepare()` and `setattr_copy()` which filesystems call.
fn notify_change(
    deciding: &mut Deciding<'_>,
    node: &Node,
    mut attr: IattrValues,
    change: &Change,
) -> Result<Done, Stop> {
    let (caller, access) = (deciding.caller, deciding.access(node));
    let what = || change.what.to_owned();
    let permission = |mask| {
        access.mapped_inode_permission(node, mask, || {
            subvolume::permission(access, caller, node, mask)
        })
    };
    let verdict = access.may_setattr(node, attr.valid, permission);
    let why = || match verdict {
        Err(CheckError::EACCES | CheckError::EROFS) => {
            reason::permission(caller, node, Mask::MAY_WRITE)
        }
        _ => "it is immutable or append-only (chattr)".to_owned(),
    };
    deciding.trace.decide("may_setattr", what, verdict, why)?;
    if attr.valid.has(Valid::ATTR_MODE) && node.mode().is_lnk() {
        let why = "symbolic links have no mode of their own".to_owned();
        return deciding
            .trace
            .refuse("notify_change", what(), Errno::OPNOTSUPP, why);
    }
    if !attr.kill_suid_sgid(node.mode()) {
        return Ok(Done::default());
    }
    let verdict = access.notify_change_ids(node, &attr);
    let why = || reason::change_of_ids(caller, node, change.user, change.group);
    deciding.trace.decide("notify_change", what, verdict, why)?;
    subvolume::writable(deciding, node, "btrfs_setattr", change.what)?;
    attr.valid = attr.valid.with(fuse::setattr(node));
    let verdict = access.setattr_prepare(node, &mut attr, || Ok(()), || Ok(()));
    let capability = match change.user.or(change.group) {
        Some(_) => "CAP_CHOWN",
        None => "CAP_FOWNER",
    };
    let why = || {
        let why = reason::not_owner(caller, node, capability);
        match (change.user, change.group) {
            (None, None) => why,
            _ => format!(
                "only an owner may give it to a group, to one that it is in, and nobody without \
                 CAP_CHOWN may give it to another owner; {why}"
            ),
        }
    };
    deciding
        .trace
        .decide("setattr_prepare", what, verdict, why)?;
    let after = access.setattr_copy(node, &attr);
    copy_up(deciding, node)?;
    Ok(Done { after: Some(after) })
}

/// Mirrors `chmod_common()`.
pub(super) fn chmod(deciding: &mut Deciding<'_>, route: &Route, mode: u32) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    let bits = u16::try_from(mode & 0o7777).unwrap_or_default();
    let mut attr = attr(Valid::ATTR_MODE.with(Valid::ATTR_CTIME));
    attr.mode = Mode::new(bits | node.mode().kind().bits());
    notify_change(deciding, node, attr, &Change::of("changing the mode"))
}

/// Mirrors `do_fchownat()` and `chown_common()`.
pub(super) fn chown(
    deciding: &mut Deciding<'_>,
    route: &Route,
    user: Option<u32>,
    group: Option<u32>,
) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    let access = deciding.access(node);
    let verdict = access.chown_attr(user.and_then(Uid::new), group.and_then(Gid::new));
    let mut attr = deciding.trace.decide(
        "chown_common",
        || "naming the new owner".to_owned(),
        verdict,
        || "the caller's user namespace has no such id".to_owned(),
    )?;
    attr.valid = attr.valid.with(access.chown_kill(node));
    let change = Change {
        what: "changing the owner",
        user,
        group,
    };
    let done = notify_change(deciding, node, attr, &change)?;
    if let Some(after) = done.after {
        let user = user.map(|_| raw(after.owner));
        let group = group.map(|_| raw(after.group));
        in_layer(deciding, node, user, group)?;
    }
    Ok(done)
}

/// Mirrors `vfs_utimes()`.
pub(super) fn set_times(
    deciding: &mut Deciding<'_>,
    route: &Route,
    now: bool,
) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    let times = Valid::ATTR_CTIME
        .with(Valid::ATTR_MTIME)
        .with(Valid::ATTR_ATIME);
    let valid = if now {
        times.with(Valid::ATTR_TOUCH)
    } else {
        times
            .with(Valid::ATTR_ATIME_SET)
            .with(Valid::ATTR_MTIME_SET)
            .with(Valid::ATTR_TIMES_SET)
    };
    notify_change(
        deciding,
        node,
        attr(valid),
        &Change::of("setting the times"),
    )?;
    Ok(Done::default())
}

/// Mirrors `vfs_truncate()`.
pub(super) fn truncate(deciding: &mut Deciding<'_>, route: &Route) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    let (rule, what) = ("vfs_truncate", "changing the size");
    let mode = node.mode();
    let trace = &mut deciding.trace;
    trace.refuse_if(mode.is_dir(), rule, what, Errno::ISDIR, "it is a directory")?;
    trace.refuse_if(!mode.is_reg(), rule, what, Errno::INVAL, "it is no file")?;
    let words = || what.to_owned();
    deciding.permission("inode_permission", words, node, Mask::MAY_WRITE)?;
    deciding.want_write(node)?;
    let append = node.flags().has(kernel::fs::mode::InodeFlags::S_APPEND);
    let trace = &mut deciding.trace;
    trace.refuse_if(
        append,
        rule,
        what,
        Errno::PERM,
        "it is append-only (chattr +a)",
    )?;
    let kill = deciding.access(node).setattr_should_drop_suidgid(node);
    let mut valid = Valid::ATTR_SIZE;
    if kill != Valid::EMPTY {
        valid = valid.with(kill).with(Valid::ATTR_FORCE);
    }
    notify_change(deciding, node, attr(valid), &Change::of(what))
}

/// Whether the filesystem has a place for an attribute.
fn has_place(deciding: &mut Deciding<'_>, node: &Node, name: &str) -> Result<(), Stop> {
    let mut value = [0; 1];
    let answer = getxattr(node.best_path(), name, &mut value[..]);
    deciding.trace.refuse_if(
        answer == Err(Errno::OPNOTSUPP),
        "xattr_resolve_name",
        "storing the attribute",
        Errno::OPNOTSUPP,
        "the filesystem has no such attributes",
    )
}

/// Mirrors `filename_setxattr()`, `xattr_permission()` and `cap_inode_setxattr()`.
pub(super) fn set_xattr(
    deciding: &mut Deciding<'_>,
    route: &Route,
    name: &str,
) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    may_write_xattr(deciding, node)?;
    let (rule, what) = ("xattr_permission", "writing the attribute");
    let access = deciding.access(node);
    let caller = deciding.caller;
    let capable = |over_all: bool| {
        use kernel::fs::permission::Caller;
        match over_all {
            true => (&caller).capable(Capability::SysAdmin),
            false => (&caller).ns_capable(&node.mount.userns, Capability::SysAdmin),
        }
    };
    if name.starts_with("trusted.") {
        let refused = !capable(true);
        let why = "it takes CAP_SYS_ADMIN in the initial user namespace";
        deciding
            .trace
            .refuse_if(refused, rule, what, Errno::PERM, why)?;
    } else if name.starts_with("security.") {
        let refused = !capable(false);
        let why = "it takes CAP_SYS_ADMIN in the user namespace that the filesystem was mounted in";
        deciding
            .trace
            .refuse_if(refused, "cap_inode_setxattr", what, Errno::PERM, why)?;
    } else if !name.starts_with("system.") {
        let mode = node.mode();
        let user = name.starts_with("user.");
        let is_socket = mode.kind().bits() == 0o140000;
        let odd = user && !(mode.is_reg() || mode.is_dir() || is_socket);
        let why = "only files and directorys have such attributes";
        deciding
            .trace
            .refuse_if(odd, rule, what, Errno::PERM, why)?;
        let sticky = user && mode.is_dir() && mode.has(Mode::S_ISVTX);
        if sticky && !access.inode_owner_or_capable(node) {
            let why = reason::not_owner(caller, node, "CAP_FOWNER");
            let why = format!("the directory is sticky; {why}");
            return deciding
                .trace
                .refuse(rule, what.to_owned(), Errno::PERM, why);
        }
        let words = || what.to_owned();
        deciding.permission(rule, words, node, Mask::MAY_WRITE)?;
    }
    has_place(deciding, node, name)?;
    subvolume::writable(deciding, node, "btrfs_xattr_handler_set", what)?;
    copy_up(deciding, node)?;
    Ok(Done::default())
}

fn may_write_xattr(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    let verdict = deciding.access(node).may_write_xattr(node);
    let caller = deciding.caller;
    let why = || match reason::unmapped(caller, node) {
        Some(text) => format!("{text}, and the inode would be stored with it"),
        None => "it is immutable or append-only (chattr)".to_owned(),
    };
    let what = || "changing an attribute".to_owned();
    deciding.trace.decide("may_write_xattr", what, verdict, why)
}

/// Mirrors `vfs_setxattr()` of `security.capability`.
pub(super) fn set_cap(
    deciding: &mut Deciding<'_>,
    route: &Route,
    root: Option<u32>,
) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    let access = deciding.access(node);
    let caps = CallerCaps(match root {
        None => CapsRoot::V2,
        Some(root) => CapsRoot::V3(Uid::new(root)),
    });
    let verdict = access.caps_from_caller(node, caps);
    let caller = deciding.caller;
    let why = || match verdict {
        Err(CheckError::EPERM) => {
            "it takes CAP_SETFCAP in the caller's user namespace, which must have names for the \
             ids of the file as seen"
                .to_owned()
        }
        _ => format!(
            "the root that they are for, {} to the caller ({} here), has no entry in the mount's \
             map, or no name in the caller's user namespace",
            root.unwrap_or(0),
            caller.ids().0
        ),
    };
    let what = || "storing capabilities of a program".to_owned();
    deciding
        .trace
        .decide("cap_convert_nscap", what, verdict, why)?;
    may_write_xattr(deciding, node)?;
    has_place(deciding, node, "security.capability")?;
    let what = "storing capabilities of a program";
    subvolume::writable(deciding, node, "btrfs_xattr_handler_set", what)?;
    copy_up(deciding, node)?;
    Ok(Done::default())
}

/// Mirrors `do_set_acl()`, `vfs_set_acl()` and `set_posix_acl()`.
pub(super) fn set_facl(
    deciding: &mut Deciding<'_>,
    route: &Route,
    entry: AclEntry,
) -> Result<Done, Stop> {
    let found = deciding.lookup(route)?;
    let node: &Node = &found.node;
    deciding.want_write(node)?;
    let access = deciding.access(node);
    let caller = deciding.caller;
    let what = || "setting the ACL".to_owned();
    let seen: CheckResult<Vec<_>> = acl(entry)
        .into_iter()
        .map(|entry| access.acl_from_caller(entry))
        .collect();
    let why = || "the caller's user namespace has no such id".to_owned();
    let seen = deciding
        .trace
        .decide("posix_acl_from_xattr", what, seen, why)?;
    may_write_xattr(deciding, node)?;
    let trace = &mut deciding.trace;
    let none = !node.is_posixacl();
    let why = "the filesystem has no ACLs";
    trace.refuse_if(
        none,
        "set_posix_acl",
        "setting the ACL",
        Errno::OPNOTSUPP,
        why,
    )?;
    if !access.inode_owner_or_capable(node) {
        let why = reason::not_owner(caller, node, "CAP_FOWNER");
        return trace.refuse("set_posix_acl", what(), Errno::PERM, why);
    }
    let stored = seen.into_iter().map(|entry| access.acl_to_fs(node, entry));
    let verdict = posix_acl_valid(&node.mount.userns, stored);
    let why = || "an id has no entry in the mount's map".to_owned();
    trace.decide("posix_acl_valid", what, verdict, why)?;
    subvolume::writable(deciding, node, "btrfs_set_acl", "setting the ACL")?;
    copy_up(deciding, node)?;
    Ok(Done::default())
}

/// The ACL that is set: one more entry, and what has to be there.
pub(super) fn acl(entry: AclEntry) -> [Entry<Local>; 5] {
    let with = |tag, perm| Entry { tag, perm };
    let (owner, mask, other) = (Tag::UserObj, Tag::Mask, Tag::Other);
    let group = with(Tag::GroupObj, 4);
    match entry {
        AclEntry::User(user) => {
            let user = with(Tag::User(Uid::new(user)), 6);
            [with(owner, 6), user, group, with(mask, 6), with(other, 4)]
        }
        AclEntry::Group(id) => {
            let named = with(Tag::Group(Gid::new(id)), 6);
            [with(owner, 6), group, named, with(mask, 6), with(other, 4)]
        }
    }
}
