// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The arguments that all permission checks have: a caller and the idmap of a mount.

use super::traits::{
    Caller,
    Idmap, //
};

/// A caller and the idmap of a mount, with the permission checks as methods.
///
/// The mapped owner of an inode depends on the mount, so only methods of this type return it.
pub struct Access<'a, C, M: ?Sized> {
    pub(super) caller: C,
    pub(super) map: &'a M,
}

// Derived implementations would require `M: Clone` and `M: Copy`.

impl<C: Copy, M: ?Sized> Clone for Access<'_, C, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Copy, M: ?Sized> Copy for Access<'_, C, M> {}

impl<'a, C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'a, C, M> {
    /// Combines a caller and the idmap of a mount.
    ///
    /// The inodes that are checked must have been found through this mount.
    #[inline(always)]
    pub const fn new(caller: C, map: &'a M) -> Self {
        Self { caller, map }
    }
}
