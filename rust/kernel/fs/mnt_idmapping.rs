// SPDX-License-Identifier: GPL-2.0

//! Id mappings of mounts.
//!
//! An idmapped mount changes the ownership of files as seen through that mount. On disk nothing
//! changes: a file of uid 1000 can appear as 1001, and files that 1001 creates there are stored as
//! 1000. With `CONFIG_RUST_MNT_IDMAPPING` this module replaces `fs/mnt_idmapping.c` for all
//! filesystems.
//!
//! Each layer uses the layers below it only:
//!
//! | layer | file | contents |
//! | --- | --- | --- |
//! | FFI | `ffi.rs` | the functions of `fs/mnt_idmapping.c` |
//! | objects | `idmap.rs` | [`MntIdmap`]: `struct mnt_idmap` |
//! | | `in_use.rs` | the idmaps in use, by user namespace |
//! | | `kind_map.rs` | the map of an idmap for users or groups |
//! | | [`crate::user_namespace`] | the maps of user namespaces |
//! | ids and maps | `lookup.rs` | [`Lookup`]: one direction of a map, laid out for lookups |
//! | | `user_namespace/id_map.rs` | [`IdMap`](crate::user_namespace::IdMap): the definition of maps |
//! | | `user_namespace/extent.rs` | [`Extent`](crate::user_namespace::Extent): an extent of a map |
//! | | `vfsid.rs` | comparisons and conversions of ids at a mount |
//! | | [`crate::uidgid`] | the types of ids |
//!
//! The files of the last layer import `core` only, and contain no `unsafe`. Tests on the host
//! compile them, too.
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
