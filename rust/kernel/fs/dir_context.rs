// SPDX-License-Identifier: GPL-2.0

//! Listing a directory.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::mode::Mode;
use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// Where the entries of a directory are to go, and from which on.
///
/// # Examples
///
/// Three numbers, which never change:
///
/// ```
/// use kernel::{fs::{dir_context::DirContext, mode::Mode}, prelude::*};
///
/// fn list(context: &mut DirContext<'_>) -> Result {
///     if !context.emit_dots() {
///         return Ok(());
///     }
///     let names: [&[u8]; 3] = [b"one", b"two", b"three"];
///     // The two dots come before.
///     let done = usize::try_from(context.position() - 2).map_err(|_| EINVAL)?;
///     for (name, ino) in names.iter().zip(100..).skip(done) {
///         if !context.emit(name, ino, Mode::S_IFREG)? {
///             break;
///         }
///         context.set_position(context.position() + 1);
///     }
///     Ok(())
/// }
/// ```
///
/// # Invariants
///
/// Both pointers are valid for `'a`, the file is an open directory, and nobody else has `context`.
pub struct DirContext<'a> {
    file: *mut bindings::file,
    context: *mut bindings::dir_context,
    borrowed: PhantomData<&'a mut bindings::dir_context>,
}

impl DirContext<'_> {
    /// Takes C's.
    ///
    /// # Safety
    ///
    /// The type invariants must hold until this is dropped.
    #[inline]
    pub(super) unsafe fn from_raw(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> Self {
        // INVARIANT: By the requirements above.
        Self {
            file,
            context,
            borrowed: PhantomData,
        }
    }

    /// Where the directory is to be read from: 0 at first, and later what
    /// [`DirContext::set_position`] said, or where the program sought to, which may be any number
    /// that is not negative.
    pub fn position(&self) -> i64 {
        // SAFETY: By the type invariants.
        unsafe { (*self.context).pos }
    }

    /// Says where reading goes on: what comes after the entry that was taken last. Nothing is before
    /// 0.
    pub fn set_position(&mut self, position: i64) {
        // SAFETY: By the type invariants.
        unsafe { (*self.context).pos = position.max(0) };
    }

    /// Lists the directory itself and the one above, at positions 0 and 1; afterwards the position
    /// is 2 at least. The answer is whether there may be room for more.
    ///
    /// Mirrors `dir_emit_dots()`.
    #[doc(alias = "dir_emit_dots")]
    pub fn emit_dots(&mut self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { bindings::dir_emit_dots(self.file, self.context) }
    }

    /// Lists an entry, which is of the kind that `mode` says. The answer is whether it was taken: if
    /// not, there is no room for it, and reading goes on with it.
    ///
    /// Mirrors `dir_emit()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `name` is none: empty, longer than 255 bytes, or with a slash or a zero in it.
    #[doc(alias = "dir_emit")]
    pub fn emit(&mut self, name: &[u8], ino: u64, mode: Mode) -> Result<bool> {
        // Some who read directories have room for just as much.
        let fits = (1..=bindings::NAME_MAX as usize).contains(&name.len());
        if !fits || name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(EINVAL);
        }
        let kind = c_uint::from(mode.bits() >> 12);
        // SAFETY: By the type invariants; the name is valid, and of that length.
        Ok(unsafe {
            bindings::dir_emit(
                self.context,
                name.as_ptr().cast(),
                name.len() as c_int,
                ino,
                kind,
            )
        })
    }
}
