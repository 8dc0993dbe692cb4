// SPDX-License-Identifier: GPL-2.0

//! The kernel's own callers, inodes and maps, as decisions ask them.

use super::{
    Access,
    Caller,
    Capability,
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
use core::marker::PhantomData;

/// The current task at a mount.
pub(super) type CurrentAccess<'a> = Access<'a, Current<'a>, MntIdmap>;

/// The current task.
///
/// # Invariants
///
/// `cred` is valid for `'a`, and the subjective credentials of the task that runs this.
#[derive(Clone, Copy)]
pub(super) struct Current<'a> {
    cred: *const bindings::cred,
    borrowed: PhantomData<&'a bindings::cred>,
    /// Another task is another caller.
    _not_send: NotThreadSafe,
}

impl Current<'_> {
    /// Takes the current task by its credentials, which C has at hand.
    ///
    /// # Safety
    ///
    /// `cred` must be `current_cred()`, and stay that for as long as the result is in use.
    #[inline(always)]
    pub(super) unsafe fn from_cred(cred: *const bindings::cred) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            cred,
            borrowed: PhantomData,
            _not_send: NotThreadSafe,
        }
    }

    /// Asks `ns_capable()` for a capability of any number.
    #[inline]
    pub(super) fn has(&self, namespace: &UserNamespace, capability: c_int) -> bool {
        // SAFETY: The namespace is valid; the rest is the current task.
        unsafe { bindings::ns_capable(namespace.as_ptr(), capability) }
    }
}

impl Caller for Current<'_> {
    type Namespace = UserNamespace;

    #[inline(always)]
    fn fsuid(&self) -> Option<Kuid> {
        // SAFETY: By the type invariants `cred` is valid; credentials in use do not change.
        Id::from_c(unsafe { (*self.cred).fsuid.val })
    }

    #[inline(always)]
    fn fsgid(&self) -> Option<Kgid> {
        // SAFETY: As in `fsuid()`.
        Id::from_c(unsafe { (*self.cred).fsgid.val })
    }

    #[inline]
    fn in_group(&self, group: VfsGid) -> bool {
        let kgid = bindings::kgid_t { val: group.get() };
        // SAFETY: This reads the credentials of the current task only.
        unsafe { bindings::in_group_p(kgid) != 0 }
    }

    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        // SAFETY: By the type invariants `cred` is valid, and it holds its namespace.
        unsafe { UserNamespace::from_raw((*self.cred).user_ns) }
    }

    #[inline]
    fn capable(&self, capability: Capability) -> bool {
        // SAFETY: This asks about the current task only.
        unsafe { bindings::capable(capability as i32) }
    }

    #[inline]
    fn ns_capable(&self, namespace: &UserNamespace, capability: Capability) -> bool {
        self.has(namespace, capability as i32)
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

/// A filesystem of which no more than its namespace is known.
impl HasNamespace<UserNamespace> for UserNamespace {
    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        self
    }
}

impl Namespace for UserNamespace {
    fn parent(&self) -> Option<&Self> {
        // SAFETY: The namespace is valid and holds its parent, which never changes and is null for
        // the initial one.
        unsafe {
            let parent = (*self.as_ptr()).parent;
            (!parent.is_null()).then(|| Self::from_raw(parent))
        }
    }
}

impl<K: MappedKind> KindIdmap<K, UserNamespace> for MntIdmap {
    #[inline(always)]
    fn make_vfsid(
        &self,
        fs: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        // The namespace takes a look at the superblock, so it is asked for only where it counts.
        if self.is_nop() {
            return Id::cast_any(id);
        }
        MntIdmap::make_vfsid(self, fs.namespace(), id)
    }

    #[inline(always)]
    fn make_vfsid_inline(
        &self,
        fs: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Option<Id<K, Vfs>>> {
        if self.is_nop() {
            return Some(Id::cast_any(id));
        }
        MntIdmap::make_vfsid_inline(self, fs.namespace(), id)
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
        MntIdmap::from_vfsid(self, fs.namespace(), id)
    }
}

impl Idmap<UserNamespace> for MntIdmap {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        MntIdmap::is_nop(self)
    }
}

