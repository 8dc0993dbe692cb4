// SPDX-License-Identifier: GPL-2.0

//! Idmaps of mounts: `struct mnt_idmap`.

use super::{
    in_use::{
        IdmapTable,
        Link, //
    },
    kind_map::KindMap, //
};
use crate::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    bindings,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque,
    uidgid::{
        Filesystem,
        Group,
        Id,
        Local,
        User,
        Vfs, //
    },
    user_namespace::{
        Extent,
        NamespaceKind,
        UserNamespace, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};

/// A [kind](crate::uidgid::Kind) of ids that an idmap maps.
pub(crate) trait MappedKind: NamespaceKind {
    /// Returns the map of an idmap for this kind.
    #[doc(hidden)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap;

    /// Calls `make_vfsuid()` or `make_vfsgid()`.
    #[doc(hidden)]
    fn make_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32;

    /// Calls `from_vfsuid()` or `from_vfsgid()`.
    #[doc(hidden)]
    fn from_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32;
}

impl MappedKind for User {
    #[inline(always)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap {
        &idmap.users
    }

    #[inline(always)]
    fn make_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32 {
        let kuid = bindings::kuid_t { val: id };
        // SAFETY: The idmap and the namespace are valid: they are borrowed.
        unsafe { bindings::make_vfsuid(idmap.as_ptr(), fs_userns.as_ptr(), kuid) }.val
    }

    #[inline(always)]
    fn from_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32 {
        let vfsuid = bindings::vfsuid_t { val: id };
        // SAFETY: The idmap and the namespace are valid: they are borrowed.
        unsafe { bindings::from_vfsuid(idmap.as_ptr(), fs_userns.as_ptr(), vfsuid) }.val
    }
}

impl MappedKind for Group {
    #[inline(always)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap {
        // SAFETY: By the type invariants the pointer is valid for as long as the idmap.
        unsafe { &*idmap.groups }
    }

    #[inline(always)]
    fn make_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32 {
        let kgid = bindings::kgid_t { val: id };
        // SAFETY: The idmap and the namespace are valid: they are borrowed.
        unsafe { bindings::make_vfsgid(idmap.as_ptr(), fs_userns.as_ptr(), kgid) }.val
    }

    #[inline(always)]
    fn from_vfsid(idmap: &MntIdmap, fs_userns: &UserNamespace, id: u32) -> u32 {
        let vfsgid = bindings::vfsgid_t { val: id };
        // SAFETY: The idmap and the namespace are valid: they are borrowed.
        unsafe { bindings::from_vfsgid(idmap.as_ptr(), fs_userns.as_ptr(), vfsgid) }.val
    }
}

/// The idmap of a mount.
///
/// C code has pointers to it: `struct mnt_idmap *`. Two idmaps are static, and functions compare
/// their addresses: `nop_mnt_idmap` of mounts that are not idmapped maps each id to itself, and
/// `invalid_mnt_idmap` maps no id. All others are freed with their last reference. All mounts that
/// are idmapped by a user namespace share one idmap.
///
/// # Invariants
///
/// - The maps never change.
/// - `groups` points to a map that is valid as long as the idmap is: `own_groups` if there is one,
///   `users` if the namespace maps users and groups alike, or a static map if the idmap is static.
/// - If the idmap is not static, `count` is the number of its references.
pub struct MntIdmap {
    users: KindMap,
    groups: *const KindMap,
    own_groups: Option<KBox<KindMap>>,
    count: Opaque<bindings::refcount_t>,
    link: Link,
}

// SAFETY: The maps never change, and the idmap owns them. The count is atomic, and `Link` is
// `Sync`.
unsafe impl Send for MntIdmap {}

// SAFETY: The maps never change. The count is atomic, and `Link` is `Sync`.
unsafe impl Sync for MntIdmap {}

/// The group map of the static idmaps.
static NO_GROUPS: KindMap = KindMap::EMPTY;

impl MntIdmap {
    /// Creates a static idmap. Its maps are not read.
    pub(super) const fn empty() -> Self {
        Self {
            users: KindMap::EMPTY,
            groups: &raw const NO_GROUPS,
            own_groups: None,
            count: new_count(),
            link: Link::new(0),
        }
    }

    /// Returns a reference to the idmap of a user namespace, which is allocated if none is in use.
    ///
    /// Mirrors `alloc_mnt_idmap()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if a map of the namespace was not written yet. [`ENOMEM`].
    pub(in crate::fs) fn new(ns: &UserNamespace) -> Result<ARef<Self>> {
        let table = IdmapTable::get_or_allocate()?;
        let ns_id = ns.id();
        match table.find(ns_id) {
            Some(idmap) => Ok(idmap),
            None => Ok(table.add(Self::allocate(ns, ns_id)?)),
        }
    }

