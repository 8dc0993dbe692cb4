// SPDX-License-Identifier: GPL-2.0

//! Sources, tools and packages, downloaded and installed.

pub(crate) mod apt;
pub(crate) mod source;
pub(crate) mod toolchain;
pub(crate) mod tools;
