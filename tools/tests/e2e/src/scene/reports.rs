// SPDX-License-Identifier: GPL-2.0

//! What people have reported: set-ups of theirs that did not work, or did not do what they thought.

pub(super) mod acl;
pub(super) mod capability;
pub(super) mod nested;
pub(super) mod target;
