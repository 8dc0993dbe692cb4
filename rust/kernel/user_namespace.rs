// SPDX-License-Identifier: GPL-2.0

//! User namespaces and their id maps.
//!
//! C headers: [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h),
//! [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)

mod extent;
mod id_map;

pub use self::{
    extent::{
        Extent,
        ExtentError,
        IdInt, //
    },
    id_map::{
        sort_by_first,
        ExtentArray,
        IdMap,
        MapError,
        SortedMap,
        MAX_BASE_EXTENTS,
        MAX_EXTENTS, //
    },
};

use crate::{
    bindings,
    prelude::*,
    types::Opaque,
    uidgid::{
        Filesystem,
        Group,
        Id,
        Kind,
        Local,
        User, //
    },
};
use core::{
    mem::offset_of,
    ptr, //
};

/// A user namespace.
///
/// Wraps the kernel's `struct user_namespace`.
///
/// # Invariants
///
/// Instances are valid for as long as they are borrowed: a namespace outlives the mount, the
/// superblock or the task through which it was reached.
#[repr(transparent)]
pub struct UserNamespace(Opaque<bindings::user_namespace>);

// SAFETY: A `UserNamespace` is used by shared reference only, and what is read of it here is either
// never changed or published by the barriers that `written_map()` describes.
unsafe impl Send for UserNamespace {}

// SAFETY: See above.
unsafe impl Sync for UserNamespace {}

impl UserNamespace {
    /// Makes a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid `struct user_namespace` that stays valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::user_namespace) -> &'a Self {
        // SAFETY: By the requirements above the pointer is valid for `'a`.
        //
        // CAST: `Self` is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The user namespace of the task that runs this.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: `current_user_ns()` is the namespace of the subjective credentials of the current
        // task. Only the task itself replaces those, and it does not while `f` runs: safe Rust has
        // no way to.
        f(unsafe { Self::from_raw(bindings::current_user_ns()) })
    }

    /// The pointer that C knows the namespace by.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0.get()
    }

    /// Whether this is the initial namespace, in which each id is itself.
    #[inline(always)]
    pub fn is_initial(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::init_user_ns)
    }

    /// The number of the namespace, which no other namespace ever gets.
    #[inline]
    pub fn id(&self) -> u64 {
        // SAFETY: `self` is a valid namespace by the type invariants. The number is set before the
        // namespace is published, and never changes.
        unsafe { bindings::user_namespace_id(self.as_ptr()) }
    }

    /// The map of one kind of ids, if it has been written.
    ///
    /// `map_write()` in `kernel/user_namespace.c` writes a map once: the extents first, then a write
    /// barrier, then their number, which was zero before. This function reads the number, then
    /// passes a read barrier: if the number is not zero, the extents are the final ones.
    pub fn written_map<K: NamespaceKind>(&self) -> Option<WrittenMap<'_>> {
        // SAFETY: `self` is a valid namespace by the type invariants. The map's number of extents is
        // read once and volatile, as by `READ_ONCE()`.
        let (map, count) = unsafe {
            let map = K::map(self.as_ptr());
            let count = &raw const (*map).__bindgen_anon_1.__bindgen_anon_1.nr_extents;
            (map, count.read_volatile() as usize)
        };
        // SAFETY: A barrier has no requirements. It pairs with `smp_wmb()` in `map_write()`. (The
        // name in `sync::barrier` depends on the kernel's version.)
        unsafe { bindings::smp_rmb() };
        if count == 0 {
            return None;
        }
        // INVARIANT: `map_write()` has sorted `forward` and `reverse`, and has checked that no two
        // extents share an id.
        //
        // SAFETY: The number is not zero and the barrier was passed, so the map is in its final
        // state: `extent` holds its extents if there are at most `UID_GID_MAP_MAX_BASE_EXTENTS`,
        // else `forward` and `reverse` are arrays of `count` extents. Neither the map nor the arrays
        // change before the namespace is freed. `Extent` has the layout of `struct uid_gid_extent`,
        // and `map_write()` has checked the invariants of `Extent`.
        unsafe {
            let base = &raw const (*map).__bindgen_anon_1.__bindgen_anon_1.extent;
            let arrays = &raw const (*map).__bindgen_anon_1.__bindgen_anon_2;
            Some(if count <= MAX_BASE_EXTENTS {
                WrittenMap {
                    forward: core::slice::from_raw_parts(base.cast(), count),
                    reverse: None,
                }
            } else {
                WrittenMap {
                    forward: core::slice::from_raw_parts((*arrays).forward.cast(), count),
                    reverse: Some(core::slice::from_raw_parts((*arrays).reverse.cast(), count)),
                }
            })
        }
    }

    /// The id that an inode stores as this namespace calls it, if it does.
    ///
    /// Mirrors `from_kuid()` and `from_kgid()` for the namespace of a filesystem.
    #[inline]
    pub fn from_kid<K: NamespaceKind>(
        &self,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Local>> {
        // A capability check of root in the initial namespace calls this for each id of an inode.
        if self.is_initial() {
            return Id::cast_any(id);
        }
        // SAFETY: `self` is a valid namespace.
        Id::from_c(unsafe { K::from_kid(self.as_ptr(), Id::to_c(id)) })
    }

    /// The id to store in an inode for what this namespace calls `id`, if it maps it.
    ///
    /// Mirrors `make_kuid()` and `make_kgid()` for the namespace of a filesystem.
    #[inline]
    pub fn make_kid<K: NamespaceKind>(
        &self,
        id: Option<Id<K, Local>>,
    ) -> Option<Id<K, Filesystem>> {
        if self.is_initial() {
            return Id::cast_any(id);
        }
        // SAFETY: `self` is a valid namespace.
        Id::from_c(unsafe { K::make_kid(self.as_ptr(), Id::to_c(id)) })
    }
}

