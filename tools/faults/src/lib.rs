// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail on request, and counts that tell whether one was lost.

pub mod injection;
pub mod operations;
pub mod sharing;
pub mod slab;
