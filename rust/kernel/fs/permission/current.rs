// SPDX-License-Identifier: GPL-2.0

//! The implementation of the traits for the current task, inodes, user namespaces and idmaps.

use super::{
    Access,
    AclEntry,
    Caller,
    Capability,
    CheckError,
    CheckResult,
    Entry,
    HasNamespace,
    Idmap,
    InodeAttrs,
    InodePerm,
    KindIdmap,
    Namespace,
    Tag,
    UidGidMap, //
};
use crate::{
    bindings,
    fs::{
        inode::AnyInode,
        mnt_idmapping::{
            MappedKind,
            MntIdmap, //
        },
        mode::{
            InodeFlags,
            Mask,
            Mode, //
        },
    },
    prelude::*,
    types::NotThreadSafe,
    uidgid::{
        Filesystem,
        FsGid,
        FsUid,
        Id,
        Kernel,
        Kgid,
        Kuid,
        Local,
        Space,
        Vfs,
        VfsGid, //
    },
    user_namespace::{
        NamespaceKind,
        UserNamespace, //
    },
};
use core::slice;

/// The current task at a mount.
pub(super) type CurrentAccess<'a> = Access<'a, Current, MntIdmap>;

/// The current task, with its subjective credentials.
///
/// # Invariants
///
/// `cred` points to the credentials of the current task, which does not replace them while a value
/// exists.
#[derive(Clone, Copy)]
pub(super) struct Current {
    cred: *const bindings::cred,
    _not_send: NotThreadSafe,
}

impl Current {
    /// Refers to the current task.
    ///
    /// # Safety
    ///
    /// The task must not replace its credentials while the result or a copy of it exists.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        // SAFETY: The current task is valid, and only the task itself writes to this field.
        let cred = unsafe { (*bindings::get_current()).cred };
        // INVARIANT: The task does not replace the credentials: `# Safety` of this function. The
        // value stays in this task.
        Self {
            cred,
            _not_send: NotThreadSafe,
        }
    }

    /// Returns whether the task has a capability, by its number, in a user namespace.
    #[inline]
    pub(super) fn has_capability(&self, namespace: &UserNamespace, capability: c_int) -> bool {
        // SAFETY: The namespace is valid.
        unsafe { bindings::ns_capable(namespace.as_ptr(), capability) }
    }
}

impl Caller for Current {
    type Namespace = UserNamespace;

    #[inline(always)]
    fn fsuid(&self) -> Option<Kuid> {
        // SAFETY: The credentials of the current task are valid and do not change.
        Id::from_c(unsafe { (*self.cred).fsuid.val })
    }

    #[inline(always)]
    fn fsgid(&self) -> Option<Kgid> {
        // SAFETY: The credentials of the current task are valid and do not change.
        Id::from_c(unsafe { (*self.cred).fsgid.val })
    }

    #[inline]
    fn in_group(&self, group: VfsGid) -> bool {
        let kgid = bindings::kgid_t { val: group.get() };
        // SAFETY: The function reads the credentials of the current task only.
        unsafe { bindings::in_group_p(kgid) != 0 }
    }

    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        // SAFETY: The credentials hold a reference to the namespace, and by the type invariants the
        // task keeps them while `self` exists.
        unsafe { UserNamespace::from_raw((*self.cred).user_ns) }
    }

    #[inline]
    fn capable(&self, capability: Capability) -> bool {
        // SAFETY: The function checks the current task only.
        unsafe { bindings::capable(capability as i32) }
    }

    #[inline]
    fn ns_capable(&self, namespace: &UserNamespace, capability: Capability) -> bool {
        self.has_capability(namespace, capability as i32)
    }
}

impl<K: NamespaceKind> UidGidMap<K> for UserNamespace {
    #[inline]
    fn from_kid(&self, id: Id<K, Kernel>) -> Option<Id<K, Local>> {
        self.from_kid(Some(id.cast()))
    }

    #[inline]
    fn make_kid(&self, name: Id<K, Local>) -> Option<Id<K, Kernel>> {
        Id::cast_any(self.make_kid(Some(name)))
    }
}

