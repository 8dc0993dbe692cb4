// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A caller at a mount.

use super::traits::{
    Caller,
    Idmap, //
};

/// A caller at a mount: where all decisions start.
///
/// It takes both to say who owns an object, so there is no way to the owner of an object by itself.
pub struct Access<'a, C, M: ?Sized> {
    pub(super) caller: C,
    pub(super) map: &'a M,
}

// By hand, because derived ones would ask the same of `M`.

impl<C: Copy, M: ?Sized> Clone for Access<'_, C, M> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Copy, M: ?Sized> Copy for Access<'_, C, M> {}

impl<'a, C: Caller, M: Idmap<C::Namespace> + ?Sized> Access<'a, C, M> {
    /// Brings a caller and the map of a mount together.
    ///
    /// Objects that are decided upon have to be reached through that mount.
    #[inline(always)]
    pub const fn new(caller: C, map: &'a M) -> Self {
        Self { caller, map }
    }
}
