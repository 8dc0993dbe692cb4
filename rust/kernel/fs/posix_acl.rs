// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs: `struct posix_acl`.
//!
//! C header: [`include/linux/posix_acl.h`](srctree/include/linux/posix_acl.h)

use super::{
    filesystem::FileSystem,
    inode::Locked,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// A POSIX ACL with the ids that the filesystem stores.
///
/// The VFS has mapped the ids by the idmap of the mount; a filesystem must not map them again.
///
/// # Invariants
///
/// An instance is valid and does not change for as long as it is borrowed.
#[repr(transparent)]
pub struct PosixAcl(Opaque<bindings::posix_acl>);

impl PosixAcl {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an ACL that is valid and does not change for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::posix_acl) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`, by the requirements of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct posix_acl`.
        unsafe { &*ptr.cast() }
    }
}

/// The type of an ACL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AclKind {
    /// The access ACL of an inode: `ACL_TYPE_ACCESS`.
    Access,
    /// The default ACL of a directory, for new inodes in it: `ACL_TYPE_DEFAULT`.
    Default,
}

impl AclKind {
    pub(super) fn new(kind: c_int) -> Result<Self> {
        match u32::try_from(kind) {
            Ok(bindings::ACL_TYPE_ACCESS) => Ok(Self::Access),
            Ok(bindings::ACL_TYPE_DEFAULT) => Ok(Self::Default),
            _ => Err(EINVAL),
        }
    }
}

/// Sets or removes an ACL in the inode's ACL cache, and makes the mode follow an access ACL.
///
/// Mirrors `simple_set_acl()`, which C does not export to modules.
///
/// # Errors
///
/// [`EINVAL`] if an access ACL has an entry with an invalid tag. [`ENOMEM`].
#[cfg(CONFIG_FS_POSIX_ACL)]
pub fn simple_set_acl<T: FileSystem>(
    idmap: &MntIdmap,
    inode: &mut Locked<'_, T>,
    acl: Option<&PosixAcl>,
    kind: AclKind,
) -> Result {
    let raw = inode.as_ptr();
    let mut acl = acl.map_or(core::ptr::null_mut(), |acl| acl.0.get());
    let kind = match kind {
        AclKind::Access => {
            // SAFETY: The idmap and the inode are valid, and the inode is locked for writing, so
            // its mode may be written. `acl` is null or valid. The function may replace it by null.
            crate::error::to_result(unsafe {
                bindings::posix_acl_update_mode(idmap.as_ptr(), raw, &mut (*raw).i_mode, &mut acl)
            })?;
            bindings::ACL_TYPE_ACCESS
        }
        AclKind::Default => bindings::ACL_TYPE_DEFAULT,
    };
    inode.set_ctime_current();
    // SAFETY: The inode is valid and locked for writing. `acl` is null or valid, and the cache
    // takes its own reference.
    unsafe { bindings::set_cached_acl(raw, kind as c_int, acl) };
    Ok(())
}

/// Fails: the kernel is built without POSIX ACLs.
///
/// # Errors
///
/// [`EOPNOTSUPP`].
#[cfg(not(CONFIG_FS_POSIX_ACL))]
pub fn simple_set_acl<T: FileSystem>(
    _idmap: &MntIdmap,
    _inode: &mut Locked<'_, T>,
    _acl: Option<&PosixAcl>,
    _kind: AclKind,
) -> Result {
    Err(EOPNOTSUPP)
}
