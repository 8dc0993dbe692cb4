// SPDX-License-Identifier: GPL-2.0

//! Callers: ids, groups and capabilities in a user namespace.

use std::fmt;

use kselftest::credentials::{set_capabilities, set_ids};
use kselftest::errno::SyscallResult;
use kselftest::rng::Rng;
use rustix::{
    process::umask,
    thread::{CapabilitySet, set_keep_capabilities},
};

use crate::shape::{Namespace, names};

/// A set of capabilities.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caps(CapabilitySet);

/// Those that decide about files, and their names.
const CAPS: [(CapabilitySet, &str); 13] = [
    (CapabilitySet::CHOWN, "chown"),
    (CapabilitySet::DAC_OVERRIDE, "dac_override"),
    (CapabilitySet::DAC_READ_SEARCH, "dac_read_search"),
    (CapabilitySet::FOWNER, "fowner"),
    (CapabilitySet::FSETID, "fsetid"),
    (CapabilitySet::SETGID, "setgid"),
    (CapabilitySet::SETUID, "setuid"),
    (CapabilitySet::LINUX_IMMUTABLE, "linux_immutable"),
    (CapabilitySet::SYS_ADMIN, "sys_admin"),
    (CapabilitySet::SYS_RESOURCE, "sys_resource"),
    (CapabilitySet::MKNOD, "mknod"),
    (CapabilitySet::LEASE, "lease"),
    (CapabilitySet::SETFCAP, "setfcap"),
];

impl Caps {
    /// Every capability.
    pub(crate) const ALL: Self = Self(CapabilitySet::all());
    const NONE: Self = Self(CapabilitySet::empty());

    fn random(rng: &mut Rng, is_root: bool) -> Self {
        match rng.below(10) {
            0 => Self::ALL,
            1..4 if is_root => Self::ALL,
            1..6 => Self::NONE,
            few => {
                let set = (0..few - 5).map(|_| rng.pick(&CAPS).0);
                Self(set.fold(CapabilitySet::empty(), |set, one| set | one))
            }
        }
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        f.write_str(&names(&CAPS, |set| self.0.contains(set)))
    }
}

/// A caller.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The number of the user namespace.
    pub(crate) namespace: usize,
    real: (u32, u32),
    /// User and group by which files are accessed.
    pub(crate) effective: (u32, u32),
    groups: Vec<u32>,
    caps: Caps,
    umask: u32,
}

impl Caller {
    pub(crate) fn random(rng: &mut Rng, namespace: usize, inside: &Namespace) -> Self {
        let (users, groups) = (inside.users.ids(), inside.groups.ids());
        let effective = (rng.pick(users), rng.pick(groups));
        let real = if rng.chance(75) {
            effective
        } else {
            (rng.pick(users), rng.pick(groups))
        };
        let others = rng.below(4);
        Self {
            namespace,
            real,
            effective,
            groups: (0..others).map(|_| rng.pick(groups)).collect(),
            caps: Caps::random(rng, effective.0 == 0),
            umask: rng.pick(&[0o022, 0o022, 0, 0o002, 0o077, 0o027]),
        }
    }

    /// Makes this process the caller; it is in the user namespace already.
    pub(crate) fn become_it(&self) -> SyscallResult {
        umask(rustix::fs::Mode::from_raw_mode(self.umask));
        set_keep_capabilities(true)?;
        let users = [self.real.0, self.effective.0, self.effective.0];
        let groups = [self.real.1, self.effective.1, self.effective.1];
        set_ids(users, groups, &self.groups)?;
        set_capabilities(self.caps.0)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "n{} user {}/{} group {}/{} groups {:?} caps {} umask {:03o}",
            self.namespace,
            self.real.0,
            self.effective.0,
            self.real.1,
            self.effective.1,
            self.groups,
            self.caps,
            self.umask
        )
    }
}
