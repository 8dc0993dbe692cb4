// SPDX-License-Identifier: GPL-2.0

//! Who calls, and from which user namespace.
//!
//! Every filesystem under test is seen through one map: what 1000 to 1009 own on disk is 2000's to
//! 2009's through the mount. Ids of callers are those of the initial user namespace, which are the
//! same in whatever namespace a caller is; what differs is by which numbers they are known there.

use std::os::fd::AsFd;

use kselftest::userns::UserNs;
use kselftest::{credentials, process};
use rustix::io::Errno;
use rustix::thread::{
    move_into_link_name_space, set_keep_capabilities, CapabilitySet, LinkNameSpaceType,
};

/// What an action says: a number that is worth comparing, or 0; or why not.
pub(crate) type SyscallResult = Result<u64, Errno>;

/// The first id on disk that the map knows.
pub(crate) const DISK: u32 = 1000;
/// The same as seen through the mount.
pub(crate) const SEEN: u32 = 2000;
/// How many ids the map knows.
pub(crate) const COUNT: u32 = 10;
/// Root of the nested namespace, whom the map knows.
pub(crate) const NESTED_ROOT: u32 = SEEN + 8;
/// An owner on disk whom the map does not know.
pub(crate) const FOREIGN: u32 = 7777;
/// What unknown ids are shown as.
pub(crate) const OVERFLOW: u32 = 65534;

/// A caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The owner of the file, as seen through the mount.
    Owner,
    /// In the group of the file, as seen through the mount.
    Member,
    /// Somebody else whom the map knows.
    Stranger,
    /// Somebody whom the map does not know, and whose number is that of the owner on disk: who
    /// may what only the owner may shows a comparison that forgot the map.
    Unmapped,
    /// Somebody whom the map knows, with all capabilities in its own user namespace.
    Admin,
}

impl Who {
    pub(crate) const ALL: [Self; 5] = [
        Self::Owner,
        Self::Member,
        Self::Stranger,
        Self::Unmapped,
        Self::Admin,
    ];

    /// The user and group id.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::Owner => SEEN,
            Self::Stranger => SEEN + 1,
            Self::Member => SEEN + 3,
            Self::Admin => SEEN + 5,
            Self::Unmapped => DISK,
        }
    }

    /// Whom the disk shall have as the owner of what this caller makes.
    pub(crate) fn on_disk(self) -> Option<u32> {
        (self != Self::Unmapped).then(|| self.id() - SEEN + DISK)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member of the group",
            Self::Stranger => "stranger",
            Self::Unmapped => "unmapped caller",
            Self::Admin => "caller with capabilities",
        }
    }
}

/// The user namespace of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallerNs {
    Initial,
    /// A namespace below the initial one that knows all callers by other numbers.
    Nested,
    /// The namespace that the mount has its map from: there the ids on disk are those that the
    /// owners are known by.
    Mounts,
}

impl CallerNs {
    pub(crate) const ALL: [Self; 3] = [Self::Initial, Self::Nested, Self::Mounts];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Initial => "init",
            Self::Nested => "nested",
            Self::Mounts => "mounts",
        }
    }

    /// The number by which an id is known here, if it is.
    pub(crate) fn number(self, id: u32) -> Option<u32> {
        let seen = (SEEN..SEEN + COUNT).contains(&id);
        match self {
            Self::Initial => Some(id),
            Self::Nested if id == NESTED_ROOT => Some(0),
            Self::Nested if seen => Some(id - SEEN + 10),
            Self::Nested if (DISK..DISK + COUNT).contains(&id) => Some(id - DISK + 100),
            Self::Mounts if seen => Some(id - SEEN + DISK),
            _ => None,
        }
    }

    /// What `stat()` shows here for an id.
    pub(crate) fn shown(self, id: u32) -> u32 {
        self.number(id).unwrap_or(OVERFLOW)
    }

    /// The number for an id that is known here.
    ///
    /// Panics if it is not, which is a mistake in a test.
    pub(crate) fn known(self, id: u32) -> u32 {
        self.number(id)
            .expect("a test asks for an id that is not known here")
    }
}

/// All callers, from all namespaces.
pub(crate) fn everybody() -> impl Iterator<Item = (Who, CallerNs)> {
    CallerNs::ALL
        .into_iter()
        .flat_map(|ns| Who::ALL.map(|who| (who, ns)))
}

/// The user namespaces of callers and of the mount.
pub(crate) struct CallerNamespaces {
    nested: UserNs,
    pub(crate) mounts: UserNs,
}

impl CallerNamespaces {
    pub(crate) fn new() -> Result<Self, Errno> {
        // No caller is root there: programs would give it all capabilities.
        let (below, next) = (NESTED_ROOT - SEEN, NESTED_ROOT + 1);
        let after_root = format!("{} {next} {}", 10 + below + 1, SEEN + COUNT - next);
        Ok(Self {
            nested: UserNs::with(&format!(
                "0 {NESTED_ROOT} 1\n10 {SEEN} {below}\n{after_root}\n100 {DISK} {COUNT}\n"
            ))?,
            mounts: UserNs::with(&format!("{DISK} {SEEN} {COUNT}\n"))?,
        })
    }

    /// Makes this process a caller.
    pub(crate) fn become_caller(&self, who: Who, ns: CallerNs) -> Result<(), Errno> {
        let groups = match who {
            Who::Member => &[SEEN][..],
            _ => &[],
        };
        set_keep_capabilities(true)?;
        credentials::set_ids([who.id(); 3], [who.id(); 3], groups)?;
        credentials::raise_capabilities()?;
        let namespace = match ns {
            CallerNs::Initial => None,
            CallerNs::Nested => Some(&self.nested),
            CallerNs::Mounts => Some(&self.mounts),
        };
        if let Some(namespace) = namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
        }
        if who != Who::Admin {
            credentials::set_capabilities(CapabilitySet::empty())?;
        }
        process::set_dumpable()
    }

    /// Does something as a caller, in a process of its own.
    pub(crate) fn run_as(
        &self,
        who: Who,
        ns: CallerNs,
        call: impl FnOnce() -> SyscallResult,
    ) -> SyscallResult {
        process::isolated(|| {
            // A failure here must not be taken for the result of `call`.
            self.become_caller(who, ns).expect("becoming a caller");
            call()
        })
    }
}
