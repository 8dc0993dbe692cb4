// SPDX-License-Identifier: GPL-2.0

//! The id mapping of a mount as an object.

use super::{
    BucketIndex,
    Lookup,
    BUCKETS,
    MAX_BASE_EXTENTS, //
};
use crate::{
    alloc::{
        flags::GFP_KERNEL_ACCOUNT,
        KVec, //
    },
    bindings,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Refcount, //
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
        SortedMap,
        UserNamespace,
        WrittenMap, //
    },
};
use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
};

/// A [`Lookup`] in kernel memory.
type KLookup = Lookup<u32, KVec<Extent>, KBox<BucketIndex>>;

/// The map of a mount for one [kind](crate::uidgid::Kind) of ids.
struct KindMap {
    /// From the filesystem to what is seen through the mount.
    down: KLookup,
    /// From what is seen through the mount to the filesystem.
    up: KLookup,
    /// The extents in the order in which they were written, if there are at most [`MAX_BASE_EXTENTS`].
    ///
    /// More than that are in ascending order wherever the kernel shows them, which is how `down`
    /// has them.
    written: BaseExtents,
}

/// Up to [`MAX_BASE_EXTENTS`] extents.
#[derive(Clone, Copy)]
struct BaseExtents {
    extents: [Extent; MAX_BASE_EXTENTS],
    len: usize,
}

impl BaseExtents {
    const EMPTY: Self = Self {
        extents: [Extent::EMPTY; MAX_BASE_EXTENTS],
        len: 0,
    };

    fn push(&mut self, extent: Extent) -> Result {
        *self.extents.get_mut(self.len).ok_or(EINVAL)? = extent;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    fn inverse(mut self) -> Self {
        for extent in self.iter_mut() {
            *extent = extent.inverse();
        }
        self
    }
}

impl Deref for BaseExtents {
    type Target = [Extent];

    fn deref(&self) -> &[Extent] {
        self.extents.get(..self.len).unwrap_or(&[])
    }
}

impl DerefMut for BaseExtents {
    fn deref_mut(&mut self) -> &mut [Extent] {
        self.extents.get_mut(..self.len).unwrap_or(&mut [])
    }
}

impl KindMap {
    const EMPTY: Self = Self {
        down: Lookup::EMPTY,
        up: Lookup::EMPTY,
        written: BaseExtents::EMPTY,
    };

    /// Copies and lays out the map of a user namespace.
    fn new(source: WrittenMap<'_>) -> Result<Self> {
        // `map_write()` has checked the same.
        let checked = |(first, lower_first, count)| {
            Extent::new(first, lower_first, count).map_err(|_| EINVAL)
        };
        if source.len() <= MAX_BASE_EXTENTS {
            let mut written = BaseExtents::EMPTY;
            for range in source.extents() {
                written.push(checked(range)?)?;
            }
            let few = |list| {
                SortedMap::new(list)
                    .and_then(|map| Lookup::inline(&map))
                    .map_err(|_| EINVAL)
            };
            Ok(Self {
                down: few(written)?,
                up: few(written.inverse())?,
                written,
            })
        } else {
            let mut forward = KVec::with_capacity(source.len(), GFP_KERNEL_ACCOUNT)?;
            for range in source.extents() {
                forward.push(checked(range)?, GFP_KERNEL_ACCOUNT)?;
            }
            let mut reverse = KVec::with_capacity(source.len(), GFP_KERNEL_ACCOUNT)?;
            for range in source.extents_by_lower() {
                reverse.push(checked(range)?.inverse(), GFP_KERNEL_ACCOUNT)?;
            }
            Ok(Self {
                down: out_of_line(forward)?,
                up: out_of_line(reverse)?,
                written: BaseExtents::EMPTY,
            })
        }
    }

    /// The extents in the order in which the kernel shows them.
    fn extents(&self) -> &[Extent] {
        self.down.out_of_line_extents().unwrap_or(&self.written)
    }
}

/// Lays out more than [`MAX_BASE_EXTENTS`] extents.
fn out_of_line(extents: KVec<Extent>) -> Result<KLookup> {
    let extents = SortedMap::new(extents).map_err(|_| EINVAL)?;
    let buckets = KBox::new([0; BUCKETS], GFP_KERNEL_ACCOUNT)?;
    Ok(Lookup::out_of_line(extents, buckets))
}

/// What a mount's map has for each [kind](crate::uidgid::Kind) of id.
pub trait MappedKind: NamespaceKind {
    #[doc(hidden)]
    fn lookups(idmap: &MntIdmap) -> [&KLookup; 2];
    #[doc(hidden)]
    fn extents(idmap: &MntIdmap) -> &[Extent];
}

impl MappedKind for User {
    #[inline(always)]
    fn lookups(idmap: &MntIdmap) -> [&KLookup; 2] {
        [&idmap.users.down, &idmap.users.up]
    }

    fn extents(idmap: &MntIdmap) -> &[Extent] {
        idmap.users.extents()
    }
}

impl MappedKind for Group {
    #[inline(always)]
    fn lookups(idmap: &MntIdmap) -> [&KLookup; 2] {
        [&idmap.groups.down, &idmap.groups.up]
    }

