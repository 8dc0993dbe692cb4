// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Names of users and groups.

use std::ffi::CString;

use crate::sys;

/// Returns the user and the group of the account with a name: [getpwnam(3)].
///
/// # Examples
///
/// ```
/// assert_eq!(idmap::account("root"), Some((0, 0)));
/// assert_eq!(idmap::account("no such account"), None);
/// ```
///
/// [getpwnam(3)]: https://man7.org/linux/man-pages/man3/getpwnam.3.html
pub fn account(name: &str) -> Option<(u32, u32)> {
    sys::account(&CString::new(name).ok()?)
}

/// Returns the id of the group with a name: [getgrnam(3)].
///
/// # Examples
///
/// ```
/// assert_eq!(idmap::group("root"), Some(0));
/// ```
///
/// [getgrnam(3)]: https://man7.org/linux/man-pages/man3/getgrnam.3.html
pub fn group(name: &str) -> Option<u32> {
    sys::group(&CString::new(name).ok()?)
}

/// Returns the groups of the account with a name, without the group of [`account`]:
/// [getgrouplist(3)].
///
/// # Examples
///
/// ```
/// assert_eq!(idmap::account_groups("no such account"), None);
/// ```
///
/// [getgrouplist(3)]: https://man7.org/linux/man-pages/man3/getgrouplist.3.html
pub fn account_groups(name: &str) -> Option<Vec<u32>> {
    let name = CString::new(name).ok()?;
    let (_, group) = sys::account(&name)?;
    let mut groups = sys::account_groups(&name, group);
    groups.retain(|other| *other != group);
    Some(groups)
}