    /// Allocates the idmap of a user namespace.
    fn allocate(ns: &UserNamespace, ns_id: u64) -> Result<KBox<Self>> {
        let users = ns.written_map::<User>().ok_or(EINVAL)?;
        let groups = ns.written_map::<Group>().ok_or(EINVAL)?;
        let own_groups = match users.extents() == groups.extents() {
            true => None,
            false => Some(KBox::new(KindMap::new(groups)?, GFP_KERNEL_ACCOUNT)?),
        };
        match users.extents() {
            // Most maps have one extent.
            [extent] => Self::boxed(|| Ok(KindMap::one(extent)), own_groups, ns_id),
            _ => Self::boxed(|| KindMap::new(users), own_groups, ns_id),
        }
    }

    /// Allocates an idmap of extents that belongs to no user namespace. It is not shared.
    ///
    /// The extents of each kind must ascend and be a valid map.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if there are no extents. [`ENOMEM`].
    #[cfg(CONFIG_RUST_MNT_IDMAPPING_NESTED)]
    pub(in crate::fs) fn of_extents(users: &[Extent], groups: &[Extent]) -> Result<ARef<Self>> {
        // `IdmapTable::put()` takes the lock of the table for the last reference.
        IdmapTable::get_or_allocate()?;
        let own_groups = match users == groups {
            true => None,
            false => Some(KBox::new(
                KindMap::from_sorted(groups)?,
                GFP_KERNEL_ACCOUNT,
            )?),
        };
        let idmap = Self::boxed(|| KindMap::from_sorted(users), own_groups, 0)?;
        let idmap = NonNull::from(KBox::leak(idmap));
        // SAFETY: The count of the new idmap is one. This is the reference.
        Ok(unsafe { ARef::from_raw(idmap) })
    }

    /// Allocates an idmap, and then makes the map of users. The map of one extent is written to the
    /// allocation without a copy on the stack.
    #[inline(always)]
    fn boxed(
        users: impl FnOnce() -> Result<KindMap>,
        own_groups: Option<KBox<KindMap>>,
        ns_id: u64,
    ) -> Result<KBox<Self>> {
        let mut idmap = KBox::write(
            KBox::new_uninit(GFP_KERNEL_ACCOUNT)?,
            Self {
                users: users()?,
                // INVARIANT: Replaced below.
                groups: &raw const NO_GROUPS,
                own_groups,
                count: new_count(),
                link: Link::new(ns_id),
            },
        );
        // INVARIANT: Both maps are valid as long as the idmap is: the first is in an allocation
        // that it owns, and the second is in the idmap, whose allocation does not move. The count
        // is one, for the reference of the caller.
        idmap.groups = match &idmap.own_groups {
            Some(groups) => ptr::from_ref(&**groups),
            None => &raw const idmap.users,
        };
        Ok(idmap)
    }