/// Reads a field of an inode that others may be writing, as `READ_ONCE()` does.
macro_rules! read_once {
    ($inode:expr, $field:ident) => {{
        let inode = $inode.as_ptr();
        // SAFETY: The inode is valid by its type invariants, and the read is a volatile one of an
        // integer or a pointer that the CPU reads as a whole.
        unsafe { (&raw const (*inode).$field).read_volatile() }
    }};
}

impl AnyInode {
    #[inline(always)]
    fn super_flags(&self) -> usize {
        let sb = read_once!(self, i_sb);
        // SAFETY: An inode's superblock is valid as long as the inode is.
        unsafe { (&raw const (*sb).s_flags).read_volatile() }
    }
}

impl HasNamespace<UserNamespace> for AnyInode {
    #[inline(always)]
    fn namespace(&self) -> &UserNamespace {
        let sb = read_once!(self, i_sb);
        // SAFETY: An inode's superblock is valid as long as the inode is, and holds its namespace,
        // which never changes.
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
        InodeFlags::new(read_once!(self, i_flags))
    }
}

/// The entries of an ACL in memory.
pub struct Entries<'a>(core::slice::Iter<'a, bindings::posix_acl_entry>);

impl Iterator for Entries<'_> {
    type Item = Entry<Filesystem>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Entry::from_c)
    }
}

impl<S: Space> Entry<S> {
    /// Reads C's entry, which has ids of any space in the same field: whoever has an entry has to
    /// know of which they are.
    #[inline]
    pub(super) fn from_c(entry: &bindings::posix_acl_entry) -> Self {
        // SAFETY: Both members of the union are one integer, which is valid for each tag.
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

    /// The number of the user or group that the entry names, [`None`] if it names none.
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
    type Entries<'a> = Entries<'a>;

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
        judge: impl FnOnce(Entries<'_>) -> R,
    ) -> CheckResult<Option<R>> {
        let kind = bindings::ACL_TYPE_ACCESS as i32;
        if mask.has(Mask::MAY_NOT_BLOCK) {
            // SAFETY: The inode is valid, and this is an RCU read-side critical section.
            let acl = unsafe { bindings::get_cached_acl_rcu(self.as_ptr(), kind) };
            if acl.is_null() {
                return Ok(None);
            }
            // What is odd is a mark that the ACL is not cached: `is_uncached_acl()`.
            if acl.addr() & 1 != 0 {
                return Err(super::CheckError::ECHILD);
            }
            // SAFETY: The ACL is valid until the end of the critical section.
            return Ok(Some(judge(unsafe { entries(acl) })));
        }
        // SAFETY: The inode is valid, and sleeping is allowed.
        let acl = unsafe { bindings::get_inode_acl(self.as_ptr(), kind) };
        // SAFETY: This only looks at the pointer's value.
        if unsafe { bindings::IS_ERR(acl.cast()) } {
            // An error pointer is a small negative number.
            return match super::CheckError::from_errno(acl.addr() as i32) {
                Some(denied) => Err(denied),
                None => Ok(None),
            };
        }
        if acl.is_null() {
            return Ok(None);
        }
        // SAFETY: `get_inode_acl()` gave a reference to a valid ACL, which is given back here.
        let judged = unsafe {
            let judged = judge(entries(acl));
            bindings::posix_acl_release(acl);
            judged
        };
        Ok(Some(judged))
    }

    #[cfg(not(CONFIG_FS_POSIX_ACL))]
    fn with_acl<R>(&self, _: Mask, _: impl FnOnce(Entries<'_>) -> R) -> CheckResult<Option<R>> {
        Ok(None)
    }
}

/// The entries of an ACL.
///
/// # Safety
///
/// `acl` must be valid for `'a`. ACLs that can be found do not change.
#[cfg(CONFIG_FS_POSIX_ACL)]
unsafe fn entries<'a>(acl: *const bindings::posix_acl) -> Entries<'a> {
    // SAFETY: By the requirements above; `a_count` is the length of `a_entries`.
    unsafe {
        let first = (&raw const (*acl).a_entries).cast();
        Entries(
            core::slice::from_raw_parts(
                first,
                (*acl).__bindgen_anon_1.__bindgen_anon_1.a_count as usize,
            )
            .iter(),
        )
    }
}
