// SPDX-License-Identifier: GPL-2.0

//! The library that programs which test idmapped mounts share.
//!
//! - [`syscalls`], [`raw`], [`handle`], [`mapping`]: system calls and their error numbers
//! - [`errno`]: names of error numbers
//! - [`credentials`], [`userns`], [`process`], [`mounts`]: users, namespaces and processes
//! - [`filesystem`], [`target`], [`probe`]: the filesystems to test
//! - [`acl`], [`fscaps`]: encodings of extended attributes
//! - [`fuse`]: servers of FUSE
//! - [`ktap`]: results of tests
//! - [`rng`]: pseudorandom numbers
//! - [`slab`], [`failslab`]: leaks of memory and failures of allocations

pub mod acl;
pub mod credentials;
pub mod errno;
pub mod failslab;
pub mod filesystem;
pub mod fscaps;
pub mod fuse;
pub mod handle;
pub mod ktap;
pub mod mapping;
pub mod mounts;
pub mod probe;
pub mod process;
pub mod raw;
pub mod rng;
pub mod slab;
pub mod syscalls;
pub mod target;
pub mod userns;