    /// Returns the bytes that the slab allocator has allocated for the idmap.
    #[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
    pub(super) fn slab_bytes(&self) -> usize {
        // SAFETY: All pointers below are from `kmalloc()`.
        let ksize = |memory: *const c_void| unsafe { bindings::ksize(memory) };
        let parts = |map: &KindMap| {
            map.down
                .out_of_line_parts()
                .map_or(0, |(extents, buckets)| {
                    ksize(extents.as_ptr().cast()) + ksize(buckets.as_ptr().cast())
                })
        };
        let mut sum = ksize(self.as_ptr().cast()) + parts(&self.users);
        if !ptr::eq(User::kind_map(self), Group::kind_map(self)) {
            sum += ksize(self.groups.cast()) + parts(Group::kind_map(self));
        }
        sum
    }

    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to an idmap that is valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::mnt_idmap) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`: `# Safety` of this function.
        //
        // CAST: With `CONFIG_RUST_MNT_IDMAPPING` each `struct mnt_idmap` is of this type.
        unsafe { &*ptr.cast() }
    }

    /// Returns the pointer to `struct mnt_idmap`.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Returns whether this is `nop_mnt_idmap`, the idmap of mounts that are not idmapped.
    #[inline(always)]
    pub fn is_nop(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::nop_mnt_idmap)
    }

    /// Returns whether this is `invalid_mnt_idmap`, which maps no id.
    #[inline(always)]
    fn is_invalid(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::invalid_mnt_idmap)
    }

    /// Checks whether the idmap is not static.
    ///
    /// Mirrors `is_valid_mnt_idmap()`.
    #[inline(always)]
    pub(crate) fn is_idmapped(&self) -> bool {
        !self.is_nop() && !self.is_invalid()
    }

    /// Maps an id on disk to the id at the mount, or to [`None`] if it is not mapped.
    ///
    /// `fs_userns` is the user namespace of the filesystem: `sb->s_user_ns`.
    ///
    /// Calls `make_vfsuid()` or `make_vfsgid()` if the mount is idmapped.
    #[doc(alias = "make_vfsuid")]
    #[doc(alias = "make_vfsgid")]
    #[doc(alias("i_uid_into_mnt", "i_gid_into_mnt"))]
    #[doc(alias("kuid_into_mnt", "kgid_into_mnt"))]
    #[inline(always)]
    pub(crate) fn make_vfsid<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        Id::from_c(K::make_vfsid(self, fs_userns, Id::to_c(id)))
    }

    /// Maps an id at the mount to the id on disk, or to [`None`] if it is not mapped.
    ///
    /// `fs_userns` is the user namespace of the filesystem: `sb->s_user_ns`. Operations that create
    /// an object with an owner that is not mapped fail with [`EOVERFLOW`].
    ///
    /// Calls `from_vfsuid()` or `from_vfsgid()` if the mount is idmapped.
    #[doc(alias = "from_vfsuid")]
    #[doc(alias = "from_vfsgid")]
    #[doc(alias("kuid_from_mnt", "kgid_from_mnt"))]
    #[inline(always)]
    // The name is that of the C function.
    #[allow(clippy::wrong_self_convention)]
    pub(crate) fn from_vfsid<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        Id::from_c(K::from_vfsid(self, fs_userns, Id::to_c(id)))
    }

    /// Implements `make_vfsuid()` and `make_vfsgid()`.
    #[inline(always)]
    pub(super) fn look_up_vfsid<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        if !fs_userns.is_initial() {
            return self.look_up_vfsid_in(fs_userns, id);
        }
        Id::from_c(K::kind_map(self).down.get(Id::to_c(id)))
    }

    /// [`MntIdmap::look_up_vfsid`] for a filesystem that is not mounted in the initial user
    /// namespace: maps `id` into the namespace of the filesystem, and looks up the result.
    #[cold]
    #[inline(never)]
    fn look_up_vfsid_in<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        let local = fs_userns.from_kid(id);
        Id::from_c(K::make_vfsid(
            self,
            UserNamespace::initial(),
            Id::to_c(local),
        ))
    }

    /// Implements `from_vfsuid()` and `from_vfsgid()`.
    #[inline(always)]
    pub(super) fn look_up_fsid<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        if !fs_userns.is_initial() {
            return self.look_up_fsid_in(fs_userns, id);
        }
        Id::from_c(K::kind_map(self).up.get(Id::to_c(id)))
    }

    /// [`MntIdmap::look_up_fsid`] for a filesystem that is not mounted in the initial user
    /// namespace: looks `id` up, and maps the result from the namespace of the filesystem to the
    /// kernel's id.
    #[cold]
    #[inline(never)]
    fn look_up_fsid_in<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        let local = K::from_vfsid(self, UserNamespace::initial(), Id::to_c(id));
        fs_userns.make_kid(Id::<K, Local>::from_c(local))
    }

    /// Returns the extents of the idmap with the lower ids of a user namespace: `first`,
    /// `lower_first` and `count`. Omits an extent if `ns` does not map all its lower ids by one
    /// extent.
    pub(crate) fn extents_in<'a, K: MappedKind>(
        &'a self,
        ns: &'a UserNamespace,
    ) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        let map = ns.written_map::<K>();
        let extents = K::kind_map(self).extents();
        (0..extents.len()).filter_map(move |index| {
            let extent = extents.get(index)?;
            let lower = map?.range_up(extent.lower_first(), extent.count())?;
            Some((extent.first(), lower, extent.count()))
        })
    }

    #[inline(always)]
    pub(super) fn count(&self) -> *mut bindings::refcount_t {
        self.count.get()
    }

    #[inline(always)]
    pub(super) fn link(&self) -> &Link {
        &self.link
    }
}

/// Returns a reference count of one.
const fn new_count() -> Opaque<bindings::refcount_t> {
    Opaque::new(bindings::refcount_t {
        refs: bindings::atomic_t { counter: 1 },
    })
}

// SAFETY: An idmap that is not static is freed with its last reference, and a static one is never
// freed.
unsafe impl AlwaysRefCounted for MntIdmap {
    #[inline]
    fn inc_ref(&self) {
        if self.is_idmapped() {
            // SAFETY: The count is a field of `self`, and is not zero: the caller has a reference.
            unsafe { bindings::refcount_inc(self.count()) };
        }
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller has a reference.
        if unsafe { obj.as_ref() }.is_idmapped() {
            // The memory is freed by `kfree()`, which does not sleep.
            //
            // SAFETY: The caller has a reference and drops it. An idmap that is not static is from
            // `MntIdmap::new()`, which has added it, or from `MntIdmap::of_extents()`.
            drop(unsafe { IdmapTable::put(obj) });
        }
    }
}
