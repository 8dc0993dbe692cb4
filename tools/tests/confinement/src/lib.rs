// SPDX-License-Identifier: GPL-2.0

//! Checks that nested idmaps are confined: that through a mount which got one, no credential has an
//! effect that no credential has through the mount as it was.
//!
//! The rule and the decisions are the kernel's own source files. A world is a small set of ids, a
//! filesystem, a mount, a caller in a user namespace `N`, and a namespace `M`. The checker tries
//! all credentials that root of `N` can reach, and those of a process outside, on an inode, first
//! through the new mount and then through the old one.

pub mod effects;
pub mod ids;
pub mod model;
pub mod search;
pub mod story;
pub mod world;
pub mod worlds;
