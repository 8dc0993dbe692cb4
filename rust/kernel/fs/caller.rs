// SPDX-License-Identifier: GPL-2.0

//! The caller of an operation: the current task with its subjective credentials.
//!
//! The VFS checks the caller before most operations. A filesystem needs these functions for a check
//! of its own, and for ids that it writes into the contents of a file.
//!
//! C headers: [`include/linux/cred.h`](srctree/include/linux/cred.h),
//! [`include/linux/capability.h`](srctree/include/linux/capability.h)

use super::{
    filesystem::FileSystem,
    inode::Inode,
    mnt_idmapping::MntIdmap,
    permission::Capability, //
};
use crate::{
    bindings,
    uidgid::{
        Id,
        Kgid,
        Kuid,
        VfsGid,
        VfsUid, //
    },
};

/// Returns the user id for files, or [`None`] for credentials without one: nfsd takes ids from its
/// clients.
///
/// Mirrors `current_fsuid()`.
///
/// # Examples
///
/// The caller is compared with the owner as seen through a mount:
///
/// ```
/// use kernel::fs::{caller, filesystem::FileSystem, inode::Inode, mnt_idmapping::MntIdmap};
///
/// fn owns<T: FileSystem>(idmap: &MntIdmap, inode: &Inode<T>) -> bool {
///     inode.uid(idmap).is_some_and(|uid| uid == caller::fsuid())
/// }
/// ```
#[doc(alias = "current_fsuid")]
pub fn fsuid() -> Option<Kuid> {
    // SAFETY: The credentials of the current task are valid, and only the task replaces them.
    Id::from_c(unsafe { (*(*bindings::get_current()).cred).fsuid.val })
}

/// Returns the group id for files, or [`None`] for credentials without one.
///
/// Mirrors `current_fsgid()`.
#[doc(alias = "current_fsgid")]
pub fn fsgid() -> Option<Kgid> {
    // SAFETY: The credentials of the current task are valid, and only the task replaces them.
    Id::from_c(unsafe { (*(*bindings::get_current()).cred).fsgid.val })
}

/// Checks whether the caller is in a group, by the group for files or by a supplementary group. A
/// group that the mount does not map has no members.
///
/// Mirrors `vfsgid_in_group_p()`.
#[doc(alias = "vfsgid_in_group_p")]
pub fn in_group(gid: Option<VfsGid>) -> bool {
    let Some(gid) = gid else {
        return false;
    };
    // SAFETY: The function reads the credentials of the current task.
    unsafe { bindings::in_group_p(bindings::kgid_t { val: gid.get() }) != 0 }
}

/// Checks whether the caller has a capability over an inode: in its own user namespace, which must
/// map the owner and the group of the inode as seen through the mount. A successful check is noted
/// in the flags of the task and in the audit log.
///
/// Mirrors `capable_wrt_inode_uidgid()`.
#[doc(alias = "capable_wrt_inode_uidgid")]
pub fn capable<T: FileSystem>(idmap: &MntIdmap, inode: &Inode<T>, capability: Capability) -> bool {
    let capability = capability as i32;
    // SAFETY: Both pointers are from references, so the idmap and the inode are valid.
    unsafe { bindings::capable_wrt_inode_uidgid(idmap.as_ptr(), inode.as_ptr(), capability) }
}

/// Returns the number that `stat()` returns for a user id: the id in the user namespace of the
/// caller, or the overflow id if the mount or the user namespace does not map it.
///
/// Mirrors `from_kuid_munged()`.
///
/// # Examples
///
/// The contents of a generated file, with the owner as an id of the reader's user namespace:
///
/// ```
/// use kernel::{
///     fs::{
///         caller,
///         file_ops::{OpenFile, ReadBuffer},
///         filesystem::FileSystem,
///     },
///     prelude::*,
///     str::CString,
/// };
///
/// fn read<T: FileSystem>(file: &OpenFile<T>, position: i64, to: &mut ReadBuffer<'_>) -> Result {
///     let owner = caller::shown_uid(file.inode().uid(file.idmap()));
///     let text = CString::try_from_fmt(fmt!("owner {owner}\n"))?;
///     let position = usize::try_from(position).map_err(|_| EINVAL)?;
///     if let Some(rest) = text.to_bytes().get(position..) {
///         to.put(rest);
///     }
///     Ok(())
/// }
/// ```
#[doc(alias = "from_kuid_munged")]
pub fn shown_uid(uid: Option<VfsUid>) -> u32 {
    let uid = bindings::kuid_t { val: Id::to_c(uid) };
    // SAFETY: The user namespace of the current task is valid, as only the task replaces it.
    unsafe { bindings::from_kuid_munged(bindings::current_user_ns(), uid) }
}

/// Returns the number that `stat()` returns for a group id: the id in the user namespace of the
/// caller, or the overflow id if the mount or the user namespace does not map it.
///
/// Mirrors `from_kgid_munged()`.
#[doc(alias = "from_kgid_munged")]
pub fn shown_gid(gid: Option<VfsGid>) -> u32 {
    let gid = bindings::kgid_t { val: Id::to_c(gid) };
    // SAFETY: The user namespace of the current task is valid, as only the task replaces it.
    unsafe { bindings::from_kgid_munged(bindings::current_user_ns(), gid) }
}