    fn extents(idmap: &MntIdmap) -> &[Extent] {
        idmap.groups.extents()
    }
}

/// The id mapping of a mount.
///
/// This is what C code holds as `struct mnt_idmap *`. Two of them are static and told apart by
/// their address: the one of mounts that are not idmapped, which maps each id to itself, and the
/// one that maps nothing. All others are made from a user namespace, and are freed with their last
/// reference.
///
/// # Invariants
///
/// `count` is the number of references of a map that is not static. The maps never change.
pub struct MntIdmap {
    users: KindMap,
    groups: KindMap,
    count: Opaque<bindings::refcount_t>,
}

// SAFETY: The maps never change and own what they point to, and the count is atomic.
unsafe impl Send for MntIdmap {}

// SAFETY: See above.
unsafe impl Sync for MntIdmap {}

impl MntIdmap {
    /// A map of nothing, for the two static ones.
    pub(super) const fn empty() -> Self {
        Self {
            users: KindMap::EMPTY,
            groups: KindMap::EMPTY,
            count: new_count(),
        }
    }

    /// Makes the map of a mount from a user namespace.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if one of the namespace's maps has not been written yet, [`ENOMEM`] if memory is
    /// short; nothing is left behind.
    ///
    /// Mirrors `alloc_mnt_idmap()`.
    pub(in crate::fs) fn new(ns: &UserNamespace) -> Result<ARef<Self>> {
        let users = ns.written_map::<User>().ok_or(EINVAL)?;
        let users = KindMap::new(users)?;
        let groups = ns.written_map::<Group>().ok_or(EINVAL)?;
        let groups = KindMap::new(groups)?;
        // INVARIANT: The one reference is the caller's.
        let idmap = KBox::new(
            Self {
                users,
                groups,
                count: new_count(),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let idmap = NonNull::from(KBox::leak(idmap));
        // SAFETY: The object is valid, and the one reference is handed over.
        Ok(unsafe { ARef::from_raw(idmap) })
    }

    /// The memory that the map takes of the slab allocator.
    #[cfg(CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST)]
    pub(super) fn slab_bytes(&self) -> usize {
        // SAFETY: Only pointers to memory from `kmalloc()` are passed here.
        let ksize = |memory: *const c_void| unsafe { bindings::ksize(memory) };
        let lookups = [User::lookups(self), Group::lookups(self)];
        let many = lookups
            .iter()
            .flatten()
            .filter_map(|t| t.out_of_line_extents());
        many.fold(ksize(self.as_ptr().cast()), |sum, extents| {
            // The buckets fill a slab object.
            sum + ksize(extents.as_ptr().cast()) + size_of::<BucketIndex>()
        })
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
    pub fn is_idmapped(&self) -> bool {
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
    pub fn make_vfsid<K: MappedKind>(
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

    /// [`MntIdmap::make_vfsid`] if that takes no function call, which it hardly ever does.
    #[inline(always)]
    pub(crate) fn make_vfsid_inline<K: MappedKind>(
        &self,
        fs_userns: &UserNamespace,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Option<Id<K, Vfs>>> {
        if !fs_userns.is_initial() {
            return None;
        }
        let [down, _] = K::lookups(self);
        down.get_inline(Id::to_c(id)).map(Id::from_c)
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
        let [down, _] = K::lookups(self);
        Id::from_c(down.get(Id::to_c(id)))
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
    pub fn from_vfsid<K: MappedKind>(
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
        let [_, up] = K::lookups(self);
        Id::from_c(up.get(Id::to_c(id)))
    }

    /// The extents of the map as a namespace sees them: `first`, the lower id as `ns` calls it,
    /// `count`. Extents that `ns` does not map as a whole are left out.
    pub fn extents_in<'a, K: MappedKind>(
        &'a self,
        ns: &'a UserNamespace,
    ) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        let map = ns.written_map::<K>();
        K::extents(self).iter().filter_map(move |extent| {
            let lower = map?.range_up(extent.lower_first(), extent.count())?;
            Some((extent.first(), lower, extent.count()))
        })
    }

    #[inline(always)]
    fn count(&self) -> &Refcount {
        // SAFETY: `Refcount` is a transparent wrapper of what `count` is of.
        unsafe { &*ptr::from_ref(&self.count).cast() }
    }
}

/// A count of one, in a form that a static can have.
const fn new_count() -> Opaque<bindings::refcount_t> {
    Opaque::new(bindings::refcount_t {
        refs: bindings::atomic_t { counter: 1 },
    })
}

// SAFETY: Objects that are not static are freed with their last reference only, and static ones
// live forever.
unsafe impl AlwaysRefCounted for MntIdmap {
    #[inline]
    fn inc_ref(&self) {
        if self.is_idmapped() {
            self.count().inc();
        }
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives its reference back, so the object was valid until now.
        let idmap = unsafe { obj.as_ref() };
        if idmap.is_idmapped() && idmap.count().dec_and_test() {
            // SAFETY: This was the last reference, and `MntIdmap::new()` made the object of a
            // `KBox`. Freeing does not sleep: it is `kfree()` throughout.
            drop(unsafe { KBox::from_raw(obj.as_ptr()) });
        }
    }
}
