// SPDX-License-Identifier: GPL-2.0

//! The id mapping of a mount as an object.

use super::{
    in_use::{
        InUse,
        Link, //
    },
    kind_map::{
        KindMap, //
    },
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

/// The part of an idmap for a [kind](crate::uidgid::Kind) of ids.
pub(crate) trait MappedKind: NamespaceKind {
    #[doc(hidden)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap;
}

impl MappedKind for User {
    #[inline(always)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap {
        &idmap.users
    }
}

impl MappedKind for Group {
    #[inline(always)]
    fn kind_map(idmap: &MntIdmap) -> &KindMap {
        // SAFETY: By the type invariants the pointer is valid for as long as the idmap.
        unsafe { &*idmap.groups }
    }
}

/// The idmap of a mount.
///
/// This is what C code holds as `struct mnt_idmap *`. Two idmaps are static and told apart by their
/// address: the one of mounts that are not idmapped, which maps each id to itself, and the one that
/// maps no id. All others are made from a user namespace, shared by all mounts that are idmapped by
/// the namespace, and freed with their last reference.
///
/// # Invariants
///
/// - The maps never change.
/// - `groups` points to a map that lives as long as the idmap: to `own_groups` if there is one, to
///   `users` if the namespace maps users and groups alike, to a static map if the idmap is static.
/// - If the idmap is not static, `count` is the number of its references.
pub struct MntIdmap {
    users: KindMap,
    groups: *const KindMap,
    own_groups: Option<KBox<KindMap>>,
    count: Opaque<bindings::refcount_t>,
    link: Link,
}

// SAFETY: The maps never change, and the idmap owns them; the count is atomic, and `Link` is `Sync`.
unsafe impl Send for MntIdmap {}

// SAFETY: The maps never change; the count is atomic, and `Link` is `Sync`.
unsafe impl Sync for MntIdmap {}

/// The map of groups of the static idmaps.
static NO_GROUPS: KindMap = KindMap::EMPTY;

impl MntIdmap {
    /// A map of nothing, for the two static ones.
    pub(super) const fn empty() -> Self {
        Self {
            users: KindMap::EMPTY,
            groups: &raw const NO_GROUPS,
            own_groups: None,
            count: new_count(),
            link: Link::new(0),
        }
    }

    /// Returns the idmap of a user namespace: the one that is in use, or else a new one.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if one of the namespace's maps has not been written yet, [`ENOMEM`] if memory is
    /// short.
    ///
    /// Mirrors `alloc_mnt_idmap()`.
    pub(in crate::fs) fn new(ns: &UserNamespace) -> Result<ARef<Self>> {
        let in_use = InUse::get_or_allocate()?;
        let ns_id = ns.id();
        match in_use.find(ns_id) {
            Some(idmap) => Ok(idmap),
            None => Ok(in_use.add(Self::allocate(ns, ns_id)?)),
        }
    }

    /// Makes the idmap of a user namespace.
    fn allocate(ns: &UserNamespace, ns_id: u64) -> Result<KBox<Self>> {
        let users = ns.written_map::<User>().ok_or(EINVAL)?;
        let groups = ns.written_map::<Group>().ok_or(EINVAL)?;
        let (own_groups, users) = match users.extents() {
            extents if groups.extents() != extents => (
                Some(KBox::new(KindMap::new(groups)?, GFP_KERNEL_ACCOUNT)?),
                KindMap::new(users)?,
            ),
            // Most maps are of this kind, and made in place.
            [extent] => return Self::boxed(KindMap::one(extent)?, None, ns_id),
            _ => (None, KindMap::new(users)?),
        };
        Self::boxed(users, own_groups, ns_id)
    }

    /// Makes an idmap of extents, which must ascend and make a map for each kind of ids. It belongs
    /// to no user namespace, so it is not shared.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] if memory is short, [`EINVAL`] if there are no extents.
    pub(in crate::fs) fn of_extents(users: &[Extent], groups: &[Extent]) -> Result<ARef<Self>> {
        // The last reference is dropped under the lock of the table.
        InUse::get_or_allocate()?;
        let own_groups = match users == groups {
            true => None,
            false => Some(KBox::new(
                KindMap::from_sorted(groups)?,
                GFP_KERNEL_ACCOUNT,
            )?),
        };
        let idmap = Self::boxed(KindMap::from_sorted(users)?, own_groups, 0)?;
        let idmap = NonNull::from(KBox::leak(idmap));
        // SAFETY: The idmap is valid, and its one reference is handed over.
        Ok(unsafe { ARef::from_raw(idmap) })
    }

