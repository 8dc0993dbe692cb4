// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Whose root the capabilities of a file are for.
//!
//! The attribute `security.capability` gives the capabilities that executing a file adds, and since
//! its third revision also the id of a root: they count in user namespaces whose root that is, or
//! is an ancestor's. On disk it is an id of the filesystem; who reads or writes the attribute calls
//! it by its own name.

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

/// The revision of an attribute with capabilities, and its root.
///
/// The root is [`None`] where it is the number that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapsRoot {
    /// The first revision, with capabilities of 32 bits, for the root 0.
    V1,
    /// The second revision, for the root 0.
    V2,
    /// The third revision, for a root of its own.
    V3(Option<Uid>),
}

/// What an attribute on disk has: the root is called as the filesystem's namespace calls it.
///
/// It is not what a program reads or writes:
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

/// What a program reads or writes: the root is called as the caller's namespace calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerCaps(pub CapsRoot);

/// The bits of the first word that tell the revision.
const REVISION_MASK: u32 = 0xff00_0000;
/// What else that word can say: the capabilities are in effect at once.
const EFFECTIVE: u32 = 1;

const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// The number of bytes: a word, then one or two times two words, then the root.
const SIZE_1: usize = 12;
const SIZE_2: usize = 20;
const SIZE_3: usize = 24;

impl DiskCaps {
    /// Reads the revision and the root off an attribute of a program that is executed,
    /// [`CheckError::EINVAL`] if these are not the size and the revision of any.
    ///
    /// Equals what `get_vfs_caps_from_disk()` takes.
    pub fn to_execute(attribute: &[u8]) -> CheckResult<Self> {
        match (word(attribute, 0)? & REVISION_MASK, attribute.len()) {
            (REVISION_1, SIZE_1) => Ok(Self(CapsRoot::V1)),
            (REVISION_2, SIZE_2) => Ok(Self(CapsRoot::V2)),
            (REVISION_3, SIZE_3) => Ok(Self(CapsRoot::V3(Id::new(word(attribute, SIZE_2)?)))),
            _ => Err(CheckError::EINVAL),
        }
    }

    /// Reads the revision and the root off an attribute that is to be shown.
    ///
    /// Equals what `cap_inode_getsecurity()` takes.
    pub fn to_show(attribute: &[u8]) -> CheckResult<Self> {
        CapsRoot::exact(attribute).map(Self)
    }
}

impl CallerCaps {
    /// Reads the revision and the root off an attribute that a program writes.
    ///
    /// Equals what `cap_convert_nscap()` takes.
    pub fn new(attribute: &[u8]) -> CheckResult<Self> {
        CapsRoot::exact(attribute).map(Self)
    }
}

impl CapsRoot {
    /// Of what programs read and write, no first revision is taken, nor a bit without a meaning.
    ///
    /// Equals `validheader()`.
    fn exact(attribute: &[u8]) -> CheckResult<Self> {
        match (word(attribute, 0)? & !EFFECTIVE, attribute.len()) {
            (REVISION_2, SIZE_2) => Ok(Self::V2),
            (REVISION_3, SIZE_3) => Ok(Self::V3(Id::new(word(attribute, SIZE_2)?))),
            _ => Err(CheckError::EINVAL),
        }
    }

    /// The number of bytes of an attribute of this revision.
    #[inline]
    pub const fn size(self) -> usize {
        match self {
            Self::V1 => SIZE_1,
            Self::V2 => SIZE_2,
            Self::V3(_) => SIZE_3,
        }
    }

    /// The root as the attribute has it.
    #[inline]
    fn root(self) -> Option<Uid> {
        match self {
            Self::V1 | Self::V2 => Uid::new(0),
            Self::V3(root) => root,
        }
    }
}

/// A little endian word of an attribute.
fn word(attribute: &[u8], at: usize) -> CheckResult<u32> {
    let bytes = attribute.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(Err(CheckError::EINVAL), |bytes| {
        Ok(u32::from_le_bytes(*bytes))
    })
}

/// Whether a user is root in a namespace, or in one that this was made in.
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
    /// The root of an attribute on disk as the mount shows it.
    fn seen_root(self, fs: &impl HasNamespace<C::Namespace>, caps: DiskCaps) -> Option<VfsUid> {
        let root = UidGidMap::<User>::make_kid(fs.namespace(), caps.0.root()?)?;
        self.map.make_vfsid(fs, Some(root.cast()))
    }

    /// Whether a root that is seen is the caller's, or that of a namespace above.
    ///
    /// Equals `vfsuid_root_in_currentns()`.
    fn vfsuid_root_in_currentns(self, root: Option<VfsUid>) -> bool {
        root.is_some_and(|root| kuid_root_in_ns(root.into_kernel(), self.caller.namespace()))
    }

    /// Whose root the capabilities of a program are for, [`CheckError::ENODATA`] if not for the
    /// caller's: they are none then.
    ///
    /// Equals what `get_vfs_caps_from_disk()` puts in `rootid`.
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

    /// What the caller is shown of an attribute on disk: the third revision where the root has a
    /// name of its own, the second where it is root for the caller too. [`CheckError::EOVERFLOW`] if
    /// the caller has no name for it.
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

    /// What is put on disk for an attribute that the caller writes.
    ///
    /// That is the second revision where the caller may give capabilities to all of the filesystem
    /// and the mount changes nothing; else it is the third, with the root as the filesystem calls
    /// it. [`CheckError::EPERM`] if the caller may not, [`CheckError::EINVAL`] if a root is not mapped.
    ///
    /// Equals `cap_convert_nscap()`.
    pub fn caps_from_caller(
        self,
        inode: &impl InodeAttrs<C::Namespace>,
        caps: CallerCaps,
    ) -> CheckResult<DiskCaps> {
        if !self.capable_wrt_inode_uidgid(inode, Capability::Setfcap) {
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
