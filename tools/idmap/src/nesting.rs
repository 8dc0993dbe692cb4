// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Nested idmaps: the condition of the kernel's rule that a caller does not meet.
//!
//! The rule is the kernel's own code. This module gives it the facts that `/proc` shows.

use std::{
    fmt::Display,
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use kernel::{
    fs::permission::{
        Caller, Capability, MAX_NAMED_IDS, Namespace, NestingNamespace, NoNesting, UidGidMap,
        may_nest,
    },
    uidgid::{Id, Kernel, Kgid, Kind, Kuid, Local, VfsGid},
};

#[cfg(feature = "explain")]
use crate::explain::UserNsView;
use crate::sys;

const SYSCTL: &str = "/proc/sys/fs/mount_idmap_nested";

/// A user namespace. The rule compares it, and counts ids of the caller's.
#[derive(Clone)]
pub(crate) struct View {
    /// The device and inode of its file in nsfs.
    number: (u64, u64),
    users: u64,
    groups: u64,
    may_setgroups: bool,
    parent: Option<Box<View>>,
}

/// The rule maps no ids: it only counts them.
impl<K: Kind> UidGidMap<K> for View {
    fn from_kid(&self, _: Id<K, Kernel>) -> Option<Id<K, Local>> {
        None
    }

    fn make_kid(&self, _: Id<K, Local>) -> Option<Id<K, Kernel>> {
        None
    }
}

impl Namespace for View {
    fn parent(&self) -> Option<&Self> {
        self.parent.as_deref()
    }
}

impl NestingNamespace for View {
    fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }

    fn may_setgroups(&self) -> bool {
        self.may_setgroups
    }

    fn user_count(&self) -> u64 {
        self.users
    }

    fn group_count(&self) -> u64 {
        self.groups
    }
}

impl View {
    /// The user namespace of this program.
    fn ours() -> Option<Self> {
        let status = fs::metadata("/proc/self/ns/user").ok()?;
        let count = |file: &str| fs::read_to_string(file).ok().as_deref().map(count);
        Some(Self {
            number: (status.dev(), status.ino()),
            users: count("/proc/self/uid_map")?,
            groups: count("/proc/self/gid_map")?,
            may_setgroups: may_setgroups("self")?,
            parent: None,
        })
    }

    /// A user namespace that is known with its maps.
    #[cfg(feature = "explain")]
    pub(crate) fn of_view(view: &UserNsView) -> Option<Self> {
        if view.is_ours() {
            return Self::ours();
        }
        let (users, groups) = view.counts();
        let status = rustix::fs::fstat(view.file()).ok()?;
        Some(Self {
            number: (status.st_dev, status.st_ino),
            users,
            groups,
            may_setgroups: may_setgroups(view.process()?)?,
            parent: None,
        })
    }

    /// A user namespace below this one.
    #[cfg(feature = "explain")]
    fn child(&self) -> Self {
        Self {
            number: (0, 0),
            parent: Some(Box::new(self.clone())),
            ..*self
        }
    }

    /// The user namespace that a file descriptor is of, and those above that this program may see.
    fn of(fd: BorrowedFd<'_>) -> Option<Self> {
        let status = rustix::fs::fstat(fd).ok()?;
        let parent: Option<OwnedFd> = sys::namespace_parent(fd).ok();
        Some(Self {
            number: (status.st_dev, status.st_ino),
            users: 0,
            groups: 0,
            may_setgroups: false,
            parent: parent.and_then(|parent| Self::of(parent.as_fd()).map(Box::new)),
        })
    }
}

/// Whether processes in the user namespace of a process may leave their groups.
fn may_setgroups(process: impl Display) -> Option<bool> {
    let setting = fs::read_to_string(format!("/proc/{process}/setgroups"));
    Some(setting.ok()?.trim() == "allow")
}

/// Returns how many ids a map in the format of `/proc/PID/uid_map` has.
fn count(map: &str) -> u64 {
    let counts = map
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum()
}

/// A caller of `mount_setattr()`: this program, or another process.
#[derive(Clone, Copy)]
struct Process<'a> {
    namespace: &'a View,
    /// `CapEff` of `/proc/PID/status`.
    capabilities: u64,
}

impl Caller for Process<'_> {
    type Namespace = View;

    fn fsuid(&self) -> Option<Kuid> {
        None
    }

    fn fsgid(&self) -> Option<Kgid> {
        None
    }

    fn in_group(&self, _: VfsGid) -> bool {
        false
    }

    fn namespace(&self) -> &View {
        self.namespace
    }

    fn capable(&self, _: Capability) -> bool {
        false
    }

    fn ns_capable(&self, _: &View, capability: Capability) -> bool {
        self.capabilities >> (capability as u32) & 1 != 0
    }
}

