// SPDX-License-Identifier: GPL-2.0

//! What a decision asks of the caller.

use crate::uidgid::{
    Group,
    Id,
    Kernel,
    Kgid,
    Kind,
    Kuid,
    Local,
    User,
    VfsGid, //
};

/// A right that `capabilities(7)` lists, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Capability {
    /// `CAP_CHOWN`
    Chown = 0,
    /// `CAP_DAC_OVERRIDE`
    DacOverride = 1,
    /// `CAP_DAC_READ_SEARCH`
    DacReadSearch = 2,
    /// `CAP_FOWNER`
    Fowner = 3,
    /// `CAP_FSETID`
    Fsetid = 4,
    /// `CAP_SYS_ADMIN`
    SysAdmin = 21,
    /// `CAP_SETFCAP`
    Setfcap = 31,
}

/// What a user namespace calls the ids of one kind.
pub trait Names<K: Kind> {
    /// What the namespace calls an id, if anything: `from_kuid()`, `from_kgid()`.
    fn name_of(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>>;

    /// What the namespace calls so, if anything: `make_kuid()`, `make_kgid()`.
    fn named(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>>;

    /// Whether the namespace has a name for an id: `kuid_has_mapping()`, `kgid_has_mapping()`.
    #[inline(always)]
    fn has(&self, id: Id<K, Kernel>) -> bool {
        self.name_of(id).is_some()
    }
}

/// A user namespace.
pub trait Namespace: Names<User> + Names<Group> {
    /// The namespace in which it was made, [`None`] for the initial one.
    fn parent(&self) -> Option<&Self>;
}

/// Who wants something, by a handle that is handed around.
pub trait Caller: Copy {
    /// What user namespaces are here.
    type Namespace: Namespace + ?Sized;

    /// The user that it acts on files as: `current_fsuid()`.
    ///
    /// [`None`] is a caller inside the kernel that acts as nobody, and owns nothing.
    fn fsuid(&self) -> Option<Kuid>;

    /// The group that it acts on files as: `current_fsgid()`.
    fn fsgid(&self) -> Option<Kgid>;

    /// Whether it is in a group that is seen through a mount: `vfsgid_in_group_p()`.
    fn in_group(&self, group: VfsGid) -> bool;

    /// Its user namespace: `current_user_ns()`.
    fn namespace(&self) -> &Self::Namespace;

    /// Whether it has a capability over all there is: `capable()`.
    fn capable(&self, capability: Capability) -> bool;

    /// Whether it has a capability over what belongs to a namespace: `ns_capable()`.
    fn ns_capable(&self, namespace: &Self::Namespace, capability: Capability) -> bool;
}
