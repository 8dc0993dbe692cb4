// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The extended attribute `security.capability`.
//!
//! The attribute holds the capabilities that execution of a file grants. Since revision 3 it also
//! holds the id of a root user: the file grants the capabilities in the user namespaces that have
//! this user as root, and in their descendants. On disk, the id is one of the user namespace of the
//! filesystem. A program reads and writes an id of its own user namespace.

use super::{
    error::{
        CheckError,
        CheckResult, //
    },
    traits::{
        Caller,
        Capability,
        HasNamespace,
        Idmap,
        InodeAttrs,
        Namespace,
        UidGidMap, //
    },
    Access, //
};
use crate::uidgid::{
    Id,
    Kuid,
    Local,
    Uid,
    User,
    Vfs,
    VfsUid, //
};

/// The revision of an attribute, and its root user id, [`None`] if the id is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapsRoot {
    /// Revision 1: capabilities of 32 bits, root user 0.
    V1,
    /// Revision 2: root user 0.
    V2,
    /// Revision 3: with a root user id.
    V3(Option<Uid>),
}

/// An attribute on disk: the root user id is one of the user namespace of the filesystem.
///
/// An attribute that a program reads or writes is a different type:
///
/// ```ignore,compile_fail,E0308
/// use kernel::fs::permission::{CallerCaps, DiskCaps};
///
/// fn store(written: CallerCaps) -> DiskCaps {
///     written
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskCaps(pub CapsRoot);

/// An attribute that a program reads or writes: the root user id is one of the user namespace of
/// the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerCaps(pub CapsRoot);

/// The first word of an attribute on disk, and the capabilities that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCaps {
    /// The revision and the flags: `magic_etc`.
    pub magic: u32,
    /// The permitted capabilities.
    pub permitted: u64,
    /// The inheritable capabilities.
    pub inheritable: u64,
}

