// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Idmapped mounts, for Linux 5.12 and later.
//!
//! An idmapped mount shows a tree with other owners than those on disk, and stores what is created
//! through it with the owners of the disk. The map belongs to the mount: nothing is changed on
//! disk, and the same tree may be mounted many times with different maps.
//!
//! ```no_run
//! use idmap::{IdMaps, IdmappedMount, UserNs};
//!
//! // What user and group 1000 own on disk is 1001's through the mount.
//! let maps: IdMaps = "b:1000:1001:1".parse()?;
//! IdmappedMount::of("/home/ubuntu").map(&UserNs::new(&maps)?).attach("/mnt")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a map is, and which maps are valid, is the kernel's own code: the same files are compiled
//! into the kernel and into this library. A map of users has the ids on disk in its first column
//! and the ids seen through the mount in its second.
//!
//! Nothing is left behind when something fails: a mount is put together detached from the file
//! system tree and vanishes with the last reference to it, and the process that a user namespace is
//! made with is gone when the function returns.

// The kernel's files name their crate so.
extern crate self as kernel;

/// User and group ids, and the spaces that they are of.
#[allow(dead_code, unreachable_pub, clippy::wrong_self_convention)]
#[rustfmt::skip]
#[path = "../kernel/uidgid.rs"]
mod uidgid;

/// Id maps.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[rustfmt::skip]
#[path = "../kernel/user_namespace"]
mod user_namespace {
    mod extent;
    mod id_map;

    pub use self::{
        extent::{Extent, ExtentError, IdInt},
        id_map::{ExtentArray, IdMap, MAX_EXTENTS, MapError, SortedMap},
    };
}

/// Permission checks of the VFS.
#[allow(
    dead_code,
    unexpected_cfgs,
    unreachable_pub,
    unused_imports,
    clippy::wrong_self_convention
)]
#[rustfmt::skip]
#[path = "../kernel/fs"]
mod fs {
    pub mod mode;
    pub mod permission;

    /// Id mappings of mounts.
    pub mod mnt_idmapping {
        mod vfsid;
    }
}

#[allow(dead_code, unreachable_pub)]
#[rustfmt::skip]
#[path = "../kernel/host.rs"]
mod host;

mod accounts;
mod compose;
mod diagnosis;
mod error;
#[cfg(feature = "explain")]
pub mod explain;
mod helper;
mod maps;
mod mount;
mod mountinfo;
mod mounts;
mod nesting;
mod range;
mod shift;
mod statmount;
mod subid;
mod sys;
mod userns;

pub use self::{
    accounts::{account, account_groups, group},
    error::{Error, Step, errno_name},
    maps::{IdMaps, MapsError},
    mount::{Atime, Attributes, Detached, IdmappedMount, Propagation, unmount},
    mounts::{Mount, MountMap, mount_of, mounts},
    range::{Kind, Range, RangeError},
    shift::{Image, Owners, ShiftError},
    subid::{SubidError, rootless_maps},
    user_namespace::{Extent, ExtentArray, ExtentError, IdInt, IdMap, MAX_EXTENTS, MapError},
    userns::UserNs,
};

/// The README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
