// SPDX-License-Identifier: GPL-2.0

//! Id mappings of mounts.
//!
//! A mount can show the owners of a filesystem shifted: a file that user 1000 owns on disk is user
//! 1001's when it is seen through the mount, and what 1001 creates there is stored as 1000's. This
//! module is the arithmetic and the object behind that. With `CONFIG_RUST_MNT_IDMAPPING` it takes
//! the place of `fs/mnt_idmapping.c`: every filesystem, in C or in Rust, gets its answers here.
//!
//! From the bottom up, each layer using only what is below it:
//!
//! | layer | file | what it is |
//! | --- | --- | --- |
//! | export | `ffi.rs` | the functions that C calls, under their C names |
//! | objects | `idmap.rs` | [`MntIdmap`], the reference counted idmap of a mount |
//! | | `in_use.rs` | the idmaps in use, by user namespace |
//! | | `kind_map.rs` | the maps of an idmap in kernel memory |
//! | | [`crate::user_namespace`] | where maps come from |
//! | ids and maps | `lookup.rs` | [`Lookup`], one direction of a map laid out for lookup |
//! | | `user_namespace/id_map.rs` | [`IdMap`](crate::user_namespace::IdMap), what a map is and means |
//! | | `user_namespace/extent.rs` | [`Extent`](crate::user_namespace::Extent), one checked extent |
//! | | `vfsid.rs` | what ids seen through a mount may be compared with |
//! | | [`crate::uidgid`] | the ids themselves |
//!
//! The lowest layer names nothing but `core`, has no `unsafe`, and is compiled and tested on the
//! host too.
//!
//! C header: [`include/linux/mnt_idmapping.h`](srctree/include/linux/mnt_idmapping.h)
//!
//! Reference: <https://docs.kernel.org/filesystems/idmappings.html>

mod lookup;
mod vfsid;

#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod ffi;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod idmap;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod in_use;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod kind_map;
#[cfg(not(CONFIG_RUST_MNT_IDMAPPING))]
mod opaque;
#[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
pub(crate) mod tests;

pub use self::lookup::{
    bucket_count,
    fill,
    Lookup, //
};

#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
pub(crate) use self::idmap::MappedKind;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
pub use self::idmap::MntIdmap;

#[cfg(not(CONFIG_RUST_MNT_IDMAPPING))]
pub use self::opaque::MntIdmap;
