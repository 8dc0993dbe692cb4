// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Who wants something.

use std::{fs, rc::Rc};

use kernel::{
    fs::permission::{Capability, UidGidMap},
    host,
    uidgid::{Group, Id, Kernel, Kgid, Kuid, User, VfsGid},
};
use rustix::io::Errno;

use super::{
    origin::Origin,
    view::{Pick, UserNsView, raw},
};
use crate::error::{Error, Step};

/// All capabilities that there are or may ever be.
const ALL: u64 = u64::MAX;

/// A caller: whom files are opened, made and changed as.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) user: Option<Kuid>,
    pub(super) group: Option<Kgid>,
    pub(super) groups: Vec<Kgid>,
    pub(super) userns: UserNsView,
    pub(super) capabilities: u64,
    pub(super) origin: Rc<Origin>,
    /// Whether it is this program itself.
    pub(super) is_us: bool,
}

impl Caller {
    /// This program, by its effective ids and capabilities.
    pub fn current() -> Result<Self, Error> {
        let mut caller = Self::read("/proc/thread-self/status", UserNsView::ours()?)?;
        caller.is_us = true;
        Ok(caller)
    }

    /// A process, by its filesystem ids and effective capabilities, its root, working directory and
    /// mount namespace.
    pub fn of_process(pid: u32) -> Result<Self, Error> {
        let userns = UserNsView::of_process(pid)?;
        let mut caller = Self::read(&format!("/proc/{pid}/status"), userns)?;
        caller.origin = Rc::new(Origin::of_process(pid)?);
        Ok(caller)
    }

    /// Somebody in a user namespace, by the ids that it has there: 0 has every capability in that
    /// namespace, others have none.
    ///
    /// `EINVAL` says that the namespace has no such id, so that nobody can be that there.
    pub fn in_namespace(
        userns: UserNsView,
        user: u32,
        group: u32,
        groups: &[u32],
    ) -> Result<Self, Error> {
        let groups = groups.iter().map(|group| named(&userns, *group));
        let (user_id, group_id) = (named(&userns, user)?, named(&userns, group)?);
        let capabilities = match user {
            // There, nobody is given more than this program has.
            0 if userns.is_ours() => Self::current()?.capabilities,
            0 => ALL,
            _ => 0,
        };
        Ok(Self {
            user: Some(user_id),
            group: Some(group_id),
            groups: groups.collect::<Result<_, _>>()?,
            capabilities,
            userns,
            origin: Rc::new(Origin::Ours),
            is_us: false,
        })
    }

    /// The same with these capabilities in its user namespace, as bits by their numbers in
    /// `linux/capability.h`.
    pub fn with_capabilities(mut self, capabilities: u64) -> Self {
        self.capabilities = capabilities;
        self.is_us = false;
        self
    }

    fn read(path: &str, userns: UserNsView) -> Result<Self, Error> {
        let fail = |errno| Error::new(Step::LookAtCaller, path, errno);
        let text = fs::read_to_string(path)
            .map_err(|error| fail(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        let words = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_ascii_whitespace()
        };
        // The fourth is that of file systems.
        let id = |name| words(name).nth(3).and_then(|word| word.parse().ok());
        let capabilities = words("CapEff:")
            .next()
            .and_then(|word| u64::from_str_radix(word, 16).ok());
        let (Some(user), Some(group), Some(capabilities)) = (id("Uid:"), id("Gid:"), capabilities)
        else {
            return Err(fail(Errno::INVAL));
        };
        let groups = words("Groups:").filter_map(|word| host::id(word.parse().ok()?));
        Ok(Self {
            user: host::id(user),
            group: host::id(group),
            groups: groups.collect(),
            userns,
            capabilities,
            origin: Rc::new(Origin::Ours),
            is_us: false,
        })
    }

    /// The user namespace that it is in.
    pub fn userns(&self) -> &UserNsView {
        &self.userns
    }

    /// What its own user namespace calls the user that it is.
    pub fn user_name(&self) -> Option<u32> {
        UidGidMap::<User>::from_kid(&self.userns, self.user?).map(Id::get)
    }

    /// What its own user namespace calls the group that it is in.
    pub fn group_name(&self) -> Option<u32> {
        UidGidMap::<Group>::from_kid(&self.userns, self.group?).map(Id::get)
    }

    /// What this program's user namespace calls the user and the group.
    pub fn ids(&self) -> (u32, u32) {
        (raw(self.user), raw(self.group))
    }

    /// The numbers of its other groups, as this program's user namespace calls them.
    pub fn groups(&self) -> impl Iterator<Item = u32> {
        self.groups.iter().map(|group| group.get())
    }

    /// Its capabilities in its user namespace, as bits.
    pub fn capabilities(&self) -> u64 {
        self.capabilities
    }
}

/// What a user namespace calls so.
fn named<K: Pick>(userns: &UserNsView, name: u32) -> Result<Id<K, Kernel>, Error> {
    let id = host::id(name).and_then(|name| UidGidMap::<K>::make_kid(userns, name));
    id.ok_or_else(|| {
        let cause = format!("the user namespace has no {} {name}", K::NAME);
        Error::new(Step::LookAtCaller, name.to_string(), Errno::INVAL).because(Some(cause))
    })
}

impl kernel::fs::permission::Caller for &Caller {
    type Namespace = UserNsView;

    fn fsuid(&self) -> Option<Kuid> {
        self.user
    }

    fn fsgid(&self) -> Option<Kgid> {
        self.group
    }

    fn in_group(&self, group: VfsGid) -> bool {
        group == self.group || self.groups.iter().any(|other| group == *other)
    }

    fn namespace(&self) -> &UserNsView {
        &self.userns
    }

    fn capable(&self, capability: Capability) -> bool {
        // In the initial namespace is only who is not below it.
        self.userns.is_initial() && self.ns_capable(&self.userns, capability)
    }

    fn ns_capable(&self, namespace: &UserNsView, capability: Capability) -> bool {
        namespace.is_capable(
            &self.userns,
            self.user,
            self.capabilities,
            capability as i32 as u32,
        )
    }
}
