// SPDX-License-Identifier: GPL-2.0

//! Each call, and each error of its manual page that can be had here, on a filesystem of its own.

mod acl;
mod attr;
mod data;
mod dirs;
mod flags;
mod handles;
mod links;
mod mounts;
mod nodes;
mod open;
mod owners;
mod rename;
mod space;
mod times;
mod watch;
mod xattr;

use crate::test::Named;
use kselftest::errno::SyscallResult;

/// The owner of the files of most tests.
pub(crate) const OWNER: u32 = 1000;
/// Another user.
pub(crate) const OTHER: u32 = 2000;
/// A group without members, unless a test adds one.
pub(crate) const GROUP: u32 = 3000;

/// All tests, by subject.
const PARTS: &[&[Named]] = &[
    open::TESTS,
    nodes::TESTS,
    links::TESTS,
    rename::TESTS,
    dirs::TESTS,
    data::TESTS,
    space::TESTS,
    attr::TESTS,
    flags::TESTS,
    times::TESTS,
    owners::TESTS,
    xattr::TESTS,
    acl::TESTS,
    handles::TESTS,
    watch::TESTS,
    mounts::TESTS,
];

/// Every test.
pub(crate) fn tests() -> impl Iterator<Item = &'static Named> {
    PARTS.iter().copied().flatten()
}

/// Sets an access list that names a user and a group.
pub(crate) fn set_acl(path: &std::path::Path) -> SyscallResult<()> {
    acl::set_some(path)
}

/// Sets a default list on a directory.
pub(crate) fn set_default_acl(path: &std::path::Path) -> SyscallResult<()> {
    acl::set_some_default(path)
}
