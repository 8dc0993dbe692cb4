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

// SAFETY: There are shared references only. The fields that this module reads do not change, or are
// published by the barriers of `written_map()`.
unsafe impl Send for UserNamespace {}

// SAFETY: The fields that this module reads do not change, or are published by the barriers of
// `written_map()`.
unsafe impl Sync for UserNamespace {}

impl UserNamespace {
    /// Creates a reference from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` must point to a valid `struct user_namespace` that stays valid for `'a`.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(ptr: *const bindings::user_namespace) -> &'a Self {
        // SAFETY: `ptr` is valid for `'a`: `# Safety` of this function.
        //
        // CAST: `Self` is a transparent wrapper of `struct user_namespace`.
        unsafe { &*ptr.cast() }
    }

    /// Calls a function with the user namespace of the current task.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: `current_user_ns()` is the namespace of the subjective credentials of the current
        // task. Only the task itself replaces them, and safe Rust cannot do that while `f` runs.
        f(unsafe { Self::from_raw(bindings::current_user_ns()) })
    }

    /// Returns the pointer to `struct user_namespace`.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0.get()
    }

    /// Returns the initial namespace.
    #[inline(always)]
    pub(crate) fn initial() -> &'static Self {
        // SAFETY: The initial namespace is static.
        unsafe { Self::from_raw(&raw const bindings::init_user_ns) }
    }

    /// Checks for the initial namespace, which maps each id to itself.
    #[inline(always)]
    pub fn is_initial(&self) -> bool {
        ptr::eq(self.as_ptr(), &raw const bindings::init_user_ns)
    }

    /// Returns the id of the namespace. The id is never used again.
    #[inline]
    pub fn id(&self) -> u64 {
        // SAFETY: `self` is a valid namespace by the type invariants. The id is set before the
        // namespace is published, and does not change.
        unsafe { bindings::user_namespace_id(self.as_ptr()) }
    }

    /// Returns the map of one kind of ids, or [`None`] if it was not written yet.
    ///
    /// `map_write()` in `kernel/user_namespace.c` writes a map once: the extents first, then a
    /// write barrier, then their number, which was zero before. This function reads the number,
    /// then passes a read barrier: if the number is not zero, the extents are the final ones.
    pub fn written_map<K: NamespaceKind>(&self) -> Option<WrittenMap<'_>> {
        // SAFETY: `self` is a valid namespace by the type invariants.
        let map = unsafe { K::map(self.as_ptr()) };
        // SAFETY: The map is a field of the namespace. `map_write()` may write to the number of
        // extents, which this reads by one volatile read: `READ_ONCE()`.
        let count = unsafe {
            (&raw const (*map).__bindgen_anon_1.__bindgen_anon_1.nr_extents).read_volatile()
        } as usize;
        // Not `sync::barrier::smp_rmb()`: its name depends on the version of the kernel.
        //
        // SAFETY: A barrier has no requirements. It pairs with `smp_wmb()` in `map_write()`.
        unsafe { bindings::smp_rmb() };
        if count == 0 {
            return None;
        }
        // INVARIANT: `map_write()` has sorted `forward` and `reverse`, and has checked that no two
        // extents share an id.
        //
        // SAFETY: The number is not zero and the barrier was passed, so the map is in its final
        // state: `extent` holds its extents if there are at most `UID_GID_MAP_MAX_BASE_EXTENTS`,
        // else `forward` and `reverse` are arrays of `count` extents. Neither the map nor the
        // arrays change before the namespace is freed. `Extent` has the layout of `struct
        // uid_gid_extent`, and `map_write()` has checked the invariants of `Extent`.
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

    /// Maps an id on disk to the id of this namespace, or to [`None`] if it is not mapped.
    ///
    /// Mirrors `from_kuid()` and `from_kgid()` for the namespace of a filesystem.
    #[inline]
    pub fn from_kid<K: NamespaceKind>(
        &self,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Local>> {
        // Capability checks of root in the initial namespace call this for each id of an inode.
        if self.is_initial() {
            return Id::cast_any(id);
        }
        // SAFETY: `self` is a valid namespace by the type invariants.
        Id::from_c(unsafe { K::from_kid(self.as_ptr(), Id::to_c(id)) })
    }

    /// Maps an id of this namespace to the id on disk, or to [`None`] if it is not mapped.
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
        // SAFETY: `self` is a valid namespace by the type invariants.
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

/// The id map of a user namespace after it was written: it does not change.
///
/// # Invariants
///
/// `forward` has at least one extent. No two upper extents share an id, and no two lower extents.
/// If there are more than [`MAX_BASE_EXTENTS`] extents, `forward` ascends by `first`, and `reverse`
/// has the same extents, which ascend by `lower_first`.
#[derive(Clone, Copy)]
pub struct WrittenMap<'a> {
    forward: &'a [Extent],
    reverse: Option<&'a [Extent]>,
}

impl<'a> WrittenMap<'a> {
    /// Returns the extents in the order of `/proc/PID/uid_map`.
    #[inline]
    pub fn extents(&self) -> &'a [Extent] {
        self.forward
    }

    /// Returns the extents in ascending order of `lower_first`, or [`None`] if there are at most
    /// [`MAX_BASE_EXTENTS`].
    #[inline]
    pub fn extents_by_lower(&self) -> Option<&'a [Extent]> {
        self.reverse
    }

    /// Maps the `count` ids from `id` up, if one extent contains all of them.
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

/// The map and the functions of a user namespace for a [`Kind`] of ids.
pub trait NamespaceKind: Kind {
    /// Returns the map for this kind.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map;

    /// Calls `from_kuid()` or `from_kgid()`.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32;

    /// Calls `make_kuid()` or `make_kgid()`.
    ///
    /// # Safety
    ///
    /// `ns` must point to a valid namespace.
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32;
}

impl NamespaceKind for User {
    #[inline(always)]
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { &raw const (*ns).uid_map }
    }

    #[inline(always)]
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { bindings::from_kuid(ns, bindings::kuid_t { val: id }) }
    }

    #[inline(always)]
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { bindings::make_kuid(ns, id) }.val
    }
}

impl NamespaceKind for Group {
    #[inline(always)]
    unsafe fn map(ns: *mut bindings::user_namespace) -> *const bindings::uid_gid_map {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { &raw const (*ns).gid_map }
    }

    #[inline(always)]
    unsafe fn from_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { bindings::from_kgid(ns, bindings::kgid_t { val: id }) }
    }

    #[inline(always)]
    unsafe fn make_kid(ns: *mut bindings::user_namespace, id: u32) -> u32 {
        // SAFETY: `ns` is valid: `# Safety` of this function.
        unsafe { bindings::make_kgid(ns, id) }.val
    }
}