/// Returns the first condition of the rule that is not met for an idmap of a user namespace, and
/// the remedy. [`None`] if all are met, or if this program is in the initial user namespace, where
/// no idmap is nested.
pub(crate) fn refusal(map_of: BorrowedFd<'_>) -> Option<String> {
    let own = View::ours()?;
    if crate::diagnosis::is_initial(fs::File::open("/proc/self/ns/user").ok()?.as_fd()) {
        return None;
    }
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    let capabilities = u64::from_str_radix(set.trim(), 16).ok()?;
    refusal_of(&own, capabilities, &View::of(map_of)?)
}

/// Likewise for a caller with these capabilities in its user namespace, and a user namespace that it
/// makes. The caller does not control the filesystem.
#[cfg(feature = "explain")]
pub(crate) fn refusal_below(own: Option<View>, capabilities: u64) -> Option<String> {
    let Some(own) = own else {
        return Some("the user namespace of the caller is not known".to_owned());
    };
    refusal_of(&own, capabilities, &own.child())
}

fn refusal_of(own: &View, capabilities: u64, map_of: &View) -> Option<String> {
    let caller = Process {
        namespace: own,
        capabilities,
    };
    let sysctl = fs::read_to_string(SYSCTL).ok();
    let offered = sysctl.as_deref().map(str::trim) == Some("1");
    let reason = may_nest(caller, map_of, offered, MAX_NAMED_IDS).err()?;
    Some(format!(
        "{reason}: {}",
        remedy(reason, own, sysctl.is_some())
    ))
}

/// Returns the action by which a condition of the rule is met.
fn remedy(reason: NoNesting, own: &View, has_sysctl: bool) -> String {
    match reason {
        NoNesting::NotOffered if has_sysctl => {
            "the administrator of the machine may set it to 1".to_owned()
        }
        NoNesting::NotOffered => {
            "this kernel does not have it (CONFIG_RUST_MNT_IDMAPPING_NESTED)".to_owned()
        }
        NoNesting::NotRoot(_) => "run it as root of the user namespace, with all capabilities \
                                  there"
            .to_owned(),
        NoNesting::NotBelow => "give the map as ranges, for which a user namespace is made here, \
                                or the path of one that was made from here"
            .to_owned(),
        NoNesting::SetgroupsDenied => "make this user namespace with newgidmap(1), for groups of \
                                       /etc/subgid, which leaves setgroups() allowed"
            .to_owned(),
        NoNesting::TooFewUsers => few(own.users, "users", "/etc/subuid"),
        NoNesting::TooFewGroups => few(own.groups, "groups", "/etc/subgid"),
        NoNesting::MapsNothing | NoNesting::TooManyExtents => "use another map".to_owned(),
    }
}

fn few(count: u64, kind: &str, file: &str) -> String {
    format!(
        "it has {count} {kind} and needs more than {MAX_NAMED_IDS}; {file} usually gives a user \
         65536"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(number: u64, parent: Option<View>) -> View {
        View {
            number: (4, number),
            users: MAX_NAMED_IDS + 1,
            groups: MAX_NAMED_IDS + 1,
            may_setgroups: true,
            parent: parent.map(Box::new),
        }
    }

    fn answer(own: &View, capabilities: u64, offered: bool) -> Option<NoNesting> {
        let map_of = view(2, Some(view(1, None)));
        let caller = Process {
            namespace: own,
            capabilities,
        };
        may_nest(caller, &map_of, offered, MAX_NAMED_IDS).err()
    }

    #[test]
    fn each_condition_is_found() {
        let own = view(1, None);
        assert_eq!(answer(&own, u64::MAX, true), None);
        assert_eq!(answer(&own, u64::MAX, false), Some(NoNesting::NotOffered));
        let without = !(1u64 << 31);
        let reason = Some(NoNesting::NotRoot(Capability::Setfcap));
        assert_eq!(answer(&own, without, true), reason);
        let beside = view(3, None);
        assert_eq!(answer(&beside, u64::MAX, true), Some(NoNesting::NotBelow));
        let mut own = view(1, None);
        own.groups = 1;
        let reason = Some(NoNesting::TooFewGroups);
        assert_eq!(answer(&own, u64::MAX, true), reason);
        let text = remedy(NoNesting::TooFewGroups, &own, true);
        assert!(
            text.contains("has 1 groups") && text.contains("subgid"),
            "{text}"
        );
        own.users = 5;
        assert_eq!(answer(&own, u64::MAX, true), Some(NoNesting::TooFewUsers));
        own.may_setgroups = false;
        let reason = Some(NoNesting::SetgroupsDenied);
        assert_eq!(answer(&own, u64::MAX, true), reason);
    }

    #[test]
    fn ids_of_a_map_are_counted() {
        assert_eq!(count("0 1000 1\n1 100000 65536\n"), 65537);
        assert_eq!(count("         0          0 4294967295\n"), 4_294_967_295);
        assert_eq!(count(""), 0);
    }
}
