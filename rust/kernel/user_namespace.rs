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
        ExtentArray,
        IdMap,
        MapError,
        SortedMap,
        MAX_EXTENTS, //
    },
};

use crate::{
    bindings,
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
use core::ptr;

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

    /// The map of one kind of ids, if it has been written.
    ///
    /// A map is written once, by `map_write()` in `kernel/user_namespace.c`: the extents first, then
    /// a write barrier, then their number, which was zero before. This reads the number, then
    /// passes a read barrier: if the number is not zero, then the extents are the final ones. Of a
    /// map that is still being written nothing is shown.
    pub fn written_map<K: NamespaceKind>(&self) -> Option<WrittenMap<'_>> {
        // SAFETY: `self` is a valid namespace by the type invariants. The map's number of extents is
        // read once and volatile, as by `READ_ONCE()`.
        let (map, count) = unsafe {
            let map = K::map(self.as_ptr());
            let count = &raw const (*map).__bindgen_anon_1.__bindgen_anon_1.nr_extents;
            (map, count.read_volatile() as usize)
        };
        // SAFETY: A barrier asks for nothing. It pairs with `smp_wmb()` in `map_write()`. (What
        // `sync::barrier` calls it depends on the kernel's version.)
        unsafe { bindings::smp_rmb() };
        if count == 0 {
            return None;
        }
        let few = count <= bindings::UID_GID_MAP_MAX_BASE_EXTENTS as usize;
        // SAFETY: The number is not zero and the barrier was passed, so the map is in its final
        // state: `forward` and `reverse` are its arrays of `count` extents, or `extent` if `few`.
        // Neither the map nor the arrays change before the namespace is freed.
        unsafe {
            let base = &raw const (*map).__bindgen_anon_1.__bindgen_anon_1.extent;
            let arrays = &raw const (*map).__bindgen_anon_1.__bindgen_anon_2;
            // INVARIANT: As above.
            Some(if few {
                WrittenMap {
                    forward: core::slice::from_raw_parts(base.cast(), count),
                    reverse: None,
                }
            } else {
                WrittenMap {
                    forward: core::slice::from_raw_parts((*arrays).forward, count),
                    reverse: Some(core::slice::from_raw_parts((*arrays).reverse, count)),
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

/// The id map of a user namespace, written and therefore final.
///
/// # Invariants
///
/// `forward` has at least one extent. If there are more than `UID_GID_MAP_MAX_BASE_EXTENTS`, it
/// ascends by `first`, and `reverse` has the same extents ascending by `lower_first`.
#[derive(Clone, Copy)]
pub struct WrittenMap<'a> {
    forward: &'a [bindings::uid_gid_extent],
    reverse: Option<&'a [bindings::uid_gid_extent]>,
}

impl<'a> WrittenMap<'a> {
    /// The number of extents, at least one.
    #[inline]
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.forward.len()
    }

    /// The extents, as three numbers each: `first`, `lower_first`, `count`.
    #[inline]
    pub fn extents(&self) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        self.forward
            .iter()
            .map(|range| (range.first, range.lower_first, range.count))
    }

    /// The same extents, ascending by `lower_first` if the namespace keeps them so.
    #[inline]
    pub fn extents_by_lower(&self) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        Self {
            forward: self.reverse.unwrap_or(self.forward),
            ..*self
        }
        .extents()
    }

    /// Maps `count` ids from `id` on up, if one extent has them all.
    ///
    /// Mirrors `map_id_range_up()` in `kernel/user_namespace.c`.
    pub fn range_up(&self, id: u32, count: u32) -> Option<u32> {
        let up = |range: &bindings::uid_gid_extent| {
            let extent = Extent::new(range.lower_first, range.first, range.count).ok()?;
            extent.range_down(id, count)
        };
        match self.reverse {
            Some(reverse) => {
                let after = reverse.partition_point(|range| range.lower_first <= id);
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
