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
use core::ptr;

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
    /// Takes the map of such a mount.
    #[inline(always)]
    pub(super) fn new(map: &MntIdmap) -> &Self {
        // SAFETY: This is a transparent wrapper.
        unsafe { &*ptr::from_ref(map).cast() }
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
}

impl MountMap<UserNamespace> for Idmapped {
    #[inline(always)]
    fn is_nop(&self) -> bool {
        false
    }
}
