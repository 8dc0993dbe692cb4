// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The reasons of refusals, in words.
//!
//! A decision says yes or no. Why it said no is found by asking its parts once more; these words
//! never change an answer.

use kernel::{
    fs::{
        mode::{InodeFlags, Mask},
        permission::{Access, Idmap, InodeAttrs, InodePerm, KindIdmap, UidGidMap},
    },
    uidgid::{Filesystem, Group, Id, Kernel, Kind, User, Vfs},
};

use super::{
    caller::Caller,
    fuse,
    node::Node,
    subvolume,
    view::{MapView, Pick, UserNsView, raw},
};

type At<'a> = Access<'a, &'a Caller, MapView>;

fn at<'a>(caller: &'a Caller, node: &'a Node) -> At<'a> {
    Access::new(caller, &node.mount.map)
}

/// Why `inode_permission()` says no.
pub(super) fn permission(caller: &Caller, node: &Node, mask: Mask) -> String {
    if let Some(text) = fuse::why_not(caller, node) {
        return text;
    }
    if mask.has(Mask::MAY_WRITE) {
        if node.is_read_only() {
            return node.mount.why_read_only().to_owned();
        }
        if node.flags().has(InodeFlags::S_IMMUTABLE) {
            return "it is immutable (chattr +i)".to_owned();
        }
        if let Some(text) = unmapped(caller, node) {
            return format!("{text}, and what is written would be stored with it");
        }
        if subvolume::is_locked(node, mask) {
            return subvolume::READ_ONLY.to_owned();
        }
    }
    let access = at(caller, node);
    let mode = node.mode().bits() & 0o7777;
    let (owner, group) = (
        access.i_uid_into_vfsuid(node),
        access.i_gid_into_vfsgid(node),
    );
    let name = |id: u32| match id {
        u32::MAX => "nobody".to_owned(),
        id => id.to_string(),
    };
    let class = if owner.is_some_and(|owner| owner == caller.user) {
        "the owner"
    } else if node.is_posixacl() && !node.no_acl() && mode & 0o070 != 0 {
        "decided upon by the ACL"
    } else if group.is_some_and(|group| kernel::fs::permission::Caller::in_group(&caller, group)) {
        "in its group"
    } else {
        "one of the others"
    };
    let wanted: Vec<&str> = [
        (Mask::MAY_READ, "read"),
        (Mask::MAY_WRITE, "write"),
        (
            Mask::MAY_EXEC,
            if node.mode().is_dir() {
                "search"
            } else {
                "execute"
            },
        ),
    ]
    .into_iter()
    .filter_map(|(bit, word)| mask.has(bit).then_some(word))
    .collect();
    let capability = match overriding(caller, node) {
        None => "no capability overrides that",
        Some(text) => text,
    };
    format!(
        "{} is {}:{} through the mount with mode {mode:04o}; the caller, {}, is {class}, and may \
         not {}; {capability}",
        node.kind(),
        name(raw(owner)),
        name(raw(group)),
        name(raw(caller.user)),
        wanted.join(" and "),
    )
}

/// Why capabilities that the caller has do not help.
fn overriding(caller: &Caller, node: &Node) -> Option<&'static str> {
    // CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
    if caller.capabilities & 0b110 == 0 {
        return None;
    }
    let access = at(caller, node);
    if access.privileged_wrt_inode_uidgid(&caller.userns, node) {
        return Some("the caller's capabilities do not grant that");
    }
    Some(
        "the caller's capabilities do not reach it: its owner or group as seen has no name in the \
         caller's user namespace",
    )
}

/// Which of the stored ids has no entry in the mount's map, if one has none.
pub(super) fn unmapped(caller: &Caller, node: &Node) -> Option<String> {
    let access = at(caller, node);
    if access.i_uid_into_vfsuid(node).is_none() {
        return Some(missing::<User>(node, node.i_uid()));
    }
    if access.i_gid_into_vfsgid(node).is_none() {
        return Some(missing::<Group>(node, node.i_gid()));
    }
    None
}

