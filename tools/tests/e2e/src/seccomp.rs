// SPDX-License-Identifier: GPL-2.0

//! Runs programs as if the kernel were an older one.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// The system calls that came with Linux 6.8 and later: `statmount()` and `listmount()` to
/// `open_tree_attr()`.
const FIRST: u32 = 457;
const LAST: u32 = 467;

/// A step of a filter, as in `linux/filter.h`.
fn step(code: u32, yes: u8, no: u8, value: u32) -> libc::sock_filter {
    libc::sock_filter {
        // The codes are of 16 bits.
        code: code as u16,
        jt: yes,
        jf: no,
        k: value,
    }
}

/// Becomes a program for which these calls are not there.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let Some((program, arguments)) = words.split_first() else {
        return ExitCode::from(2);
    };
    let error = match forget() {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    eprintln!("e2e: {program} as on an older kernel: {error}");
    ExitCode::from(127)
}

/// Makes the system calls fail with `ENOSYS` in this thread and its children.
fn forget() -> io::Result<()> {
    use libc::{BPF_ABS, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    // `struct seccomp_data` begins with the number of the system call.
    let mut steps = [
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JGE | BPF_K, 0, 2, FIRST),
        step(BPF_JMP | BPF_JGT | BPF_K, 1, 0, LAST),
        step(
            BPF_RET | BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
        step(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    // SAFETY: `program` has the number of steps that it states, and lives until the call returns.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, std::ptr::from_ref(&program)) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
