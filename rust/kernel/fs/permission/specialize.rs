// SPDX-License-Identifier: GPL-2.0

//! Maps of which something is known beforehand, so that decisions are compiled without what cannot
//! be the case.

use super::{
    HasNamespace,
    Mapping,
    MountMap, //
};
use crate::{
    fs::mnt_idmapping::{
        MappedKind,
        MntIdmap, //
    },
    uidgid::{
        Filesystem,
        Id,
        Vfs, //
    },
    user_namespace::UserNamespace, //
};
use core::{
    cell::Cell,
    ptr, //
};

/// The map of a mount that is not idmapped: it changes nothing.
pub(super) struct Plain;

impl<K: MappedKind> Mapping<K, UserNamespace> for Plain {
    #[inline(always)]
    fn to_vfs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        Id::cast_any(id)
    }

    #[inline(always)]
    fn to_fs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        Id::cast_any(id)
    }
}

impl MountMap<UserNamespace> for Plain {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        true
    }
}

/// The map of an idmapped mount of a filesystem that was mounted in the initial user namespace, as
/// most are: it is all that there is to look at.
#[repr(transparent)]
pub(super) struct Idmapped(MntIdmap);

impl Idmapped {
    /// Makes a decision with the map of such a mount.
    #[inline(always)]
    pub(super) fn decide<R>(map: &MntIdmap, decision: impl FnOnce(&Self) -> R) -> Option<R> {
        // SAFETY: This is a transparent wrapper.
        Some(decision(unsafe { &*ptr::from_ref(map).cast() }))
    }
}

impl<K: MappedKind> Mapping<K, UserNamespace> for Idmapped {
    #[inline(always)]
    fn to_vfs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        self.0.to_vfs_initial(id)
    }

    #[inline(always)]
    fn to_fs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        self.0.to_fs_initial(id)
    }

    #[inline(always)]
    fn shows(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Filesystem>>) -> bool {
        let [down, _] = K::tables(&self.0);
        down.has(Id::to_c(id))
    }

    #[inline(always)]
    fn stores(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Vfs>>) -> bool {
        let [_, up] = K::tables(&self.0);
        up.has(Id::to_c(id))
    }
}

impl MountMap<UserNamespace> for Idmapped {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        false
    }
}

/// Likewise, as far as an id is found without a function call: where it is not, the map gives up.
///
/// A decision that asks nothing else needs no stack frame then.
pub(super) struct Quick<'a> {
    map: &'a MntIdmap,
    gave_up: Cell<bool>,
}

impl<'a> Quick<'a> {
    /// Makes a decision with the map of such a mount, [`None`] if the map gave up.
    #[inline(always)]
    pub(super) fn decide<R>(map: &'a MntIdmap, decision: impl FnOnce(&Self) -> R) -> Option<R> {
        let quick = Self {
            map,
            gave_up: Cell::new(false),
        };
        let decided = decision(&quick);
        (!quick.gave_up.get()).then_some(decided)
    }

    /// What was found; else any answer, which is not looked at.
    #[inline(always)]
    fn or_give_up<R: Default>(&self, found: Option<R>) -> R {
        found.unwrap_or_else(|| {
            self.gave_up.set(true);
            R::default()
        })
    }
}

impl<K: MappedKind> Mapping<K, UserNamespace> for Quick<'_> {
    #[inline(always)]
    fn to_vfs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        let [down, _] = K::tables(self.map);
        self.or_give_up(down.get_quick(Id::to_c(id)).map(Id::from_c))
    }

    #[inline(always)]
    fn to_fs(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        let [_, up] = K::tables(self.map);
        self.or_give_up(up.get_quick(Id::to_c(id)).map(Id::from_c))
    }

    #[inline(always)]
    fn shows(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Filesystem>>) -> bool {
        let [down, _] = K::tables(self.map);
        self.or_give_up(down.has_quick(Id::to_c(id)))
    }

    #[inline(always)]
    fn stores(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Vfs>>) -> bool {
        let [_, up] = K::tables(self.map);
        self.or_give_up(up.has_quick(Id::to_c(id)))
    }
}

impl MountMap<UserNamespace> for Quick<'_> {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        false
    }
}