fn missing<K: Pick>(node: &Node, id: Option<Id<K, Filesystem>>) -> String
where
    UserNsView: UidGidMap<K>,
{
    match node.on_disk(id) {
        Some(id) => format!(
            "its {}, {id} on disk, has no entry in the mount's map",
            owner_word::<K>()
        ),
        None => format!("its {} is none that is known", owner_word::<K>()),
    }
}

fn owner_word<K: Kind>() -> &'static str {
    if K::NAME == "uid" { "owner" } else { "group" }
}

/// Why nothing can be stored for what the caller makes.
pub(super) fn mapped_fsids(caller: &Caller, directory: &Node) -> String {
    let access = at(caller, directory);
    let text = side::<User>(access, directory, caller.user)
        .or_else(|| side::<Group>(access, directory, caller.group));
    text.unwrap_or_else(|| "the filesystem cannot store the caller's ids".to_owned())
}

/// Why nothing can be stored for an id of a caller, if so.
fn side<K: Pick>(access: At<'_>, directory: &Node, id: Option<Id<K, Kernel>>) -> Option<String>
where
    MapView: KindIdmap<K, UserNsView>,
    UserNsView: UidGidMap<K>,
{
    let Some(id) = id else {
        return Some(format!("the caller has no {}", K::NAME));
    };
    let seen: Id<K, Vfs> = Id::from_caller(id);
    let doing = format!("creating as {} {id}", K::NAME);
    if !access.has_fsmapping(directory, Some(seen)) {
        return Some(format!(
            "{doing}: {id} has no entry in the mount's map{}",
            if directory.mount.map.is_nop() {
                " nor in the filesystem's"
            } else {
                ""
            }
        ));
    }
    let stored = directory.mount.map.from_vfsid(directory, Some(seen));
    if directory.on_disk(stored).is_none() {
        return Some(format!(
            "{doing}: {id} has no name in the user namespace that the filesystem was mounted in"
        ));
    }
    None
}

/// Why `notify_change()` finds an id without a name.
pub(super) fn change_of_ids(
    caller: &Caller,
    node: &Node,
    user: Option<u32>,
    group: Option<u32>,
) -> String {
    let access = at(caller, node);
    let new = |what: &str, id: u32| format!("the new {what} {id} has no entry in the mount's map");
    let named_user = user
        .and_then(kernel::uidgid::Uid::new)
        .and_then(|name| UidGidMap::<User>::make_kid(&caller.userns, name));
    let named_group = group
        .and_then(kernel::uidgid::Gid::new)
        .and_then(|name| UidGidMap::<Group>::make_kid(&caller.userns, name));
    if let Some(id) = named_user {
        let seen: Id<User, Vfs> = Id::from_caller(id);
        if !access.has_fsmapping(node, Some(seen)) {
            return new("owner", id.get());
        }
    }
    if let Some(id) = named_group {
        let seen: Id<Group, Vfs> = Id::from_caller(id);
        if !access.has_fsmapping(node, Some(seen)) {
            return new("group", id.get());
        }
    }
    let text = unmapped(caller, node).unwrap_or_default();
    format!("{text}, and it is not among what is changed")
}

/// Why the caller counts neither as the owner nor as somebody with `capability`.
pub(super) fn not_owner(caller: &Caller, node: &Node, capability: &str) -> String {
    let access = at(caller, node);
    let owner = access.i_uid_into_vfsuid(node);
    let who = match (owner, node.on_disk(node.i_uid())) {
        (Some(owner), _) => format!("{owner} owns it as seen through the mount"),
        (None, Some(disk)) => {
            format!("its owner, {disk} on disk, has no entry in the mount's map")
        }
        (None, None) => "its owner is none that is known".to_owned(),
    };
    let reach = match access.privileged_wrt_inode_uidgid(&caller.userns, node) {
        true => "",
        false => " that reaches it, as its ids as seen have no name in its user namespace",
    };
    format!(
        "{who}, and the caller is {} without {capability}{reach}",
        match raw(caller.user) {
            u32::MAX => "nobody".to_owned(),
            id => id.to_string(),
        }
    )
}
