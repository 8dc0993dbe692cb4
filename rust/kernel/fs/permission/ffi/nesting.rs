// SPDX-License-Identifier: GPL-2.0

//! Allocation of the nested idmaps that [`nest()`] computes.

use crate::{
    alloc::{
        flags::GFP_KERNEL_ACCOUNT,
        KVec, //
    },
    fs::{
        mnt_idmapping::{
            MappedKind,
            MntIdmap, //
        },
        permission::{
            nest,
            CheckError, //
        },
    },
    prelude::*,
    sync::aref::ARef,
    uidgid::{
        Group,
        User, //
    },
    user_namespace::{
        Extent,
        SortedMap,
        UserNamespace,
        MAX_EXTENTS, //
    },
};

/// The namespaces and the idmap that a nested idmap is made from.
pub(super) struct Nesting<'a> {
    /// The idmap of the mount.
    pub(super) old: &'a MntIdmap,
    /// The user namespace of the filesystem.
    pub(super) fs: &'a UserNamespace,
    /// The user namespace of the caller.
    pub(super) caller: &'a UserNamespace,
    /// The user namespace of the new idmap.
    pub(super) map_of: &'a UserNamespace,
}

impl Nesting<'_> {
    /// Allocates the nested idmap. It holds no reference to the namespaces and the idmap.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the result maps no user or no group, or if a namespace has no map yet;
    /// [`EOVERFLOW`] if the result has too many extents; [`ENOMEM`] if an allocation fails.
    pub(super) fn make(&self) -> Result<ARef<MntIdmap>> {
        let users = self.extents::<User>()?;
        let groups = self.extents::<Group>()?;
        MntIdmap::of_extents(&users, &groups)
    }

    /// Returns the extents of the nested idmap for one kind of ids, ascending.
    fn extents<K: MappedKind>(&self) -> Result<KVec<Extent>> {
        let fs = self.fs.written_map::<K>().ok_or(EINVAL)?;
        let caller = self.caller.written_map::<K>().ok_or(EINVAL)?;
        let map_of = self.map_of.written_map::<K>().ok_or(EINVAL)?;
        if self.old.is_nop() {
            nested(fs.extents(), caller.extents(), map_of.extents())
        } else {
            let old = K::kind_map(self.old).extents();
            nested(&old, caller.extents(), map_of.extents())
        }
    }
}

/// Computes the extents of a nested idmap from the extents of the mount, of the caller's namespace
/// and of the new namespace.
#[inline(never)]
fn nested(shown: &[Extent], caller: &[Extent], map_of: &[Extent]) -> Result<KVec<Extent>> {
    let shown = sorted(shown, |extent| extent)?;
    let names = sorted(caller, Extent::inverse)?;
    let map = sorted(map_of, |extent| extent)?;
    let mut room = KVec::from_elem(Extent::EMPTY, MAX_EXTENTS, GFP_KERNEL_ACCOUNT)?;
    let used = nest(&shown, &names, &map, &mut room)
        .map_err(|reason| Error::from_errno(CheckError::from(reason).to_errno()))?
        .extents()
        .len();
    room.truncate(used);
    Ok(room)
}

/// Copies extents after `turn` has converted them, and sorts the copy.
#[inline(never)]
fn sorted(extents: &[Extent], turn: fn(Extent) -> Extent) -> Result<SortedMap<KVec<Extent>>> {
    let mut copy = KVec::with_capacity(extents.len(), GFP_KERNEL_ACCOUNT)?;
    for extent in extents {
        copy.push(turn(*extent), GFP_KERNEL_ACCOUNT)?;
    }
    SortedMap::new(copy).map_err(|_| EINVAL)
}
