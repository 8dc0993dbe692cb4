// SPDX-License-Identifier: GPL-2.0

//! Idmapped mounts, for Linux 5.12 and later.
//!
//! An idmapped mount shows a tree with other owners than those on disk, and stores what is created
//! through it with the owners of the disk. The map belongs to the mount: nothing is changed on
//! disk, and the same tree may be mounted many times with different maps.
//!
//! ```no_run
//! use mount_idmapped::{IdMaps, IdmappedMount, UserNs};
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

mod compose;
mod diagnosis;
mod error;
pub mod explain;
mod helper;
mod maps;
mod mount;
mod mountinfo;
mod range;
mod shift;
mod statmount;
mod subid;
mod sys;
mod table;
mod userns;

pub use self::{
    error::{Error, Step, errno_name},
    maps::{IdMaps, MapsError},
    mount::{Atime, Attribute, Detached, IdmappedMount, Propagation, unmount},
    range::{Kind, Range, RangeError},
    shift::{Image, ShiftError, Span},
    table::{Mount, MountMap, mount_of, mounts},
    userns::UserNs,
};