const _: () = {
    type C = bindings::uid_gid_extent;

    assert!(size_of::<Extent>() == size_of::<C>());
    assert!(align_of::<Extent>() == align_of::<C>());
    assert!(offset_of!(C, first) == 0);
    assert!(offset_of!(C, lower_first) == 4);
    assert!(offset_of!(C, count) == 8);
    assert!(MAX_BASE_EXTENTS == bindings::UID_GID_MAP_MAX_BASE_EXTENTS as usize);
};

/// The id map of a user namespace, written and therefore final.
///
/// # Invariants
///
/// `forward` has at least one extent, and no two of its extents share an id of either column. If
/// there are more than [`MAX_BASE_EXTENTS`] extents, `forward` ascends by `first`, and `reverse` has
/// the same extents ascending by `lower_first`.
#[derive(Clone, Copy)]
pub struct WrittenMap<'a> {
    forward: &'a [Extent],
    reverse: Option<&'a [Extent]>,
}

impl<'a> WrittenMap<'a> {
    /// The extents, in the order in which the kernel shows them.
    #[inline]
    pub fn extents(&self) -> &'a [Extent] {
        self.forward
    }

    /// The same extents ascending by `lower_first`, if there are more than [`MAX_BASE_EXTENTS`].
    #[inline]
    pub fn extents_from_below(&self) -> Option<&'a [Extent]> {
        self.reverse
    }

    /// Maps `count` ids from `id` on up, if one extent has them all.
    ///
    /// Mirrors `map_id_range_up()` in `kernel/user_namespace.c`.
    pub fn range_up(&self, id: u32, count: u32) -> Option<u32> {
        let up = |extent: &Extent| extent.inverse().range_down(id, count);
        match self.reverse {
            Some(reverse) => {
                let after = reverse.partition_point(|extent| extent.lower_first() <= id);
                reverse.get(after.checked_sub(1)?).and_then(up)
            }
            None => self.forward.iter().find_map(up),
        }
    }
}

/// What a user namespace has for each [`Kind`] of id.
pub trait NamespaceKind: Kind {
    /// The namespace's map for the kind.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map;

    /// `from_kuid()` or `from_kgid()`.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32;

    /// `make_kuid()` or `make_kgid()`.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32;
}

impl NamespaceKind for User {
    #[inline(always)]
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { &raw const (*ns).uid_map }
    }

    #[inline(always)]
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { bindings::from_kuid(ns, bindings::kuid_t { val: id }) }
    }

    #[inline(always)]
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { bindings::make_kuid(ns, id) }.val
    }
}

impl NamespaceKind for Group {
    #[inline(always)]
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { &raw const (*ns).gid_map }
    }

    #[inline(always)]
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { bindings::from_kgid(ns, bindings::kgid_t { val: id }) }
    }

    #[inline(always)]
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: By the function's requirements `ns` is valid.
        unsafe { bindings::make_kgid(ns, id) }.val
    }
}
