// SPDX-License-Identifier: GPL-2.0

//! POSIX ACLs of inodes in memory.
//!
//! C header: [`include/linux/posix_acl.h`](srctree/include/linux/posix_acl.h)

use super::{
    dentry::Positive,
    filesystem::FileSystem,
    mnt_idmapping::MntIdmap, //
};
use crate::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// An ACL, whose ids are those that the filesystem stores.
///
/// There is nothing to do with one but to hand it on: its ids went through the map of the mount
/// before a filesystem gets it, and to map them again would be wrong.
///
/// # Invariants
///
/// It is valid and does not change for as long as it is borrowed.
#[repr(transparent)]
pub struct PosixAcl(Opaque<bindings::posix_acl>);

impl PosixAcl {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// The type invariants must hold for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::posix_acl) -> &'a Self {
        // SAFETY: By the requirements above.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }
}

/// What an ACL is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AclKind {
    /// Who may access the inode.
    Access,
    /// What is handed down to what is made in the directory.
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

    fn to_c(self) -> c_int {
        match self {
            Self::Access => bindings::ACL_TYPE_ACCESS as c_int,
            Self::Default => bindings::ACL_TYPE_DEFAULT as c_int,
        }
    }
}

/// Keeps an ACL in the inode, or none, and has the permissions follow it.
///
/// Mirrors `simple_set_acl()`.
///
/// # Errors
///
/// [`EINVAL`] if an access ACL has an entry of no kind, [`EOPNOTSUPP`] if the kernel has no ACLs.
pub fn simple_set_acl<T: FileSystem>(
    idmap: &MntIdmap,
    entry: &Positive<T>,
    acl: Option<&PosixAcl>,
    kind: AclKind,
) -> Result {
    let acl = acl.map_or(core::ptr::null_mut(), |acl| acl.0.get());
    // SAFETY: All are valid.
    unsafe { set(idmap, entry.as_ptr(), acl, kind.to_c()) }
}

/// Not generic, since C does not export it to modules, which generic functions are compiled into.
///
/// # Safety
///
/// `entry` must be valid and positive, `acl` valid or null.
#[inline(never)]
unsafe fn set(
    idmap: &MntIdmap,
    entry: *mut bindings::dentry,
    acl: *mut bindings::posix_acl,
    kind: c_int,
) -> Result {
    #[cfg(CONFIG_FS_POSIX_ACL)]
    // SAFETY: By the requirements above.
    return crate::error::to_result(unsafe {
        bindings::simple_set_acl(idmap.as_ptr(), entry, acl, kind)
    });
    #[cfg(not(CONFIG_FS_POSIX_ACL))]
    {
        let _ = (idmap, entry, acl, kind);
        Err(EOPNOTSUPP)
    }
}