    #[inline(always)]
    fn boxed(users: KindMap, own_groups: Option<KBox<KindMap>>, ns_id: u64) -> Result<KBox<Self>> {
        let mut idmap = KBox::new(
            Self {
                users,
                // INVARIANT: Replaced below.
                groups: &raw const NO_GROUPS,
                own_groups,
                count: new_count(),
                link: Link::new(ns_id),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        // INVARIANT: The idmap stays where it is, and its one reference is the caller's.
        idmap.groups = match &idmap.own_groups {
            Some(groups) => ptr::from_ref(&**groups),
            None => &raw const idmap.users,
        };
        Ok(idmap)
    }

    /// The memory that the map takes of the slab allocator.
    #[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
    pub(super) fn slab_bytes(&self) -> usize {
        // SAFETY: Only pointers to memory from `kmalloc()` are passed here.
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

    /// Makes a reference from C's pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid map that stays valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::mnt_idmap) -> &'a Self {
        // SAFETY: By the requirements above. With `CONFIG_RUST_MNT_IDMAPPING` all objects that C
        // knows as `struct mnt_idmap` are made in this file and in `export.rs`.
        unsafe { &*ptr.cast() }
    }

    /// The pointer that C knows the map by.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut bindings::mnt_idmap {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Whether this is the map of mounts that are not idmapped.
    #[inline(always)]
    pub fn is_nop(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::nop_mnt_idmap)
    }

    /// Whether this is the map of no id.
    #[inline(always)]
    fn is_invalid(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::invalid_mnt_idmap)
    }

    /// Whether this is a map that was made from a user namespace.
    ///
    /// Mirrors `is_valid_mnt_idmap()`.
    #[inline(always)]
    pub(crate) fn is_idmapped(&self) -> bool {
        !self.is_nop() && !self.is_invalid()
    }

    /// What an owner that an inode stores is called through the mount, if it is called anything.
    ///
    /// `fs_userns` is the user namespace of the filesystem (`sb->s_user_ns`).
    ///
    /// Mirrors `make_vfsuid()` and `make_vfsgid()`.
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
        if fs_userns.is_initial() {
            self.make_vfsid_init_ns(id)
        } else {
            self.make_vfsid_in(fs_userns, id)
        }
    }

    /// [`MntIdmap::make_vfsid`] where it is known that the mount is idmapped and the filesystem was
    /// mounted in the initial user namespace.
    #[inline(always)]
    pub(crate) fn make_vfsid_init_ns<K: MappedKind>(
        &self,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        self.down(Id::cast_any(id))
    }

    /// [`MntIdmap::make_vfsid`] for a filesystem that was mounted in a user namespace of its own.
    #[cold]
    #[inline(never)]
    fn make_vfsid_in<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        self.down(fs_userns.from_kid(id))
    }

    #[inline(always)]
    fn down<K: MappedKind>(&self, id: Option<Id<K, Local>>) -> Option<Id<K, Vfs>> {
        Id::from_c(K::kind_map(self).down.get(Id::to_c(id)))
    }

    /// What to store in an inode for an owner that is seen through the mount, if it can be stored.
    ///
    /// `fs_userns` is the user namespace of the filesystem (`sb->s_user_ns`). Where this is
    /// [`None`] an object with that owner cannot be made, which programs see as `EOVERFLOW`.
    ///
    /// Mirrors `from_vfsuid()` and `from_vfsgid()`.
    #[doc(alias = "from_vfsuid")]
    #[doc(alias = "from_vfsgid")]
    #[doc(alias("kuid_from_mnt", "kgid_from_mnt"))]
    #[inline(always)]
    pub(crate) fn from_vfsid<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        if self.is_nop() {
            return Id::cast_any(id);
        }
        if fs_userns.is_initial() {
            self.from_vfsid_init_ns(id)
        } else {
            self.from_vfsid_in(fs_userns, id)
        }
    }

    /// [`MntIdmap::from_vfsid`] where it is known that the mount is idmapped and the filesystem was
    /// mounted in the initial user namespace.
    #[inline(always)]
    pub(crate) fn from_vfsid_init_ns<K: MappedKind>(
        &self,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        Id::cast_any(self.up(id))
    }

    /// [`MntIdmap::from_vfsid`] for a filesystem that was mounted in a user namespace of its own.
    #[cold]
    #[inline(never)]
    fn from_vfsid_in<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        fs_userns.make_kid(self.up(id))
    }

    #[inline(always)]
    fn up<K: MappedKind>(&self, id: Option<Id<K, Vfs>>) -> Option<Id<K, Local>> {
        Id::from_c(K::kind_map(self).up.get(Id::to_c(id)))
    }

    /// The extents of the map as a namespace sees them: `first`, the lower id as `ns` calls it,
    /// `count`. Extents that `ns` does not map as a whole are left out.
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

/// A count of one, in a form that a static can have.
const fn new_count() -> Opaque<bindings::refcount_t> {
    Opaque::new(bindings::refcount_t {
        refs: bindings::atomic_t { counter: 1 },
    })
}

// SAFETY: Idmaps that are not static are freed with their last reference only, and static ones live
// forever.
unsafe impl AlwaysRefCounted for MntIdmap {
    #[inline]
    fn inc_ref(&self) {
        if self.is_idmapped() {
            // SAFETY: The count is valid.
            unsafe { bindings::refcount_inc(self.count()) };
        }
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller has a reference.
        if unsafe { obj.as_ref() }.is_idmapped() {
            // Freeing does not sleep: it is `kfree()` throughout.
            //
            // SAFETY: The caller has a reference and gives it up. `MntIdmap::new()` has added each
            // idmap that is not static, except those without a namespace.
            drop(unsafe { InUse::put(obj) });
        }
    }
}