/// Stands for the filesystem where only its namespace is given.
impl HasNamespace<UserNamespace> for UserNamespace {
    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        self
    }
}

impl Namespace for UserNamespace {
    fn parent(&self) -> Option<&Self> {
        // SAFETY: The namespace is valid, and this field does not change.
        let parent = unsafe { (*self.as_ptr()).parent };
        // SAFETY: A namespace holds a reference to its parent. Only the initial one has none.
        (!parent.is_null()).then(|| unsafe { Self::from_raw(parent) })
    }
}

impl<K: MappedKind> KindIdmap<K, UserNamespace> for MntIdmap {
    #[inline(always)]
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        // Without an idmap, `fs.namespace()` would load from memory for nothing.
        if self.is_nop() {
            return Id::cast_any(id);
        }
        self.make_vfsid(fs.namespace(), id)
    }

    #[inline(always)]
    fn from_vfsid(
        &self,
        fs: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        self.from_vfsid(fs.namespace(), id)
    }
}

impl Idmap<UserNamespace> for MntIdmap {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        MntIdmap::is_nop(self)
    }
}

/// Reads a field of an inode that other tasks may write to: `READ_ONCE()`.
macro_rules! read_once {
    ($inode:expr, $field:ident) => {{
        let inode = $inode.as_ptr();
        // SAFETY: The inode is valid by its type invariants. The volatile read is a single one, as
        // the field has at most the size of a pointer.
        unsafe { (&raw const (*inode).$field).read_volatile() }
    }};
}

impl AnyInode {
    #[inline(always)]
    fn super_flags(&self) -> usize {
        let sb = read_once!(self, i_sb);
        // SAFETY: The superblock of an inode is valid while the inode is.
        unsafe { (&raw const (*sb).s_flags).read_volatile() }
    }
}

impl HasNamespace<UserNamespace> for AnyInode {
    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        let sb = read_once!(self, i_sb);
        // SAFETY: The superblock of an inode is valid while the inode is. It holds a reference to
        // its user namespace, which does not change.
        unsafe { UserNamespace::from_raw((*sb).s_user_ns) }
    }
}

impl InodeAttrs<UserNamespace> for AnyInode {
    #[inline(always)]
    fn mode(&self) -> Mode {
        Mode::new(read_once!(self, i_mode))
    }

    #[inline(always)]
    fn i_uid(&self) -> Option<FsUid> {
        Id::from_c(read_once!(self, i_uid).val)
    }

    #[inline(always)]
    fn i_gid(&self) -> Option<FsGid> {
        Id::from_c(read_once!(self, i_gid).val)
    }

    #[inline(always)]
    fn flags(&self) -> InodeFlags {
        let flags = InodeFlags::new(read_once!(self, i_flags));
        // As `IS_SWAPFILE()`.
        if cfg!(CONFIG_SWAP) {
            flags
        } else {
            flags.without(InodeFlags::S_SWAPFILE)
        }
    }
}

/// Returns the entries of an ACL in memory.
///
/// # Safety
///
/// `acl` must be valid and must not change for `'a`.
#[inline]
pub(super) unsafe fn acl_entries<'a>(
    acl: *const bindings::posix_acl,
) -> &'a [bindings::posix_acl_entry] {
    // SAFETY: `acl` is valid.
    let entries = unsafe { (&raw const (*acl).a_entries).cast() };
    // SAFETY: `acl` is valid.
    let count = unsafe { (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count };
    // SAFETY: `a_entries` has `a_count` entries, which do not change.
    unsafe { slice::from_raw_parts(entries, count as usize) }
}

impl AclEntry for &bindings::posix_acl_entry {
    #[inline]
    fn decode(&self) -> Entry<Filesystem> {
        Entry::from_c(self)
    }

    // The search for the mask compares a tag without decoding the entry.
    #[inline]
    fn is_mask(&self) -> bool {
        u32::from(self.e_tag as u16) == bindings::ACL_MASK
    }
}

