// SPDX-License-Identifier: GPL-2.0

//! What the kernel's glue does there, for tests and tools on the host: turning numbers into ids.
//!
//! In the kernel no code but the glue can do this.

use crate::uidgid::{Id, Kind, Space};

/// Takes a number for an id of the kind and space that the caller asks for, [`None`] for the
/// greatest number.
pub const fn id<K: Kind, S: Space>(raw: u32) -> Option<Id<K, S>> {
    Id::from_c(raw)
}
