// SPDX-License-Identifier: GPL-2.0

//! Credentials of callers: user and group ids, supplementary groups, capabilities.
//!
//! The system calls here change the credentials of one thread. The wrappers of the C library
//! change those of all threads.

use std::thread;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    capabilities, set_capabilities as capset, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid, CapabilitySet, CapabilitySets,
};

use crate::errno::SyscallResult;

/// Sets the real, effective and saved ids of users and of groups, and the supplementary groups, of
/// this thread.
pub fn set_ids(users: [u32; 3], groups: [u32; 3], supplementary: &[u32]) -> SyscallResult {
    let supplementary: Vec<Gid> = supplementary.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&supplementary)?;
    let [real, effective, saved] = groups.map(Gid::from_raw);
    set_thread_res_gid(real, effective, saved)?;
    let [real, effective, saved] = users.map(Uid::from_raw);
    set_thread_res_uid(real, effective, saved)
}

/// Gives this thread the ids of a user and of the group with the same number, and no supplementary
/// groups.
pub fn become_user(user: u32) -> SyscallResult {
    set_ids([user; 3], [user; 3], &[])
}

/// Makes these the effective and permitted capabilities of this thread.
pub fn set_capabilities(capabilities: CapabilitySet) -> SyscallResult {
    let sets = CapabilitySets {
        effective: capabilities,
        permitted: capabilities,
        inheritable: CapabilitySet::empty(),
    };
    capset(None, sets)
}

/// Makes all permitted capabilities of this thread effective.
pub fn raise_capabilities() -> SyscallResult {
    set_capabilities(capabilities(None)?.permitted)
}

/// Calls `call` in a new thread that has the ids of a user, of the group with the same number, and
/// these supplementary groups.
///
/// Fails with `ECANCELED` if the thread panics.
pub fn as_member<T: Send>(
    user: u32,
    supplementary: &[u32],
    call: impl FnOnce() -> SyscallResult<T> + Send,
) -> SyscallResult<T> {
    thread::scope(|scope| {
        let caller = scope.spawn(move || {
            set_ids([user; 3], [user; 3], supplementary)?;
            call()
        });
        caller.join().unwrap_or(Err(Errno::CANCELED))
    })
}

/// Likewise, without supplementary groups.
pub fn as_user<T: Send>(
    user: u32,
    call: impl FnOnce() -> SyscallResult<T> + Send,
) -> SyscallResult<T> {
    as_member(user, &[], call)
}
