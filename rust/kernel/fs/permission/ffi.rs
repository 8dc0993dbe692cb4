// SPDX-License-Identifier: GPL-2.0

//! What C calls: the bodies of functions whose names and exports stay in C.
//!
//! C header: [`include/linux/rust_permission.h`](srctree/include/linux/rust_permission.h)

/// Makes a function for C, whose first argument is a map and whose last is `current_cred()`.
///
/// The decision is compiled three times. Where a mount is not idmapped, all that is left is what
/// C's inline functions leave. Where it is, the filesystem is mostly one that was mounted in the
/// initial user namespace, and then a lookup takes no function call. Each is a function of its own,
/// so that it does not save what only another uses.
///
/// `in` says how to find an object of the filesystem, `by` what looks ids up where the mount is
/// idmapped: [`InitUserNsIdmap`](super::specialize::InitUserNsIdmap); or, for a decision that asks nothing but the map
/// and that may be made twice, [`InlineIdmap`](super::specialize::InlineIdmap).
macro_rules! decision {
    (
        $(#[$meta:meta])*
        fn $name:ident($idmap:ident $(, $arg:ident: $type:ty)*) $(-> $returned:ty)?, in $fs:expr, by $by:ident;
        |$task:ident| $decision:expr
    ) => {
        $(#[$meta])*
        #[export]
        unsafe extern "C" fn $name(
            $idmap: *mut bindings::mnt_idmap,
            $($arg: $type,)*
            cred: *const bindings::cred,
        ) $(-> $returned)? {
            use $crate::{
                fs::{
                    mnt_idmapping::MntIdmap,
                    permission::{
                        current::Current,
                        ffi::parts,
                        specialize::{
                            NopIdmap,
                            $by, //
                        },
                        Access,
                        HasNamespace,
                        Idmap, //
                    },
                },
                user_namespace::UserNamespace, //
            };

            /// # Safety
            ///
            /// As for the function for C.
            #[inline(always)]
            #[allow(unused_variables)]
            unsafe fn decide<M: Idmap<UserNamespace>>(
                $task: Access<'_, Current<'_>, M>,
                $idmap: *mut bindings::mnt_idmap,
                $($arg: $type,)*
            ) $(-> $returned)? {
                // SAFETY: By the requirements of the function for C.
                unsafe { $decision }
            }

            /// # Safety
            ///
            /// As for the function for C.
            #[inline(never)]
            unsafe extern "C" fn plain(
                $idmap: *mut bindings::mnt_idmap,
                $($arg: $type,)*
                cred: *const bindings::cred,
            ) $(-> $returned)? {
                // SAFETY: By the requirements of the function for C.
                unsafe {
                    let (current, _) = parts($idmap, cred);
                    decide(Access::new(current, &NopIdmap), $idmap, $($arg,)*)
                }
            }

            /// # Safety
            ///
            /// As for the function for C.
            #[inline(never)]
            unsafe extern "C" fn idmapped(
                $idmap: *mut bindings::mnt_idmap,
                $($arg: $type,)*
                cred: *const bindings::cred,
            ) $(-> $returned)? {
                // SAFETY: By the requirements of the function for C.
                unsafe {
                    let (current, map) = parts($idmap, cred);
                    if !HasNamespace::namespace($fs).is_initial() {
                        return elsewhere($idmap, $($arg,)* cred);
                    }
                    match $by::decide(map, |map| {
                        decide(Access::new(current, map), $idmap, $($arg,)*)
                    }) {
                        Some(decided) => decided,
                        None => elsewhere($idmap, $($arg,)* cred),
                    }
                }
            }

            /// # Safety
            ///
            /// As for the function for C.
            #[cold]
            #[inline(never)]
            unsafe extern "C" fn elsewhere(
                $idmap: *mut bindings::mnt_idmap,
                $($arg: $type,)*
                cred: *const bindings::cred,
            ) $(-> $returned)? {
                // SAFETY: By the requirements of the function for C.
                unsafe {
                    let (current, map) = parts($idmap, cred);
                    decide(Access::<_, MntIdmap>::new(current, map), $idmap, $($arg,)*)
                }
            }

            // SAFETY: By the requirements of this function.
            unsafe {
                let (_, map) = parts($idmap, cred);
                if map.is_nop() {
                    plain($idmap, $($arg,)* cred)
                } else {
                    idmapped($idmap, $($arg,)* cred)
                }
            }
        }
    };
}

mod acl;
mod attr;
mod fscaps;
mod generic;
mod idmap_mount;
mod init_owner;
mod namei;
mod owner;

use super::current::{
    Current,
    CurrentAccess, //
};
use crate::{
    bindings,
    fs::mnt_idmapping::MntIdmap, //
};

/// The current task and a map.
///
/// # Safety
///
/// As for [`task`].
#[inline(always)]
unsafe fn parts<'a>(
    idmap: *mut bindings::mnt_idmap,
    cred: *const bindings::cred,
) -> (Current<'a>, &'a MntIdmap) {
    // SAFETY: By the requirements above.
    unsafe { (Current::from_cred(cred), MntIdmap::from_raw(idmap)) }
}

/// Brings the current task and a mount together.
///
/// # Safety
///
/// `cred` must be `current_cred()`, and `idmap` valid, until the result is no longer used.
#[inline(always)]
unsafe fn task<'a>(
    idmap: *mut bindings::mnt_idmap,
    cred: *const bindings::cred,
) -> CurrentAccess<'a> {
    // SAFETY: By the requirements above.
    let (current, map) = unsafe { parts(idmap, cred) };
    CurrentAccess::new(current, map)
}
