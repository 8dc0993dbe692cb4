// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Who may do what with an object, as it is seen through a mount.
//!
//! A filesystem stores owners, a mount shows them under other ids, and a caller is compared with
//! what is shown. These are the decisions that the kernel takes that way: whether a permission is
//! granted, who may change attributes, who owns what is made. Each has the name of the C function
//! whose answer it must equal, and gives it for any caller, object and map that answer the
//! questions of [`Caller`], [`InodeAttrs`] and [`Mapping`].
//!
//! | file | decides |
//! | --- | --- |
//! | `generic.rs` | [`generic_permission()`], [`inode_permission()`] |
//! | `acl.rs` | what an ACL grants, and what its entries are called where |
//! | `owner.rs` | who owns an object, and whose capabilities count for it |
//! | `init_owner.rs` | who owns a new object, and its set-group-id bit |
//! | `attr.rs` | `chmod`, `chown` and `utimes` |
//! | `namei.rs` | making, removing and linking of names, and the protections of sticky directories |
//! | `fscaps.rs` | whose root a file's capabilities are for |
//! | `idmap_mount.rs` | who may idmap a mount |
//!
//! A decision never sleeps, allocates or logs. It asks its questions as late as it can, and in the
//! order in which C asks them, since to ask for a capability leaves a trace in the caller and in
//! the audit log. Like the ids and maps below them, decisions name nothing but `core`, and are
//! compiled and tested on the host too.
//!
//! # What cannot be written
//!
//! The id that an inode stores is not compared with a caller; [`Access::i_uid_into_vfsuid`] has to
//! come between:
//!
//! ```ignore,compile_fail,E0308
//! use kernel::fs::permission::{Caller, InodeAttrs};
//!
//! fn owns<C: Caller>(caller: C, inode: &impl InodeAttrs<C::Namespace>) -> bool {
//!     inode.i_uid() == Some(caller.fsuid())
//! }
//! ```
//!
//! A caller is not asked whether it is in a group that was not mapped:
//!
//! ```ignore,compile_fail,E0308
//! use kernel::fs::permission::{Caller, InodeAttrs};
//!
//! fn in_group<C: Caller>(caller: C, inode: &impl InodeAttrs<C::Namespace>) -> bool {
//!     inode.i_gid().is_some_and(|group| caller.in_group(group))
//! }
//! ```
//!
//! [`generic_permission()`]: Access::mapped_generic_permission
//! [`inode_permission()`]: Access::mapped_inode_permission

mod access;
mod acl;
mod attr;
mod error;
mod fscaps;
mod generic;
mod idmap_mount;
mod init_owner;
mod namei;
mod owner;
mod traits;

#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod current;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod ffi;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod specialize;
#[cfg(all(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST, CONFIG_FS_POSIX_ACL))]
mod tests;

pub use self::{
    access::Access,
    acl::{
        posix_acl_valid,
        Entry,
        Tag, //
    },
    attr::{
        IattrFields,
        IattrValues, //
    },
    error::{
        CheckError,
        CheckResult, //
    },
    fscaps::{
        CallerCaps,
        CapsRoot,
        DiskCaps, //
    },
    idmap_mount::{
        IdmapRequest,
        MountFacts,
        NewMap,
        NoIdmap,
        UsernsFd, //
    },
    init_owner::{
        MappedFsIds,
        Ownership, //
    },
    namei::{
        Parent,
        Protected,
        StickyCreate, //
    },
    traits::{
        Caller,
        Capability,
        HasNamespace,
        Idmap,
        InodeAttrs,
        InodePerm,
        KindIdmap,
        Namespace,
        UidGidMap, //
    },
};
