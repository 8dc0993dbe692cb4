// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The C interface of the library `idmap`: `libidmap.so` and `idmap.h`.
//!
//! Each function that can fail returns a negative error number and leaves a message for
//! [`idmap_error_message()`]. A pointer that must not be NULL and is fails with `-EINVAL`.

mod error;
mod maps;
mod mount;

pub use self::{error::idmap_error_message, maps::*, mount::*};
