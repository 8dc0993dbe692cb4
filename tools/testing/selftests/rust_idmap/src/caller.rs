// SPDX-License-Identifier: GPL-2.0

//! Callers and their user namespaces.
//!
//! Each filesystem under test has an idmapped mount: ids 1000 to 1009 on disk are 2000 to 2009
//! through the mount. Ids of callers in this file are those of the initial user namespace. A caller
//! has the same id in each user namespace; the numbers of that id differ.

use std::os::fd::AsFd;

use kselftest::userns::UserNs;
use kselftest::{credentials, process};
use rustix::io::Errno;
use rustix::thread::{
    move_into_link_name_space, set_keep_capabilities, CapabilitySet, LinkNameSpaceType,
};

/// The result of an operation: a number to compare, or 0, or the error number.
pub(crate) type SyscallResult = Result<u64, Errno>;

/// The first id on disk that the idmap has.
pub(crate) const DISK: u32 = 1000;
/// The same as seen through the mount.
pub(crate) const SEEN: u32 = 2000;
/// The number of ids in the idmap.
pub(crate) const COUNT: u32 = 10;
/// The root user of the nested user namespace, which the idmap has.
pub(crate) const NESTED_ROOT: u32 = SEEN + 8;
/// An owner on disk that the idmap does not have.
pub(crate) const FOREIGN: u32 = 7777;
/// The overflow id, which stat() shows for unmapped ids.
pub(crate) const OVERFLOW: u32 = 65534;

/// A caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The owner of the file, as seen through the mount.
    Owner,
    /// In the group of the file, as seen through the mount.
    Member,
    /// Another user that the idmap has.
    Stranger,
    /// A user that the idmap does not have, with the number of the owner on disk. If this caller is
    /// granted an access that only the owner has, a comparison has ignored the idmap.
    Unmapped,
    /// A user that the idmap has, with all capabilities in the user namespace.
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

    /// Returns the owner on disk of files that the caller creates.
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
    /// A child of the initial user namespace, in which all callers have other numbers.
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

    /// Returns the number that stat() shows here for an id.
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
