// SPDX-License-Identifier: GPL-2.0

//! Maps of which something is known beforehand, so that decisions are compiled without what cannot
//! be the case.

use super::{
    HasNamespace,
    Idmap,
    KindIdmap, //
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
pub(super) struct NopIdmap;

impl<K: MappedKind> KindIdmap<K, UserNamespace> for NopIdmap {
    #[inline(always)]
    fn make_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        Id::cast_any(id)
    }

    #[inline(always)]
    fn from_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        Id::cast_any(id)
    }
}

impl Idmap<UserNamespace> for NopIdmap {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        true
    }
}

/// The map of an idmapped mount of a filesystem that was mounted in the initial user namespace, as
/// most are: it is all that there is to look at.
#[repr(transparent)]
pub(super) struct InitUserNsIdmap(MntIdmap);

impl InitUserNsIdmap {
    /// Makes a decision with the map of such a mount.
    #[inline(always)]
    pub(super) fn decide<R>(map: &MntIdmap, decision: impl FnOnce(&Self) -> R) -> Option<R> {
        // SAFETY: This is a transparent wrapper.
        Some(decision(unsafe { &*ptr::from_ref(map).cast() }))
    }
}

impl<K: MappedKind> KindIdmap<K, UserNamespace> for InitUserNsIdmap {
    #[inline(always)]
    fn make_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        self.0.make_vfsid_init_ns(id)
    }

    #[inline(always)]
    fn from_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        self.0.from_vfsid_init_ns(id)
    }

    #[inline(always)]
    fn has_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> bool {
        let [down, _] = K::lookups(&self.0);
        down.has(Id::to_c(id))
    }

    #[inline(always)]
    fn has_fsmapping(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Vfs>>) -> bool {
        let [_, up] = K::lookups(&self.0);
        up.has(Id::to_c(id))
    }
}

impl Idmap<UserNamespace> for InitUserNsIdmap {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        false
    }
}

/// Likewise, as far as an id is found without a function call: where it is not, the map gives up.
///
/// A decision that asks nothing else needs no stack frame then.
pub(super) struct InlineIdmap<'a> {
    map: &'a MntIdmap,
    gave_up: Cell<bool>,
}

impl<'a> InlineIdmap<'a> {
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

impl<K: MappedKind> KindIdmap<K, UserNamespace> for InlineIdmap<'_> {
    #[inline(always)]
    fn make_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> Option<Id<K, Vfs>> {
        let [down, _] = K::lookups(self.map);
        self.or_give_up(down.get_inline(Id::to_c(id)).map(Id::from_c))
    }

    #[inline(always)]
    fn from_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Vfs>>,
    ) -> Option<Id<K, Filesystem>> {
        let [_, up] = K::lookups(self.map);
        self.or_give_up(up.get_inline(Id::to_c(id)).map(Id::from_c))
    }

    #[inline(always)]
    fn has_vfsid(
        &self,
        _: &impl HasNamespace<UserNamespace>,
        id: Option<Id<K, Filesystem>>,
    ) -> bool {
        let [down, _] = K::lookups(self.map);
        self.or_give_up(down.has_inline(Id::to_c(id)))
    }

    #[inline(always)]
    fn has_fsmapping(&self, _: &impl HasNamespace<UserNamespace>, id: Option<Id<K, Vfs>>) -> bool {
        let [_, up] = K::lookups(self.map);
        self.or_give_up(up.has_inline(Id::to_c(id)))
    }
}

impl Idmap<UserNamespace> for InlineIdmap<'_> {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        false
    }
}
