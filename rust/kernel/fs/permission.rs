// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Permission and ownership checks on inodes that are accessed through a mount.
//!
//! An inode stores the owner and the group on disk. The idmap of the mount maps them, and the
//! checks compare the credentials of the caller with the mapped ids. Each function is documented
//! with the C function whose results it equals, for all callers, inodes and idmaps that implement
//! [`Caller`], [`InodeAttrs`] and [`Idmap`].
//!
//! | module | checks |
//! | --- | --- |
//! | `generic` | [`generic_permission()`], [`inode_permission()`] |
//! | `acl` | POSIX ACLs |
//! | `owner` | owners and groups of inodes, and capabilities over inodes |
//! | `init_owner` | owner, group and mode of new inodes |
//! | `attr` | changes of owner, group, mode and times |
//! | `namei` | creation, removal and linking of directory entries, and sticky directories |
//! | `fscaps` | the extended attribute `security.capability` |
//! | `idmap_mount` | idmaps that mounts get |
//! | `nested` | idmaps for callers that do not control the filesystem |
//!
//! These modules use only `core`, and are also compiled and tested on the host. Their functions do
//! not sleep, allocate or log. They call the methods of their arguments in the order in which C
//! does, and only if it does: a check of a capability sets `PF_SUPERPRIV` and is audited.
//!
//! C calls the functions of `ffi`, with the current task (`current`) as the caller.
//!
//! # Mistakes that do not compile
//!
//! A comparison of the owner on disk with a caller. The owner must be mapped by
//! [`Access::i_uid_into_vfsuid`] first:
//!
//! ```ignore,compile_fail,E0308
//! use kernel::fs::permission::{Caller, InodeAttrs};
//!
//! fn owns<C: Caller>(caller: C, inode: &impl InodeAttrs<C::Namespace>) -> bool {
//!     inode.i_uid() == Some(caller.fsuid())
//! }
//! ```
//!
//! A check of the caller's groups against the group on disk. The group must be mapped by
//! [`Access::i_gid_into_vfsgid`] first:
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
mod nested;
mod owner;
mod traits;

// Not on the host.
#[cfg(CONFIG_RUST)]
mod values;

#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod current;
#[cfg(CONFIG_RUST_MNT_IDMAPPING)]
mod ffi;
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
        DiskCaps,
        FileCaps, //
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
    nested::{
        count_ids,
        may_nest,
        nest,
        NestingNamespace,
        NoNesting,
        MAX_NAMED_IDS,
        NESTING_CAPABILITIES, //
    },
    traits::{
        AclEntry,
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
