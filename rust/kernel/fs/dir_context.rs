// SPDX-License-Identifier: GPL-2.0

//! The entries of a directory that `getdents()` returns: `struct dir_context`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::mode::Mode;
use crate::{
    bindings,
    prelude::*, //
};
use core::marker::PhantomData;

/// The buffer and the position of a call of `getdents()`.
///
/// # Examples
///
/// Three names, which never change:
///
/// ```
/// use kernel::{fs::{dir_context::DirContext, mode::Mode}, prelude::*};
///
/// fn list(context: &mut DirContext<'_>) -> Result {
///     if !context.emit_dots() {
///         return Ok(());
///     }
///     let names: [&[u8]; 3] = [b"one", b"two", b"three"];
///     // Positions 0 and 1 are those of `.` and `..`.
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
/// Both pointers are valid for `'a`. The file is an open directory. No other task uses `context`.
pub struct DirContext<'a> {
    file: *mut bindings::file,
    context: *mut bindings::dir_context,
    borrowed: PhantomData<&'a mut bindings::dir_context>,
}

impl DirContext<'_> {
    /// Creates an instance from the arguments of the C operation.
    ///
    /// # Safety
    ///
    /// `file` must be an open directory, and `context` must be valid and not used by others, until
    /// the result is dropped.
    #[inline]
    pub(super) unsafe fn from_raw(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> Self {
        // INVARIANT: Both pointers are valid, by the requirements of this function.
        Self {
            file,
            context,
            borrowed: PhantomData,
        }
    }

    /// Returns the position of the next entry.
    ///
    /// It is 0 at first. Later it is the argument of [`DirContext::set_position`] or of
    /// `seekdir()`, which may be any number that is not negative.
    pub fn position(&self) -> i64 {
        // SAFETY: `context` is valid, by the type invariants.
        unsafe { (*self.context).pos }
    }

    /// Sets the position of the next entry. A negative position becomes 0.
    pub fn set_position(&mut self, position: i64) {
        // SAFETY: `context` is valid and used by this only, by the type invariants.
        unsafe { (*self.context).pos = position.max(0) };
    }

    /// Emits `.` at position 0 and `..` at position 1. The position is at least 2 afterwards.
    ///
    /// Returns whether both entries fit into the buffer.
    ///
    /// Mirrors `dir_emit_dots()`.
    #[doc(alias = "dir_emit_dots")]
    pub fn emit_dots(&mut self) -> bool {
        // SAFETY: Both pointers are valid, and the file is an open directory, by the type
        // invariants.
        unsafe { bindings::dir_emit_dots(self.file, self.context) }
    }

    /// Emits an entry with the file type of `mode`.
    ///
    /// Returns whether the entry fits into the buffer. If not, the next call of `getdents()` must
    /// emit it again.
    ///
    /// Mirrors `dir_emit()`.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if `name` is empty, longer than 255 bytes, or has a slash or a zero byte.
    #[doc(alias = "dir_emit")]
    pub fn emit(&mut self, name: &[u8], ino: u64, mode: Mode) -> Result<bool> {
        // In-kernel readers have a buffer for a name of `NAME_MAX` bytes.
        let fits = (1..=bindings::NAME_MAX as usize).contains(&name.len());
        if !fits || name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(EINVAL);
        }
        let kind = c_uint::from(mode.bits() >> 12);
        let (bytes, length) = (name.as_ptr().cast(), name.len() as c_int);
        // SAFETY: `context` is valid, by the type invariants. `bytes` points to `length` bytes.
        Ok(unsafe { bindings::dir_emit(self.context, bytes, length, ino, kind) })
    }
}