impl<S: Space> Entry<S> {
    /// Reads an entry in C. The caller determines the space of its id.
    #[inline]
    pub(super) fn from_c(entry: &bindings::posix_acl_entry) -> Self {
        // SAFETY: `e_uid` and `e_gid` are the same integer, which any tag can have.
        let id = unsafe { entry.__bindgen_anon_1.e_uid.val };
        let tag = match u32::from(entry.e_tag as u16) {
            bindings::ACL_USER_OBJ => Tag::UserObj,
            bindings::ACL_USER => Tag::User(Id::from_c(id)),
            bindings::ACL_GROUP_OBJ => Tag::GroupObj,
            bindings::ACL_GROUP => Tag::Group(Id::from_c(id)),
            bindings::ACL_MASK => Tag::Mask,
            bindings::ACL_OTHER => Tag::Other,
            _ => Tag::Unknown,
        };
        Entry {
            tag,
            perm: entry.e_perm,
        }
    }

    /// The id of a named user or a named group, for C.
    #[inline]
    pub(super) fn id_to_c(&self) -> Option<u32> {
        match self.tag {
            Tag::User(id) => Some(Id::to_c(id)),
            Tag::Group(id) => Some(Id::to_c(id)),
            _ => None,
        }
    }
}

impl InodePerm<UserNamespace> for AnyInode {
    type Entries<'a> = slice::Iter<'a, bindings::posix_acl_entry>;

    #[inline(always)]
    fn no_acl(&self) -> bool {
        #[cfg(CONFIG_FS_POSIX_ACL)]
        return read_once!(self, i_acl).is_null();
        #[cfg(not(CONFIG_FS_POSIX_ACL))]
        return true;
    }

    #[inline(always)]
    fn is_posixacl(&self) -> bool {
        cfg!(CONFIG_FS_POSIX_ACL) && self.super_flags() & bindings::SB_POSIXACL != 0
    }

    #[inline(always)]
    fn is_read_only(&self) -> bool {
        self.super_flags() & bindings::SB_RDONLY != 0
    }

    #[cfg(CONFIG_FS_POSIX_ACL)]
    fn with_acl<R>(
        &self,
        mask: Mask,
        check: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        let kind = bindings::ACL_TYPE_ACCESS as i32;
        if mask.has(Mask::MAY_NOT_BLOCK) {
            // SAFETY: The inode is valid, and this is an RCU read-side critical section.
            let acl = unsafe { bindings::get_cached_acl_rcu(self.as_ptr(), kind) };
            if acl.is_null() {
                return Ok(None);
            }
            // `is_uncached_acl()`: an odd pointer is not that of an ACL.
            if acl.addr() & 1 != 0 {
                return Err(CheckError::ECHILD);
            }
            // SAFETY: The ACL is valid until the end of the critical section, and no cached ACL
            // changes.
            let entries = unsafe { acl_entries(acl) };
            return Ok(Some(check(entries.iter())));
        }
        // SAFETY: The inode is valid, and this may sleep.
        let acl = unsafe { bindings::get_inode_acl(self.as_ptr(), kind) };
        // `IS_ERR()` is a function for Rust. Only an error takes the call.
        if acl.addr() >= (bindings::MAX_ERRNO as usize).wrapping_neg() {
            crate::error::from_err_ptr(acl)?;
        }
        if acl.is_null() {
            return Ok(None);
        }
        // SAFETY: `get_inode_acl()` returned a reference, and no cached ACL changes.
        let checked = check(unsafe { acl_entries(acl) }.iter());
        // SAFETY: This drops the reference, and nothing uses the ACL any more.
        unsafe { bindings::posix_acl_release(acl) };
        Ok(Some(checked))
    }

    #[cfg(not(CONFIG_FS_POSIX_ACL))]
    fn with_acl<R>(
        &self,
        _: Mask,
        _: impl FnOnce(Self::Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        Ok(None)
    }
}

impl From<Error> for CheckError {
    #[inline]
    fn from(error: Error) -> Self {
        // The number of an error is negative.
        Self::from_errno(error.to_errno()).unwrap_or(Self::EIO)
    }
}
