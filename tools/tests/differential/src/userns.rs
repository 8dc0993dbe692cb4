// SPDX-License-Identifier: GPL-2.0

//! Nested user namespaces, and filesystems that belong to them.

use std::os::fd::OwnedFd;

use kselftest::errno::SyscallResult;
use kselftest::userns::UserNs;

use crate::shape::Namespace;

/// The ids of the processes that create something in a user namespace.
fn ids(namespace: &Namespace) -> (u32, u32) {
    (namespace.users.ids()[0], namespace.groups.ids()[0])
}

/// Creates a user namespace in `parent`, or in the initial one.
pub(crate) fn make(
    parent: Option<(&UserNs, &Namespace)>,
    namespace: &Namespace,
) -> SyscallResult<UserNs> {
    let (users, groups) = (namespace.users.text(), namespace.groups.text());
    match parent {
        None => UserNs::new(&users, &groups),
        Some((userns, parent)) => userns.child(ids(parent), &users, &groups),
    }
}

/// Mounts a tmpfs that belongs to a user namespace. The mount is not attached.
pub(crate) fn tmpfs(userns: &UserNs, namespace: &Namespace) -> SyscallResult<OwnedFd> {
    userns.mount_tmpfs(ids(namespace), "0777")
}
