// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Nested idmaps: idmapped mounts for callers that do not control the filesystem.
//!
//! A caller without `CAP_SYS_ADMIN` over the superblock's user namespace may idmap a mount relative
//! to what its own user namespace sees through the mount. With `N` for the caller's user namespace
//! and `M` for the namespace in `userns_fd`, an id that the mount shows as kernel id `k` is shown by
//! the new mount as
//!
//! ```text
//! make_kuid(M, from_kuid(N, k))
//! ```
//!
//! and is unmapped if one of the steps has no result. The new idmap composes with the idmap of the
//! mount; it does not replace that idmap. [`may_nest()`] checks the caller, [`nest()`] computes the
//! idmap.
//!
//! The claim is confinement: an operation through the new mount has no effect on an inode that root
//! of `N` cannot have through the old mount. Each condition of [`may_nest()`] is necessary for it.
//! `tools/tests/confinement` checks both over small sets of ids.

use super::{
    error::CheckError,
    traits::{
        Caller,
        Capability,
        Namespace, //
    },
};
use crate::user_namespace::{
    Extent,
    IdInt,
    MapError,
    SortedMap, //
};
use core::ops::Deref;

/// The greatest number of ids of one kind that an inode can name.
///
/// These are its owner or group, and the ids in its ACL. An extended attribute has at most 65536
/// bytes; an ACL in it has a header of four bytes, and eight bytes for each entry.
///
/// One inode is enough. An operation on several inodes changes them. The idmap maps the owner and the
/// group of a changed inode, and root of `N` has capabilities over such an inode; or the owner changes
/// the inode, and root of `N` can become the owner.
pub const MAX_NAMED_IDS: u64 = 1 + (65536 - 4) / 8;

/// The capabilities that a caller must have over its user namespace.
///
/// With them the caller can become each id of its namespace, and can override the permission checks
/// of each inode whose owner and group are ids of its namespace. A caller that has `CAP_SYS_ADMIN`
/// alone would get the others by a nested idmap.
pub const NESTING_CAPABILITIES: [Capability; 9] = [
    Capability::SysAdmin,
    Capability::Setuid,
    Capability::Setgid,
    Capability::Setfcap,
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
];

/// The reason why a mount gets no nested idmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNesting {
    /// The sysctl `fs.mount_idmap_nested` is 0.
    NotOffered,
    /// The caller lacks a capability over its own user namespace.
    NotRoot(Capability),
    /// The user namespace of the idmap is neither the caller's nor below it.
    NotBelow,
    /// The caller's user namespace denies `setgroups()`, or has no group map yet.
    SetgroupsDenied,
    /// The caller's user namespace maps too few user ids.
    TooFewUsers,
    /// The caller's user namespace maps too few group ids.
    TooFewGroups,
    /// The nested idmap maps no user id, or no group id.
    MapsNothing,
    /// The nested idmap has more extents than an idmap can have.
    TooManyExtents,
}

impl From<NoNesting> for CheckError {
    fn from(reason: NoNesting) -> Self {
        match reason {
            NoNesting::NotOffered
            | NoNesting::NotRoot(_)
            | NoNesting::NotBelow
            | NoNesting::SetgroupsDenied
            | NoNesting::TooFewUsers
            | NoNesting::TooFewGroups => CheckError::EPERM,
            NoNesting::MapsNothing => CheckError::EINVAL,
            NoNesting::TooManyExtents => CheckError::EOVERFLOW,
        }
    }
}

/// A user namespace that a nested idmap is made from, or is made in.
pub trait NestingNamespace: Namespace {
    /// Returns whether both are the same namespace.
    fn is_same(&self, other: &Self) -> bool;

    /// Returns whether the namespace allows `setgroups()`: `userns_may_setgroups()`.
    fn may_setgroups(&self) -> bool;

    /// Returns how many user ids the namespace maps.
    fn user_count(&self) -> u64;

    /// Returns how many group ids the namespace maps.
    fn group_count(&self) -> u64;
}

/// Returns the number of ids that extents map.
pub fn count_ids<T: IdInt>(extents: &[Extent<T>]) -> u64 {
    extents.iter().fold(0, |sum: u64, extent| {
        sum.saturating_add(extent.count().to_u64())
    })
}

/// Checks whether the caller may give a nested idmap to a mount whose filesystem it does not
/// control.
///
/// `map_of` is the user namespace of the idmap. The caller has `CAP_SYS_ADMIN` over it, and it is
/// not the initial one. `offered` is the sysctl. `max_named` is [`MAX_NAMED_IDS`], except in small
/// sets of ids.
pub fn may_nest<C>(
    caller: C,
    map_of: &C::Namespace,
    offered: bool,
    max_named: u64,
) -> Result<(), NoNesting>
where
    C: Caller,
    C::Namespace: NestingNamespace,
{
    if !offered {
        return Err(NoNesting::NotOffered);
    }
    let own = caller.namespace();
    for capability in NESTING_CAPABILITIES {
        if !caller.ns_capable(own, capability) {
            return Err(NoNesting::NotRoot(capability));
        }
    }
    // By `CAP_SYS_ADMIN` over `map_of` this holds already. The proof of confinement needs it, so it
    // does not depend on how capabilities are inherited.
    if !is_in(map_of, own) {
        return Err(NoNesting::NotBelow);
    }
    // A group without rights (mode 0604) denies its members what others may do. A caller that can
    // leave the group can do that without a new idmap.
    if !own.may_setgroups() {
        return Err(NoNesting::SetgroupsDenied);
    }
    // ACL entries deny by name. If they cannot name each id of the namespace, then the caller can
    // become an id without an entry.
    if own.user_count() <= max_named {
        return Err(NoNesting::TooFewUsers);
    }
    if own.group_count() <= max_named {
        return Err(NoNesting::TooFewGroups);
    }
    Ok(())
}

