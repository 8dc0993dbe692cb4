// SPDX-License-Identifier: GPL-2.0

//! The kernel's pure id mapping code, compiled on the host.
//!
//! The files are those of `rust/kernel/`, at the paths that they have in the `kernel` crate.
//!
//! Examples of what must not compile are marked to be left out for the targets that kernels are
//! built for: the kernel's own build takes every example for one that compiles. Those of these files
//! are tried here, and all of them against the kernel crate (`make test T=kunit.uml.misuse`).

#![no_std]
// What only the kernel's glue to C calls.
#![allow(dead_code)]
// The kernel's configuration, of which none is set here.
#![allow(unexpected_cfgs)]
// `from_kid()` and its like have the names of the C functions.
#![allow(clippy::wrong_self_convention)]

#[path = "../../../rust/kernel/uidgid.rs"]
pub mod uidgid;

/// Id maps of user namespaces.
#[path = "../../../rust/kernel/user_namespace"]
pub mod user_namespace {
    mod extent;
    mod id_map;

    pub use self::{
        extent::{Extent, ExtentError, IdInt},
        id_map::{
            sort_by_first, ExtentArray, IdMap, MapError, SortedMap, MAX_BASE_EXTENTS, MAX_EXTENTS,
        },
    };
}

/// Kernel file systems.
#[path = "../../../rust/kernel/fs"]
pub mod fs {
    pub mod mode;
    pub mod permission;

    /// Id mappings of mounts.
    pub mod mnt_idmapping {
        mod lookup;
        mod vfsid;

        pub use self::lookup::{bucket_count, fill, Lookup};
    }
}

pub mod host;
