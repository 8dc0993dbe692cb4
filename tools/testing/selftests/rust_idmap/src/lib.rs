// SPDX-License-Identifier: GPL-2.0

//! The parts that test programs share.

pub mod failslab;
pub mod slab;