/// Returns whether a namespace is another one, or below it: `in_userns()`.
fn is_in<N: NestingNamespace + ?Sized>(namespace: &N, ancestor: &N) -> bool {
    let mut at = Some(namespace);
    while let Some(namespace) = at {
        if namespace.is_same(ancestor) {
            return true;
        }
        at = namespace.parent();
    }
    false
}

/// Returns where a map has `id`, and how many ids from `id` on, of at most `most`, it maps in the
/// same way: by one extent, or not at all.
fn run<T: IdInt>(extents: &[Extent<T>], id: T, most: T) -> (Option<T>, T) {
    let after = extents.partition_point(|extent| extent.first() <= id);
    let extent = after.checked_sub(1).and_then(|last| extents.get(last));
    if let Some((extent, lower)) = extent.and_then(|extent| Some((extent, extent.down(id)?))) {
        // The extent has `id`, so it ends after `id`.
        return (Some(lower), extent.end().wrapping_sub(id).min(most));
    }
    match extents.get(after) {
        // The next extent begins after `id`.
        Some(next) => (None, next.first().wrapping_sub(id).min(most)),
        None => (None, most),
    }
}

/// Computes the nested idmap of one kind of ids.
///
/// - `shown` maps ids of the filesystem to the kernel ids that the old mount shows;
/// - `names` maps kernel ids to ids of the caller's user namespace, so it is the inverse of that
///   namespace's map;
/// - `map` is the map of the new user namespace.
///
/// The result is in `room`: it maps each id that all three map, and no other. Adjacent extents are
/// joined. [`NoNesting::MapsNothing`] if no id is left, [`NoNesting::TooManyExtents`] if the result
/// does not fit into `room` or into a map.
///
/// # Examples
///
/// A user 1000 has the subordinate ids 100000 to 165535, and a file of theirs is to be shown as the
/// file of root in a container that has the ids from 100000 on:
///
/// ```
/// use kernel::{fs::permission::nest, user_namespace::{Extent, SortedMap}};
///
/// let extent = |first, lower, count| Extent::new(first, lower, count).unwrap();
/// // The mount is not idmapped.
/// let mut shown = [extent(0, 0, u32::MAX)];
/// // The user's namespace: 0 is 1000, 1 to 65536 are the subordinate ids.
/// let mut names = [extent(1000, 0, 1), extent(100000, 1, 65536)];
/// // The container's: 0 to 65535 are the subordinate ids.
/// let mut map = [extent(0, 100000, 65536)];
/// let mut room = [Extent::EMPTY; 2];
/// let nested = nest(
///     &SortedMap::new(&mut shown[..]).unwrap(),
///     &SortedMap::new(&mut names[..]).unwrap(),
///     &SortedMap::new(&mut map[..]).unwrap(),
///     &mut room,
/// )
/// .unwrap();
/// assert_eq!(nested.extents()[0], Extent::new(1000, 100000, 1).unwrap());
/// ```
pub fn nest<'a, T, B>(
    shown: &SortedMap<B>,
    names: &SortedMap<B>,
    map: &SortedMap<B>,
    room: &'a mut [Extent<T>],
) -> Result<SortedMap<&'a mut [Extent<T>]>, NoNesting>
where
    T: IdInt,
    B: Deref<Target = [Extent<T>]>,
{
    let mut used = 0;
    for extent in shown.extents() {
        let (mut first, mut lower, mut left) =
            (extent.first(), extent.lower_first(), extent.count());
        while left != T::ZERO {
            let (name, count) = run(names.extents(), lower, left);
            let (seen, count) = match name {
                Some(name) => run(map.extents(), name, count),
                None => (None, count),
            };
            if let Some(seen) = seen {
                push(room, &mut used, first, seen, count)?;
            }
            // Neither passes the end of `extent`, as `count` is at most `left`.
            first = first.wrapping_add(count);
            lower = lower.wrapping_add(count);
            left = left.wrapping_sub(count);
        }
    }
    let extents = room.get_mut(..used).ok_or(NoNesting::TooManyExtents)?;
    SortedMap::new(extents).map_err(|error| match error {
        MapError::Empty => NoNesting::MapsNothing,
        _ => NoNesting::TooManyExtents,
    })
}

/// Appends an extent to the first `used` ones of `room`, or makes the last one longer.
fn push<T: IdInt>(
    room: &mut [Extent<T>],
    used: &mut usize,
    first: T,
    lower: T,
    count: T,
) -> Result<(), NoNesting> {
    // The parts of valid extents are valid.
    let extent =
        |first, lower, count| Extent::new(first, lower, count).map_err(|_| NoNesting::MapsNothing);
    if let Some(last) = used.checked_sub(1).and_then(|last| room.get_mut(last)) {
        if last.end() == first && last.inverse().end() == lower {
            if let Some(both) = last.count().checked_add(count) {
                *last = extent(last.first(), last.lower_first(), both)?;
                return Ok(());
            }
        }
    }
    *room.get_mut(*used).ok_or(NoNesting::TooManyExtents)? = extent(first, lower, count)?;
    *used = used.wrapping_add(1);
    Ok(())
}