/// `VFS_CAP_REVISION_MASK`
pub(super) const REVISION_MASK: u32 = 0xff00_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`
pub(super) const EFFECTIVE: u32 = 1;

/// `VFS_CAP_REVISION_1`, and so on
pub(super) const REVISION_1: u32 = 0x0100_0000;
pub(super) const REVISION_2: u32 = 0x0200_0000;
pub(super) const REVISION_3: u32 = 0x0300_0000;

/// `XATTR_CAPS_SZ_1`: the first word, and then one or two times two words, and the root user id.
const SIZE_1: usize = 12;
const SIZE_2: usize = 20;
const SIZE_3: usize = 24;

impl DiskCaps {
    /// Parses an attribute for execution. Fails with [`CheckError::EINVAL`] if no revision has its
    /// size.
    ///
    /// Equals the parser of `get_vfs_caps_from_disk()`.
    pub fn to_execute(attribute: &[u8]) -> CheckResult<Self> {
        match (word(attribute, 0)? & REVISION_MASK, attribute.len()) {
            (REVISION_1, SIZE_1) => Ok(Self(CapsRoot::V1)),
            (REVISION_2, SIZE_2) => Ok(Self(CapsRoot::V2)),
            (REVISION_3, SIZE_3) => Ok(Self(CapsRoot::V3(Id::new(word(attribute, SIZE_2)?)))),
            _ => Err(CheckError::EINVAL),
        }
    }

    /// Parses an attribute for a program that reads it.
    ///
    /// Equals the parser of `cap_inode_getsecurity()`.
    pub fn to_show(attribute: &[u8]) -> CheckResult<Self> {
        CapsRoot::exact(attribute).map(Self)
    }
}

impl CallerCaps {
    /// Parses an attribute that a program writes.
    ///
    /// Equals the parser of `cap_convert_nscap()`.
    pub fn new(attribute: &[u8]) -> CheckResult<Self> {
        CapsRoot::exact(attribute).map(Self)
    }
}

impl CapsRoot {
    /// Parses an attribute of revision 2 or 3 without unknown flags.
    ///
    /// Equals `validheader()`.
    fn exact(attribute: &[u8]) -> CheckResult<Self> {
        match (word(attribute, 0)? & !EFFECTIVE, attribute.len()) {
            (REVISION_2, SIZE_2) => Ok(Self::V2),
            (REVISION_3, SIZE_3) => Ok(Self::V3(Id::new(word(attribute, SIZE_2)?))),
            _ => Err(CheckError::EINVAL),
        }
    }

    /// The size of an attribute of this revision.
    #[inline]
    pub const fn size(self) -> usize {
        match self {
            Self::V1 => SIZE_1,
            Self::V2 => SIZE_2,
            Self::V3(_) => SIZE_3,
        }
    }

    /// The greatest size of an attribute: `XATTR_CAPS_SZ`.
    pub const MAX_SIZE: usize = SIZE_3;

    /// Stores the root user id in an attribute of the same revision.
    pub fn store(self, attribute: &mut [u8]) {
        if let Self::V3(root) = self {
            store_word(attribute, SIZE_2, Id::to_c(root));
        }
    }

    /// Stores an attribute of this revision, with the capabilities of an attribute of revision 2 or
    /// 3.
    pub fn convert(self, from: &[u8], attribute: &mut [u8]) {
        let revision = match self {
            Self::V1 => REVISION_1,
            Self::V2 => REVISION_2,
            Self::V3(_) => REVISION_3,
        };
        let flags = word(from, 0).unwrap_or(0) & EFFECTIVE;
        store_word(attribute, 0, revision | flags);
        let capabilities = 4..SIZE_2;
        if let Some(to) = attribute.get_mut(capabilities.clone()) {
            to.copy_from_slice(from.get(capabilities).unwrap_or(&[0; SIZE_2 - 4]));
        }
        self.store(attribute);
    }

    /// The root user id of the attribute.
    #[inline]
    fn root(self) -> Option<Uid> {
        match self {
            Self::V1 | Self::V2 => Uid::new(0),
            Self::V3(root) => root,
        }
    }
}

impl FileCaps {
    /// Reads an attribute of any revision.
    pub fn new(attribute: &[u8]) -> CheckResult<Self> {
        let magic = word(attribute, 0)?;
        let low = |at| word(attribute, at).map_or(0, u64::from);
        let high = |at| match magic & REVISION_MASK {
            REVISION_1 => 0,
            _ => low(at) << 32,
        };
        Ok(Self {
            magic,
            permitted: low(4) | high(12),
            inheritable: low(8) | high(16),
        })
    }
}

/// Stores a little-endian word of an attribute.
fn store_word(attribute: &mut [u8], at: usize, word: u32) {
    if let Some(bytes) = attribute.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *bytes = word.to_le_bytes();
    }
}

/// Reads a little-endian word of an attribute.
fn word(attribute: &[u8], at: usize) -> CheckResult<u32> {
    let bytes = attribute.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(Err(CheckError::EINVAL), |bytes| {
        Ok(u32::from_le_bytes(*bytes))
    })
}

/// Returns whether a user is root in a user namespace or in one of its ancestors.
///
/// Equals `kuid_root_in_ns()`.
fn kuid_root_in_ns(user: Kuid, namespace: &(impl Namespace + ?Sized)) -> bool {
    let mut at = Some(namespace);
    while let Some(namespace) = at {
        let name: Option<Id<User, Local>> = namespace.from_kid(user);
        if name == Uid::new(0) {
            return true;
        }
        at = namespace.parent();
    }
    false
}

impl<C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'_, C, M> {
    /// The root user of an attribute on disk, mapped by the idmap of the mount.
    fn seen_root(self, fs: &impl HasNamespace<C::Namespace>, caps: DiskCaps) -> Option<VfsUid> {
        let root = UidGidMap::<User>::make_kid(fs.namespace(), caps.0.root()?)?;
        self.map.make_vfsid(fs, Some(root.cast()))
    }

    /// Returns whether a user at the mount is root in the user namespace of the caller or in one of
    /// its ancestors.
    ///
    /// Equals `vfsuid_root_in_currentns()`.
    fn vfsuid_root_in_currentns(self, root: Option<VfsUid>) -> bool {
        root.is_some_and(|root| kuid_root_in_ns(root.into_kernel(), self.caller.namespace()))
    }

    /// The root user of the capabilities of a program. Fails with [`CheckError::ENODATA`] if this
    /// user is not root for the caller, so that the capabilities do not count.
    ///
    /// Equals `rootid` of `get_vfs_caps_from_disk()`.
    pub fn caps_to_execute(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        caps: DiskCaps,
    ) -> CheckResult<Kuid> {
        match self.seen_root(fs, caps) {
            Some(root) if self.vfsuid_root_in_currentns(Some(root)) => Ok(root.into_kernel()),
            _ => Err(CheckError::ENODATA),
        }
    }

    /// The attribute that the caller reads: revision 3 if the user namespace of the caller maps the
    /// root user to an id other than 0, revision 2 if the user is root for the caller. Fails with
    /// [`CheckError::EOVERFLOW`] otherwise.
    ///
    /// Equals `cap_inode_getsecurity()`.
    pub fn caps_to_caller(
        self,
        fs: &impl HasNamespace<C::Namespace>,
        caps: DiskCaps,
    ) -> CheckResult<CallerCaps> {
        let root = self.seen_root(fs, caps);
        let name = root.and_then(|root| self.caller.namespace().from_kid(root.into_kernel()));
        if name.is_some() && name != Uid::new(0) {
            Ok(CallerCaps(CapsRoot::V3(name)))
        } else if self.vfsuid_root_in_currentns(root) {
            Ok(CallerCaps(CapsRoot::V2))
        } else {
            Err(CheckError::EOVERFLOW)
        }
    }

    /// The attribute on disk for an attribute that the caller writes.
    ///
    /// This is revision 2 if the caller has `CAP_SETFCAP` over the filesystem and the mount has no
    /// idmap, and otherwise revision 3. Fails with [`CheckError::EPERM`] without `CAP_SETFCAP` over
    /// the inode, and with [`CheckError::EINVAL`] if the root user is not mapped.
    ///
    /// Equals `cap_convert_nscap()`.
    pub fn caps_from_caller(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        caps: CallerCaps,
    ) -> CheckResult<DiskCaps> {
        if !self.has_capability_over(inode, Capability::Setfcap) {
            return Err(CheckError::EPERM);
        }
        if caps.0 == CapsRoot::V2
            && self.map.is_nop()
            && self
                .caller
                .ns_capable(inode.namespace(), Capability::Setfcap)
        {
            return Ok(DiskCaps(CapsRoot::V2));
        }
        let stored = || {
            let root = UidGidMap::<User>::make_kid(self.caller.namespace(), caps.0.root()?)?;
            let root: Id<User, Vfs> = Id::from_caller(root);
            let root = self.map.from_vfsid(inode, Some(root))?;
            UidGidMap::<User>::from_kid(inode.namespace(), root.cast())
        };
        match stored() {
            Some(root) => Ok(DiskCaps(CapsRoot::V3(Some(root)))),
            None => Err(CheckError::EINVAL),
        }
    }
}
