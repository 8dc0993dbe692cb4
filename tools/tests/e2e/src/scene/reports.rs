// SPDX-License-Identifier: GPL-2.0

//! Set-ups of users that did not work, or did not work as they expected.

pub(super) mod acl;
pub(super) mod capability;
pub(super) mod nested;
pub(super) mod target;
